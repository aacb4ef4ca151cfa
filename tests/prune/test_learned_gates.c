/* The method gates on tiny models: the target is met as others meet it, gates are in the weights that are written, a
 * run that was stopped ends with the bytes of one that was not, memory stays under its limit, and what makes no sense
 * is refused. */
#include "model/pass.h"
#include "prune/prune_run.h"

static const tiny_model tiny = {.layers = 3,
                                .hidden = 16,
                                .heads = 8,
                                .kv_heads = 4,
                                .head_size = 4,
                                .ffn = 22,
                                .vocabulary = 24,
                                .positions = 16,
                                .scale = 0.3};

enum { SETTINGS = 6 };

typedef struct scene {
    prune_run run;
    pare_setting settings[SETTINGS];
} scene;

/* 24 steps of 2 of 6 sequences. */
static scene *scene_open(tiny_model model) {
    static const pare_setting usual[] = {{"gate_steps", "24"}, {"gate_batch", "2"}, {"gate_rate", "0.01"}};
    scene *s = calloc(1, sizeof *s);
    s->run = prune_run_open(model);
    prune_run_write_ids(s->run.folder, 6, 12, s->run.model->config.vocabulary);
    memcpy(s->settings, usual, sizeof usual);
    s->run.options.method = "gates";
    s->run.options.ratio = 0.4;
    s->run.options.force = true;
    s->run.options.settings = s->settings;
    s->run.options.setting_count = sizeof usual / sizeof *usual;
    return s;
}

static void set(scene *s, const char *key, const char *value) {
    assert_true(s->run.options.setting_count < SETTINGS);
    s->settings[s->run.options.setting_count++] = (pare_setting){key, value};
}

static void scene_close(scene *s) {
    prune_run_close(&s->run);
    free(s);
}

static uint64_t parameters_of_output(const scene *s) {
    pare_model *smaller;
    assert_int_equal(pare_model_open(s->run.output, &smaller), PARE_OK);
    uint64_t parameters = pare_model_parameters(smaller);
    pare_model_close(smaller);
    return parameters;
}

/* As many parameters as a local ranking leaves, less than one head above; with the local one exactly so many. */
static void the_target_is_met(void **state) {
    (void)state;
    scene *s = scene_open(tiny);
    uint64_t before = pare_memory_current();
    s->run.options.method = "random";
    s->run.options.setting_count = 0;
    prune_run_do(&s->run);
    uint64_t asked = parameters_of_output(s), head = 2 * 16 * 4 * 3;
    s->run.options.method = "gates";
    s->run.options.setting_count = 3;
    prune_run_do(&s->run);
    uint64_t left = parameters_of_output(s);
    assert_true(left >= asked && left < asked + head);
    set(s, "select", "local");
    prune_run_do(&s->run);
    assert_int_equal(parameters_of_output(s), asked);
    set(s, "select", "uniform");
    prune_run_do(&s->run);
    left = parameters_of_output(s);
    assert_true(left >= asked && left < asked + 3 * head);
    assert_true(pare_memory_current() == before);
    scene_close(s);
}

static float *read_all(const pare_model *model, size_t id) {
    const pare_tensor *tensor = model->tensors[id];
    float *values = calloc(tensor->count + 1, sizeof *values);
    pare_tensor_values(tensor, 0, tensor->count, values);
    return values;
}

/* O of what was written, beside the dense one's kept columns: one factor for each head, the one that the report has. */
static void check_heads(const scene *s, const json_t *report, const pare_model *smaller, uint32_t layer) {
    const json_t *kept = json_object_get(json_array_get(json_object_get(report, "layers"), layer), "query_heads_kept");
    const json_t *gates = json_object_get(json_array_get(json_object_get(report, "gates"), layer), "heads");
    const pare_widths *w = &smaller->config.widths[layer], *all = &s->run.model->config.widths[layer];
    size_t id = pare_tensor_id(layer, PARE_ROLE_O);
    float *dense = read_all(s->run.model, id), *cut = read_all(smaller, id);
    assert_int_equal(json_array_size(gates), all->heads);
    assert_int_equal(json_array_size(kept), w->heads);
    for (uint32_t row = 0; row < 16; row++)
        for (uint32_t i = 0; i < w->heads * 4; i++) {
            size_t head = (size_t)json_integer_value(json_array_get(kept, i / 4));
            double gate = json_number_value(json_array_get(gates, head));
            double expected = gate * (double)dense[row * all->heads * 4 + head * 4 + i % 4];
            assert_true(fabs((double)cut[row * w->heads * 4 + i] - expected) <= 1e-6 * fabs(expected));
        }
    free(dense);
    free(cut);
}

static void without_repair_gates_are_folded_into_the_weights(void **state) {
    (void)state;
    scene *s = scene_open(tiny);
    set(s, "compensate", "none");
    json_t *report = prune_run_report(&s->run);
    pare_model *smaller;
    assert_int_equal(pare_model_open(s->run.output, &smaller), PARE_OK);
    for (uint32_t layer = 0; layer < 3; layer++)
        check_heads(s, report, smaller, layer);
    pare_model_close(smaller);
    json_decref(report);
    scene_close(s);
}

/* What is trained brings the share down to what was asked for, about one head either way; every step is in the report.
 */
static void the_trace_ends_at_the_target(void **state) {
    (void)state;
    scene *s = scene_open(tiny);
    s->settings[0].value = "200";
    json_t *report = prune_run_report(&s->run), *trace = json_object_get(report, "trace");
    assert_int_equal(json_array_size(trace), 200);
    const json_t *parameters = json_object_get(report, "parameters");
    double gone = json_number_value(json_object_get(parameters, "before")) -
                  json_number_value(json_object_get(parameters, "after"));
    double goal = 1.0 - gone / (3 * (4 * (2 * 16 * 4 * 3) + 22 * 48)); /* of 4 KV groups and 22 channels a layer */
    double first = json_number_value(json_object_get(json_array_get(trace, 0), "left"));
    double last = json_number_value(json_object_get(json_array_get(trace, 199), "left"));
    double undecided = json_number_value(json_object_get(json_array_get(trace, 199), "undecided"));
    assert_true(first > 0.95);
    if (!(fabs(last - goal) < 0.03 && undecided < 0.03))
        fail_msg("%g are left, not %g, and %g undecided", last, goal, undecided);
    json_decref(report);
    scene_close(s);
}

/* In two rounds, the second one with what the first has left. */
static void a_run_is_taken_up(void **state) {
    (void)state;
    scene *s = scene_open(tiny);
    char expected[PARE_DIGEST_TEXT], now[PARE_DIGEST_TEXT];
    uint64_t stops = 0;
    s->run.options.iterations = 2;
    prune_run_do(&s->run);
    prune_run_digest(s->run.output, expected);
    s->run.options.resume = true;
    for (uint64_t report = 15;; report += 17, stops++) {
        tiny_remove(s->run.output);
        if (prune_run_until(&s->run, report) != PARE_INTERRUPTED) break;
        prune_run_do(&s->run);
        prune_run_digest(s->run.output, now);
        assert_string_equal(now, expected);
    }
    assert_true(stops > 3);
    scene_close(s);
}

/* Until the limit is refused, as of other methods in test_memory_growth; writing goes through two buffers of 1 MiB. */
static void under_the_limit(const char *compensation) {
    enum { SLACK = (2 << 20) + (128 << 10), TRIES = 100 };
    scene *s = scene_open((tiny_model){.layers = 4,
                                       .hidden = 64,
                                       .heads = 8,
                                       .kv_heads = 4,
                                       .head_size = 8,
                                       .ffn = 192,
                                       .vocabulary = 96,
                                       .scale = 0.1});
    prune_run_write_ids(s->run.folder, 32, 40, 96);
    s->settings[0].value = "2";
    s->settings[1].value = "16";
    set(s, "compensate", compensation);
    s->run.runtime.scratch = s->run.folder;
    uint64_t limit = 16 << 20, runs = 0, before = pare_memory_current();
    pare_status status = PARE_OK;
    for (; runs < TRIES && status == PARE_OK; runs++, limit -= limit / 5) {
        s->run.runtime.memory_limit = limit;
        status = prune_run_try(&s->run);
        if (pare_memory_peak() - before > limit + SLACK)
            fail_msg("held %.1f KiB, limit %.1f KiB", (double)(pare_memory_peak() - before) / 1024,
                     (double)limit / 1024);
        assert_true(pare_memory_current() == before);
    }
    assert_int_equal(status, PARE_OUT_OF_MEMORY);
    assert_non_null(strstr(pare_message(), "--memory"));
    assert_true(runs > 3 && runs < TRIES);
    scene_close(s);
}

static void memory_stays_under_the_limit(void **state) {
    (void)state;
    under_the_limit("ls");
    under_the_limit("none");
}

static void refused(const char *key, const char *value, const char *words) {
    scene *s = scene_open(tiny);
    set(s, key, value);
    assert_int_equal(prune_run_try(&s->run), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), words)) fail_msg("%s, not %s", pare_message(), words);
    assert_false(pare_file_exists(s->run.output));
    scene_close(s);
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    refused("mode", "channel", "leave out --sparsity, --pattern and --mode");
    refused("choose", "obs", "leave one of them out");
    refused("select", "global-raw", "price per parameter");
    refused("select", "global-score", "price per parameter");
    refused("salience", "param_first", "leave out the salience");
    refused("gate_steps", "0", "300");
    refused("gate_mu_last", "0", "0.05");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_target_is_met),
        cmocka_unit_test(without_repair_gates_are_folded_into_the_weights),
        cmocka_unit_test(the_trace_ends_at_the_target),
        cmocka_unit_test(a_run_is_taken_up),
        cmocka_unit_test(memory_stays_under_the_limit),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
