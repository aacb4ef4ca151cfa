/* The commands at work on the bundled model: what goes to standard output, and that it is one JSON document if asked.
 */
#include "cli/workplace.h"

static json_t *parse(const char *text) {
    json_error_t error;
    json_t *document = json_loads(text, 0, &error);
    if (!document) fprintf(stderr, "no JSON (%s):\n%s\n", error.text, text);
    assert_non_null(document);
    return document;
}

static double member(const json_t *document, const char *key) {
    const json_t *value = json_object_get(document, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void inspect_describes_the_model(void **state) {
    const workplace *place = *state;
    program_result result = EXPECT_SUCCESS("inspect", place->model);
    assert_string_equal(result.err, "");
    assert_non_null(strstr(result.out, "layers 0-5: 8 heads, 4 KV heads, FFN 384"));
    assert_non_null(strstr(result.out, "1,312,384"));
    program_result_free(&result);
    result = EXPECT_SUCCESS("inspect", "--json", place->model, "--tensors");
    json_t *report = parse(result.out);
    assert_null(strstr(result.out, "}\n\n")); /* one document, and nothing behind it */
    assert_int_equal(json_integer_value(json_object_get(report, "parameters")), 1312384);
    assert_true(json_array_size(json_object_get(report, "tensors")) > 50);
    json_decref(report);
    program_result_free(&result);
}

/* Prunes by magnitude, which is quick, and looks at the report and at the written model. */
static void prune_reports_and_writes(void **state) {
    const workplace *place = *state;
    program_result result = EXPECT_SUCCESS("prune", "--ratio=0.25", "--method", "magnitude-l1", place->model, "-o",
                                           place->output, "--json", "--quiet");
    assert_string_equal(result.err, "");
    json_t *report = parse(result.out);
    const json_t *parameters = json_object_get(report, "parameters");
    double before = member(parameters, "before"), after = member(parameters, "after");
    assert_int_equal((long)before, 1312384);
    assert_true(after < 0.85 * before && after > 0.6 * before);
    json_decref(report);
    program_result_free(&result);
    result = EXPECT_SUCCESS("inspect", place->output);
    assert_non_null(strstr(result.out, "layers 0-5: 6 heads, 3 KV heads, FFN 288"));
    program_result_free(&result);
}

static void prune_shows_a_plan_and_a_table(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("prune", place->model, "--dry-run", "--ratio", "0.25", "--calib",
                                           place->text, "--samples", "2", "--length", "32", "--method", "moreau-gs",
                                           "--steps", "2", "--text", place->text, "--window", "32");
    assert_non_null(strstr(result.err, "moreau-gs"));
    assert_non_null(strstr(result.err, "limit"));
    assert_null(strchr(result.err, '\r'));
    assert_non_null(strstr(result.out, "parameters  "));
    assert_non_null(strstr(result.out, "perplexity, "));
    assert_non_null(strstr(result.out, "dry run"));
    workplace_expect_entries(place->folder, ".\n..\nmodel\ntext.txt\n");
    program_result_free(&result);
}

static void eval_compares_models(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("eval", "--window", "32", "--json", "--quiet", "--against", place->model,
                                           "--text", place->text, place->text, place->model);
    json_t *report = parse(result.out), *texts = json_object_get(report, "texts");
    assert_int_equal(json_array_size(texts), 2);
    const json_t *text = json_array_get(texts, 0);
    double perplexity = member(text, "perplexity");
    assert_true(fabs(perplexity - exp(member(text, "nll"))) < 1e-6 * perplexity);
    assert_true(fabs(member(text, "kl")) < 1e-6);
    assert_true(fabs(member(text, "top1") - 1) < 1e-9);
    json_decref(report);
    program_result_free(&result);
}

/* The same model on both sides writes the same; what prune says of the smaller one, eval says of the files. */
static void continuations_are_reported(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--ratio", "0.25", "--method",
                                           "magnitude-l2", "--text", place->text, "--window", "32", "--continuations",
                                           "5", "--compute", "fp32", "--json", "--quiet");
    json_t *report = parse(result.out), *text = json_array_get(json_object_get(report, "texts"), 0);
    json_t *before = json_object_get(json_object_get(text, "before"), "continuations");
    json_t *after = json_object_get(json_object_get(text, "after"), "continuations");
    assert_true(member(before, "texts") == 5 && member(before, "prompt") == 32 && member(before, "tokens") == 64);
    assert_true(member(after, "repeated_4grams") >= 0 && member(after, "repeated_4grams") <= 1);
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->output, "--against", place->model, "--text", place->text, "--window", "32",
                            "--continuations", "5", "--compute", "fp32", "--json", "--quiet");
    json_t *other = parse(result.out);
    json_t *measured = json_object_get(json_array_get(json_object_get(other, "texts"), 0), "continuations");
    assert_true(json_equal(json_object_get(measured, "against"), before));
    json_object_del(measured, "against");
    assert_true(json_equal(measured, after));
    json_decref(other);
    json_decref(report);
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->output, "--against", place->model, "--text", place->text, "--window", "32",
                            "--continuations", "5", "--quiet");
    assert_non_null(strstr(result.out, "repeated 4-grams"));
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->output, place->model, "--text", place->text, "--window", "32",
                            "--continuations", "5", "--quiet");
    assert_non_null(strstr(result.out, "repeated"));
    assert_non_null(strstr(result.out, "came to an end"));
    program_result_free(&result);
    EXPECT_FAILURE(2, "give --text FILE", "eval", place->model, "--tasks", "piqa", "--data", place->folder,
                   "--continuations", "5", "--quiet");
}

static void generate_repeats_itself(void **state) {
    const workplace *place = *state;
    program_result first = EXPECT_SUCCESS("generate", place->model, "--prompt", "once upon a time", "--tokens", "16",
                                          "--temperature", "1", "--seed", "3");
    program_result second = EXPECT_SUCCESS("generate", place->model, "--prompt=once upon a time", "--tokens=16",
                                           "--temperature=1", "--seed=3");
    assert_string_equal(first.out, second.out);
    assert_string_equal(first.err, "");
    assert_int_equal(strncmp(first.out, "once upon a time", 16), 0);
    assert_true(strlen(first.out) > 30);
    program_result_free(&first);
    program_result_free(&second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(inspect_describes_the_model),    IN_A_WORKPLACE(prune_reports_and_writes),
        IN_A_WORKPLACE(prune_shows_a_plan_and_a_table), IN_A_WORKPLACE(eval_compares_models),
        IN_A_WORKPLACE(generate_repeats_itself),        IN_A_WORKPLACE(continuations_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
