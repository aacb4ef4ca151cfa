/* The requests of documents of every task, as lm-evaluation-harness makes them: of made-up rows (tests/oracle), and of
 * the published files, where these lie beside the project. */
#include "evaluate/task_files.h"

static const pare_task_document *document_of(const pare_task_file *file, json_int_t number) {
    for (uint32_t i = 0; i < file->count; i++)
        if (file->documents[i].number == number) return &file->documents[i];
    fail_msg("%s has no document %lld", file->path, (long long)number);
    return NULL;
}

static void compare(const pare_task_document *document, const json_t *example) {
    const json_t *requests = json_object_get(example, "requests"), *lengths = json_object_get(example, "char_len");
    assert_int_equal(document->count, json_array_size(requests));
    assert_int_equal(document->gold, json_integer_value(json_object_get(example, "gold")));
    for (uint32_t i = 0; i < document->count; i++) {
        const json_t *request = json_array_get(requests, i);
        assert_string_equal(pare_task_context(document, i), json_string_value(json_object_get(request, "context")));
        assert_string_equal(document->continuations[i], json_string_value(json_object_get(request, "continuation")));
        if (lengths) assert_int_equal(document->characters[i], json_integer_value(json_array_get(lengths, i)));
    }
}

static void compare_made_up(const char *folder, const json_t *task) {
    json_t *row, *document;
    size_t i, j;
    char *rows = calloc(1, 1 << 16);
    json_array_foreach(json_object_get(task, "rows"), i, row) {
        char *line = json_dumps(row, JSON_COMPACT);
        assert_true(strlen(rows) + strlen(line) + 2 < 1 << 16);
        strcat(strcat(rows, line), "\n");
        free(line);
    }
    task_file_write(folder, json_string_value(json_object_get(task, "file")), rows);
    free(rows);
    pare_task_file file = task_file_read(json_string_value(json_object_get(task, "task")), folder);
    assert_int_equal(file.count, json_array_size(json_object_get(task, "documents")));
    json_array_foreach(json_object_get(task, "documents"), i, document) {
        const pare_task_document *made = document_of(&file, (json_int_t)i);
        json_t *contexts = json_object_get(document, "contexts"), *lengths = json_object_get(document, "characters");
        json_t *continuations = json_object_get(document, "continuations"), *context;
        assert_int_equal(made->gold, json_integer_value(json_object_get(document, "gold")));
        assert_int_equal(made->count, json_array_size(contexts));
        json_array_foreach(contexts, j, context) {
            assert_string_equal(pare_task_context(made, (uint32_t)j), json_string_value(context));
            assert_string_equal(made->continuations[j], json_string_value(json_array_get(continuations, j)));
            if (lengths) assert_int_equal(made->characters[j], json_integer_value(json_array_get(lengths, j)));
        }
    }
    pare_task_file_close(&file);
}

static void requests_of_made_up_rows(void **state) {
    (void)state;
    json_t *golden = load_json(PARE_SOURCE_DIR "/tests/data/task_requests.json"), *task;
    size_t i;
    assert_int_equal(json_array_size(golden), 7);
    json_array_foreach(golden, i, task) {
        char *folder = tiny_folder();
        compare_made_up(folder, task);
        tiny_remove(folder);
        free(folder);
    }
    json_decref(golden);
}

static void requests_equal_the_examples(void **state) {
    (void)state;
    need_shared("spec/zeroshot_examples.jsonl");
    need_shared("data/boolq/val.jsonl");
    pare_task_file file = {0};
    char line[1 << 16];
    int compared = 0;
    FILE *examples = fopen(shared_path("spec/zeroshot_examples.jsonl"), "r");
    assert_non_null(examples);
    for (; fgets(line, sizeof line, examples); compared++) {
        json_t *example = json_loads(line, 0, NULL);
        const char *task = json_string_value(json_object_get(example, "task"));
        assert_non_null(task);
        if (!file.task || strcmp(file.task->name, task) != 0) {
            pare_task_file_close(&file);
            file = task_file_read(task, shared_path("data"));
        }
        compare(document_of(&file, json_integer_value(json_object_get(example, "doc"))), example);
        json_decref(example);
    }
    fclose(examples);
    pare_task_file_close(&file);
    assert_int_equal(compared, 21);
}

static void whole_files_are_read(void **state) {
    (void)state;
    static const uint32_t rows[] = {3270, 1838, 1000, 1267, 2376, 1172, 500};
    need_shared("data/boolq/val.jsonl");
    for (size_t i = 0; pare_task_at(i); i++) {
        pare_task_file file = task_file_read(pare_task_name(i), shared_path("data"));
        assert_int_equal(file.count, rows[i]);
        pare_task_file_close(&file);
    }
}

int main(void) {
    const struct CMUnitTest ours[] = {cmocka_unit_test(requests_of_made_up_rows)},
                            theirs[] = {
                                cmocka_unit_test(requests_equal_the_examples),
                                cmocka_unit_test(whole_files_are_read),
                            };
    return golden_is_ours() ? cmocka_run_group_tests(ours, NULL, NULL) : cmocka_run_group_tests(theirs, NULL, NULL);
}
