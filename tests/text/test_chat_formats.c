/* Chats in the formats of published templates: the text that transformers gives (tests/oracle/chat_formats.py), and the
 * answers alone are learnt, each with what stops it. */
#include "examples_fixture.h"

#define GOLDEN PARE_SOURCE_DIR "/tests/data/chat_formats.json"

static const char *string_at(const json_t *json, const char *key) {
    const char *text = json_string_value(json_object_get(json, key));
    assert_non_null(text);
    return text;
}

static json_t *read_golden(void) {
    json_t *golden = json_load_file(GOLDEN, 0, NULL);
    assert_true(json_array_size(json_object_get(golden, "models")) >= 18);
    return golden;
}

/* The style of a model folder with this template. */
static pare_status open_style(const char *template, const char *bos, const char *eos, size_t wording,
                              pare_chat_style *style) {
    json_t *config = json_pack("{s:s}", "chat_template", template);
    if (*bos) json_object_set_new(config, "bos_token", json_string(bos));
    if (*eos) json_object_set_new(config, "eos_token", json_pack("{s:s}", "content", eos));
    char *text = json_dumps(config, 0), *path = write_file("tokenizer_config.json", text, strlen(text));
    pare_status status = pare_chat_style_open(folder, wording, style);
    remove_file(path);
    free(text);
    json_decref(config);
    return status;
}

static size_t wording_of(const char *name) {
    size_t index = 0;
    while (pare_template_name(index) && strcmp(pare_template_name(index), name) != 0)
        index++;
    assert_non_null(pare_template_name(index));
    return index;
}

static bool is_inside(const json_t *spans, size_t at) {
    for (size_t i = 0; i < json_array_size(spans); i++) {
        const json_t *span = json_array_get(spans, i);
        if (at >= (size_t)json_integer_value(json_array_get(span, 0)) &&
            at < (size_t)json_integer_value(json_array_get(span, 1)))
            return true;
    }
    return false;
}

/* Every byte is a token, but <s> and </s> are one each. */
static bool is_as_expected(const pare_examples *examples, const char *text, const json_t *spans) {
    const pare_example *example = examples->list;
    size_t at = 0;
    for (uint32_t t = 0; t < example->count; t++) {
        bool begins = strncmp(text + at, "<s>", 3) == 0, ends = strncmp(text + at, "</s>", 4) == 0;
        uint32_t expected = begins ? 256 : ends ? 257 : (unsigned char)text[at];
        if (!text[at] || examples->ids[example->start + t] != expected ||
            pare_example_learns(examples, example, t) != is_inside(spans, at)) {
            print_error("differs at byte %zu of:\n%s\n", at, text);
            return false;
        }
        at += begins ? 3 : ends ? 4 : 1;
    }
    if (text[at]) print_error("ends at byte %zu of:\n%s\n", at, text);
    return !text[at];
}

static bool check_chat(const pare_chat_style *style, const json_t *row, const json_t *expected) {
    pare_examples e;
    char *data = json_dumps(row, JSON_COMPACT);
    pare_status status =
        read_examples("chat.jsonl", data, strlen(data), (pare_examples_request){.style = style, .cutoff = 1000}, &e);
    const char *text = json_string_value(json_object_get(expected, "text"));
    bool right = text ? status == PARE_OK && e.count == 1 && e.formatted &&
                            is_as_expected(&e, text, json_object_get(expected, "spans"))
                      : status == PARE_FORMAT_ERROR && strstr(pare_message(), "format");
    if (!right) print_error("%s\nbecomes: %s\n", data, status == PARE_OK ? "an example" : pare_message());
    if (status == PARE_OK) pare_examples_free(&e);
    free(data);
    return right;
}

static void test_published(void **state) {
    (void)state;
    json_t *golden = read_golden(), *model;
    const json_t *chats = json_object_get(golden, "chats");
    size_t wrong = 0, i;
    json_array_foreach(json_object_get(golden, "models"), i, model) {
        pare_chat_style style;
        assert_ok(open_style(string_at(model, "template"), string_at(model, "bos"), string_at(model, "eos"),
                             PARE_TEMPLATE_AUTO, &style));
        assert_string_equal(pare_chat_style_name(&style), string_at(model, "format"));
        for (size_t c = 0; c < json_array_size(chats); c++)
            if (!check_chat(&style, json_array_get(chats, c), json_array_get(json_object_get(model, "chats"), c))) {
                print_error("%s, chat %zu\n\n", string_at(model, "name"), c);
                wrong++;
            }
        pare_chat_style_free(&style);
    }
    json_decref(golden);
    assert_int_equal(wrong, 0);
}

static const char HELLO[] = "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", "
                            "\"content\": \"Hello\"}]}\n";

/* A template of no format is refused with the choices, and --wording takes its place. */
static void test_unknown(void **state) {
    (void)state;
    static const char template[] = "{% for m in messages %}<<{{ m['role'] }}>>{{ m['content'] }}{% endfor %}";
    pare_chat_style style;
    pare_examples e;
    assert_ok(open_style(template, "<s>", "</s>", PARE_TEMPLATE_AUTO, &style));
    assert_int_equal(
        read_examples("chat.jsonl", HELLO, strlen(HELLO), (pare_examples_request){.style = &style, .cutoff = 1000}, &e),
        PARE_UNSUPPORTED);
    assert_non_null(strstr(pare_message(), "chat.jsonl has chats"));
    assert_non_null(strstr(pare_message(), "tokenizer_config.json"));
    assert_non_null(strstr(pare_message(), "--wording NAME (alpaca, none, qwen-3, chatml, llama-3, llama-2, mistral, "
                                           "gemma, phi-3, zephyr)"));
    pare_chat_style_free(&style);
    assert_ok(open_style(template, "<s>", "</s>", wording_of("llama-2"), &style));
    e = examples_of("chat.jsonl", HELLO, (pare_examples_request){.style = &style});
    assert_example(&e, 0, "^[INST] Hi [/INST][ Hello $]");
    pare_examples_free(&e);
    pare_chat_style_free(&style);
}

/* What is asked for counts, whatever the template is; instructions are then chats of one question. */
static void test_wording(void **state) {
    (void)state;
    static const char chatml[] = "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + "
                                 "'<|im_end|>\n' }}{% endfor %}";
    static const struct {
        const char *wording, *expected;
    } cases[] = {{"auto", "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n[Hello<|im_end|>]\n"},
                 {"none", "^Hi\n[Hello$]"},
                 {"zephyr", "<|user|>\nHi$\n<|assistant|>\n[Hello$]\n"},
                 {"gemma", "^<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n[Hello<end_of_turn>]\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_chat_style style;
        assert_ok(open_style(chatml, "<s>", "</s>", wording_of(cases[i].wording), &style));
        pare_examples e = examples_of("chat.jsonl", HELLO, (pare_examples_request){.style = &style});
        assert_example(&e, 0, cases[i].expected);
        pare_examples_free(&e);
        if (style.wording == PARE_TEMPLATE_CHAT) {
            e = examples_of("row.jsonl", "{\"instruction\": \"Hi\", \"output\": \"Hello\"}",
                            (pare_examples_request){.style = &style});
            assert_example(&e, 0, cases[i].expected);
            pare_examples_free(&e);
        }
        pare_chat_style_free(&style);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_wording),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
