/* Every form of row that the tasks' files come in, where files are found, and damaged ones. */
#include "evaluate/task_files.h"

#include "support/memory.h"

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = tiny_folder();
    return 0;
}

static int remove_folder(void **state) {
    (void)state;
    tiny_remove(folder);
    free(folder);
    return 0;
}

/* The file of one row gives this document; choices with a bar between them. */
static void expect_row(const char *task, const char *name, const char *row, const char *context,
                       const char *continuations, uint32_t gold) {
    task_file_write(folder, name, row);
    pare_task_file file = task_file_read(task, folder);
    const pare_task_document *document = &file.documents[0];
    char *joined = pare_format("%s", "");
    for (uint32_t i = 0; i < document->count; i++) {
        char *longer = pare_format("%s%s%s", joined, i ? "|" : "", document->continuations[i]);
        free(joined);
        joined = longer;
    }
    assert_int_equal(file.count, 1);
    assert_string_equal(document->contexts[0], context);
    assert_string_equal(joined, continuations);
    assert_int_equal(document->gold, gold);
    free(joined);
    pare_task_file_close(&file);
    char *path = pare_path_join(folder, name);
    remove(path);
    free(path);
}

static void boolq_has_many_labels(void **state) {
    (void)state;
    static const char *const labels[] = {"\"label\":true",  "\"label\":1",     "\"label\":\"true\"",
                                         "\"label\":\"1\"", "\"answer\":true", "\"answer\":\"true\""};
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        char *row = pare_format("{\"passage\":\"T -- p\",\"question\":\"is it\",%s}\n", labels[i]);
        expect_row("boolq", "boolq/val.jsonl", row, "T -- p\nQuestion: is it?\nAnswer:", " no| yes", 1);
        free(row);
    }
    expect_row("boolq", "dev.jsonl", "{\"passage\":\"p\",\"title\":\"T\",\"question\":\"q\",\"answer\":false}",
               "T -- p\nQuestion: q?\nAnswer:", " no| yes", 0);
}

static void piqa_has_labels_beside_it(void **state) {
    (void)state;
    expect_row("piqa", "valid.json", "[{\"goal\":\"g\",\"sol1\":\" a\",\"sol2\":\"b\",\"label\":1}]",
               "Question: g\nAnswer:", "  a| b", 1);
    task_file_write(folder, "valid-labels.lst", "1\n0\n");
    task_file_write(folder, "valid.jsonl",
                    "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n\n{\"goal\":\"h\",\"sol1\":\"\xC3\xA9t\xC3\xA9\","
                    "\"sol2\":\"b\"}\n");
    pare_task_file file = task_file_read("piqa", folder);
    assert_int_equal(file.count, 2);
    assert_int_equal(file.documents[0].gold, 1);
    assert_int_equal(file.documents[1].gold, 0);
    assert_int_equal(file.documents[1].number, 1);
    assert_int_equal(file.documents[1].characters[0], 3);
    assert_int_equal(strlen(file.digest), 64);
    pare_task_file_close(&file);
}

static void hellaswag_is_prepared(void **state) {
    (void)state;
    expect_row("hellaswag", "hellaswag/hellaswag_val.jsonl",
               "{\"activity_label\":\"Baking\",\"ctx_a\":\"[header] A man bakes.\",\"ctx_b\":\"HE\",\"endings\":"
               "[\"eats.\",\"[step] sings  well [title] Now.\"],\"label\":\"1\"}",
               "Baking: A man bakes. He", " eats.|  sings well. Now.", 1);
    expect_row("hellaswag", "hellaswag_val.jsonl",
               "{\"activity_label\":\"A\",\"ctx_a\":\"b.\",\"ctx_b\":\"\",\"endings\":[\"c\",\"d\"],\"label\":0}",
               "A: b.", " c| d", 0);
    expect_row("hellaswag", "hellaswag/hellaswag_val_1000_lmeval_exact.jsonl",
               "{\"row\":3,\"query\":\"A: [b]\",\"choices\":[\" c\",\"d  e\"],\"gold\":1}", "A: [b]", "  c| d  e", 1);
}

static void winogrande_has_two_contexts(void **state) {
    (void)state;
    task_file_write(
        folder, "winogrande/dev.jsonl",
        "{\"qID\":\"x\",\"sentence\":\"Ann saw Bob so _ left, _ . \",\"option1\":\"Ann\",\"option2\":\"Bob\","
        "\"answer\":\"2\"}\n");
    pare_task_file file = task_file_read("winogrande", folder);
    const pare_task_document *document = &file.documents[0];
    assert_string_equal(pare_task_context(document, 0), "Ann saw Bob so Ann");
    assert_string_equal(pare_task_context(document, 1), "Ann saw Bob so Bob");
    assert_string_equal(document->continuations[0], " left, _ .");
    assert_string_equal(document->continuations[1], " left, _ .");
    assert_int_equal(document->gold, 1);
    pare_task_file_close(&file);
}

static void choices_come_in_two_forms(void **state) {
    (void)state;
    static const char released[] =
        "{\"question\":{\"stem\":\"why\",\"choices\":[{\"text\":\"a\",\"label\":\"1\"},"
        "{\"text\":\"b\",\"label\":\"2\"},{\"text\":\"c\",\"label\":\"3\"}]},\"answerKey\":\"3\"}",
                      exported[] = "{\"question\":\"why\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\"]},"
                                   "\"answerKey\":\"B\"}",
                      stem[] =
                          "{\"question_stem\":\"why\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\"]},"
                          "\"answerKey\":\"A\"}";
    expect_row("arc_easy", "arc/ARC-Easy-Test.jsonl", released, "Question: why\nAnswer:", " a| b| c", 2);
    expect_row("arc_challenge", "ARC-Challenge/test.jsonl", exported, "Question: why\nAnswer:", " a| b", 1);
    expect_row("openbookqa", "openbookqa/test.jsonl", stem, "why", " a| b", 0);
    expect_row("openbookqa", "test.json",
               "[{\"question\":{\"stem\":\"why\",\"choices\":[{\"text\":\"a\",\"label\":\"A\"},"
               "{\"text\":\"b\",\"label\":\"B\"}]},\"answerKey\":\"B\"}]",
               "why", " a| b", 1);
}

/* The sentence names the file and holds `part`. */
static void expect_refusal(const char *task, const char *name, const char *text, const char *part) {
    const pare_task_file_request request = {.data = folder, .alone = true};
    pare_task_file file;
    uint64_t before = pare_memory_current();
    task_file_write(folder, name, text);
    assert_int_not_equal(pare_task_file_open(pare_task_find(task), &request, &file), PARE_OK);
    if (!strstr(pare_message(), part) || !strstr(pare_message(), name)) fail_msg("%s", pare_message());
    assert_int_equal(pare_memory_current(), before);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    static const char good[] = "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":0}\n";
    const struct {
        const char *task, *name, *text, *part;
    } cases[] = {
        {"piqa", "valid.jsonl", "", "is empty"},
        {"piqa", "valid.jsonl", "{\"goal\":", "line 1"},
        {"piqa", "valid.jsonl", "3\n", "line 1 is no object"},
        {"piqa", "valid.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"label\":0}", "\"sol2\""},
        {"piqa", "valid.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}", "no label"},
        {"piqa", "valid.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":2}", "'2'"},
        {"piqa", "valid.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":[]}", "label"},
        {"piqa", "valid.jsonl", "{\"goal\":\"g\\u0000\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":0}", "NUL"},
        {"winogrande", "dev.jsonl", "{\"sentence\":\"a\",\"option1\":\"b\",\"option2\":\"c\",\"answer\":\"1\"}",
         "blank"},
        {"hellaswag", "val.jsonl", "{\"query\":\"q\",\"choices\":[\"a\"],\"gold\":0}", "\"choices\""},
        {"hellaswag", "val.jsonl", "{\"query\":\"q\",\"choices\":[\"a\",2],\"gold\":0}", "\"choices\""},
        {"hellaswag", "val.jsonl",
         "{\"query\":\"q\",\"choices\":[\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"],\"gold\":0}", "more than 8"},
        {"arc_easy", "test.jsonl",
         "{\"question\":\"q\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\"]},\"answerKey\":\"A\"}", "choices"},
        {"arc_easy", "test.jsonl",
         "{\"question\":\"q\",\"choices\":{\"text\":[\"a\",\"b\"],\"label\":[\"A\",\"B\"]},\"answerKey\":\"C\"}",
         "'C'"},
        {"arc_easy", "test.jsonl", "{\"question\":\"q\",\"answerKey\":\"A\"}", "choices"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(cases[i].task, cases[i].name, cases[i].text, cases[i].part);
    task_file_write(folder, "dev-labels.lst", "0\n");
    char *rows = pare_format("%s%s", good, good);
    char *path = pare_path_join(folder, "valid.jsonl");
    remove(path);
    expect_refusal("piqa", "dev.jsonl", rows, "line 2 has no line");
    task_file_write(folder, "dev-labels.lst", "0\n1\n1\n");
    expect_refusal("piqa", "dev.jsonl", rows, "more lines");
    free(path);
    free(rows);
}

static void missing_files_are_named(void **state) {
    (void)state;
    pare_task_file_request request = {.data = folder};
    pare_task_file file;
    assert_int_equal(pare_task_file_open(pare_task_find("boolq"), &request, &file), PARE_FILE_ERROR);
    assert_non_null(strstr(pare_message(), "boolq/val"));
    assert_non_null(strstr(pare_message(), folder));
    /* a general name in DIR itself could be any task's */
    task_file_write(folder, "val.jsonl", "{\"passage\":\"p\",\"question\":\"q\",\"label\":true}");
    assert_int_equal(pare_task_file_open(pare_task_find("boolq"), &request, &file), PARE_FILE_ERROR);
    request.alone = true;
    assert_int_equal(pare_task_file_open(pare_task_find("boolq"), &request, &file), PARE_OK);
    pare_task_file_close(&file);
    request = (pare_task_file_request){.data = "/nowhere/at/all"};
    assert_int_equal(pare_task_file_open(pare_task_find("boolq"), &request, &file), PARE_BAD_ARGUMENT);
    request.alone = true;
    assert_int_not_equal(pare_task_file_open(pare_task_find("boolq"), &request, &file), PARE_OK);
    assert_non_null(strstr(pare_message(), "/nowhere/at/all"));
}

static void a_limit_takes_what_the_protocol_says(void **state) {
    (void)state;
    FILE *out;
    char *path = pare_path_join(folder, "valid.jsonl");
    assert_non_null(out = fopen(path, "w"));
    for (int i = 0; i < 5; i++)
        fprintf(out, "{\"goal\":\"%d\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":0}\n", i);
    fclose(out);
    pare_task_file_request request = {.data = path, .alone = true, .limit = 2};
    pare_task_file file;
    assert_int_equal(pare_task_file_open(pare_task_find("piqa"), &request, &file), PARE_OK);
    assert_true(file.count == 2 && file.rows == 5 && file.documents[0].number == 0 && file.documents[1].number == 1);
    pare_task_file_close(&file);
    request.protocol = PARE_TASK_4D21AB6B; /* random.Random(42).shuffle([0, 1, 2, 3, 4]): 3, 1, 2, 4, 0 */
    assert_int_equal(pare_task_file_open(pare_task_find("piqa"), &request, &file), PARE_OK);
    assert_true(file.count == 2 && file.documents[0].number == 3 && file.documents[1].number == 1);
    assert_string_equal(file.documents[0].contexts[0], "Question: 3\nAnswer:");
    pare_task_file_close(&file);
    free(path);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(boolq_has_many_labels),     IN_A_FOLDER(piqa_has_labels_beside_it),
        IN_A_FOLDER(hellaswag_is_prepared),     IN_A_FOLDER(winogrande_has_two_contexts),
        IN_A_FOLDER(choices_come_in_two_forms), IN_A_FOLDER(damaged_files_are_refused),
        IN_A_FOLDER(missing_files_are_named),   IN_A_FOLDER(a_limit_takes_what_the_protocol_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
