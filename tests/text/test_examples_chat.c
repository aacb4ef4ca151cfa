/* Chats: every assistant turn is learnt, nothing else is. */
#include "examples_fixture.h"

#define INTRO                                                                                                          \
    "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
#define USER(text) "### Instruction:\n" text "\n\n"
#define ANSWER "### Response:\n"

static const char TWO_TURNS[] = "{\"messages\": [{\"role\": \"system\", \"content\": \"Be kind.\"}, {\"role\": "
                                "\"user\", \"content\": \"Hi\"}, {\"role\": \"assistant\", \"content\": \"Hello\"}, "
                                "{\"role\": \"user\", \"content\": \"Bye\"}, {\"role\": \"assistant\", \"content\": "
                                "\"See you\"}, {\"role\": \"user\", \"content\": \"Still there?\"}]}\n";

static void test_messages(void **state) {
    (void)state;
    pare_examples e = examples_of("chat.jsonl", TWO_TURNS, (pare_examples_request){0});
    assert_int_equal(e.count, 1);
    assert_non_null(e.learnt);
    assert_example(&e, 0, "^Be kind.\n\n" USER("Hi") ANSWER "[Hello$]" USER("Bye") ANSWER "[See you$]");
    assert_int_equal(e.list[0].prompt, strlen("^Be kind.\n\n" USER("Hi") ANSWER));
    pare_examples_free(&e);
    e = examples_of("chat.jsonl", TWO_TURNS, (pare_examples_request){.wording = PARE_TEMPLATE_NONE});
    assert_example(&e, 0, "^Be kind.\nHi\n[Hello$]Bye\n[See you$]");
    pare_examples_free(&e);
    e = examples_of("chat.jsonl", TWO_TURNS,
                    (pare_examples_request){.wording = PARE_TEMPLATE_NONE, .train_on_prompt = true});
    assert_example(&e, 0, "[^Be kind.\nHi\nHello$Bye\nSee you$]");
    assert_null(e.learnt);
    pare_examples_free(&e);
}

static void test_conversations(void **state) {
    (void)state;
    pare_examples e = examples_of(
        "chat.json",
        "[{\"id\": \"1\", \"conversations\": [{\"from\": \"human\", \"value\": \"Hi\"}, {\"from\": \"gpt\", "
        "\"value\": \"Hello\"}]}, {\"conversations\": [{\"from\": \"gpt\", \"value\": \"A\"}, {\"from\": "
        "\"gpt\", \"value\": \"\"}, {\"from\": \"human\", \"value\": \"x\"}, {\"from\": \"human\", "
        "\"value\": \"y\"}, {\"from\": \"gpt\", \"value\": \"B\"}]}]",
        (pare_examples_request){0});
    assert_int_equal(e.count, 2);
    assert_example(&e, 0, "^" INTRO USER("Hi") ANSWER "[Hello$]");
    assert_example(&e, 1, "^" INTRO ANSWER "[A$]" ANSWER "$" USER("x") USER("y") ANSWER "[B$]");
    pare_examples_free(&e);
}

/* A chat of one question and one answer is the same tokens as an instruction and its output. */
static void test_as_instruction(void **state) {
    (void)state;
    pare_examples chat = examples_of("chat.jsonl",
                                     "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}, {\"role\": "
                                     "\"assistant\", \"content\": \"Hello\"}]}",
                                     (pare_examples_request){0});
    pare_examples row =
        examples_of("row.jsonl", "{\"instruction\": \"Hi\", \"output\": \"Hello\"}", (pare_examples_request){0});
    assert_int_equal(chat.list[0].count, row.list[0].count);
    assert_int_equal(chat.list[0].prompt, row.list[0].prompt);
    assert_memory_equal(chat.ids, row.ids, row.list[0].count * sizeof *row.ids);
    pare_examples_free(&chat);
    pare_examples_free(&row);
}

/* Without wording the two turns are "^Be kind.\nHi\n" (13 tokens) "Hello$" (6) "Bye\n" (4) "See you$" (8). */
static void test_cutoff(void **state) {
    (void)state;
    static const struct {
        uint32_t cutoff;
        const char *expected;
    } cases[] = {{31, "^Be kind.\nHi\n[Hello$]Bye\n[See you$]"},
                 {24, "^Be kind.\nHi\n[Hello$]Bye\n[S]"},
                 {20, "^Be kind.\nHi\n[Hello$]B"},
                 {14, "^Be kind.\nHi\n[H]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_examples e = examples_of(
            "chat.jsonl", TWO_TURNS, (pare_examples_request){.wording = PARE_TEMPLATE_NONE, .cutoff = cases[i].cutoff});
        assert_int_equal(e.count, 1);
        assert_int_equal(e.shortened, cases[i].cutoff < 31);
        assert_example(&e, 0, cases[i].expected);
        pare_examples_free(&e);
    }
    pare_examples e;
    pare_examples_request request = {.wording = PARE_TEMPLATE_NONE, .cutoff = 13};
    assert_int_equal(read_examples("chat.jsonl", TWO_TURNS, strlen(TWO_TURNS), request, &e), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "nothing to learn"));
}

/* Marks stay with their examples when others are dropped in between. */
static void test_dropped(void **state) {
    (void)state;
    pare_examples e =
        examples_of("chat.jsonl",
                    "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n"
                    "{\"messages\": [{\"role\": \"user\", \"content\": \"b\"}, {\"role\": \"assistant\", \"content\": "
                    "\"c\"}]}\n{\"messages\": []}\n"
                    "{\"messages\": [{\"role\": \"user\", \"content\": \"d\"}, {\"role\": \"assistant\", \"content\": "
                    "\"\"}]}\n"
                    "{\"messages\": [{\"role\": \"assistant\", \"content\": \"e\"}]}\n",
                    (pare_examples_request){.wording = PARE_TEMPLATE_NONE});
    assert_int_equal(e.count, 2);
    assert_int_equal(e.dropped, 3);
    assert_example(&e, 0, "^b\n[c$]");
    assert_example(&e, 1, "[^e$]");
    pare_examples_free(&e);
}

/* In a model's format the chat is one text without a BOS of the tokenizer's, special tokens are tokens, and each answer
 * is learnt with its stop. */
static void test_format(void **state) {
    (void)state;
    static const char config[] = "{\"bos_token\": \"<s>\", \"eos_token\": \"</s>\"}";
    size_t llama = PARE_TEMPLATE_CHAT;
    while (strcmp(pare_template_name(llama), "llama-2") != 0)
        llama++;
    char *path = write_file("tokenizer_config.json", config, strlen(config));
    pare_chat_style style;
    assert_ok(pare_chat_style_open(folder, llama, &style));
    remove_file(path);
    pare_examples e = examples_of("chat.jsonl", TWO_TURNS, (pare_examples_request){.style = &style});
    assert_int_equal(e.count, 1);
    assert_example(&e, 0, "^[INST] <<SYS>>\nBe kind.\n<</SYS>>\n\nHi [/INST][ Hello $]^[INST] Bye [/INST][ See you $]");
    pare_examples_free(&e);
    static const char alpaca[] = "{\"instruction\": \"Add.\", \"input\": \"1\", \"output\": \"2\"}";
    e = examples_of("alpaca.jsonl", alpaca, (pare_examples_request){.style = &style});
    assert_example(&e, 0, "^[INST] Add.\n1 [/INST][ 2 $]");
    pare_examples_free(&e);
    pare_chat_style_free(&style);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_conversations), cmocka_unit_test(test_as_instruction),
        cmocka_unit_test(test_cutoff),   cmocka_unit_test(test_dropped),       cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
