/* Memory that whole runs hold. It does not grow with the number of layers, but for block inputs, the displacement, and
 * a few KiB of bookkeeping per layer; and it stays under the limit that was set. */
#include "model/pass.h"
#include "prune/prune_run.h"

enum { SEQUENCES = 3, LENGTH = 9, HIDDEN = 64, FFN = 192, VOCABULARY = 96 };

/* Per layer: tensor and score tables, one score per index and unit, widths, kept units, sums over 64 pieces of a
 * tensor's displacement. */
enum { BOOKKEEPING = 24 << 10 };

static tiny_model of_layers(uint32_t layers) {
    return (tiny_model){.layers = layers,
                        .hidden = HIDDEN,
                        .heads = 8,
                        .kv_heads = 4,
                        .head_size = 8,
                        .ffn = FFN,
                        .vocabulary = VOCABULARY,
                        .scale = 0.1};
}

/* The most that a run over a model of so many layers holds, but for block inputs and displacement. */
static double held(uint32_t layers, const char *method, bool dry_run) {
    prune_run r = prune_run_open(of_layers(layers));
    r.options.method = method;
    r.options.dry_run = dry_run;
    r.runtime.keep_activations = PARE_KEEP_NO; /* what is kept grows with the layers, as far as there is room */
    uint64_t before = pare_memory_current();
    json_t *report = prune_run_report(&r);
    double peak = json_number_value(json_object_get(json_object_get(report, "memory"), "anonymous_peak"));
    assert_true(pare_memory_current() == before);
    bool moreau = strncmp(method, "moreau", 6) == 0;
    double inputs = (double)(layers + 1) * (double)SEQUENCES * (double)LENGTH * (double)HIDDEN * 4;
    double delta = moreau ? 4.0 * (double)pare_model_parameters(r.model) : 0.0;
    json_decref(report);
    prune_run_close(&r);
    return peak - (double)before - inputs - delta;
}

static void check(const char *method, bool dry_run) {
    double two = held(2, method, dry_run), eight = held(8, method, dry_run), many = held(32, method, dry_run);
    print_message("%s: %.1f KiB, %.1f KiB and %.1f KiB for 2, 8 and 32 layers; %.2f KiB per layer\n", method,
                  two / 1024, eight / 1024, many / 1024, (many - two) / 30 / 1024);
    assert_true(eight - two <= 6 * BOOKKEEPING && many - two <= 30 * BOOKKEEPING);
    assert_true(many - two < 30.0 * 4 * (double)HIDDEN * (double)FFN); /* less than one matrix per layer */
}

static void scoring_by_gradient(void **state) {
    (void)state;
    check("taylor", true);
}

static void scoring_by_moreau(void **state) {
    (void)state;
    check("moreau-gs", true);
}

static void scoring_by_magnitude(void **state) {
    (void)state;
    check("magnitude-l1", true);
}

static void writing_and_checking_too(void **state) {
    (void)state;
    check("taylor", false);
}

/* What a run holds at its end whatever the limit: one masked block in fp32, for the check of what was written. */
static uint64_t check_bytes(const prune_run *r, int64_t length) {
    pare_backend *backend;
    pare_pass_memory memory;
    pare_pass_shape shape = {.sequences = 1, .length = length, .composed = true};
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    assert_int_equal(pare_pass_measure(r->model, backend, &shape, &memory), PARE_OK);
    pare_backend_close(backend);
    return memory.weights + memory.activations + 2 * (uint64_t)length * VOCABULARY * sizeof(float);
}

/* Lowers the limit until a run is refused. The slack is for the two buffers of 1 MiB that writing goes through. */
static void under_the_limit(const char *method, const char *calibration) {
    enum { SLACK = (2 << 20) + (128 << 10), TRIES = 200, MANY = 32, LONG = 40 };
    static const char *texts[] = {"self"};
    prune_run r = prune_run_open(of_layers(4));
    pare_status status = PARE_OK;
    uint64_t floor = check_bytes(&r, 32), before = pare_memory_current();
    r.options.method = method;
    r.options.calibration =
        (pare_calibration_options){.source = calibration ? r.ids : NULL, .samples = MANY, .length = LONG};
    prune_run_write_ids(r.folder, MANY, LONG, VOCABULARY);
    r.options.texts = texts;
    r.options.text_count = 1;
    r.options.window = 16;
    r.options.max_windows = 4;
    r.options.force = true;
    if (strncmp(method, "moreau", 6) == 0) r.options.steps = 1;
    r.runtime.scratch = r.folder;
    uint64_t limit = 16 << 20, runs = 0;
    for (; runs < TRIES && status == PARE_OK; runs++, limit -= limit / 5) {
        r.runtime.memory_limit = limit;
        status = prune_run_try(&r);
        uint64_t most = (limit > floor ? limit : floor) + SLACK;
        if (pare_memory_peak() - before > most)
            fprintf(stderr, "%s: held %.1f KiB, limit %.1f KiB\n", method, (double)(pare_memory_peak() - before) / 1024,
                    (double)limit / 1024);
        assert_true(pare_memory_peak() - before <= most);
        assert_true(pare_memory_current() == before);
    }
    assert_int_equal(status, PARE_OUT_OF_MEMORY);
    assert_non_null(strstr(pare_message(), "--memory"));
    assert_true(runs > 3 && runs < TRIES);
    prune_run_assert_holds(r.folder, "ids.json model output ");
    prune_run_close(&r);
}

static void runs_stay_under_the_limit(void **state) {
    (void)state;
    under_the_limit("moreau-gs", NULL);
    under_the_limit("taylor", "ids");
    under_the_limit("random", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scoring_by_gradient),       cmocka_unit_test(scoring_by_moreau),
        cmocka_unit_test(scoring_by_magnitude),      cmocka_unit_test(writing_and_checking_too),
        cmocka_unit_test(runs_stay_under_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
