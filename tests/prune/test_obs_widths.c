/* Widths of greedy choices: by the units' error curves they meet the parameters that local shares leave, in every layer
 * at once or one by one, and nothing but the greedy choice decides what goes. */
#include "prune/prune_run.h"

static json_t *report_of(prune_run *r, const char *select, double ratio) {
    pare_setting settings[] = {{"select", select}};
    r->options.method = "best";
    r->options.ratio = ratio;
    r->options.dry_run = true;
    r->options.output = NULL;
    r->options.settings = settings;
    r->options.setting_count = 1;
    json_t *report = prune_run_report(r);
    r->options.settings = NULL;
    r->options.setting_count = 0;
    return report;
}

static json_int_t parameters_after(const json_t *report) {
    return json_integer_value(json_object_get(json_object_get(report, "parameters"), "after"));
}

static size_t kept(const json_t *report, size_t layer, const char *what) {
    return json_array_size(json_object_get(json_array_get(json_object_get(report, "layers"), layer), what));
}

static void budgets_are_met(void **state) {
    (void)state;
    tiny_model tiny = {.layers = 3, .hidden = 16, .heads = 8, .kv_heads = 4, .head_size = 4, .ffn = 40, .scale = 0.3};
    prune_run r = prune_run_open(tiny);
    json_int_t channel = 3 * (json_int_t)r.model->config.hidden, layers = r.model->config.layers;
    for (double ratio = 0.1; ratio < 0.65; ratio += 0.1) {
        json_t *local = report_of(&r, "local", ratio), *uniform = report_of(&r, "uniform", ratio);
        json_t *global = report_of(&r, "global", ratio);
        json_int_t budget = parameters_after(local);
        assert_in_range(parameters_after(uniform), budget, budget + layers * channel - 1);
        assert_in_range(parameters_after(global), budget, budget + channel - 1);
        for (size_t i = 1; i < (size_t)layers; i++) {
            assert_int_equal(kept(uniform, i, "kv_heads_kept"), kept(uniform, 0, "kv_heads_kept"));
            assert_int_equal(kept(uniform, i, "ffn_channels_kept"), kept(uniform, 0, "ffn_channels_kept"));
        }
        json_decref(local);
        json_decref(uniform);
        json_decref(global);
    }
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(budgets_are_met)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
