/* Memory held does not grow with the number of layers, but for block inputs, the displacement, and a few KiB of
 * bookkeeping per layer: counted exactly, and for whole runs. */
#include "recipe/prune_run.h"

enum { SEQUENCES = 3, LENGTH = 9, HIDDEN = 64, FFN = 192, VOCABULARY = 96 };

/* Per layer: tensor and score tables, one score per index and unit, widths, kept units. */
enum { BOOKKEEPING = 20 << 10 };

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
    uint64_t before = pare_memory_current();
    json_t *report = prune_run_report(&r);
    double peak = json_number_value(json_object_get(json_object_get(report, "memory"), "anonymous_peak"));
    assert_true(pare_memory_current() == before);
    bool moreau = strncmp(method, "moreau", 6) == 0;
    double inputs = (double)(layers + 1) * SEQUENCES * LENGTH * HIDDEN * 4;
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
    assert_true(many - two < 30.0 * 4 * HIDDEN * FFN); /* less than one matrix per layer */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scoring_by_gradient),
        cmocka_unit_test(scoring_by_moreau),
        cmocka_unit_test(scoring_by_magnitude),
        cmocka_unit_test(writing_and_checking_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
