/* The requests of three documents of every task, as lm-evaluation-harness makes them (../shared/spec). */
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_equal_the_examples),
        cmocka_unit_test(whole_files_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
