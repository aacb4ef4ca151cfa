/* Models of several families on a machine whose memory ends at any allocation: one sentence, or the right loss and
 * gradients, and a text. */
#include "failing_memory.h"
#include "families.h"
#include "generate/generate.h"

typedef struct scene {
    const char *folder;
    const uint32_t *ids;
    double expected, loss;
} scene;

static bool wants_all(void *context, size_t id) {
    return ((const pare_model *)context)->tensors[id]->count > 0;
}

static pare_status ignore_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                               const float *gradient, const float *samples) {
    (void)context, (void)id, (void)first, (void)rows, (void)columns, (void)gradient, (void)samples;
    return PARE_OK;
}

static pare_status gradients(const pare_source *source, scene *s) {
    const pare_pass_shape shape = {
        .sequences = FAMILY_SEQUENCES, .length = FAMILY_LENGTH, .gradients = true, .micro_batch = 1};
    const pare_gradient_sink sink = {
        .wants = wants_all, .rows = ignore_rows, .context = (void *)(uintptr_t)source->model};
    pare_pass *pass = NULL;
    pare_status status = pare_pass_new(source->model, source->backend, &shape, &pass);
    if (status == PARE_OK) status = pare_pass_gradient(pass, source, s->ids, &sink, &s->loss);
    if (pass) pare_pass_free(pass);
    return status;
}

static pare_status generate(const pare_source *source, const scene *s) {
    const pare_generator_shape shape = {.batch = 1, .capacity = FAMILY_LENGTH};
    float logits[64];
    pare_generator *g = NULL;
    pare_status status = pare_generator_new(source, &shape, &g);
    if (status == PARE_OK) status = pare_generator_step(g, s->ids, 20, NULL);
    if (status == PARE_OK) status = pare_generator_step(g, s->ids + 20, 20, logits);
    pare_generator_free(g);
    return status;
}

static pare_status live(void *context) {
    scene *s = context;
    pare_model *model = NULL;
    pare_backend *backend = NULL;
    pare_status status = pare_model_open(s->folder, &model);
    if (status == PARE_OK) status = pare_backend_open_reference(&backend);
    const pare_source source = {.model = model, .backend = backend};
    if (status == PARE_OK) status = gradients(&source, s);
    if (status == PARE_OK) status = generate(&source, s);
    if (backend) pare_backend_close(backend);
    pare_model_close(model);
    return status;
}

static void check_loss(void *context, pare_status status) {
    const scene *s = context;
    if (status == PARE_OK) assert_close("the loss", s->loss, s->expected, 1e-6);
}

static void check_families(const char *golden, const char *const *names, size_t count) {
    families all = families_load_from(golden);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = family_case(&all, names[i]);
        char *folder = family_write(one, (family_form){0});
        scene s = {.folder = folder, .ids = all.ids, .expected = family_number(one, "loss")};
        memory_fail_everywhere(&(memory_run){live, check_loss, &s}, 40);
        tiny_remove(folder);
        free(folder);
    }
    families_free(&all);
}

static void families_without_memory(void **state) {
    (void)state;
    static const char *const names[] = {
        "gemma3 both keys",     "phi3 part, longrope",  "bloom",         "gpt2",
        "opt narrow embedding", "mistral3 with a head", "falcon groups", "stablelm normed heads",
        "ministral3 beyond"};
    static const char *const experts[] = {"gpt_oss mxfp4"};
    check_families(FAMILIES_GOLDEN, names, sizeof names / sizeof *names);
    check_families(EXPERTS_GOLDEN, experts, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(families_without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
