/* config.json of the families with experts, and of those that turn positions in their own ways, beside the weights of
 * the case that it names. What is accepted computes, or says why not. */
#include "model/families.h"
#include "fuzz/target.h"
#include "support/memory.h"

enum { MOST_CASES = 64 };

/* Borrowed; owned by the two documents. */
static struct {
    families all[2];
    const json_t *one[MOST_CASES];
    size_t count;
    pare_backend *backend;
} cases;

static void close_cases(void) {
    for (int i = 0; i < 2; i++)
        families_free(&cases.all[i]);
    pare_backend_close(cases.backend);
}

/* Positions of more than the usual kind. */
static bool is_turned(const json_t *one) {
    const json_t *config = json_object_get(one, "config"), *scaling = json_object_get(config, "rope_scaling");
    const json_t *parameters = json_object_get(config, "rope_parameters"), *rope = scaling ? scaling : parameters;
    const char *type = json_string_value(json_object_get(rope, "rope_type"));
    return json_object_size(rope) && !json_object_get(config, "vision_config") && (!type || strcmp(type, "default"));
}

static void open_cases(void) {
    static const char *const golden[] = {EXPERTS_GOLDEN, FAMILIES_GOLDEN};
    size_t i;
    json_t *one;
    if (cases.count) return;
    tiny_check(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &cases.backend) == PARE_OK, pare_message());
    for (int k = 0; k < 2; k++) {
        cases.all[k] = families_load_from(golden[k]);
        json_array_foreach(cases.all[k].cases, i, one) if ((!k || is_turned(one)) && cases.count < MOST_CASES)
            cases.one[cases.count++] = one;
    }
    atexit(close_cases);
}

static void prepare_families(const char *folder) {
    open_cases();
    for (size_t i = 0; i < cases.count; i++) {
        char *made = family_write(cases.one[i], (family_form){0}), *name = pare_format("case-%zu", i);
        fuzz_copy(made, "model.safetensors", folder, name);
        tiny_remove(made);
        free(made);
        free(name);
    }
}

/* As a member that pare does not know. */
static void seed_families(const char *folder) {
    open_cases();
    for (size_t i = 0; i < cases.count; i++) {
        json_t *config = json_deep_copy(json_object_get(cases.one[i], "config"));
        json_object_set_new(config, "case", json_integer((json_int_t)i));
        char *text = json_dumps(config, JSON_COMPACT), *name = pare_format("config-%02zu", i);
        tiny_write_text(folder, name, text);
        json_decref(config);
        free(text);
        free(name);
    }
}

static size_t case_of(const char *path) {
    char *text;
    size_t found = 0;
    if (pare_file_read(path, 1 << 20, &text, NULL) != PARE_OK) return 0;
    const char *at = strstr(text, "\"case\":");
    if (at) found = (size_t)strtoul(at + strlen("\"case\":"), NULL, 10);
    pare_free(text);
    return found < cases.count ? found : 0;
}

static pare_status compute(const pare_model *model) {
    enum { LENGTH = 4 };
    const uint32_t ids[LENGTH] = {0};
    pare_source source = {.model = model, .backend = cases.backend};
    pare_pass_shape shape = {.sequences = 1, .length = LENGTH, .limit = 64 << 20};
    pare_pass *pass;
    double sum = 0.0;
    PARE_TRY(pare_pass_new(model, cases.backend, &shape, &pass));
    pare_status status = pare_pass_forward(pass, &source, ids, 1);
    if (status == PARE_OK) status = pare_pass_loss(pass, &source, NULL, &sum);
    pare_pass_free(pass);
    return status;
}

static pare_status read_families(const char *folder, const char *path) {
    char *weights = pare_path_join(folder, "model.safetensors"), *name = pare_format("case-%zu", case_of(path));
    unlink(weights);
    tiny_check(symlink(name, weights) == 0, weights);
    free(weights);
    free(name);
    pare_model *model;
    char *text = NULL;
    PARE_TRY(pare_model_open(folder, &model));
    pare_status status = pare_model_describe(model, true, &text);
    pare_text_free(text);
    if (status == PARE_OK) status = compute(model);
    pare_model_close(model);
    return status;
}

const fuzz_target *const fuzz_family_targets[] = {&(const fuzz_target){.name = "families",
                                                                       .file = "config.json",
                                                                       .prepare = prepare_families,
                                                                       .seed = seed_families,
                                                                       .read = read_families,
                                                                       .copies = 2},
                                                  NULL};
