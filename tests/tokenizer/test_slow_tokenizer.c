/* A tokenizer.model alone: special pieces and tokens of the files beside it are found in a text as the tokenizer.json
 * made from the model finds them, which other tests compare with the tokenizers library. */
#include "support/memory.h"
#include "text/shared.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char model_file[] = PARE_SOURCE_DIR "/examples/tiny-stories/tokenizer.model";
static const char json_file[] = PARE_SOURCE_DIR "/examples/tiny-stories/tokenizer.json";

typedef struct place {
    char folder[64];
} place;

static void write_text(const place *p, const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static place place_open(void) {
    place p = {"/tmp/pare-slow-XXXXXX"};
    char path[128];
    assert_non_null(mkdtemp(p.folder));
    snprintf(path, sizeof path, "%s/tokenizer.model", p.folder);
    assert_int_equal(symlink(model_file, path), 0);
    return p;
}

static void place_close(const place *p) {
    static const char *const names[] = {"tokenizer.model", "tokenizer.json", "tokenizer_config.json",
                                        "added_tokens.json", "special_tokens_map.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", p->folder, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(p->folder), 0);
}

static pare_tokenizer *open_at(const char *path) {
    pare_tokenizer *tokenizer;
    assert_ok(pare_tokenizer_open(path, &tokenizer));
    return tokenizer;
}

static void expect_equal(const pare_tokenizer *one, const pare_tokenizer *other, const char *text) {
    uint32_t *a, *b;
    size_t na, nb;
    assert_ok(pare_tokenizer_encode(one, text, strlen(text), &a, &na));
    assert_ok(pare_tokenizer_encode(other, text, strlen(text), &b, &nb));
    if (na != nb || memcmp(a, b, na * sizeof *a) != 0) fail_msg("\"%s\": %zu ids and %zu", text, na, nb);
    pare_ids_free(a);
    pare_ids_free(b);
}

static void expect_ids(const pare_tokenizer *tokenizer, const char *text, const uint32_t *ids, size_t count) {
    uint32_t *actual;
    size_t n;
    assert_ok(pare_tokenizer_encode(tokenizer, text, strlen(text), &actual, &n));
    assert_int_equal(n, count);
    assert_memory_equal(actual, ids, n * sizeof *ids);
    pare_ids_free(actual);
}

static void as_the_fast_one(void **state) {
    (void)state;
    static const char *const texts[] = {"",
                                        "<s>",
                                        "once upon a time",
                                        "<unk> company said <unk> n",
                                        "</s></s>",
                                        "a</s>b",
                                        " <s> once",
                                        "  two  spaces </s>  after ",
                                        "<s >",
                                        "the < s> cat",
                                        "<unk>\n<unk>",
                                        "\xE2\x96\x81<s>\xE2\x96\x81x",
                                        "caf\xC3\xA9 </s>\t\xF0\x9F\x98\x80",
                                        "<0x41> <unk"};
    place p = place_open();
    pare_tokenizer *slow = open_at(p.folder), *fast = open_at(json_file);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        expect_equal(slow, fast, texts[i]);
    assert_int_equal(pare_tokenizer_bos(slow), 1);
    assert_int_equal(pare_tokenizer_eos(slow), 2);
    pare_tokenizer_close(slow);
    pare_tokenizer_close(fast);
    place_close(&p);
}

/* Each of the two ways in which the files say it. */
static void tokens_of_other_files(void **state) {
    (void)state;
    static const char config[] = "{\"bos_token\": \"<s>\", \"eos_token\": \"<|im_end|>\", \"added_tokens_decoder\": {"
                                 "\"1025\": {\"content\": \"<|im_start|>\", \"special\": false}, \"0\": {\"content\": "
                                 "\"<unk>\", \"special\": true},"
                                 "\"1024\": {\"content\": \"<|im_end|>\", \"special\": true}}}";
    static const char added[] = "{\"<|im_start|>\": 1025, \"<|im_end|>\": 1024}";
    static const char map[] = "{\"eos_token\": {\"content\": \"<|im_end|>\"}, \"bos_token\": \"<s>\"}";
    for (int way = 0; way < 2; way++) {
        place p = place_open();
        char *text;
        size_t bytes;
        write_text(&p, way ? "added_tokens.json" : "tokenizer_config.json", way ? added : config);
        if (way) write_text(&p, "special_tokens_map.json", map);
        pare_tokenizer *t = open_at(p.folder);
        expect_ids(t, "<|im_start|><|im_end|><s>", (const uint32_t[]){1025, 1024, 1}, 3);
        assert_int_equal(pare_tokenizer_eos(t), 1024);
        assert_int_equal(pare_tokenizer_size(t), 1026);
        assert_ok(pare_tokenizer_decode(t, (const uint32_t[]){1025, 1024}, 2, &text, &bytes));
        assert_string_equal(text, "<|im_start|>");
        pare_text_free(text);
        pare_tokenizer_close(t);
        place_close(&p);
    }
}

static void expect_refused(const char *name, const char *content, const char *words) {
    place p = place_open();
    pare_tokenizer *tokenizer;
    write_text(&p, name, content);
    assert_int_not_equal(pare_tokenizer_open(p.folder, &tokenizer), PARE_OK);
    if (!strstr(pare_message(), words)) fail_msg("the message does not say \"%s\": %s", words, pare_message());
    place_close(&p);
}

static void damaged_files_are_refused(void **state) {
    (void)state;
    expect_refused("added_tokens.json", "{\"<x>\": -1}", "no token id");
    expect_refused("added_tokens.json", "{\"<x>\": 1e300}", "no token id");
    expect_refused("added_tokens.json", "{\"<x>\": \"7\"}", "no token id");
    expect_refused("added_tokens.json", "{\"<x>\": 2000, \"<y>\": 2000}", "the same id 2000");
    expect_refused("added_tokens.json", "{\"<x>\": 5}", "do not belong together");
    expect_refused("added_tokens.json", "{\"<x>\": 900000}", "no token has the ids from 1024 to 899999");
    expect_refused("added_tokens.json", "{\"<s>\": 1024}", "as token 1, and the files beside it as token 1024");
    expect_refused("added_tokens.json", "{\"<x>\": 1024, \"<y>\": 1026}", "no token has the ids from 1025 to 1025");
    expect_refused("added_tokens.json", "{\"<x>\": 16777216}", "no token id");
    expect_refused("added_tokens.json", "{\"<x>\": 1024.5}", "no token id");
    expect_refused("added_tokens.json", "[1, 2", "added_tokens.json");
    expect_refused("added_tokens.json", "[1, 2]", "added_tokens.json is not a JSON object");
    expect_refused("special_tokens_map.json", "7", "special_tokens_map.json");
    expect_refused("tokenizer_config.json", "{\"added_tokens_decoder\": [1]}", "added_tokens_decoder is not an object");
    expect_refused("tokenizer_config.json", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"<x>\"}}}",
                   "is no token id");
    expect_refused("tokenizer_config.json", "{\"added_tokens_decoder\": {\"1030\": {}}}", "has no \"content\"");
    expect_refused("tokenizer_config.json",
                   "{\"added_tokens_decoder\": {\"1024\": {\"content\": \"<x>\", \"lstrip\": 3}}}",
                   "\"lstrip\" is not true or false");
    expect_refused("tokenizer_config.json",
                   "{\"added_tokens_decoder\": {\"99999999999999999999\": {\"content\": \"<x>\"}}}", "is no token id");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_fast_one), cmocka_unit_test(tokens_of_other_files),
                                       cmocka_unit_test(damaged_files_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
