/* A model whose perplexity no number holds: tables say so and show no zero, reports have null with a reason, and
 * nothing claims that its weights are NaN. */
#include "cli/workplace.h"

#include <math.h>

/* The final norm times 65536: logits so large that the mean loss is beyond 710. */
static void spoil(const char *folder) {
    size_t bytes;
    char *path = pare_path_join(folder, "model.safetensors");
    unsigned char *data = workplace_read(path, &bytes);
    uint64_t length = 0;
    for (int i = 0; i < 8; i++)
        length |= (uint64_t)data[i] << (8 * i);
    json_t *header = json_loadb((const char *)data + 8, length, 0, NULL);
    const json_t *norm = json_object_get(header, "model.norm.weight"), *offsets = json_object_get(norm, "data_offsets");
    assert_string_equal(json_string_value(json_object_get(norm, "dtype")), "BF16");
    json_int_t begin = json_integer_value(json_array_get(offsets, 0)),
               end = json_integer_value(json_array_get(offsets, 1));
    assert_true(end > begin);
    for (json_int_t at = begin; at < end; at += 2) {
        data[8 + length + (size_t)at] = 0x80; /* 65536 in bf16 */
        data[8 + length + (size_t)at + 1] = 0x47;
    }
    remove(path);
    tiny_write_file(folder, "model.safetensors", data, bytes);
    json_decref(header);
    free(data);
    free(path);
}

static json_t *parse(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static void expect_null_with_reason(const json_t *text) {
    assert_true(json_is_null(json_object_get(text, "perplexity")));
    assert_string_equal(json_string_value(json_object_get(text, "perplexity_reason")), "too large for a number");
    assert_true(json_number_value(json_object_get(text, "nll")) > 710.0);
}

static void expect_words(program_result *result, const char *words) {
    assert_non_null(strstr(result->out, words));
    assert_null(strstr(result->out, "nan"));
    assert_null(strstr(result->out, "0.000"));
    program_result_free(result);
}

static void evaluated(void **state) {
    const workplace *place = *state;
    spoil(place->model);
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("eval", place->model, "--text", place->text, "--window", "32",
                                           "--max-windows", "3", "--compute", "fp32", "--quiet", "--json");
    json_t *report = parse(result.out);
    expect_null_with_reason(json_array_get(json_object_get(report, "texts"), 0));
    json_decref(report);
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->model, "--text", place->text, "--window", "32", "--max-windows", "3",
                            "--compute", "fp32", "--quiet");
    expect_words(&result, "too large");
}

#define DRY(place)                                                                                                     \
    "prune", (place)->model, "--dry-run", "--method", "magnitude-l1", "--ratio", "0.25", "--text", (place)->text,      \
        "--window", "32", "--max-windows", "3", "--compute", "fp32", "--quiet"

static void pruned(void **state) {
    const workplace *place = *state;
    spoil(place->model);
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS(DRY(place), "--json");
    json_t *report = parse(result.out);
    const json_t *text = json_array_get(json_object_get(report, "texts"), 0);
    expect_null_with_reason(json_object_get(text, "before"));
    expect_null_with_reason(json_object_get(text, "after"));
    json_decref(report);
    program_result_free(&result);
    result = EXPECT_SUCCESS(DRY(place));
    expect_words(&result, "too large");
}

static void swept(void **state) {
    const workplace *place = *state;
    spoil(place->model);
    workplace_write_text(place);
    program_result result =
        EXPECT_SUCCESS("sweep", place->model, "--over", "ratio=0.25", "--method", "magnitude-l1", "--text", place->text,
                       "--window", "32", "--max-windows", "3", "--compute", "fp32", "--json");
    char *column = pare_format("perplexity after %s", place->text);
    json_t *document = parse(result.out);
    const json_t *row = json_array_get(json_object_get(document, "rows"), 0);
    assert_true(json_is_null(json_object_get(row, column)));
    assert_non_null(strstr(result.err, "perplexity too large for a number"));
    json_decref(document);
    free(column);
    program_result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_WORKPLACE(evaluated), IN_A_WORKPLACE(pruned), IN_A_WORKPLACE(swept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
