/* The token behind a text: add_eos_token beside a tokenizer.model, the template of a tokenizer.json. The ids of
 * tokenizer.json are those of transformers 5.24 ("the dog"). */
#include "shared.h"
#include "support/file.h"
#include "support/memory.h"
#include "text/corpus.h"
#include "text/examples.h"
#include "tokenizer/tokenizer.h"

#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TINY PARE_SOURCE_DIR "/examples/tiny-stories/"

typedef struct place {
    char folder[64], text[80];
} place;

static void write_text(const place *p, const char *name, const char *text) {
    char *path = pare_path_join(p->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

/* slow: tokenizer.model and this configuration; else tokenizer.json with this post-processor. */
static pare_tokenizer *open_with(place *p, bool slow, const char *text) {
    *p = (place){.folder = "/tmp/pare-end-XXXXXX"};
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->text, sizeof p->text, "%s/text.txt", p->folder);
    write_text(p, "text.txt", "the dog");
    if (slow) {
        char *path = pare_path_join(p->folder, "tokenizer.model");
        assert_int_equal(symlink(TINY "tokenizer.model", path), 0);
        free(path);
        write_text(p, "tokenizer_config.json", text);
    } else {
        json_t *json = json_load_file(TINY "tokenizer.json", 0, NULL), *post = json_loads(text, JSON_DECODE_ANY, NULL);
        assert_true(json && post);
        json_object_set_new(json, "post_processor", post);
        char *all = json_dumps(json, 0);
        write_text(p, "tokenizer.json", all);
        write_text(p, "tokenizer_config.json", "{\"add_eos_token\": true, \"eos_token\": \"</s>\"}");
        free(all);
        json_decref(json);
    }
    pare_tokenizer *tokenizer = NULL;
    if (pare_tokenizer_open(p->folder, &tokenizer) != PARE_OK) fail_msg("%s", pare_message());
    return tokenizer;
}

static void close_with(const place *p, pare_tokenizer *tokenizer) {
    static const char *const names[] = {"tokenizer.model", "tokenizer.json", "tokenizer_config.json", "text.txt"};
    pare_tokenizer_close(tokenizer);
    for (size_t i = 0; i < 4; i++) {
        char *path = pare_path_join(p->folder, names[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(p->folder), 0);
}

/* The whole text as a window of evaluation and as one of either way of calibration; as many tokens as are expected fit
 * exactly, and one more does not. */
static void expect_ids(const place *p, const pare_tokenizer *tokenizer, const uint32_t *expected, uint32_t count) {
    pare_windows windows;
    assert_ok(pare_windows_stream(tokenizer, p->text, NULL, count, 0, &windows));
    assert_int_equal(windows.count, 1);
    assert_memory_equal(windows.ids, expected, count * sizeof *expected);
    pare_windows_free(&windows);
    assert_int_equal(pare_windows_stream(tokenizer, p->text, NULL, count + 1, 0, &windows), PARE_FORMAT_ERROR);
    for (int stream = 0; stream < 2; stream++) {
        pare_window_request request = {.path = p->text, .count = 1, .length = count, .stream = stream};
        assert_ok(pare_windows_sample(tokenizer, &request, &windows));
        assert_memory_equal(windows.ids, expected, count * sizeof *expected);
        pare_windows_free(&windows);
        request.length++;
        assert_int_equal(pare_windows_sample(tokenizer, &request, &windows), PARE_FORMAT_ERROR);
    }
}

static void test_templates(void **state) {
    (void)state;
#define BOS "{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}}"
#define EOS "{\"SpecialToken\": {\"id\": \"</s>\", \"type_id\": 0}}"
#define TEXT "{\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}"
#define TEMPLATE(single)                                                                                               \
    "{\"type\": \"TemplateProcessing\", \"single\": [" single "], \"pair\": [], \"special_tokens\": {\"<s>\": "        \
    "{\"id\": \"<s>\", \"ids\": [1], \"tokens\": [\"<s>\"]}, \"</s>\": {\"id\": \"</s>\", \"ids\": [2], \"tokens\": "  \
    "[\"</s>\"]}}}"
    static const struct {
        const char *post;
        uint32_t ids[4], count;
    } cases[] = {
        {"null", {263, 643}, 2},
        {TEMPLATE(BOS ", " TEXT), {1, 263, 643}, 3},
        {TEMPLATE(BOS ", " TEXT ", " EOS), {1, 263, 643, 2}, 4},
        {TEMPLATE(TEXT ", " EOS), {263, 643, 2}, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p;
        pare_tokenizer *tokenizer = open_with(&p, false, cases[i].post);
        expect_ids(&p, tokenizer, cases[i].ids, cases[i].count);
        close_with(&p, tokenizer);
    }
}

static void test_configuration(void **state) {
    (void)state;
    static const struct {
        const char *config;
        bool first, last;
    } cases[] = {
        {"{}", true, false},
        {"{\"add_eos_token\": false}", true, false},
        {"{\"add_eos_token\": true}", true, true},
        {"{\"add_bos_token\": false, \"add_eos_token\": true}", false, true},
        {"{\"add_eos_token\": true, \"eos_token\": \"</s>\"}", true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        place p;
        pare_tokenizer *tokenizer = open_with(&p, true, cases[i].config);
        uint32_t *ids, expected[8], count = 0;
        size_t own;
        assert_ok(pare_tokenizer_encode(tokenizer, "the dog", 7, &ids, &own));
        assert_in_range(own, 2, 5);
        if (cases[i].first) expected[count++] = 1;
        for (size_t j = 0; j < own; j++)
            expected[count++] = ids[j];
        if (cases[i].last) expected[count++] = 2;
        expect_ids(&p, tokenizer, expected, count);
        pare_ids_free(ids);
        close_with(&p, tokenizer);
    }
}

/* Behind the text as a whole, not behind a part of it; every document of rows has its own. */
static void test_whole_texts_alone(void **state) {
    (void)state;
    place p;
    pare_tokenizer *tokenizer = open_with(&p, true, "{\"add_eos_token\": true}");
    pare_windows windows;
    write_text(&p, "text.txt", "the dog\n\nthe dog\n\nthe dog");
    assert_ok(pare_windows_stream(tokenizer, p.text, NULL, 2, 2, &windows));
    for (size_t i = 0; i < 4; i++)
        assert_int_not_equal(windows.ids[i], 2);
    pare_windows_free(&windows);
    pare_window_request request = {.path = p.text, .count = 3, .length = 4};
    assert_ok(pare_windows_sample(tokenizer, &request, &windows));
    for (uint32_t i = 0; i < 3; i++)
        assert_true(windows.ids[4 * i] == 1 || windows.ids[4 * i + 3] == 2);
    pare_windows_free(&windows);
    close_with(&p, tokenizer);
}

static void test_beyond_the_embedding(void **state) {
    (void)state;
    place p;
    pare_tokenizer *tokenizer = open_with(&p, true, "{\"add_bos_token\": false, \"add_eos_token\": true}");
    assert_int_not_equal(pare_tokenizer_limit(tokenizer, 2), PARE_OK);
    assert_ok(pare_tokenizer_limit(tokenizer, 3));
    close_with(&p, tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_templates),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_whole_texts_alone),
        cmocka_unit_test(test_beyond_the_embedding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
