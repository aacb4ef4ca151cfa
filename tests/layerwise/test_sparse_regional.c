/* Wanda++ in whole runs: regional gradients change what Wanda chooses, regional optimisation changes what stays and
 * lowers the block's error; neither depends on how hidden states are kept in hand. */
#include "layerwise/weights.h"
#include "prune/sparse_run.h"

#define ROUNDS                                                                                                         \
    {"region_rounds", "4"}, {                                                                                          \
        "region_samples", "3"                                                                                          \
    }

static void set(prune_run *r, const pare_setting *settings, size_t count) {
    r->options.settings = settings;
    r->options.setting_count = count;
}

/* Weights that stay as they were, weights that stay, and all. */
typedef struct tally {
    int64_t same, stay, all;
} tally;

static tally compare(const prune_run *r) {
    tally c = {0};
    pare_model *after = sparse_run_model(r->output);
    for (size_t id = 0; id < after->tensor_count; id++) {
        if (!sparse_run_is_matrix(after, id)) {
            sparse_run_assert_same(r->model->tensors[id], after->tensors[id]);
            continue;
        }
        float *x = sparse_run_floats(r->model->tensors[id]), *y = sparse_run_floats(after->tensors[id]);
        for (size_t i = 0; i < after->tensors[id]->count; i++) {
            c.stay += y[i] != 0.0f;
            c.same += y[i] != 0.0f && x[i] == y[i];
            c.all++;
        }
        free(x);
        free(y);
    }
    pare_model_close(after);
    return c;
}

static void gradients_alone(void **state) {
    (void)state;
    char wanda[PARE_DIGEST_TEXT], regional[PARE_DIGEST_TEXT], none[PARE_DIGEST_TEXT];
    static const pare_setting without[] = {{"alpha", "0"}};
    prune_run r = sparse_run_open(sparse_tiny, "wanda", 0.5);
    sparse_run_do(&r, wanda);
    r.options.method = "wanda++";
    sparse_run_do(&r, regional);
    assert_string_not_equal(wanda, regional);
    tally c = compare(&r);
    assert_int_equal(c.same, c.stay); /* what stays, stays as it was */
    set(&r, without, 1);
    sparse_run_do(&r, none);
    assert_string_equal(wanda, none);
    prune_run_close(&r);
}

static json_t *region_error(json_t *report) {
    json_t *matrices = json_object_get(json_object_get(report, "sparsity"), "matrices");
    return json_object_get(json_array_get(matrices, 0), "region_error");
}

static void rounds_lower_the_error(void **state) {
    (void)state;
    static const pare_setting settings[] = {ROUNDS, {"region_rate", "3e-3"}};
    prune_run r = sparse_run_open(sparse_tiny, "wanda++", 0.5);
    json_t *report = prune_run_report(&r);
    assert_null(region_error(report));
    json_decref(report);
    set(&r, settings, 3);
    report = prune_run_report(&r);
    json_t *error = region_error(report);
    double first = json_number_value(json_object_get(error, "first"));
    assert_true(first > 0.0);
    assert_true(json_number_value(json_object_get(error, "last")) < 0.9 * first);
    json_decref(report);
    tally c = compare(&r);
    assert_true(c.stay >= c.all / 2 && c.stay < c.all * 11 / 20);
    assert_true(c.same < c.stay / 10);
    prune_run_close(&r);
}

/* Fewer sequences than a round draws, hidden states in bf16, some matrices alone, patterns, a model in bf16. */
static void combinations(void **state) {
    (void)state;
    static const pare_setting rounds[] = {{"region_rounds", "2"}, {"region_rate", "1e-3"}, {"hidden_states", "bf16"}};
    static const char *const mlp = "mlp";
    tiny_model half = sparse_tiny;
    half.dtype = PARE_DTYPE_BF16;
    for (int i = 0; i < 4; i++) {
        char first[PARE_DIGEST_TEXT], second[PARE_DIGEST_TEXT];
        uint64_t memory = pare_memory_current();
        prune_run r = sparse_run_open(i & 1 ? half : sparse_tiny, "wanda++", 0.5);
        if (i & 2) sparse_run_pattern(&r, 2, 4);
        r.options.sparsity.targets = &mlp;
        r.options.sparsity.target_count = (size_t)(i & 1);
        r.runtime.compute = i & 1 ? PARE_COMPUTE_AUTO : PARE_COMPUTE_FP32;
        set(&r, rounds, 3);
        sparse_run_do(&r, first);
        sparse_run_do(&r, second);
        assert_string_equal(first, second);
        assert_true(compare(&r).stay > 0);
        prune_run_close(&r);
        assert_true(pare_memory_current() == memory);
    }
}

typedef struct watch {
    pare_plan plan;
    uint64_t peak;
} watch;

static void note_plan(void *user, const pare_plan *plan) {
    ((watch *)user)->plan = *plan;
}

static void note_peak(void *user, const char *stage, uint64_t done, uint64_t total) {
    (void)done, (void)total;
    if (strcmp(stage, "pruning") == 0) ((watch *)user)->peak = pare_memory_peak();
}

/* Pruning holds what the plan says, small tables, results of matrices and a copy of the scores aside, and is refused
 * where that does not fit. */
static void memory_is_planned(void **state) {
    (void)state;
    static const pare_setting settings[] = {ROUNDS};
    tiny_model wide = {.hidden = 96, .heads = 3, .head_size = 32, .ffn = 200};
    for (size_t given = 0; given <= 2; given += 2) {
        watch w = {0};
        prune_run r = sparse_run_open(wide, "wanda++", 0.5);
        set(&r, settings, given);
        r.runtime.plan = note_plan;
        r.runtime.progress = note_peak;
        r.runtime.progress_user = &w;
        uint64_t before = pare_memory_current();
        uint64_t aside =
            (1 << 16) + r.model->tensor_count * sizeof(pare_matrix_result) + wide.hidden * wide.ffn * sizeof(float);
        prune_run_do(&r);
        if (w.peak - before > w.plan.repair + aside)
            fprintf(stderr, "%llu of %llu\n", (unsigned long long)(w.peak - before), (unsigned long long)w.plan.repair);
        assert_true(w.peak - before <= w.plan.repair + aside);
        assert_true(w.peak - before > w.plan.repair / 2);
        r.runtime.memory_limit = w.plan.repair / 8;
        assert_int_equal(prune_run_try(&r), PARE_OUT_OF_MEMORY);
        prune_run_close(&r);
    }
}

static void contradictions(void **state) {
    (void)state;
    static const pare_setting sequential[] = {ROUNDS, {"true_sequential", "yes"}},
                              dense[] = {ROUNDS, {"dense_propagation", "yes"}};
    prune_run r = sparse_run_open(sparse_tiny, "wanda++", 0.5);
    set(&r, sequential, 3);
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    set(&r, dense, 3);
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--dense-propagation"));
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_alone),   cmocka_unit_test(rounds_lower_the_error), cmocka_unit_test(combinations),
        cmocka_unit_test(memory_is_planned), cmocka_unit_test(contradictions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
