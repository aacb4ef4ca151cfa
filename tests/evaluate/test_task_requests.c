/* How a context and its continuation become ids. Expected ids are those of Hugging Face's tokenizers library (and of
 * SentencePiece) with the bundled model's files, put together by the rules of lm-evaluation-harness. */
#include "evaluate/task_files.h"
#include "evaluate/task_request.h"
#include "support/memory.h"

static pare_tokenizer *tokenizer;

static int open_tokenizer(void **state) {
    (void)state;
    return pare_tokenizer_open(PARE_SOURCE_DIR "/examples/tiny-stories", &tokenizer) == PARE_OK ? 0 : -1;
}

static int close_tokenizer(void **state) {
    (void)state;
    pare_tokenizer_close(tokenizer);
    return 0;
}

typedef struct pair {
    const char *context, *continuation;
} pair;

static pare_status encode(pair text, pare_task_protocol protocol, uint32_t window, pare_task_requests *out) {
    pare_task_document document = {.count = 1,
                                   .contexts = {(char *)(uintptr_t)text.context},
                                   .continuations = {(char *)(uintptr_t)text.continuation}};
    const pare_task_file file = {.path = (char *)(uintptr_t) "file.jsonl", .documents = &document, .count = 1};
    const pare_task_encoding encoding = {
        .tokenizer = tokenizer, .protocol = protocol, .window = window, .vocabulary = 1024};
    return pare_task_requests_encode(&encoding, &file, out);
}

static void expect(pair text, pare_task_protocol protocol, uint32_t window, const uint32_t *ids, uint32_t count,
                   uint32_t scored) {
    pare_task_requests requests;
    assert_int_equal(encode(text, protocol, window, &requests), PARE_OK);
    const pare_task_request *request = &requests.list[0];
    const uint32_t *made = requests.ids.ids + request->start;
    if (request->count != count || request->scored != scored || memcmp(made, ids, count * sizeof *ids) != 0) {
        fprintf(stderr, "'%s' '%s': %u ids, %u scored:", text.context, text.continuation, request->count,
                request->scored);
        for (uint32_t i = 0; i < request->count; i++)
            fprintf(stderr, " %u", made[i]);
        fail_msg("expected %u ids, %u scored", count, scored);
    }
    pare_task_requests_free(&requests);
}

#define EXPECT(context, continuation, protocol, scored, ...)                                                           \
    expect((pair){context, continuation}, protocol, 512, (const uint32_t[]){__VA_ARGS__},                              \
           sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t), scored)

static void current_rules(void **state) {
    (void)state;
    EXPECT("Question: why\nAnswer:", " the cat", PARE_TASK_CURRENT, 2, 1, 962, 84, 766, 342, 688, 1000, 376, 974, 13,
           68, 968, 970, 975, 284, 1000, 263, 660);
    /* the context's last spaces are the continuation's */
    EXPECT("a cat  ", " sat", PARE_TASK_CURRENT, 4, 1, 261, 660, 962, 962, 294, 964);
    EXPECT("", " hello", PARE_TASK_CURRENT, 4, 1, 962, 271, 296, 966);
    /* no second BOS */
    EXPECT("", "<s> hello", PARE_TASK_CURRENT, 4, 1, 962, 271, 296, 966);
    EXPECT("<s>a dog", " ran", PARE_TASK_CURRENT, 1, 1, 261, 643, 544);
}

/* Nothing but white space: all of it goes to the continuation, behind the BOS alone, whether the tokenizer adds that by
 * itself or it stands for the empty context. */
static void a_blank_context_keeps_its_space(void **state) {
    (void)state;
    pare_tokenizer *adding = tokenizer, *bare;
    char *folder = tiny_folder(), *to = pare_path_join(folder, "tokenizer.model");
    assert_int_equal(symlink(PARE_SOURCE_DIR "/examples/tiny-stories/tokenizer.model", to), 0);
    tiny_write_text(folder, "tokenizer_config.json",
                    "{\"tokenizer_class\":\"LlamaTokenizer\",\"bos_token\":\"<s>\",\"add_bos_token\":false}");
    assert_int_equal(pare_tokenizer_open(folder, &bare), PARE_OK);
    assert_false(pare_tokenizer_adds_bos(bare));
    for (int i = 0; i < 2; i++) {
        tokenizer = i ? bare : adding;
        EXPECT("  ", " sat", PARE_TASK_CURRENT, 5, 1, 962, 962, 962, 294, 964);
        EXPECT("\n", " sat", PARE_TASK_CURRENT, 4, 1, 962, 13, 294, 964);
        EXPECT("  ", " sat", PARE_TASK_4D21AB6B, 3, 962, 962, 962, 962, 294, 964);
    }
    tokenizer = adding;
    pare_tokenizer_close(bare);
    tiny_remove(folder);
    free(to);
    free(folder);
}

/* A continuation alone begins with a space of its own and the one that SentencePiece puts in front. */
static void rules_of_2023(void **state) {
    (void)state;
    EXPECT("Question: why\nAnswer:", " the cat", PARE_TASK_4D21AB6B, 3, 962, 84, 766, 342, 688, 1000, 376, 974, 13, 68,
           968, 970, 975, 284, 1000, 962, 263, 660);
    EXPECT("a cat  ", " sat", PARE_TASK_4D21AB6B, 3, 261, 660, 962, 962, 962, 294, 964);
    EXPECT("", " hello", PARE_TASK_4D21AB6B, 4, 2, 962, 271, 296, 966);
    EXPECT("", "<s> hello", PARE_TASK_4D21AB6B, 5, 2, 1, 962, 271, 296, 966);
    EXPECT("once upon a ti", "me there", PARE_TASK_4D21AB6B, 2, 402, 423, 261, 259, 969, 530, 371);
}

static void long_requests_lose_their_beginning(void **state) {
    (void)state;
    const pair text = {"Question: why\nAnswer:", " the cat"};
    static const uint32_t all[] = {1,  962, 84,  766, 342, 688, 1000, 376, 974,
                                   13, 68,  968, 970, 975, 284, 1000, 263, 660};
    for (uint32_t window = 1; window < 20; window++) {
        uint32_t count = window + 1 < 18 ? window + 1 : 18, scored = window < 2 ? window : 2;
        expect(text, PARE_TASK_CURRENT, window, all + 18 - count, count, scored);
    }
    pare_task_requests requests;
    assert_int_equal(encode(text, PARE_TASK_CURRENT, 1, &requests), PARE_OK);
    assert_true(requests.truncated == 1 && requests.cut == 1);
    pare_task_requests_free(&requests);
    assert_int_equal(encode(text, PARE_TASK_CURRENT, 17, &requests), PARE_OK);
    assert_true(requests.truncated == 0 && requests.cut == 0);
    pare_task_requests_free(&requests);
}

static void a_choice_without_tokens_is_refused(void **state) {
    (void)state;
    pare_task_requests requests;
    uint64_t before = pare_memory_current();
    assert_int_equal(encode((pair){"once upon a ti", "me there"}, PARE_TASK_CURRENT, 512, &requests),
                     PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "file.jsonl, document 0: choice 1"));
    assert_int_equal(pare_memory_current(), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(current_rules),
        cmocka_unit_test(a_blank_context_keeps_its_space),
        cmocka_unit_test(rules_of_2023),
        cmocka_unit_test(long_requests_lose_their_beginning),
        cmocka_unit_test(a_choice_without_tokens_is_refused),
    };
    return cmocka_run_group_tests(tests, open_tokenizer, close_tokenizer);
}
