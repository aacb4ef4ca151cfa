/* Chats in their models' formats are what transformers' apply_chat_template gives (tests/oracle/chat_formats.py),
 * formats are told by their templates, and what is learnt is answers with their stops. */
#include "byte_fixture.h"
#include "text/chat_render.h"

static json_t *golden;

static int load_golden(void **state) {
    golden = json_load_file(PARE_SOURCE_DIR "/tests/data/chat_formats.json", 0, NULL);
    return golden ? make_folder(state) : -1;
}

static int free_golden(void **state) {
    json_decref(golden);
    return remove_folder(state);
}

static const char *text_at(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

static pare_chat_style open_style(json_t *config, size_t wording) {
    char *text = json_dumps(config, 0), *path = write_file("tokenizer_config.json", text, strlen(text));
    pare_chat_style style;
    assert_ok(pare_chat_style_open(folder, wording, &style));
    remove_file(path);
    free(text);
    json_decref(config);
    return style;
}

static json_t *config_of(const char *template) {
    return json_pack("{s:s, s:{s:s}, s:s}", "bos_token", "<s>", "eos_token", "content", "</s>", "chat_template",
                     template);
}

static void expect_case(const json_t *format, const pare_chat_style *style, const json_t *one) {
    pare_odd_rows odd = {0};
    const pare_json_row row = {"chats.jsonl", "line", 1, one, &odd};
    pare_chat chat = {0};
    pare_buffer text = {0}, spans = {0};
    const char *expected = text_at(one, "text");
    assert_ok(pare_chat_read(&row, &chat));
    pare_status status = pare_chat_render(style, &row, &chat, &text, &spans);
    assert_ok(pare_buffer_append(&text, "", 1));
    if (status != (expected ? PARE_OK : PARE_FORMAT_ERROR) || (expected && strcmp(text.data, expected) != 0))
        fail_msg("%s: expected\n%s\nand got\n%s", text_at(format, "name"), expected ? expected : "a refusal",
                 text.data);
    assert_true(odd.refused == !expected);
    for (size_t i = 0; i + sizeof(pare_chat_span) <= spans.bytes; i += sizeof(pare_chat_span)) {
        pare_chat_span span;
        memcpy(&span, spans.data + i, sizeof span);
        char *stop = pare_format("%s", style->format->stop),
             *learnt = pare_format("%.*s", (int)(span.end - span.start), text.data + span.start);
        char *token = strstr(stop, "{eos}");
        if (token) strcpy(token, "</s>");
        assert_true(strlen(learnt) > strlen(stop));
        assert_string_equal(learnt + strlen(learnt) - strlen(stop), stop);
        free(stop);
        free(learnt);
    }
    pare_buffer_free(&text);
    pare_buffer_free(&spans);
    pare_chat_free(&chat);
}

static void test_formats(void **state) {
    (void)state;
    size_t index, number;
    json_t *format, *one;
    assert_true(json_array_size(golden) >= 14);
    json_array_foreach(golden, index, format) {
        pare_chat_style style = open_style(config_of(text_at(format, "template")), PARE_TEMPLATE_AUTO);
        assert_non_null(style.format);
        assert_string_equal(style.format->name, text_at(format, "format"));
        json_array_foreach(json_object_get(format, "cases"), number, one) expect_case(format, &style, one);
        pare_chat_style_free(&style);
    }
}

/* A list of named templates, a file of its own, and a template that is of no format. */
static void test_where_templates_are(void **state) {
    (void)state;
    const char *template = text_at(json_array_get(golden, 0), "template");
    json_t *list = json_pack("{s:[{s:s,s:s},{s:s,s:s}]}", "chat_template", "name", "tool_use", "template", "x", "name",
                             "default", "template", template);
    pare_chat_style style = open_style(list, PARE_TEMPLATE_AUTO);
    assert_string_equal(pare_chat_style_name(&style), "chatml");
    pare_chat_style_free(&style);
    char *jinja = write_file("chat_template.jinja", template, strlen(template));
    style = open_style(config_of("unheard of"), PARE_TEMPLATE_AUTO);
    assert_string_equal(pare_chat_style_name(&style), "chatml");
    pare_chat_style_free(&style);
    remove_file(jinja);
    style = open_style(config_of("unheard of"), PARE_TEMPLATE_AUTO);
    assert_true(style.unknown);
    pare_chat_style_free(&style);
    style = open_style(config_of("unheard of"), PARE_TEMPLATE_ALPACA);
    assert_false(style.unknown);
    assert_null(style.format);
    pare_chat_style_free(&style);
    size_t llama = PARE_TEMPLATE_CHAT;
    while (strcmp(pare_template_name(llama), "llama-2") != 0)
        llama++;
    style = open_style(config_of("unheard of"), llama);
    assert_string_equal(pare_chat_style_name(&style), "llama-2");
    pare_chat_style_free(&style);
}

/* Every spelling of one chat gives the same turns. */
static void test_spellings(void **state) {
    (void)state;
    static const char *const rows[] = {
        "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":\"ab\"},{\"role\":"
        "\"assistant\",\"content\":\"c\"}]}",
        "{\"conversations\":[{\"from\":\"system\",\"value\":\"s\"},{\"from\":\"human\",\"value\":\"ab\"},{\"from\":"
        "\"gpt\",\"value\":\"c\"}]}",
        "{\"system\":\"s\",\"conversations\":[{\"from\":\"Human\",\"value\":\"ab\"},{\"from\":\"bing\",\"value\":\"c\"}"
        "]}",
        "{\"conversation\":[{\"role\":\"system\",\"content\":\"s\"},{\"role\":\"human\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]},{\"role\":\"bard\",\"content\":[\"c\"]}]}",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *value = json_loads(rows[i], 0, NULL);
        const pare_json_row row = {"chats.jsonl", "line", 1, value, NULL};
        pare_chat chat = {0};
        assert_ok(pare_chat_read(&row, &chat));
        assert_int_equal(chat.count, 3);
        for (int role = 0; role < 3; role++)
            assert_int_equal(chat.turns[role].role, role);
        assert_int_equal(chat.texts.bytes, 4);
        assert_memory_equal(chat.texts.data, "sabc", 4);
        assert_int_equal(chat.turns[1].bytes, 2);
        pare_chat_free(&chat);
        json_decref(value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formats), cmocka_unit_test(test_where_templates_are),
                                       cmocka_unit_test(test_spellings)};
    return cmocka_run_group_tests(tests, load_golden, free_golden);
}
