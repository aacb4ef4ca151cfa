/* Damaged GGUF files: one sentence, never a crash, and never memory by a size that was not checked. */
#define ONE_FILE "damaged.gguf"

#include "gguf_builder.h"
#include "golden.h"
#include "model/model.h"
#include "one_file.h"
#include "support/memory.h"

enum { WIDTH = 32, TOKENS = 8, LAYER_TENSORS = 9 };

/* A LLaMA of one layer with a byte-level tokenizer; matrices of Q8_0 (34 bytes for 32 numbers), norms of F32. */
static const struct {
    const char *name;
    uint32_t rows; /* 0: a norm */
} tensors[] = {
    {"token_embd.weight", TOKENS},       {"output_norm.weight", 0},        {"blk.0.attn_norm.weight", 0},
    {"blk.0.attn_q.weight", WIDTH},      {"blk.0.attn_k.weight", WIDTH},   {"blk.0.attn_v.weight", WIDTH},
    {"blk.0.attn_output.weight", WIDTH}, {"blk.0.ffn_norm.weight", 0},     {"blk.0.ffn_gate.weight", WIDTH},
    {"blk.0.ffn_up.weight", WIDTH},      {"blk.0.ffn_down.weight", WIDTH},
};

enum { TENSORS = sizeof tensors / sizeof *tensors, Q8_0 = 8, BLOCK = 34 };

static uint64_t bytes_of(size_t tensor) {
    return tensors[tensor].rows ? (uint64_t)tensors[tensor].rows * BLOCK : WIDTH * sizeof(float);
}

static void put_tokenizer(gguf_builder *b) {
    static const char *const tokens[TOKENS] = {"<|end|>",
                                               "a",
                                               "b",
                                               "c",
                                               "ab",
                                               "\xC4\xA0",
                                               ("\xC4\xA0"
                                                "a"),
                                               "abc"};
    builder_string(b, "tokenizer.ggml.model", "gpt2");
    builder_string(b, "tokenizer.ggml.pre", "gpt-2");
    builder_array(b, "tokenizer.ggml.tokens", BUILDER_STRING, TOKENS);
    builder_mark(b, "first token");
    for (int i = 0; i < TOKENS; i++)
        builder_text(b, tokens[i]);
    builder_array(b, "tokenizer.ggml.token_type", BUILDER_I32, TOKENS);
    for (uint32_t i = 0; i < TOKENS; i++)
        builder_u32(b, i ? 1 : 3);
    builder_array(b, "tokenizer.ggml.merges", BUILDER_STRING, 3);
    builder_text(b, "a b");
    builder_mark(b, "second merge");
    builder_text(b, "\xC4\xA0 a");
    builder_text(b, "ab c");
    builder_whole(b, "tokenizer.ggml.eos_token_id", 0);
}

static void put_metadata(gguf_builder *b) {
    builder_mark(b, "first key");
    builder_string(b, "general.architecture", "llama");
    builder_whole(b, "llama.block_count", 1);
    builder_whole(b, "llama.context_length", 64);
    builder_whole(b, "llama.embedding_length", WIDTH);
    builder_whole(b, "llama.feed_forward_length", WIDTH);
    builder_whole(b, "llama.attention.head_count", 2);
    builder_string(b, "llama.rope.scaling.type", "yarn");
    builder_key(b, "llama.rope.scaling.factor", BUILDER_F32);
    builder_float(b, 2);
    builder_key(b, "llama.rope.scaling.original_context_length", BUILDER_F32);
    builder_float(b, 32);
    builder_mark(b, "eps");
    builder_key(b, "llama.attention.layer_norm_rms_epsilon", BUILDER_F32);
    builder_float(b, 1e-5f);
    builder_mark(b, "flag");
    builder_key(b, "tokenizer.ggml.add_bos_token", BUILDER_BOOL);
    builder_put(b, "\0", 1);
    builder_mark(b, "nested");
    builder_array(b, "some.nested", BUILDER_ARRAY, 1);
    builder_u32(b, BUILDER_U32);
    builder_u64(b, 2);
    builder_u64(b, 0);
    put_tokenizer(b);
}

static gguf_builder whole_file(void) {
    gguf_builder b = {.count = 0};
    builder_put(&b, "GGUF", 4);
    builder_u32(&b, 3);
    builder_u64(&b, TENSORS);
    builder_u64(&b, 18);
    put_metadata(&b);
    uint64_t offset = 0;
    for (size_t i = 0; i < TENSORS; i++) {
        if (i < 2) builder_mark(&b, i ? "second tensor" : "first tensor");
        builder_tensor(&b, tensors[i].name, tensors[i].rows ? Q8_0 : 0, WIDTH, tensors[i].rows, offset);
        offset += (bytes_of(i) + 31) / 32 * 32;
    }
    builder_align(&b);
    builder_mark(&b, "data");
    for (size_t i = 0; i < TENSORS; i++) {
        for (uint64_t at = 0; at < bytes_of(i); at++) {
            unsigned char byte = (unsigned char)(tensors[i].rows ? (at % BLOCK == 1 ? 0x20 : at % 5)
                                                 : at % 4 == 3   ? 0x3f
                                                                 : 0);
            builder_put(&b, &byte, 1);
        }
        builder_align(&b);
    }
    return b;
}

/* The model, and its tokenizer, are opened. */
static pare_status open_all(const gguf_builder *b) {
    pare_model *model;
    const pare_tokenizer *tokenizer;
    tiny_write_file(folder, ONE_FILE, b->bytes, b->count);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    pare_status status = pare_model_open(path, &model);
    if (status == PARE_OK) status = pare_model_tokenizer(model, &tokenizer);
    if (status != PARE_OK && (!*pare_message() || strchr(pare_message(), '\n')))
        fail_msg("no sentence: '%s'", pare_message());
    pare_model_close(model);
    /* All tables together are smaller than this for a file of a few KiB. */
    assert_in_range(pare_memory_peak() - before, 0, 4 << 20);
    assert_int_equal(pare_memory_current(), before);
    return status;
}

static void sound_file_opens(void **state) {
    (void)state;
    gguf_builder b = whole_file();
    if (open_all(&b) != PARE_OK) fail_msg("%s", pare_message());
}

static void every_truncation_is_refused(void **state) {
    (void)state;
    const gguf_builder b = whole_file();
    size_t data = builder_at(&b, "data");
    for (size_t at = 0, step; at < b.count; at += step) {
        gguf_builder cut = b;
        step = at < data ? 29 : 301;
        cut.count = at;
        /* What fills the last tensor up to the alignment may be missing. */
        if (open_all(&cut) == PARE_OK) fail_msg("%zu of %zu bytes are accepted", at, b.count);
        if (!strstr(pare_message(), ONE_FILE)) fail_msg("the file is not named: %s", pare_message());
    }
}

/* Fields are overwritten with extremes: whatever becomes of it, it is a model or a sentence. */
static void every_field_may_be_anything(void **state) {
    (void)state;
    static const uint64_t extremes[] = {UINT64_MAX, INT64_MAX, UINT64_C(1) << 32, UINT64_C(1) << 60, 0, 0xfffffff0};
    const gguf_builder b = whole_file();
    size_t refused = 0, tried = 0, data = builder_at(&b, "data");
    for (size_t at = 4; at + 8 <= data; at += 4) {
        gguf_builder changed = b;
        uint64_t value = extremes[at % (sizeof extremes / sizeof *extremes)];
        memcpy(changed.bytes + at, &value, at % 3 ? 4 : 8);
        refused += open_all(&changed) != PARE_OK;
        tried++;
    }
    assert_in_range(tried, 300, 2000);
    assert_true(refused > tried / 2);
}

/* One field of a sound file, `at` bytes behind a mark, is another. */
typedef struct damage {
    const char *mark;
    size_t at, bytes;
    uint64_t value;
    const char *word; /* of the sentence */
} damage;

static const damage damages[] = {
    {NULL, 0, 1, 'g', "kind"},
    {NULL, 4, 4, 1, "version 1"},
    {NULL, 4, 4, 4, "version 4"},
    {NULL, 4, 4, 0x03000000, "big-endian"},
    {NULL, 8, 8, UINT64_MAX, "more tensors"},
    {NULL, 8, 8, TENSORS + 1, "damaged"},
    {NULL, 8, 8, TENSORS - 1, "behind its last tensor"},
    {NULL, 16, 8, UINT64_C(1) << 61, "more metadata"},
    {NULL, 16, 8, 14, "damaged"},
    {"first key", 0, 8, UINT64_MAX, "beyond the end"},
    {"first key", 0, 8, 0, "name"},
    {"first key", 8, 1, 7, "name"},
    {"first key", 8, 1, 0xff, "name"},
    {"first key", 28, 4, 13, "kind"},
    {"first key", 28, 4, 4, "damaged"},
    {"first key", 32, 8, UINT64_MAX - 7, "beyond the end"},
    {"eps", 50, 4, 0x7f800000, "not finite"},
    {"eps", 50, 4, 0x80000000, "rms_norm_eps"},
    {"flag", 40, 1, 2, "neither 0 nor 1"},
    {"nested", 23, 4, 40, "kind"},
    {"nested", 27, 8, UINT64_MAX / 4, "more elements"},
    {"nested", 39, 8, UINT64_MAX / 4, "more elements"},
    {"first token", 0, 8, UINT64_MAX / 2, "beyond the end"},
    {"first token", 8, 1, 0xff, "no text"},
    {"first token", 23, 1, 'b', "twice"},
    {"second merge", 10, 1, '_', "pair"},
    {"first tensor", 25, 4, 0, "dimensions"},
    {"first tensor", 25, 4, 5, "dimensions"},
    {"first tensor", 29, 8, 31, "blocks"},
    {"first tensor", 29, 8, UINT64_C(1) << 62, "too large"},
    {"first tensor", 37, 8, UINT64_C(1) << 40, "truncated"},
    {"first tensor", 37, 8, UINT64_MAX, "too large"},
    {"first tensor", 45, 4, 4, "type 4"},
    {"first tensor", 45, 4, 99, "type 99"},
    {"second tensor", 38, 4, 26, "I32"},
    {"first tensor", 49, 8, 32, "begins at byte 32"},
    {"first tensor", 49, 8, 1, "multiple of the alignment"},
    {"second tensor", 42, 8, 256, "ends at"},
};

static void named_damages_are_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        const damage *d = &damages[i];
        gguf_builder b = whole_file();
        size_t at = (d->mark ? builder_at(&b, d->mark) : 0) + d->at;
        memcpy(b.bytes + at, &d->value, d->bytes);
        pare_status status = open_all(&b);
        if (status == PARE_OK || !strstr(pare_message(), d->word))
            fail_msg("damage %zu (%s): %d, '%s'", i, d->word, status, status == PARE_OK ? "" : pare_message());
    }
}

static void names_are_unique(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"tokenizer.ggml.model", "llama.context_length"},
                                           {"blk.0.attn_q.weight", "blk.0.attn_k.weight"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        gguf_builder b = whole_file();
        char *at = memmem(b.bytes, b.count, pairs[i][0], strlen(pairs[i][0]));
        assert_non_null(at);
        memcpy(at, pairs[i][1], strlen(pairs[i][1]));
        assert_int_equal(open_all(&b), PARE_FORMAT_ERROR);
        if (!strstr(pare_message(), "twice") || !strstr(pare_message(), pairs[i][1])) fail_msg("%s", pare_message());
    }
}

static void bytes_behind_the_end_are_refused(void **state) {
    (void)state;
    gguf_builder b = whole_file();
    builder_put(&b, "and more than the alignment needs to be filled up", 49);
    assert_int_equal(open_all(&b), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "49 bytes behind"));
}

/* Numbers of the metadata that contradict the tensors. */
static void contradictions_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *key;
        uint32_t value;
        const char *word;
    } rows[] = {{"llama.block_count", 2, "layers.1"},
                {"llama.block_count", 0, "num_hidden_layers"},
                {"llama.embedding_length", 64, "shape"},
                {"llama.feed_forward_length", 31, "intermediate_size"},
                {"llama.attention.head_count", 0, "head_count"},
                {"llama.attention.head_count", 5, "rows"},
                {"llama.context_length", 0, "max_position_embeddings"},
                {"llama.rope.scaling.original_context_length", 0x7149f2ca, "1e+30, which is no number of positions"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gguf_builder b = whole_file();
        unsigned char *at = memmem(b.bytes, b.count, rows[i].key, strlen(rows[i].key));
        assert_non_null(at);
        memcpy(at + strlen(rows[i].key) + 4, &rows[i].value, 4);
        if (open_all(&b) == PARE_OK || !strstr(pare_message(), rows[i].word))
            fail_msg("%s = %u: '%s'", rows[i].key, rows[i].value, pare_message());
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(sound_file_opens),
        TEST(every_truncation_is_refused),
        TEST(every_field_may_be_anything),
        TEST(named_damages_are_named),
        TEST(names_are_unique),
        TEST(bytes_behind_the_end_are_refused),
        TEST(contradictions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
