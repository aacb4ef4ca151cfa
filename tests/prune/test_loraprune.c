/* LoRAPrune on tiny models: what is left has the widths that were asked for, computes what the masked model with its
 * adapters computed, and is the same whenever it is made again. */
#include "model/pass.h"
#include "options/resolve.h"
#include "prune/lora_run.h"
#include "prune/prune_job.h"

static pare_model *open_output(const lora_run *r) {
    pare_model *smaller;
    assert_int_equal(pare_model_open(r->run.output, &smaller), PARE_OK);
    return smaller;
}

static void assert_widths(const lora_run *r, uint32_t layer, uint32_t kv_heads, uint32_t ffn) {
    pare_model *smaller = open_output(r);
    const pare_widths *w = &smaller->config.widths[layer];
    assert_int_equal(w->kv_heads, kv_heads);
    assert_int_equal(w->heads, 2 * kv_heads);
    assert_int_equal(w->ffn, ffn);
    pare_model_close(smaller);
}

/* Of four layers trunc(0.4) = 0 are spared at the beginning, and the last one. */
static void widths_are_those_asked_for(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    uint64_t before = pare_memory_current();
    prune_run_do(&r->run);
    assert_true(pare_memory_current() == before);
    for (uint32_t layer = 0; layer < 4; layer++)
        assert_widths(r, layer, layer < 3 ? 2 : 4, layer < 3 ? 11 : 22);
    r->run.options.layer_begin = 1;
    r->run.options.layer_end = 4;
    r->run.options.ffn = (pare_layers){.given = true, .begin = 2, .end = 3};
    prune_run_do(&r->run);
    for (uint32_t layer = 0; layer < 4; layer++)
        assert_widths(r, layer, layer < 1 ? 4 : 2, layer == 2 ? 11 : 22);
    lora_run_close(r);
}

static void totals_are_solved_for(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    uint64_t all = pare_model_parameters(r->run.model), asked = all - all / 6;
    r->run.options.ratio = 0.0;
    r->run.options.parameters = asked;
    prune_run_do(&r->run);
    pare_model *smaller = open_output(r);
    assert_true(pare_model_parameters(smaller) <= asked && pare_model_parameters(smaller) > asked - all / 12);
    pare_model_close(smaller);
    lora_run_close(r);
}

static double loss_of(const pare_model *model, const pare_backend *backend, const pare_source *source,
                      const pare_adapters *adapters) {
    enum { SEQUENCES = 3, LENGTH = 9 };
    uint32_t ids[SEQUENCES * LENGTH];
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH, .composed = true};
    pare_pass *pass;
    double sum;
    shape.rank = adapters ? adapters->rank : 0;
    for (uint32_t i = 0; i < SEQUENCES * LENGTH; i++)
        ids[i] = (i * 7 + i / 5) % model->config.vocabulary;
    assert_int_equal(pare_pass_new(model, backend, &shape, &pass), PARE_OK);
    pare_pass_adapt(pass, adapters);
    assert_int_equal(pare_pass_forward(pass, source, ids, SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, source, NULL, &sum), PARE_OK);
    pare_pass_free(pass);
    return sum;
}

/* The model in the middle of its training, with masks and adapters, against the written one. */
static void the_written_model_is_the_masked_and_merged_one(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    pare_prune_job job;
    pare_job asked;
    assert_int_equal(pare_job_resolve(&r->run.options, &asked), PARE_OK);
    assert_int_equal(pare_prune_begin(r->run.model, &asked, &r->run.runtime, &job), PARE_OK);
    assert_int_equal(pare_prune_run(&job), PARE_OK);
    char *report = NULL;
    assert_int_equal(pare_run_commit(&job.run, PARE_OK, &report), PARE_OK);
    pare_adapters adapters = *job.lora->trained->adapters;
    adapters.dropout = 0.0f;
    double masked = loss_of(r->run.model, job.backend, &job.lora->trained->source, &adapters);
    pare_source dense = {.model = r->run.model, .backend = job.backend};
    double before = loss_of(r->run.model, job.backend, &dense, NULL);
    pare_model *smaller = open_output(r);
    pare_source written = {.model = smaller, .backend = job.backend};
    assert_close("loss", loss_of(smaller, job.backend, &written, NULL), masked, 2e-6);
    assert_true(fabs(masked - before) > 1e-3 * before);
    pare_model_close(smaller);
    pare_prune_end(&job);
    pare_job_free(&asked);
    lora_run_close(r);
}

static void seeds_and_threads(void **state) {
    (void)state;
    char first[PARE_DIGEST_TEXT], second[PARE_DIGEST_TEXT];
    lora_run *r = lora_run_open(lora_run_tiny);
    prune_run_do(&r->run);
    prune_run_digest(r->run.output, first);
    prune_run_do(&r->run);
    prune_run_digest(r->run.output, second);
    assert_string_equal(first, second);
    r->run.options.seed = 1;
    prune_run_do(&r->run);
    prune_run_digest(r->run.output, second);
    assert_string_not_equal(first, second);
    lora_run_close(r);
}

static double number(const json_t *json, const char *key) {
    assert_true(json_is_number(json_object_get(json, key)));
    return json_number_value(json_object_get(json, key));
}

static double last_ratio(const json_t *training) {
    const json_t *ratios = json_object_get(training, "ratios");
    double before = 0.0;
    for (size_t i = 0; i < json_array_size(ratios); i++) {
        double ratio = number(json_array_get(ratios, i), "ratio");
        assert_true(ratio > before);
        before = ratio;
    }
    assert_true(json_array_size(ratios) > 2);
    return before;
}

static void the_report_tells_the_course(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    json_t *report = prune_run_report(&r->run), *training = json_object_get(report, "training");
    json_t *losses = json_object_get(training, "losses");
    size_t points = json_array_size(losses);
    assert_true(number(training, "steps") == 28.0 && number(training, "examples") == 13.0);
    assert_true(points == 10);
    double first = number(json_array_get(losses, 0), "loss"), last = number(json_array_get(losses, points - 1), "loss");
    assert_true(isfinite(first) && last < first);
    assert_true(number(json_array_get(losses, points - 1), "step") == 28.0);
    assert_true(last_ratio(training) == 0.5);
    char *path = pare_path_join(r->run.output, "pruning.json");
    json_t *manifest = load_json(path);
    assert_true(json_equal(json_object_get(manifest, "training"), training));
    assert_true(number(json_object_get(manifest, "recipe"), "prune_every") == 3.0);
    free(path);
    json_decref(manifest);
    json_decref(report);
    lora_run_close(r);
}

/* Steps 3, 6 .. 24 of 28 change the masks, the last at ratio 0.5 (1 - (1 - 21.2 / 22.4)^3). */
static void as_released_the_last_change_on_the_way_is_the_end(void **state) {
    (void)state;
    tiny_model tiny = lora_run_tiny;
    tiny.ffn = 4000;
    tiny.layers = 2;
    lora_run *r = lora_run_open(tiny);
    lora_run_set(r, "final_cut", "released");
    json_t *report = prune_run_report(&r->run);
    uint32_t gone = (uint32_t)trunc(4000 * 0.5 * (1.0 - pow(1.2 / 22.4, 3.0)));
    assert_true(gone < 2000);
    assert_widths(r, 0, 3, 4000 - gone);
    assert_close("ratio", last_ratio(json_object_get(report, "training")), gone / 4000.0, 1e-12);
    json_decref(report);
    lora_run_set(r, "prune_every", "100");
    assert_int_equal(prune_run_try(&r->run), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "nothing would go"));
    lora_run_close(r);
}

static void magnitude_scores_choose_otherwise(void **state) {
    (void)state;
    lora_run *r = lora_run_open(lora_run_tiny);
    json_t *by_gradient = prune_run_report(&r->run);
    lora_run_set(r, "lora_score", "magnitude");
    json_t *by_magnitude = prune_run_report(&r->run);
    assert_false(json_equal(json_object_get(by_gradient, "layers"), json_object_get(by_magnitude, "layers")));
    json_decref(by_gradient);
    json_decref(by_magnitude);
    lora_run_close(r);
}

static void half_precision_and_a_scratch_file(void **state) {
    (void)state;
    tiny_model tiny = lora_run_tiny;
    tiny.dtype = PARE_DTYPE_BF16;
    tiny.ffn = 3000;
    lora_run *r = lora_run_open(tiny);
    lora_run_set(r, "train_steps", "4");
    r->run.runtime.scratch = r->run.folder;
    r->run.runtime.memory_limit = 1 << 20;
    for (; prune_run_try(&r->run) == PARE_OUT_OF_MEMORY; r->run.runtime.memory_limit += 1 << 18)
        continue;
    assert_widths(r, 0, 2, 1500);
    lora_run_close(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(widths_are_those_asked_for),
        cmocka_unit_test(totals_are_solved_for),
        cmocka_unit_test(the_written_model_is_the_masked_and_merged_one),
        cmocka_unit_test(seeds_and_threads),
        cmocka_unit_test(the_report_tells_the_course),
        cmocka_unit_test(as_released_the_last_change_on_the_way_is_the_end),
        cmocka_unit_test(magnitude_scores_choose_otherwise),
        cmocka_unit_test(half_precision_and_a_scratch_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
