/* Reports of results that went wrong: the member is named, nothing is delivered; and results that may be absent or too
 * large for a number are null. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/evaluation.h"
#include "report/report.h"
#include "report/robustness.h"
#include "report/speed.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

static void refused(pare_report_kind kind, const void *results, pare_status expected, const char *words) {
    char *text;
    assert_int_equal(pare_report_text(kind, results, &text), expected);
    assert_null(text);
    if (!strstr(pare_message(), words)) fail_msg("\"%s\" lacks \"%s\"", pare_message(), words);
}

static json_t *delivered(pare_report_kind kind, const void *results) {
    char *text;
    assert_int_equal(pare_report_text(kind, results, &text), PARE_OK);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    pare_free(text);
    return json;
}

static void an_evaluation(void **state) {
    (void)state;
    pare_text_result texts[2] = {{.file = "a.txt", .nll = 0.693}, {.file = "caf\xe9", .nll = 1.0}};
    pare_task_result task = {.task = "boolq", .file = "f", .digest = "", .plain = {1.0, NAN}, .documents = 1};
    pare_evaluation_results r = {.model = "m",
                                 .compute = "fp32",
                                 .texts = texts,
                                 .text_count = 2,
                                 .protocol = "current",
                                 .tasks = &task,
                                 .task_count = 1};
    json_t *json = delivered(PARE_REPORT_EVALUATION, &r);
    const json_t *one = json_array_get(json_object_get(json, "tasks"), 0);
    assert_true(json_is_null(json_object_get(one, "acc_stderr"))); /* of a single document */
    assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(json, "texts"), 1), "file")),
                        "caf?");
    json_decref(json);
    texts[1].nll = NAN;
    refused(PARE_REPORT_EVALUATION, &r, PARE_NUMERIC_ERROR, "texts[1].nll of the report of the evaluation");
    texts[1].nll = 800.0;
    json = delivered(PARE_REPORT_EVALUATION, &r);
    one = json_array_get(json_object_get(json, "texts"), 1);
    assert_true(json_is_null(json_object_get(one, "perplexity")) && json_object_get(one, "perplexity_reason"));
    json_decref(json);
    texts[1].nll = 1.0;
    task.plain.value = INFINITY;
    refused(PARE_REPORT_EVALUATION, &r, PARE_NUMERIC_ERROR, "tasks[0].acc of the report of the evaluation");
    task.plain.value = 1.0;
    r.compute = NULL;
    refused(PARE_REPORT_EVALUATION, &r, PARE_OUT_OF_MEMORY, "compute of the report of the evaluation");
    r.compute = "fp32";
    texts[0].note = (char *)"\xff";
    refused(PARE_REPORT_EVALUATION, &r, PARE_FORMAT_ERROR, "texts[0].note of the report of the evaluation");
}

/* Of two seeds one gave a perplexity that no number holds. */
static void a_comparison(void **state) {
    (void)state;
    const char *const files[] = {"t.txt"};
    pare_robust_results r = {.model = "m", .seeds = 2, .layers = 1, .texts = files, .text_count = 1, .ranked = true};
    assert_int_equal(pare_robust_results_new(&r, 1, 1, 1), PARE_OK);
    pare_robust_comparison *c = r.comparisons;
    c->change = "bf16";
    c->method = "taylor";
    c->ratio = 0.25;
    r.ranks[0].change = "bf16";
    r.ranks[0].method = "taylor";
    for (int s = 0; s < 2; s++) {
        c->seeds[s].whole = (pare_overlap){.units = 4, .kept_a = 2, .kept_b = 2, .kept_both = 1};
        c->seeds[s].rank_correlation = NAN;
        c->seeds[s].texts[0] = (pare_robust_text){2.0, 3.0, s ? exp(800.0) : 4.0, 5.0};
    }
    json_t *json = delivered(PARE_REPORT_ROBUSTNESS, &r);
    const json_t *comparison = json_array_get(json_object_get(json, "comparisons"), 0);
    const json_t *seeds = json_object_get(comparison, "seeds"), *summary = json_object_get(comparison, "summary");
    const json_t *far = json_array_get(json_object_get(json_array_get(seeds, 1), "texts"), 0);
    /* one unit kept by both, one by neither, two by one of them */
    assert_true(json_number_value(json_object_get(json_array_get(seeds, 0), "agreement")) == 0.5);
    assert_true(json_number_value(json_object_get(json_array_get(seeds, 0), "kept")) == 0.5);
    assert_true(fabs(json_number_value(json_object_get(json_array_get(seeds, 0), "removed_jaccard")) - 1.0 / 3) <
                1e-11); /* 12 digits are written */
    assert_true(json_is_null(json_object_get(far, "perplexity")));
    assert_string_equal(json_string_value(json_object_get(far, "perplexity_reason")), "too large for a number");
    assert_true(json_is_null(json_object_get(summary, "rank_correlation")));
    const json_t *text = json_array_get(json_object_get(summary, "texts"), 0);
    assert_true(json_number_value(json_object_get(json_object_get(text, "perplexity"), "mean")) == 4.0);
    assert_true(json_is_null(json_object_get(json_object_get(text, "perplexity"), "sd")));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(text, "perplexity"), "left_out")), 1);
    assert_null(json_object_get(json_object_get(text, "unpruned"), "left_out"));
    assert_true(json_number_value(json_object_get(json_object_get(text, "unpruned"), "sd")) == 0.0);
    json_decref(json);
    c->ratio = NAN;
    refused(PARE_REPORT_ROBUSTNESS, &r, PARE_NUMERIC_ERROR, "comparisons[0].ratio of the report of the comparison");
    pare_robust_results_free(&r);
}

static void a_measurement(void **state) {
    (void)state;
    pare_speed_results r = {.gemm_fp32 = 10.0, .gemm_bf16 = NAN};
    json_t *json = delivered(PARE_REPORT_SPEED, &r);
    assert_true(json_is_null(json_object_get(json, "gemm_gflops_bf16"))); /* no such products */
    assert_true(json_is_null(json_object_get(json, "shape")));
    json_decref(json);
    r.moreau.fraction = 0.0 / NAN;
    refused(PARE_REPORT_SPEED, &r, PARE_NUMERIC_ERROR, "moreau.fraction_of_gemm of the report of the measurement");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_evaluation),
        cmocka_unit_test(a_comparison),
        cmocka_unit_test(a_measurement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
