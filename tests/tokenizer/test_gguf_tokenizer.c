/* Tokenizers in the metadata of GGUF files are those that the files were made of: their ids are those of the tokenizers
 * library (tests/data/tokenizers.json), and a SentencePiece model gets the merges that transformers makes of it. */
#define BUILDER_ROOM (1 << 18)
#include "gguf_builder.h"
#include "golden.h"
#include "support/memory.h"
#include "tokenizer/gguf_tokenizer.h"

static const char *source(const char *name) {
    return golden_join(PARE_SOURCE_DIR, name);
}

static gguf_builder *begin(uint64_t entries) {
    gguf_builder *b = calloc(1, sizeof *b);
    builder_put(b, "GGUF", 4);
    builder_u32(b, 3);
    builder_u64(b, 0);
    builder_u64(b, entries);
    builder_string(b, "general.architecture", "llama");
    return b;
}

/* The file in `folder`, read, and what it says written there as tokenizer.json and tokenizer_config.json. */
static void convert(gguf_builder *b, const char *folder, json_t **tokenizer, json_t **config) {
    pare_gguf file;
    char *path = pare_path_join(folder, "vocabulary.gguf");
    builder_align(b);
    tiny_write_file(folder, "vocabulary.gguf", b->bytes, b->count);
    free(b);
    if (pare_gguf_open(path, &file) != PARE_OK) fail_msg("%s", pare_message());
    assert_true(pare_gguf_has_tokenizer(&file));
    if (pare_gguf_tokenizer(&file, tokenizer, config) != PARE_OK) fail_msg("%s", pare_message());
    pare_gguf_close(&file);
    char *one = json_dumps(*tokenizer, 0), *other = json_dumps(*config, 0);
    tiny_write_text(folder, "tokenizer.json", one);
    tiny_write_text(folder, "tokenizer_config.json", other);
    free(one);
    free(other);
    free(path);
}

/* Of the golden texts; `name` is the tokenizer's there. */
static void check_ids(const char *folder, const char *name) {
    json_error_t error;
    json_t *golden = json_load_file(source("tests/data/tokenizers.json"), JSON_ALLOW_NUL, &error);
    const json_t *strings = json_object_get(golden, "strings");
    const json_t *lists = json_object_get(json_object_get(json_object_get(golden, "tokenizers"), name), "ids");
    pare_tokenizer *tokenizer;
    if (pare_tokenizer_open(folder, &tokenizer) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    assert_true(json_array_size(lists) > 30);
    for (size_t i = 0; i < json_array_size(strings); i++) {
        const json_t *text = json_array_get(strings, i), *list = json_array_get(lists, i);
        uint32_t *ids;
        size_t count;
        assert_int_equal(
            pare_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), &ids, &count), PARE_OK);
        if (count != json_array_size(list)) fail_msg("%s, text %zu: %zu ids", name, i, count);
        for (size_t j = 0; j < count; j++)
            if (ids[j] != json_integer_value(json_array_get(list, j))) fail_msg("%s, text %zu, place %zu", name, i, j);
        pare_ids_free(ids);
    }
    pare_tokenizer_close(tokenizer);
    json_decref(golden);
}

/* Tokens by id, merges, and which tokens are special. */
static gguf_builder *of_json(const json_t *json, const char *pre, uint64_t more) {
    const json_t *model = json_object_get(json, "model"), *merges = json_object_get(model, "merges"), *id;
    const json_t *added = json_object_get(json, "added_tokens");
    json_t *vocab = json_object_get(model, "vocab");
    size_t plain = json_object_size(vocab), special = 0;
    const char **tokens = calloc(plain + json_array_size(added) + 1, sizeof *tokens), *text;
    json_object_foreach(vocab, text, id) tokens[json_integer_value(id)] = text;
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *one = json_array_get(added, i);
        size_t at = (size_t)json_integer_value(json_object_get(one, "id"));
        special += !tokens[at];
        tokens[at] = json_string_value(json_object_get(one, "content"));
    }
    gguf_builder *b = begin(6 + more);
    builder_string(b, "tokenizer.ggml.model", "gpt2");
    builder_string(b, "tokenizer.ggml.pre", pre);
    builder_array(b, "tokenizer.ggml.tokens", BUILDER_STRING, plain + special);
    for (size_t i = 0; i < plain + special; i++)
        builder_text(b, tokens[i]);
    builder_array(b, "tokenizer.ggml.token_type", BUILDER_I32, plain + special);
    for (size_t i = 0; i < plain + special; i++)
        builder_u32(b, i < plain ? 1 : 3);
    builder_array(b, "tokenizer.ggml.merges", BUILDER_STRING, json_array_size(merges));
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *pair = json_array_get(merges, i);
        char merge[256];
        snprintf(merge, sizeof merge, "%s %s", json_string_value(json_array_get(pair, 0)),
                 json_string_value(json_array_get(pair, 1)));
        builder_text(b, merge);
    }
    free(tokens);
    return b;
}

static void byte_level_tokenizers(void **state) {
    (void)state;
    static const struct {
        const char *path, *pre;
        bool bos;
    } rows[] = {{"tests/data/tokenizers/llama3_style/tokenizer.json", "llama-bpe", true},
                {"tests/data/tokenizers/gpt2_style/tokenizer.json", "gpt-2", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *json = load_json(source(rows[i].path)), *tokenizer, *config;
        char *folder = tiny_folder();
        gguf_builder *b = of_json(json, rows[i].pre, 2);
        builder_whole(b, "tokenizer.ggml.bos_token_id", 3);
        builder_string(b, "tokenizer.chat_template", "{{ messages }}");
        convert(b, folder, &tokenizer, &config);
        assert_string_equal(json_string_value(json_object_get(config, "chat_template")), "{{ messages }}");
        assert_int_equal(json_is_true(json_object_get(config, "add_bos_token")), rows[i].bos);
        assert_int_equal(json_is_object(json_object_get(tokenizer, "post_processor")), rows[i].bos);
        check_ids(folder, rows[i].path);
        json_decref(tokenizer);
        json_decref(config);
        json_decref(json);
        tiny_remove(folder);
        free(folder);
    }
}

typedef struct piece {
    const unsigned char *text;
    size_t bytes;
    float score;
    uint32_t type;
} piece;

static size_t take_varint(const unsigned char **at) {
    size_t value = 0;
    for (int shift = 0;; shift += 7, (*at)++) {
        value |= (size_t)(**at & 127) << shift;
        if (**at < 128) break;
    }
    (*at)++;
    return value;
}

/* The pieces of a SentencePiece model: members 1 of a protocol buffer, each with its text (1), score (2) and type (3).
 */
static size_t read_pieces(const char *path, char **file, piece *pieces) {
    size_t bytes, count = 0;
    assert_int_equal(pare_file_read(path, 1 << 20, file, &bytes), PARE_OK);
    const unsigned char *at = (const unsigned char *)*file, *end = at + bytes;
    while (at < end && *at == 10) {
        at++;
        size_t length = take_varint(&at);
        const unsigned char *inner = at + length;
        piece *one = &pieces[count++];
        *one = (piece){.type = 1};
        while (at < inner) {
            unsigned char member = *at++;
            if (member == 10) {
                one->bytes = take_varint(&at);
                one->text = at;
                at += one->bytes;
            } else if (member == 21) {
                memcpy(&one->score, at, sizeof one->score);
                at += sizeof one->score;
            } else {
                one->type = (uint32_t)take_varint(&at);
            }
        }
    }
    return count;
}

static gguf_builder *of_sentencepiece(const char *path) {
    static piece pieces[4096];
    char *file;
    size_t count = read_pieces(path, &file, pieces);
    gguf_builder *b = begin(8);
    builder_string(b, "tokenizer.ggml.model", "llama");
    builder_array(b, "tokenizer.ggml.tokens", BUILDER_STRING, count);
    for (size_t i = 0; i < count; i++) {
        builder_u64(b, pieces[i].bytes);
        builder_put(b, pieces[i].text, pieces[i].bytes);
    }
    builder_array(b, "tokenizer.ggml.scores", BUILDER_F32, count);
    for (size_t i = 0; i < count; i++)
        builder_float(b, pieces[i].score);
    builder_array(b, "tokenizer.ggml.token_type", BUILDER_I32, count);
    for (size_t i = 0; i < count; i++)
        builder_u32(b, pieces[i].type);
    builder_whole(b, "tokenizer.ggml.bos_token_id", 1);
    builder_whole(b, "tokenizer.ggml.eos_token_id", 2);
    builder_whole(b, "tokenizer.ggml.unknown_token_id", 0);
    pare_free(file);
    return b;
}

static void sentencepiece_gets_merges(void **state) {
    (void)state;
    json_t *tokenizer, *config, *wanted = load_json(source("tests/data/stories/tokenizer.json"));
    char *folder = tiny_folder();
    convert(of_sentencepiece(source("tests/data/stories/tokenizer.model")), folder, &tokenizer, &config);
    static const char *const members[] = {"model",          "normalizer", "pre_tokenizer",
                                          "post_processor", "decoder",    "added_tokens"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (!json_equal(json_object_get(tokenizer, members[i]), json_object_get(wanted, members[i])))
            fail_msg("%s differs from what transformers makes of the model", members[i]);
    check_ids(folder, "tests/data/stories/tokenizer.json");
    json_decref(tokenizer);
    json_decref(config);
    json_decref(wanted);
    tiny_remove(folder);
    free(folder);
}

static void unknown_kinds_are_refused(void **state) {
    (void)state;
    static const char *const rows[][3] = {{"t5", "default", "tokenizer.ggml.model is t5"},
                                          {"gpt2", "of-its-own", "tokenizer.ggml.pre is of-its-own"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        pare_gguf file;
        json_t *tokenizer, *config;
        gguf_builder *b = begin(4);
        builder_string(b, "tokenizer.ggml.model", rows[i][0]);
        builder_string(b, "tokenizer.ggml.pre", rows[i][1]);
        builder_array(b, "tokenizer.ggml.tokens", BUILDER_STRING, 1);
        builder_text(b, "a");
        builder_align(b);
        char *folder = tiny_folder(), *path = pare_path_join(folder, "vocabulary.gguf");
        tiny_write_file(folder, "vocabulary.gguf", b->bytes, b->count);
        assert_int_equal(pare_gguf_open(path, &file), PARE_OK);
        assert_int_equal(pare_gguf_tokenizer(&file, &tokenizer, &config), PARE_UNSUPPORTED);
        if (!strstr(pare_message(), rows[i][2])) fail_msg("%s", pare_message());
        pare_gguf_close(&file);
        tiny_remove(folder);
        free(folder);
        free(path);
        free(b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(byte_level_tokenizers),
        cmocka_unit_test(sentencepiece_gets_merges),
        cmocka_unit_test(unknown_kinds_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
