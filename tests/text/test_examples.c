/* Examples from every kind of rows: which tokens, which of them are learnt, and what becomes of those that are too long
 * or have no answer. */
#include "examples_fixture.h"

#define ALPACA                                                                                                         \
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"    \
    "### Instruction:\nAdd.\n\n### Response:\n"
#define ALPACA_INPUT                                                                                                   \
    "Below is an instruction that describes a task, paired with an input that provides further context. Write a "      \
    "response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n2, 3\n\n"             \
    "### Response:\n"

static const pare_examples_request BARE = {.wording = PARE_TEMPLATE_NONE};

static void expect_prompt(pare_template wording, const char *input, const char *expected) {
    char *text = pare_template_prompt(wording, "Add.", input);
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static void test_template(void **state) {
    (void)state;
    expect_prompt(PARE_TEMPLATE_ALPACA, NULL, ALPACA);
    expect_prompt(PARE_TEMPLATE_ALPACA, "", ALPACA);
    expect_prompt(PARE_TEMPLATE_ALPACA, "2, 3", ALPACA_INPUT);
    expect_prompt(PARE_TEMPLATE_NONE, NULL, "Add.\n");
    expect_prompt(PARE_TEMPLATE_NONE, "2, 3", "Add.\n2, 3\n");
}

static void test_alpaca(void **state) {
    (void)state;
    pare_examples e = examples_of("rows.json",
                                  "\xEF\xBB\xBF [{\"instruction\": \"Add.\", \"input\": \"2, 3\", \"output\": \"5\", "
                                  "\"text\": \"all of it\"}, {\"instruction\": \"Add.\", \"input\": \"\", \"output\": "
                                  "\"What?\"},\n{\"output\": \"no\", \"instruction\": \"Add.\", \"input\": null}]\n",
                                  (pare_examples_request){0});
    assert_int_equal(e.count, 3);
    assert_int_equal(e.shortened + e.dropped, 0);
    assert_null(e.learnt);
    assert_example(&e, 0, "^" ALPACA_INPUT "[5$]");
    assert_example(&e, 1, "^" ALPACA "[What?$]");
    assert_example(&e, 2, "^" ALPACA "[no$]");
    pare_examples_free(&e);
}

static void test_other_instructions(void **state) {
    (void)state;
    pare_examples e = examples_of("lamini.jsonl",
                                  "{\"instruction\": \"Add.\", \"response\": \"5\", \"instruction_source\": \"x\"}\r\n"
                                  "\n{\"instruction\": \"a\\u0000b\", \"context\": \"c\", \"response\": \"d\"}",
                                  (pare_examples_request){0});
    assert_int_equal(e.count, 2);
    assert_example(&e, 0, "^" ALPACA "[5$]");
    const pare_example *second = e.list + 1;
    size_t heading = strlen("Below is an instruction that describes a task, paired with an input that provides further "
                            "context. Write a response that appropriately completes the request.\n\n"
                            "### Instruction:\n");
    const uint32_t *ids = e.ids + second->start + 1 + heading;
    assert_int_equal(ids[0], 'a');
    assert_int_equal(ids[1], 0); /* a NUL does not end a text */
    assert_int_equal(ids[2], 'b');
    pare_examples_free(&e);
    e = examples_of("bare.jsonl", "{\"instruction\": \"Add.\", \"input\": \"2, 3\", \"output\": \"5\"}", BARE);
    assert_example(&e, 0, "^Add.\n2, 3\n[5$]");
    pare_examples_free(&e);
}

static void test_completions(void **state) {
    (void)state;
    static const char rows[] = "[{\"prompt\": \"2+3=\", \"completion\": \"5\"}, {\"prompt\": \"\", \"completion\": "
                               "\"x</s>\"}, {\"prompt\": \"p\", \"completion\": \"<s>\"}]";
    pare_examples e = examples_of("rows.json", rows, (pare_examples_request){0});
    assert_int_equal(e.count, 3);
    assert_example(&e, 0, "^2+3=[5$]");
    assert_example(&e, 1, "[^x$]"); /* no second EOS */
    assert_example(&e, 2, "^p[^$]");
    pare_examples_free(&e);
    e = examples_of("rows.json", rows, (pare_examples_request){.train_on_prompt = true, .limit = 1});
    assert_int_equal(e.count, 1);
    assert_example(&e, 0, "[^2+3=5$]");
    pare_examples_free(&e);
    e = examples_of("rows.json", "[{\"prompt\": \"a\", \"response\": \"b\"}]", (pare_examples_request){0});
    assert_example(&e, 0, "^a[b$]");
    pare_examples_free(&e);
}

/* "^abcde[123$]" is 10 tokens. */
static void test_cutoff(void **state) {
    (void)state;
    static const char row[] = "{\"prompt\": \"abcde\", \"completion\": \"123\"}\n"
                              "{\"prompt\": \"a\", \"completion\": \"1\"}\n";
    static const struct {
        uint32_t cutoff;
        const char *expected;
        bool shortened;
    } cases[] = {{10, "^abcde[123$]", false}, {9, "^abcde[123]", true}, {8, "^abcde[12]", true},
                 {7, "^abcde[1]", true},      {6, NULL, false},         {5, NULL, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_examples e = examples_of("rows.jsonl", row, (pare_examples_request){.cutoff = cases[i].cutoff});
        assert_int_equal(e.count, cases[i].expected ? 2 : 1);
        assert_int_equal(e.shortened, cases[i].shortened);
        assert_int_equal(e.dropped, !cases[i].expected);
        if (cases[i].expected) assert_example(&e, 0, cases[i].expected);
        assert_example(&e, e.count - 1, "^a[1$]");
        pare_examples_free(&e);
    }
    pare_examples e = examples_of("rows.jsonl", row, (pare_examples_request){.cutoff = 5, .train_on_prompt = true});
    assert_int_equal(e.count, 2);
    assert_example(&e, 0, "[^abcd]");
    pare_examples_free(&e);
}

static void test_empty_answers(void **state) {
    (void)state;
    pare_examples e =
        examples_of("rows.jsonl",
                    "{\"prompt\": \"a\", \"completion\": \"\"}\n{\"prompt\": \"b\", \"completion\": null}\n"
                    "{\"prompt\": \"c\", \"completion\": \"d\"}\n",
                    (pare_examples_request){.train_on_prompt = true});
    assert_int_equal(e.count, 1);
    assert_int_equal(e.dropped, 2);
    assert_example(&e, 0, "[^cd$]");
    pare_examples_free(&e);
}

static void test_text_rows(void **state) {
    (void)state;
    static const char rows[] = "{\"text\": \"abc\", \"prompt\": \"p\"}\n\"12345678\"\n{\"text\": \"\"}\n{\"text\": "
                               "\"xyz\"}\n";
    pare_examples e = examples_of("rows.jsonl", rows, (pare_examples_request){.cutoff = 4});
    assert_int_equal(e.count, 5);
    assert_int_equal(e.dropped, 1);
    assert_int_equal(e.shortened, 2);
    assert_example(&e, 0, "[^abc]"); /* its EOS alone teaches nothing */
    assert_example(&e, 1, "[^123]");
    assert_example(&e, 2, "[4567]");
    assert_example(&e, 3, "[8$]");
    assert_example(&e, 4, "[^xyz]");
    pare_examples_free(&e);
    e = examples_of("rows.jsonl", "{\"instruction\": \"a\", \"output\": \"b\", \"body\": \"c\"}\n",
                    (pare_examples_request){.field = "body"});
    assert_example(&e, 0, "[^c$]");
    pare_examples_free(&e);
}

static void test_ids(void **state) {
    (void)state;
    pare_examples e =
        examples_of("rows.jsonl", "[97, 98, 99]\n[100]\n[101, 257]\n", (pare_examples_request){.cutoff = 8});
    assert_int_equal(e.count, 2);
    assert_int_equal(e.dropped, 1);
    assert_example(&e, 0, "[abc]");
    assert_example(&e, 1, "[e$]");
    pare_examples_free(&e);
    e = examples_of("list.json", "[97, 98, 99, 100, 101]", (pare_examples_request){.cutoff = 3});
    assert_int_equal(e.count, 2);
    assert_example(&e, 0, "[abc]");
    assert_example(&e, 1, "[de]");
    pare_examples_free(&e);
    char *path = write_file("ids.json", "[[5, 70000]]", 12);
    assert_ok(pare_examples_read(NULL, &(pare_examples_request){.path = path, .cutoff = 8}, &e));
    assert_int_equal(e.ids[1], 70000);
    pare_examples_free(&e);
    remove_file(path);
}

static void test_plain_text(void **state) {
    (void)state;
    pare_examples e = examples_of("novel.txt", "one\n\ntwo.", (pare_examples_request){.cutoff = 4});
    assert_int_equal(e.count, 3);
    assert_example(&e, 0, "[^one]");
    assert_example(&e, 1, "[\n\ntw]");
    assert_example(&e, 2, "[o.]");
    pare_examples_free(&e);
    e = examples_of("novel.txt", "one\n\ntwo.", (pare_examples_request){.cutoff = 4, .limit = 2});
    assert_int_equal(e.count, 2);
    assert_example(&e, 1, "[\n\ntw]");
    pare_examples_free(&e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_template),           cmocka_unit_test(test_alpaca), cmocka_unit_test(test_completions),
        cmocka_unit_test(test_other_instructions), cmocka_unit_test(test_cutoff), cmocka_unit_test(test_empty_answers),
        cmocka_unit_test(test_text_rows),          cmocka_unit_test(test_ids),    cmocka_unit_test(test_plain_text),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
