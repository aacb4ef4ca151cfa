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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages), cmocka_unit_test(test_conversations), cmocka_unit_test(test_as_instruction),
        cmocka_unit_test(test_cutoff),   cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
