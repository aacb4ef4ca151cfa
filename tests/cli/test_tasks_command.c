/* pare eval with zero-shot tasks: tables, JSON, items, and what it refuses. */
#include "cli/workplace.h"

#include <cmocka.h>
#include <jansson.h>

static const char piqa[] = "{\"goal\":\"once upon a time\",\"sol1\":\"a dog\",\"sol2\":\"the dog ran\",\"label\":1}\n"
                           "{\"goal\":\"a boy\",\"sol1\":\"he sat\",\"sol2\":\"cat\",\"label\":0}\n",
                  winogrande[] =
                      "{\"sentence\":\"tom saw a cat and _ ran.\",\"option1\":\"tom\",\"option2\":\"the cat\","
                      "\"answer\":\"2\"}\n";

/* folder/tasks/piqa/valid.jsonl and folder/tasks/winogrande.jsonl; freed with free(). */
static char *write_tasks(const workplace *place) {
    char *tasks = pare_path_join(place->folder, "tasks"), *inner = pare_path_join(tasks, "piqa");
    assert_int_equal(mkdir(tasks, 0755), 0);
    assert_int_equal(mkdir(inner, 0755), 0);
    tiny_write_text(inner, "valid.jsonl", piqa);
    tiny_write_text(tasks, "winogrande.jsonl", winogrande);
    free(inner);
    return tasks;
}

static json_t *parse(const char *text) {
    json_error_t error;
    json_t *document = json_loads(text, 0, &error);
    if (!document) fail_msg("%s", error.text);
    return document;
}

static void check_report(const json_t *report) {
    const json_t *tasks = json_object_get(report, "tasks"), *first = json_array_get(tasks, 0);
    assert_int_equal(json_array_size(tasks), 2);
    assert_string_equal(json_string_value(json_object_get(first, "task")), "piqa");
    assert_string_equal(json_string_value(json_object_get(first, "chosen")), "acc_norm");
    assert_int_equal(json_integer_value(json_object_get(first, "n")), 2);
    assert_true(json_is_real(json_object_get(first, "acc_stderr")));
    const json_t *second = json_array_get(tasks, 1);
    assert_null(json_object_get(second, "acc_norm"));
    assert_true(json_is_null(json_object_get(second, "acc_stderr"))); /* of one document */
    double mean =
        (json_real_value(json_object_get(first, "acc_norm")) + json_real_value(json_object_get(second, "acc"))) / 2;
    assert_true(json_real_value(json_object_get(report, "average")) == mean);
    assert_null(json_object_get(report, "qa_average")); /* of all seven only */
    assert_string_equal(json_string_value(json_object_get(report, "protocol")), "current");
}

static void check_items(const char *path, const json_t *report) {
    char line[4096];
    int lines = 0, right = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); lines++) {
        json_t *item = parse(line);
        const json_t *choice = json_array_get(json_object_get(item, "choices"), 1);
        bool first_task = strcmp(json_string_value(json_object_get(item, "task")), "piqa") == 0;
        assert_true(json_real_value(json_object_get(choice, "ll")) < 0);
        assert_true(json_integer_value(json_object_get(choice, "tokens")) > 0);
        if (lines == 0) assert_int_equal(json_integer_value(json_object_get(choice, "chars")), 11);
        right += first_task && json_equal(json_object_get(item, "pred_norm"), json_object_get(item, "gold"));
        json_decref(item);
    }
    fclose(file);
    assert_int_equal(lines, 3);
    const json_t *entry = json_array_get(json_object_get(report, "tasks"), 0);
    assert_true(json_real_value(json_object_get(entry, "acc_norm")) == right / 2.0);
}

/* What readers of the harness's results look at, of the same numbers. */
static void results_as_the_harness_has_them(void **state) {
    const workplace *place = *state;
    char *tasks = write_tasks(place), *file = pare_path_join(place->folder, "results.json");
    program_result result = EXPECT_SUCCESS("eval", place->model, "--tasks", "piqa,winogrande", "--data", tasks,
                                           "--json", "--quiet", "--limit", "1", "--lm-eval-json", file);
    json_t *report = parse(result.out), *first = json_array_get(json_object_get(report, "tasks"), 0);
    json_t *json = json_load_file(file, 0, NULL);
    double plain, norm, version, boolq_version, limit, date;
    json_int_t shots, all, done;
    const char *alias, *error, *model, *sanitized, *type;
    int better;
    assert_int_equal(
        json_unpack(json,
                    "{s:{s:{s:s,s:F,s:s,s:F},s:{s:F}},s:{s:[]},s:{s:{s:s}},s:{s:F,s:F},s:{s:I},s:{s:{s:b}},s:{s:{s:I,s:"
                    "I}},s:{s:F},s:F,s:s,s:s}",
                    "results", "piqa", "alias", &alias, "acc,none", &plain, "acc_stderr,none", &error, "acc_norm,none",
                    &norm, "winogrande", "acc,none", &version, "group_subtasks", "piqa", "configs", "piqa",
                    "output_type", &type, "versions", "piqa", &version, "winogrande", &boolq_version, "n-shot", "piqa",
                    &shots, "higher_is_better", "piqa", "acc_norm", &better, "n-samples", "piqa", "original", &all,
                    "effective", &done, "config", "limit", &limit, "date", &date, "model_name", &model,
                    "model_name_sanitized", &sanitized),
        0);
    assert_string_equal(alias, "piqa");
    assert_string_equal(type, "multiple_choice");
    assert_true(plain == json_real_value(json_object_get(first, "acc")));
    assert_true(norm == json_real_value(json_object_get(first, "acc_norm")));
    assert_string_equal(error, "N/A"); /* of one document */
    assert_true(version == 1.0 && boolq_version == 1.0 && shots == 0 && better);
    assert_true(all == 2 && done == 1 && limit == 1.0 && date > 1e9);
    assert_string_equal(model, place->model);
    assert_null(strchr(sanitized, '/'));
    assert_true(json_is_integer(json_object_get(json, "eot_token_id")) && json_object_get(json, "tokenizer_eos_token"));
    json_decref(json);
    json_decref(report);
    program_result_free(&result);
    EXPECT_FAILURE(2, "--lm-eval-json takes one MODEL", "eval", place->model, place->model, "--tasks", "piqa", "--data",
                   tasks, "--lm-eval-json", file);
    EXPECT_FAILURE(2, "--lm-eval-json go with --tasks", "eval", place->model, "--text", "x", "--lm-eval-json", file);
    EXPECT_FAILURE(2, "--lm-eval-json", "eval", place->model, "--tasks", "piqa", "--data", tasks, "--lm-eval-json",
                   place->weights);
    free(file);
    free(tasks);
}

static void one_model_gives_a_report_and_items(void **state) {
    const workplace *place = *state;
    char *tasks = write_tasks(place), *items = pare_path_join(place->folder, "items.jsonl");
    tiny_write_text(place->folder, "items.jsonl", "old");
    program_result result = EXPECT_SUCCESS("eval", place->model, "--tasks", "piqa,winogrande", "--data", tasks,
                                           "--json", "--quiet", "--save-items", items);
    json_t *report = parse(result.out);
    check_report(report);
    assert_int_equal(json_array_size(json_object_get(report, "texts")), 0);
    check_items(items, report);
    workplace_expect_entries(place->folder, ".\n..\nitems.jsonl\nmodel\ntasks\n");
    json_decref(report);
    program_result_free(&result);
    free(tasks);
    free(items);
}

static void several_models_stand_in_one_table(void **state) {
    const workplace *place = *state;
    char *tasks = write_tasks(place);
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("eval", place->model, place->model, "--tasks", "piqa,winogrande", "--data",
                                           tasks, "--quiet", "--window", "32", "--markdown", "--text", place->text);
    char *head = pare_format("| model | parameters | removed | text.txt | PIQA | WinoGrande | Average |\n"
                             "|:---|---:|---:|---:|---:|---:|---:|\n| %s | ",
                             place->model);
    assert_int_equal(strncmp(result.out, head, strlen(head)), 0);
    assert_non_null(strstr(result.out, "| 0.0 % |"));
    assert_null(strstr(result.out, "| task |"));
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->model, place->model, "--tasks=piqa,winogrande", "--data", tasks, "--quiet",
                            "--json");
    json_t *report = parse(result.out), *models = json_object_get(report, "models");
    assert_int_equal(json_array_size(models), 2);
    check_report(json_array_get(models, 1));
    json_decref(report);
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->model, "--tasks=piqa", "--data", tasks, "--quiet", "--protocol", "4d21ab6b");
    assert_non_null(strstr(result.out, "acc_norm"));
    assert_non_null(strstr(result.out, "4d21ab6b"));
    program_result_free(&result);
    free(head);
    free(tasks);
}

static void wrong_words_are_refused(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "--data", "eval", "m", "--tasks", "all");
    EXPECT_FAILURE(2, "--tasks", "eval", "m", "--text", "a", "--data", "d");
    EXPECT_FAILURE(2, "--tasks", "eval", "m", "--text", "a", "--limit", "3");
    EXPECT_FAILURE(2, "one MODEL", "eval", "m", "n", "--tasks", "all", "--data", "d", "--save-items", "i");
    EXPECT_FAILURE(2, "take one", "eval", "m", "--text=a", "--json", "--markdown");
    EXPECT_FAILURE(2, "did you mean current?", "eval", "m", "--tasks", "all", "--data", "d", "--protocol", "curent");
    EXPECT_FAILURE(2, "did you mean winogrande?", "eval", "m", "--tasks", "boolq,winogrand", "--data", "d");
    EXPECT_FAILURE(2, "no task ''", "eval", "m", "--tasks", "boolq,", "--data", "d");
}

static void failures_leave_no_items(void **state) {
    const workplace *place = *state;
    char *tasks = write_tasks(place), *items = pare_path_join(place->folder, "items.jsonl");
    char *broken = pare_path_join(tasks, "winogrande.jsonl"), *far = pare_path_join(place->folder, "no/items.jsonl");
    EXPECT_NOTHING_LEFT(place, 2, "given twice", "eval", place->model, "--tasks", "piqa,piqa", "--data", tasks);
    EXPECT_NOTHING_LEFT(place, 1, "there is no file for boolq", "eval", place->model, "--tasks", "all", "--data",
                        tasks);
    EXPECT_NOTHING_LEFT(place, 1, "no/items.jsonl", "eval", place->model, "--tasks", "piqa", "--data", tasks,
                        "--save-items", far, "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "no file that could be replaced", "eval", place->model, "--tasks", "piqa", "--data",
                        tasks, "--save-items", tasks, "--quiet");
    tiny_write_text(tasks, "winogrande.jsonl", "{\"sentence\":\"_ ran.\",\"option1\":\"a\",\"option2\":");
    char *label = calloc(1, 4000), *row;
    memset(label, 'x', 3999);
    row = pare_format(
        "{\"question\": {\"stem\": \"a\", \"choices\": [{\"text\": \"b\", \"label\": \"%s\"}, {\"text\": \"c\", "
        "\"label\": \"B\"}]}, \"answerKey\": \"A\"}\n",
        label);
    tiny_write_text(tasks, "arc_easy.jsonl", row);
    EXPECT_NOTHING_LEFT(place, 1, "is none of its choices", "eval", place->model, "--tasks", "arc_easy", "--data",
                        tasks);
    free(row);
    free(label);
    EXPECT_NOTHING_LEFT(place, 1, broken, "eval", place->model, "--tasks", "piqa,winogrande", "--data", tasks,
                        "--save-items", items, "--quiet");
    EXPECT_NOTHING_LEFT(place, 1, "raise --memory", "eval", place->model, "--tasks", "piqa", "--data", tasks,
                        "--save-items", items, "--quiet", "--memory", "1M");
    free(tasks);
    free(items);
    free(broken);
    free(far);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(results_as_the_harness_has_them),   IN_A_WORKPLACE(one_model_gives_a_report_and_items),
        IN_A_WORKPLACE(several_models_stand_in_one_table), cmocka_unit_test(wrong_words_are_refused),
        IN_A_WORKPLACE(failures_leave_no_items),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
