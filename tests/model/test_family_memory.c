/* What passes, walks and generators of every family hold is within what they are measured to hold, and all of it is
 * given back. A page is left for what is counted in no plan. */
#include "families.h"
#include "generate/generate.h"
#include "model/walk.h"
#include "support/memory.h"

enum { SLACK = 4096 };

static bool wants_all(void *context, size_t id) {
    return ((const pare_model *)context)->tensors[id]->count > 0;
}

static pare_status ignore_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                               const float *gradient, const float *samples) {
    (void)context, (void)id, (void)first, (void)rows, (void)columns, (void)gradient, (void)samples;
    return PARE_OK;
}

static bool within(const json_t *one, const char *what, uint64_t before, uint64_t planned) {
    uint64_t peak = pare_memory_peak() - before, left = pare_memory_current() - before;
    if (peak <= planned + SLACK && !left) return true;
    fprintf(stderr, "%s, %s: %llu bytes of %llu planned, %llu left\n", family_name(one), what, (unsigned long long)peak,
            (unsigned long long)planned, (unsigned long long)left);
    return false;
}

static bool pass_is_within(const json_t *one, const pare_source *source, const uint32_t *ids, pare_pass_shape shape) {
    pare_pass_memory plan;
    pare_pass *pass;
    double loss;
    pare_gradient_sink sink = {.wants = wants_all, .rows = ignore_rows, .context = (void *)(uintptr_t)source->model};
    shape.sequences = FAMILY_SEQUENCES;
    shape.length = FAMILY_LENGTH;
    assert_int_equal(pare_pass_measure(source->model, source->backend, &shape, &plan), PARE_OK);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_pass_new(source->model, source->backend, &shape, &pass), PARE_OK);
    if (shape.gradients)
        assert_int_equal(pare_pass_gradient(pass, source, ids, &sink, &loss), PARE_OK);
    else {
        assert_int_equal(pare_pass_forward(pass, source, ids, FAMILY_SEQUENCES), PARE_OK);
        assert_int_equal(pare_pass_loss(pass, source, NULL, &loss), PARE_OK);
    }
    pare_pass_free(pass);
    return within(one, shape.gradients ? "gradients" : "forward", before,
                  plan.weights + plan.activations + plan.gradients);
}

static bool passes_are_within(const json_t *one, const pare_source *source, const uint32_t *ids) {
    const pare_pass_shape shapes[] = {
        {.micro_batch = 2},
        {.gradients = true, .micro_batch = 1},
        {.gradients = true, .micro_batch = 2},
        {.gradients = true, .micro_batch = 1, .samples = true, .observed = true, .composed = true},
        {.gradients = true, .micro_batch = 1, .keep = PARE_KEPT_ALL},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        good &= pass_is_within(one, source, ids, shapes[i]);
    return good;
}

static bool generator_is_within(const json_t *one, const pare_source *source, const uint32_t *ids) {
    const pare_generator_shape shape = {.batch = FAMILY_SEQUENCES, .capacity = FAMILY_LENGTH};
    pare_generator_memory plan;
    pare_generator *g;
    float logits[FAMILY_SEQUENCES * 64];
    assert_int_equal(pare_generator_measure(source, &shape, &plan), PARE_OK);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_generator_new(source, &shape, &g), PARE_OK);
    assert_int_equal(pare_generator_step(g, ids, 20, NULL), PARE_OK);
    assert_int_equal(pare_generator_step(g, ids + 40, 28, logits), PARE_OK);
    pare_generator_free(g);
    return within(one, "generator", before, plan.cache + plan.weights + plan.activations);
}

static bool walk_is_within(const json_t *one, const pare_source *source, const uint32_t *ids) {
    float *x = malloc((size_t)FAMILY_TOKENS * source->model->config.hidden * sizeof *x);
    pare_walk walk;
    uint64_t planned = pare_walk_bytes(source, FAMILY_LENGTH, FAMILY_SEQUENCES), before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_walk_new(source, FAMILY_LENGTH, FAMILY_SEQUENCES, &walk), PARE_OK);
    assert_int_equal(pare_walk_embed(&walk, ids, FAMILY_TOKENS, x), PARE_OK);
    for (uint32_t layer = 0; layer < source->model->config.layers; layer++) {
        pare_block block = pare_walk_block(&walk, layer);
        block.batch = FAMILY_SEQUENCES;
        assert_int_equal(pare_block_forward(&block, x, x), PARE_OK);
    }
    pare_walk_free(&walk);
    free(x);
    return within(one, "walk", before, planned);
}

typedef bool (*comparison)(const json_t *one, const pare_source *source, const uint32_t *ids);

static void check(pare_compute compute, comparison compare) {
    families all = families_load();
    pare_backend *backend;
    size_t i, wrong = 0;
    json_t *one;
    assert_int_equal(pare_backend_open_cpu(compute, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) {
        family_model m = family_open(one, (family_form){.dtype = i % 2 ? PARE_DTYPE_F32 : PARE_DTYPE_BF16});
        pare_source source = {.model = m.model, .backend = backend};
        wrong += !compare(one, &source, all.ids);
        family_close(&m);
    }
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void passes(void **state) {
    (void)state;
    check(PARE_COMPUTE_FP32, passes_are_within);
}

static void passes_in_bf16(void **state) {
    (void)state;
    check(PARE_COMPUTE_BF16, passes_are_within);
}

static void generators(void **state) {
    (void)state;
    check(PARE_COMPUTE_FP32, generator_is_within);
}

static void walks(void **state) {
    (void)state;
    check(PARE_COMPUTE_FP32, walk_is_within);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes),
        cmocka_unit_test(passes_in_bf16),
        cmocka_unit_test(generators),
        cmocka_unit_test(walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
