/* Decoding with cached keys and values equals a pass over the whole text. */
#include "generate/generate.h"
#include "golden.h"
#include "model/pass.h"
#include "model/tiny_adapters.h"
#include "support/memory.h"
#include "support/random.h"

enum { LENGTH = 41, BATCH = 3 };

typedef struct fixture {
    char *folder;
    pare_model *model;
    pare_backend *backend;
    uint32_t ids[BATCH * LENGTH];
    float *expected; /* [BATCH * LENGTH, vocabulary] */
} fixture;

static void open_fixture(fixture *f, tiny_model tiny, pare_compute compute) {
    f->folder = tiny_model_write(tiny);
    assert_int_equal(pare_model_open(f->folder, &f->model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(compute, 1, &f->backend), PARE_OK);
    uint32_t vocabulary = f->model->config.vocabulary;
    pare_random random = {.seed = 5};
    for (int i = 0; i < BATCH * LENGTH; i++)
        f->ids[i] = (uint32_t)pare_random_below(&random, vocabulary);
    f->expected = malloc((size_t)BATCH * LENGTH * vocabulary * sizeof(float));
}

static void close_fixture(fixture *f) {
    free(f->expected);
    pare_backend_close(f->backend);
    pare_model_close(f->model);
    tiny_remove(f->folder);
    free(f->folder);
}

static void expect_pass(fixture *f, const pare_source *source, bool composed, const pare_adapters *adapters) {
    pare_pass_shape shape = {
        .sequences = BATCH, .length = LENGTH, .composed = composed, .rank = adapters ? adapters->rank : 0};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(f->model, f->backend, &shape, &pass), PARE_OK);
    if (adapters) pare_pass_adapt(pass, adapters);
    assert_int_equal(pare_pass_forward(pass, source, f->ids, BATCH), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, source, 0, (int64_t)BATCH * LENGTH, f->expected), PARE_OK);
    pare_pass_free(pass);
}

/* Feeds the texts in stretches of the given lengths (the last one repeats) and compares every stretch's last logits,
 * relative to the largest. */
static double worst_difference(const fixture *f, pare_generator *g, const int64_t *stretches, size_t count) {
    int64_t vocabulary = f->model->config.vocabulary;
    float *logits = malloc((size_t)(BATCH * vocabulary) * sizeof *logits);
    double worst = 0.0, scale = 0.0;
    size_t next = 0;
    for (int64_t at = 0, take; at < LENGTH; at += take) {
        take = stretches[next];
        next = next + 1 < count ? next + 1 : next;
        take = take < LENGTH - at ? take : LENGTH - at;
        uint32_t tokens[BATCH * LENGTH];
        for (int64_t b = 0; b < BATCH; b++)
            memcpy(tokens + b * take, f->ids + b * LENGTH + at, (size_t)take * sizeof *tokens);
        assert_int_equal(pare_generator_step(g, tokens, take, logits), PARE_OK);
        assert_int_equal(pare_generator_tokens(g), at + take);
        for (int64_t b = 0; b < BATCH; b++)
            for (int64_t v = 0; v < vocabulary; v++) {
                assert_true(isfinite(logits[b * vocabulary + v]));
                double wanted = (double)f->expected[(b * LENGTH + at + take - 1) * vocabulary + v];
                worst = fmax(worst, fabs((double)logits[b * vocabulary + v] - wanted));
                scale = fmax(scale, fabs(wanted));
            }
    }
    free(logits);
    return worst / scale;
}

static const int64_t one_by_one[] = {1}, prompt_first[] = {17, 1}, odd[] = {1, 7, 1, 13, 2, 5}, whole[] = {LENGTH};

static void check(tiny_model tiny, pare_compute compute, double bound) {
    fixture f;
    open_fixture(&f, tiny, compute);
    pare_source source = {.model = f.model, .backend = f.backend};
    expect_pass(&f, &source, false, NULL);
    pare_generator_shape shape = {.batch = BATCH, .capacity = LENGTH};
    pare_generator *g;
    assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_OK);
    double worst = worst_difference(&f, g, one_by_one, 1);
    pare_generator_reset(g);
    worst = fmax(worst, worst_difference(&f, g, prompt_first, 2));
    pare_generator_reset(g);
    worst = fmax(worst, worst_difference(&f, g, odd, 6));
    pare_generator_reset(g);
    worst = fmax(worst, worst_difference(&f, g, whole, 1));
    print_message("worst logit difference %.2g of the largest\n", worst);
    assert_true(worst <= bound);
    pare_generator_free(g);
    close_fixture(&f);
}

static void equals_pass_with_all_heads(void **state) {
    (void)state;
    check((tiny_model){.layers = 3, .seed = 1, .scale = 0.3}, PARE_COMPUTE_FP32, 1e-5);
}

static void equals_pass_with_shared_keys(void **state) {
    (void)state;
    check((tiny_model){.hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .tied = true, .scale = 0.3},
          PARE_COMPUTE_FP32, 1e-5);
}

/* More rows than one tile of the LM head, and layers of differing widths. */
static void equals_pass_with_odd_shapes(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 13}, {2, 1, 5}, {6, 3, 31}};
    check(
        (tiny_model){
            .layers = 3, .hidden = 10, .heads = 2, .head_size = 6, .vocabulary = 9001, .widths = widths, .scale = 0.3},
        PARE_COMPUTE_FP32, 1e-5);
}

static void equals_pass_in_bf16(void **state) {
    (void)state;
    check((tiny_model){.heads = 4, .kv_heads = 2, .dtype = PARE_DTYPE_BF16, .scale = 0.3}, PARE_COMPUTE_BF16, 3e-2);
}

/* Adapters speak, too, one token at a time as well as many. */
static void equals_pass_with_adapters(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){.heads = 4, .kv_heads = 2, .scale = 0.3}, PARE_COMPUTE_FP32);
    pare_source source = {.model = f.model, .backend = f.backend};
    const tiny_pass pass = {.model = f.model, .backend = f.backend};
    tiny_adapters adapters;
    tiny_adapters_new(&adapters, &pass, 3, 0.0f, false);
    expect_pass(&f, &source, false, &adapters.all);
    pare_generator_memory memory;
    pare_generator_shape shape = {.batch = BATCH, .capacity = LENGTH, .adapters = &adapters.all};
    assert_int_equal(pare_generator_measure(&source, &shape, &memory), PARE_OK);
    pare_generator *g;
    uint64_t before = pare_memory_current();
    assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_OK);
    assert_true(pare_memory_current() - before <= memory.cache + memory.weights + memory.activations + 4096);
    assert_true(worst_difference(&f, g, odd, 6) <= 1e-5);
    pare_generator_free(g);
    shape.adapters = NULL;
    assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_OK);
    assert_true(worst_difference(&f, g, odd, 6) > 1e-2);
    pare_generator_free(g);
    tiny_adapters_free(&adapters);
    close_fixture(&f);
}

/* A source that masks and displaces gives what the pass gives with it, with weights kept or composed at every step. */
static void composes_weights_kept_or_not(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){.heads = 4, .kv_heads = 2, .vocabulary = 8500, .scale = 0.3}, PARE_COMPUTE_FP32);
    size_t down = pare_tensor_id(1, PARE_ROLE_DOWN), query = pare_tensor_id(0, PARE_ROLE_Q);
    float mask[24], delta[16 * 16];
    for (int i = 0; i < 24; i++)
        mask[i] = i % 3 ? 1.0f : 0.0f;
    for (int i = 0; i < 256; i++)
        delta[i] = 0.01f * (float)(i % 7);
    float **scale = calloc(f.model->tensor_count, sizeof *scale),
          **moved = calloc(f.model->tensor_count, sizeof *moved);
    scale[down] = mask;
    moved[query] = delta;
    pare_source source = {.model = f.model,
                          .backend = f.backend,
                          .displacement = moved,
                          .column_scale = scale,
                          .sigma = 0.05f,
                          .seed = 3};
    expect_pass(&f, &source, true, NULL);
    pare_generator_memory kept, streamed;
    pare_generator_shape shape = {.batch = BATCH, .capacity = LENGTH};
    assert_int_equal(pare_generator_measure(&source, &shape, &kept), PARE_OK);
    assert_true(kept.resident);
    for (int round = 0; round < 2; round++) {
        pare_generator *g;
        uint64_t before = pare_memory_current();
        assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_OK);
        uint64_t planned = round ? streamed.cache + streamed.weights + streamed.activations
                                 : kept.cache + kept.weights + kept.activations;
        assert_true(pare_memory_current() - before <= planned + 4096);
        assert_true(worst_difference(&f, g, odd, 6) <= 1e-5);
        pare_generator_free(g);
        shape.limit = kept.cache + kept.weights + kept.activations - 1;
        assert_int_equal(pare_generator_measure(&source, &shape, &streamed), PARE_OK);
        assert_false(streamed.resident);
    }
    free(scale);
    free(moved);
    close_fixture(&f);
}

static void refuses_what_does_not_fit(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){.positions = LENGTH}, PARE_COMPUTE_FP32);
    pare_source source = {.model = f.model, .backend = f.backend};
    pare_generator_shape shape = {.batch = 1, .capacity = LENGTH + 1};
    pare_generator *g;
    assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "41 positions"));
    shape = (pare_generator_shape){.batch = BATCH, .capacity = LENGTH, .limit = 1000};
    assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_OUT_OF_MEMORY);
    assert_non_null(strstr(pare_message(), "raise --memory"));
    shape = (pare_generator_shape){.batch = 1, .capacity = 4};
    assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_OK);
    assert_int_equal(pare_generator_step(g, f.ids, 3, NULL), PARE_OK);
    assert_int_equal(pare_generator_step(g, f.ids, 2, NULL), PARE_BAD_ARGUMENT);
    assert_int_equal(pare_generator_tokens(g), 3);
    pare_interrupt();
    assert_int_equal(pare_generator_step(g, f.ids, 1, NULL), PARE_INTERRUPTED);
    pare_interrupt_clear();
    pare_generator_free(g);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_pass_with_all_heads),  cmocka_unit_test(equals_pass_with_shared_keys),
        cmocka_unit_test(equals_pass_with_odd_shapes), cmocka_unit_test(equals_pass_in_bf16),
        cmocka_unit_test(equals_pass_with_adapters),   cmocka_unit_test(composes_weights_kept_or_not),
        cmocka_unit_test(refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
