/* Chats with a model that has a chat template, as a person uses them: trained on, calibrated on, and refused. */
#include "cli/workplace.h"

static const char CHATML[] =
    "{{ bos_token }}{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\\\n' + m['content'] + "
    "'<|im_end|>\\\\n' }}{% endfor %}";
static const char UNKNOWN[] = "{% for m in messages %}#{{ m['role'] }}: {{ m['content'] }}{% endfor %}";

static char *write_chats(const workplace *place) {
    char *path = pare_path_join(place->folder, "chats.jsonl");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 40; i++)
        fprintf(file,
                "{\"conversations\": [{\"from\": \"human\", \"value\": \"tell of a %s, number %d\"}, {\"from\": "
                "\"gpt\", \"value\": \"one day, a little %s found a big red ball in the park and was happy.\"}]}\n",
                i % 2 ? "dog" : "girl", i, i % 2 ? "dog" : "girl");
    fclose(file);
    return path;
}

static void set_template(const workplace *place, const char *template) {
    char *text = pare_format("{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\", \"chat_template\": \"%s\"}", template);
    tiny_write_file(place->model, "tokenizer_config.json", text, strlen(text));
    free(text);
}

#define QUICK "--steps", "2", "--batch", "2", "--rate", "1e-4", "--threads", "1"

static void the_format_is_named(void **state) {
    workplace *place = *state;
    char *rows = write_chats(place);
    set_template(place, CHATML);
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, QUICK);
    if (!strstr(result.err, "chats are in the format chatml (--wording changes it)")) fail_msg("%s", result.err);
    program_result_free(&result);
    result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--force", "--data", rows, "--wording",
                            "zephyr", QUICK);
    if (!strstr(result.err, "chats are in the format zephyr")) fail_msg("%s", result.err);
    program_result_free(&result);
    free(rows);
}

static void an_unknown_template_is_refused(void **state) {
    workplace *place = *state;
    char *rows = write_chats(place);
    set_template(place, UNKNOWN);
    EXPECT_NOTHING_LEFT(place, 1, "--wording NAME", "recover", place->model, "-o", place->output, "--data", rows,
                        "--quiet", QUICK);
    EXPECT_NOTHING_LEFT(place, 2, "did you mean chatml", "recover", place->model, "-o", place->output, "--data", rows,
                        "--wording", "chatmll", "--quiet", QUICK);
    program_result result =
        EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--wording", "alpaca", QUICK);
    assert_null(strstr(result.err, "chats are in the format"));
    program_result_free(&result);
    free(rows);
}

/* Calibrating on chats is calibrating on the text that the template gives, in which a BOS stands as in other texts. */
static void calibrates_on_chats(void **state) {
    workplace *place = *state;
    char *rows = write_chats(place), *out[2], *texts = pare_path_join(place->folder, "texts.jsonl");
    set_template(place, CHATML);
    FILE *file = fopen(texts, "w");
    assert_non_null(file);
    for (int i = 0; i < 40; i++)
        fprintf(
            file,
            "{\"text\": \"<|im_start|>user\\ntell of a %s, number %d<|im_end|>\\n<|im_start|>assistant\\none day, a "
            "little %s found a big red ball in the park and was happy.<|im_end|>\\n\"}\n",
            i % 2 ? "dog" : "girl", i, i % 2 ? "dog" : "girl");
    fclose(file);
    for (int i = 0; i < 2; i++) {
        out[i] = pare_path_join(place->folder, i ? "of-texts" : "of-chats");
        program_result result =
            EXPECT_SUCCESS("prune", place->model, "-o", out[i], "--ratio", "0.25", "--method", "taylor", "--calib",
                           i ? texts : rows, "--samples", "4", "--length", "32", "--threads", "1", "--quiet");
        program_result_free(&result);
    }
    workplace_expect_same_file(out[0], out[1], "model.safetensors");
    free(out[0]);
    free(out[1]);
    free(texts);
    free(rows);
}

static program_result calibrate(const workplace *place, const char *rows, const char *output, const char *wording) {
    return EXPECT_SUCCESS("prune", place->model, "-o", output, "--ratio", "0.25", "--method", "taylor", "--calib", rows,
                          "--samples", "4", "--length", "32", "--threads", "1", "--force", "--wording", wording);
}

/* A wording that was asked for is what the model's own template gives, where it is of that format, and takes the place
 * of one that is not known; the plan names it. */
static void calibrates_in_a_wording(void **state) {
    workplace *place = *state;
    char *rows = write_chats(place), *other = pare_path_join(place->folder, "other");
    set_template(place, CHATML);
    program_result result = calibrate(place, rows, place->output, "auto");
    const char *plan = strstr(result.err, "\n  chats        in the format chatml, which --wording changes\n");
    assert_true(plan && plan < strstr(result.err, "\nMemory\n"));
    program_result_free(&result);
    result = calibrate(place, rows, other, "chatml");
    assert_non_null(strstr(result.err, "chats are in the format chatml (--wording changes it)"));
    program_result_free(&result);
    workplace_expect_same_file(place->output, other, "model.safetensors");
    set_template(place, UNKNOWN);
    EXPECT_FAILURE(1, "--wording NAME", "prune", place->model, "--dry-run", "--ratio", "0.25", "--method", "taylor",
                   "--calib", rows, "--quiet");
    result = calibrate(place, rows, other, "zephyr");
    assert_non_null(strstr(result.err, "\n  chats        in the format zephyr, which --wording changes\n"));
    program_result_free(&result);
    char *recorded = pare_path_join(other, "pruning.json");
    json_t *manifest = json_load_file(recorded, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json_object_get(manifest, "recipe"), "wording")), "zephyr");
    json_decref(manifest);
    result = calibrate(place, rows, other, "alpaca");
    assert_null(strstr(result.err, "in the format"));
    program_result_free(&result);
    result =
        EXPECT_SUCCESS("sweep", place->model, "--over", "wording=zephyr,chatml,alpaca", "--ratio", "0.25", "--method",
                       "taylor", "--calib", rows, "--samples", "4", "--length", "32", "--json", "--quiet");
    json_t *sweep = json_loads(result.out, 0, NULL), *points = json_object_get(sweep, "rows");
    assert_int_equal(json_array_size(points), 3);
    for (size_t i = 1; i < 3; i++)
        assert_false(json_number_value(json_object_get(json_array_get(points, i), "calibration_loss")) ==
                     json_number_value(json_object_get(json_array_get(points, 0), "calibration_loss")));
    json_decref(sweep);
    program_result_free(&result);
    free(recorded);
    free(other);
    free(rows);
}

/* What is trained on is named in its plan, too. */
static void the_plan_of_a_training_names_it(void **state) {
    workplace *place = *state;
    char *rows = write_chats(place);
    set_template(place, CHATML);
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, QUICK);
    assert_non_null(strstr(result.err, "\n  chats        in the format chatml, which --wording changes\n"));
    program_result_free(&result);
    result =
        EXPECT_SUCCESS("prune", place->model, "--dry-run", "--ratio", "0.25", "--method", "loraprune", "--calib", rows,
                       "--train-steps", "10", "--train-batch", "2", "--prune-every", "2", "--wording", "zephyr");
    assert_non_null(strstr(result.err, "\n  chats        in the format zephyr, which --wording changes\n"));
    program_result_free(&result);
    free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(the_format_is_named),
        IN_A_WORKPLACE(an_unknown_template_is_refused),
        IN_A_WORKPLACE(calibrates_on_chats),
        IN_A_WORKPLACE(calibrates_in_a_wording),
        IN_A_WORKPLACE(the_plan_of_a_training_names_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
