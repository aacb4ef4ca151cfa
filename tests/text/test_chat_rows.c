/* The rows that chats come in: names of roles, keys, parts; and which are skipped. */
#include "examples_fixture.h"

#include "tokenizer/buffer.h"

static const pare_examples_request PLAIN = {.wording = PARE_TEMPLATE_NONE};

static void expect_chat(const char *row, const char *expected) {
    pare_examples e = examples_of("chat.jsonl", row, PLAIN);
    assert_int_equal(e.count, 1);
    assert_example(&e, 0, expected);
    pare_examples_free(&e);
}

static void test_roles(void **state) {
    (void)state;
    static const char *const users[] = {"user", "human", "Human", "prompter"};
    static const char *const answers[] = {"assistant", "gpt", "chatgpt", "bing", "bard", "model", "GPT"};
    for (size_t u = 0; u < sizeof users / sizeof *users; u++)
        for (size_t a = 0; a < sizeof answers / sizeof *answers; a++) {
            char row[256];
            snprintf(row, sizeof row,
                     "{\"conversations\": [{\"from\": \"system\", \"value\": \"S\"}, {\"from\": \"%s\", \"value\": "
                     "\"Q\"}, {\"from\": \"%s\", \"value\": \"A\"}]}\n",
                     users[u], answers[a]);
            expect_chat(row, "^S\nQ\n[A$]");
        }
}

#define TURNS(role, text)                                                                                              \
    "[{\"" role "\": \"user\", \"" text "\": \"Q\"}, {\"" role "\": \"assistant\", \"" text "\": \"A\"}]"

static void test_keys(void **state) {
    (void)state;
    static const char *const rows[] = {
        "{\"messages\": " TURNS("role", "content") "}",      "{\"messages\": " TURNS("from", "value") "}",
        "{\"conversations\": " TURNS("role", "content") "}", "{\"conversations\": " TURNS("from", "value") "}",
        "{\"conversation\": " TURNS("role", "content") "}",  "{\"id\": 7, \"messages\": " TURNS("role", "content") "}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_chat(rows[i], "^Q\n[A$]");
    expect_chat("{\"system\": \"S\", \"conversations\": " TURNS("from", "value") "}", "^S\nQ\n[A$]");
    expect_chat("{\"system\": \"\", \"conversations\": " TURNS("from", "value") "}", "^Q\n[A$]");
    expect_chat("{\"system\": \"not this\", \"messages\": [{\"role\": \"system\", \"content\": \"S\"}, {\"role\": "
                "\"user\", \"content\": \"Q\"}, {\"role\": \"assistant\", \"content\": \"A\"}]}",
                "^S\nQ\n[A$]");
}

static void test_parts(void **state) {
    (void)state;
    expect_chat(
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"one \"}, {\"type\": "
        "\"text\", \"text\": \"two\"}]}, {\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": "
        "\"A\"}]}]}",
        "^one two\n[A$]");
    expect_chat("{\"messages\": [{\"role\": \"user\", \"content\": [\"one \", \"two\"]}, {\"role\": \"assistant\", "
                "\"content\": \"A\"}]}",
                "^one two\n[A$]");
}

#define USER(content) "{\"messages\": [{\"role\": \"user\", \"content\": " content "}]}\n"

/* One odd row among 200 is skipped, and named by its line. */
static void test_odd(void **state) {
    (void)state;
    static const char good[] = "{\"messages\": " TURNS("role", "content") "}\n";
    static const struct {
        const char *row, *said;
    } cases[] = {
        {"{\"messages\": \"Hi\"}\n", "not a list of turns"},
        {"{\"messages\": [{\"content\": \"Hi\"}]}\n", "without a \"role\""},
        {"{\"messages\": [{\"role\": \"narrator\", \"content\": \"Hi\"}]}\n", "\"narrator\""},
        {"{\"messages\": [{\"role\": 3, \"content\": \"Hi\"}]}\n", "without a \"role\""},
        {"{\"messages\": [\"Hi\"]}\n", "without a \"role\""},
        {"{\"messages\": [{\"role\": \"user\"}]}\n", "missing"},
        {USER("null"), "not a text"},
        {USER("7"), "not a text"},
        {USER("[{\"type\": \"image_url\", \"image_url\": \"x\"}]"), "\"image_url\""},
        {USER("[{\"type\": \"text\"}]"), "without a text"},
        {"{\"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\": [{}]}]}\n", "calls tools"},
        {"{\"messages\": [{\"role\": \"tool\", \"content\": \"7\"}]}\n", "tool's turn"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_buffer data = {0};
        for (int r = 0; r < 200; r++) {
            const char *row = r == 11 ? cases[i].row : good;
            assert_ok(pare_buffer_append(&data, row, strlen(row)));
        }
        pare_examples e;
        pare_examples_request request = PLAIN;
        request.cutoff = 100;
        assert_ok(read_examples("chat.jsonl", data.data, data.bytes, request, &e));
        assert_int_equal(e.count, 199);
        char *note = pare_examples_note(&e, "chat.jsonl");
        assert_non_null(note);
        if (!strstr(note, cases[i].said) || !strstr(note, "12")) fail_msg("%s", note);
        free(note);
        pare_examples_free(&e);
        pare_buffer_free(&data);
        request.cutoff = 100;
        assert_int_equal(read_examples("chat.jsonl", cases[i].row, strlen(cases[i].row), request, &e),
                         PARE_FORMAT_ERROR);
        if (!strstr(pare_message(), cases[i].said)) fail_msg("%s", pare_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_odd),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
