/* Perplexities of novels-8m as the released structured pruners measure them (golden/reference-structured.md), to the
 * two digits that are stated. They take PTB's "<unk>" literally, which pare does not: it is left out. */
#include "golden.h"
#include "model/model.h"

static void equals_released_code(void **state) {
    (void)state;
    static const struct {
        const char *file;
        double perplexity;
    } expected[] = {{"data/wikitext-2/wiki.test.raw", 142.51}, {"data/books/novels_valid_utf8_lf.txt", 40.25}};
    enum { TEXTS = sizeof expected / sizeof *expected };
    const char *texts[TEXTS];
    need_shared("models/novels-8m");
    for (size_t i = 0; i < TEXTS; i++) {
        need_shared(expected[i].file);
        texts[i] = shared_path(expected[i].file);
    }
    const char *folder = shared_path("models/novels-8m");
    char *text;
    pare_model *model;
    pare_runtime runtime = {.compute = PARE_COMPUTE_FP32, .threads = 1};
    pare_evaluate_options options = {.texts = texts, .text_count = TEXTS, .max_windows = 300};
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    assert_int_equal(pare_evaluate(model, &options, &runtime, &text), PARE_OK);
    json_t *report = json_loads(text, 0, NULL);
    for (size_t i = 0; i < TEXTS; i++) {
        const json_t *entry = json_array_get(json_object_get(report, "texts"), i);
        double perplexity = json_number_value(json_object_get(entry, "perplexity"));
        print_message("%s: %.4f, released code %.2f\n", expected[i].file, perplexity, expected[i].perplexity);
        assert_true(fabs(perplexity - expected[i].perplexity) <= 0.00501);
    }
    json_decref(report);
    pare_text_free(text);
    pare_model_close(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(equals_released_code)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
