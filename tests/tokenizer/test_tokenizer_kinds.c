/* A small tokenizer of every kind that models have gives 400 odd texts the ids, and the ids the texts, that the
 * tokenizers library gives them, or sentencepiece where it is a tokenizer.model. The expected values are by
 * tests/oracle/tokenizer_kinds.py, which says how the file is laid out. */
#include "odd_texts.h"
#include "sentencepiece_fixture.h"
#include "tokenizer/sentencepiece_model.h"

#include <openssl/evp.h>

typedef struct table {
    unsigned char *data;
    size_t bytes;
    char *base64;
} table;

/* The normalisation table of a model that has one. */
static table load_table(void) {
    pare_sentencepiece_model model;
    table out;
    assert_ok(pare_sentencepiece_model_open(PARE_SOURCE_DIR "/tests/data/tokenizers/nfkc/tokenizer.model", &model));
    out.bytes = model.charsmap.bytes;
    assert_true(out.bytes > 0);
    out.data = malloc(out.bytes);
    out.base64 = malloc(out.bytes * 2);
    memcpy(out.data, model.charsmap.data, out.bytes);
    EVP_EncodeBlock((unsigned char *)out.base64, out.data, (int)out.bytes);
    pare_sentencepiece_model_close(&model);
    return out;
}

static void write_json(const char *path, const json_t *models, const json_t *entry, const table *charsmap) {
    json_t *json = json_deep_copy(json_object_get(entry, "json")), *step;
    size_t i;
    const char *name = json_string_value(json_object_get(json, "model"));
    assert_int_equal(json_object_set(json, "model", json_object_get(models, name)), 0);
    json_array_foreach(json_object_get(json_object_get(json, "normalizer"), "normalizers"), i, step) {
        if (json_object_get(step, "precompiled_charsmap"))
            assert_int_equal(json_object_set_new(step, "precompiled_charsmap", json_string(charsmap->base64)), 0);
    }
    assert_int_equal(json_dump_file(json, path, 0), 0);
    json_decref(json);
}

static void put_varint(FILE *file, size_t value) {
    for (; value > 0x7F; value >>= 7)
        fputc((int)(value & 0x7F) | 0x80, file);
    fputc((int)value, file);
}

/* The model, and one more normalizer_spec (3) with nothing but the table (2). */
static void write_model(const char *path, const json_t *entry, const table *charsmap) {
    const json_t *text = json_object_get(entry, "sentencepiece");
    size_t length = json_string_length(text), padding = 0;
    unsigned char *data = malloc(length);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    int bytes = EVP_DecodeBlock(data, (const unsigned char *)json_string_value(text), (int)length);
    while (json_string_value(text)[length - 1 - padding] == '=')
        padding++;
    assert_true(bytes > 0);
    fwrite(data, 1, (size_t)bytes - padding, file);
    if (json_is_true(json_object_get(entry, "charsmap"))) {
        size_t inside = 1 + charsmap->bytes;
        for (size_t rest = charsmap->bytes; inside++, rest > 0x7F; rest >>= 7) {
        }
        fputc(3 << 3 | 2, file);
        put_varint(file, inside);
        fputc(2 << 3 | 2, file);
        put_varint(file, charsmap->bytes);
        fwrite(charsmap->data, 1, charsmap->bytes, file);
    }
    assert_int_equal(fclose(file), 0);
    free(data);
}

/* Beside a tokenizer.model these are tokens, as for transformers; to the SentencePiece library they are text. */
static bool names_token(const json_t *entry, const json_t *text) {
    static const char *const tokens[] = {"<unk>", "<s>", "</s>", "<pad>"};
    bool found = false;
    for (size_t i = 0; json_object_get(entry, "sentencepiece") && i < sizeof tokens / sizeof *tokens; i++)
        found = found || memmem(json_string_value(text), json_string_length(text), tokens[i], strlen(tokens[i]));
    return found;
}

/* A text of many units, whose ids only their CRC is known of. */
static bool is_long_equal(const pare_tokenizer *tokenizer, const json_t *expected) {
    const json_t *unit = json_object_get(expected, "unit");
    size_t length = json_string_length(unit), times = (size_t)json_integer_value(json_object_get(expected, "times")),
           count;
    char *text = malloc(length * times);
    uint32_t *ids;
    assert_non_null(text);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * length, json_string_value(unit), length);
    assert_ok(pare_tokenizer_encode(tokenizer, text, length * times, &ids, &count));
    bool equal = (json_int_t)count == json_integer_value(json_object_get(expected, "count")) &&
                 (json_int_t)crc32(0, (const unsigned char *)ids, (unsigned)(count * sizeof *ids)) ==
                     json_integer_value(json_object_get(expected, "crc32"));
    pare_ids_free(ids);
    free(text);
    return equal;
}

/* [ids, text]: whatever ids they are. */
static bool is_decoded(const pare_tokenizer *tokenizer, const json_t *pair) {
    const json_t *list = json_array_get(pair, 0), *text = json_array_get(pair, 1);
    uint32_t ids[16];
    size_t bytes;
    char *back;
    assert_in_range(json_array_size(list), 1, 16);
    for (size_t i = 0; i < json_array_size(list); i++)
        ids[i] = (uint32_t)json_integer_value(json_array_get(list, i));
    assert_ok(pare_tokenizer_decode(tokenizer, ids, json_array_size(list), &back, &bytes));
    bool same = bytes == json_string_length(text) && memcmp(back, json_string_value(text), bytes) == 0;
    pare_text_free(back);
    return same;
}

static size_t check_kind(const char *path, const char *name, const json_t *entry, const json_t *texts) {
    pare_tokenizer *tokenizer;
    size_t checked = 0, wrong = 0, i;
    json_t *text;
    if (pare_tokenizer_open(path, &tokenizer) != PARE_OK) fail_msg("%s: %s", name, pare_message());
    json_array_foreach((json_t *)(uintptr_t)texts, i, text) {
        const json_t *ids = json_array_get(json_object_get(entry, "ids"), i);
        if (names_token(entry, text)) continue;
        checked++;
        if (has_ids(tokenizer, text, ids, json_array_get(json_object_get(entry, "decoded"), i))) continue;
        if (!wrong++) fprintf(stderr, "%s: text %zu, \"%s\", has other ids\n", name, i, json_string_value(text));
    }
    json_array_foreach(json_object_get(entry, "any"), i, text) {
        if (is_decoded(tokenizer, text)) continue;
        if (!wrong++) fprintf(stderr, "%s: ids %zu have another text\n", name, i);
    }
    assert_int_equal(i, 50);
    const json_t *long_text = json_object_get(entry, "long");
    if (long_text && !is_long_equal(tokenizer, long_text)) {
        fprintf(stderr, "%s: the long text has other ids\n", name);
        wrong++;
    }
    pare_tokenizer_close(tokenizer);
    assert_true(checked > 300);
    return wrong;
}

static void test_kinds(void **state) {
    (void)state;
    json_t *kinds = load_packed("tokenizer_kinds.json.gz"), *entry;
    table charsmap = load_table();
    const char *name;
    size_t wrong = 0, count = 0;
    char *json_path = fixture_path("tokenizer.json"), *model_path = fixture_path("tokenizer.model");
    json_object_foreach(json_object_get(kinds, "tokenizers"), name, entry) {
        bool is_json = json_object_get(entry, "json") != NULL;
        if (is_json)
            write_json(json_path, json_object_get(kinds, "models"), entry, &charsmap);
        else
            write_model(model_path, entry, &charsmap);
        wrong += check_kind(is_json ? json_path : model_path, name, entry, json_object_get(kinds, "texts"));
        count++;
    }
    unlink(json_path);
    unlink(model_path);
    free(json_path);
    free(model_path);
    free(charsmap.data);
    free(charsmap.base64);
    json_decref(kinds);
    assert_true(count > 30);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
