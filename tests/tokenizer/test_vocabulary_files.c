/* vocab.json and merges.txt without a tokenizer.json: 400 odd texts have the ids that transformers gives them, by
 * tests/oracle/tokenizer_vocabularies.py; files that are not sound are refused by file and line. */
#include "odd_texts.h"
#include "tokenizer/tokenizer.h"

typedef struct folder {
    char path[40];
} folder;

static folder make_folder(void) {
    folder made = {"/tmp/pare-vocabulary-XXXXXX"};
    assert_non_null(mkdtemp(made.path));
    return made;
}

static void write_text(const folder *f, const char *name, const char *text, size_t bytes) {
    char *path = pare_path_join(f->path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void write_json(const folder *f, const char *name, json_t *json) {
    char *text = json_dumps(json, JSON_ENCODE_ANY);
    assert_non_null(text);
    write_text(f, name, text, strlen(text));
    free(text);
    json_decref(json);
}

static void remove_folder(const folder *f) {
    static const char *const names[] = {
        "vocab.json",        "merges.txt", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pare_path_join(f->path, names[i]);
        unlink(path);
        free(path);
    }
    assert_int_equal(rmdir(f->path), 0);
}

static void write_merges(const folder *f, const char *head, const json_t *merges) {
    char *path = pare_path_join(f->path, "merges.txt");
    FILE *file = fopen(path, "wb");
    json_t *merge;
    size_t i;
    assert_non_null(file);
    fputs(head, file);
    json_array_foreach((json_t *)(uintptr_t)merges, i, merge) {
        fprintf(file, "%s %s\n", json_string_value(json_array_get(merge, 0)),
                json_string_value(json_array_get(merge, 1)));
    }
    assert_int_equal(fclose(file), 0);
    free(path);
}

static pare_tokenizer *open_case(const json_t *entry, const json_t *base) {
    folder f = make_folder();
    json_t *vocabulary = json_deep_copy(json_object_get(base, "vocab")), *content;
    const char *name;
    size_t i;
    json_array_foreach(json_object_get(entry, "tokens"), i, content) {
        json_t *id = json_integer((json_int_t)json_object_size(vocabulary));
        assert_int_equal(json_object_set_new(vocabulary, json_string_value(content), id), 0);
    }
    json_object_foreach(json_object_get(entry, "files"), name, content) {
        write_json(&f, name, json_incref(content));
    }
    write_json(&f, "config.json", json_pack("{s:O}", "model_type", json_object_get(entry, "model_type")));
    write_json(&f, "vocab.json", vocabulary);
    write_merges(&f, json_string_value(json_object_get(entry, "head")), json_object_get(base, "merges"));
    pare_tokenizer *tokenizer;
    pare_status status = pare_tokenizer_open(f.path, &tokenizer);
    assert_true(pare_tokenizer_exists(f.path));
    remove_folder(&f);
    if (status != PARE_OK) fail_msg("%s: %s", json_string_value(json_object_get(entry, "name")), pare_message());
    return tokenizer;
}

/* -1 for null, and for the first of a list that is empty. */
static int64_t number(const json_t *value) {
    if (json_is_array(value)) value = json_array_get(value, 0);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : -1;
}

static void check_case(const json_t *entry, const json_t *base, const json_t *texts) {
    const char *name = json_string_value(json_object_get(entry, "name"));
    pare_tokenizer *t = open_case(entry, base);
    int64_t in_front = number(json_object_get(entry, "in_front"));
    size_t i;
    json_t *text;
    if (pare_tokenizer_size(t) != number(json_object_get(entry, "size")) ||
        pare_tokenizer_bos(t) != number(json_object_get(entry, "bos")) ||
        pare_tokenizer_eos(t) != number(json_object_get(entry, "eos")) ||
        pare_tokenizer_adds_bos(t) != (in_front >= 0) ||
        pare_tokenizer_behind(t) != number(json_object_get(entry, "behind")))
        fail_msg("%s: %u tokens, bos %lld, eos %lld, %s, %lld behind", name, pare_tokenizer_size(t),
                 (long long)pare_tokenizer_bos(t), (long long)pare_tokenizer_eos(t),
                 pare_tokenizer_adds_bos(t) ? "in front" : "not in front", (long long)pare_tokenizer_behind(t));
    json_array_foreach((json_t *)(uintptr_t)texts, i, text) {
        if (!has_ids(t, text, json_array_get(json_object_get(entry, "ids"), i),
                     json_array_get(json_object_get(entry, "decoded"), i)))
            fail_msg("%s: text %zu, \"%s\", has other ids", name, i, json_string_value(text));
    }
    pare_tokenizer_close(t);
}

static void test_cases(void **state) {
    (void)state;
    json_t *golden = load_packed("tokenizer_vocabularies.json.gz"), *entry;
    json_t *base = load_json(PARE_SOURCE_DIR "/tests/data/tokenizers/gpt2_style/tokenizer.json");
    size_t i;
    assert_int_equal(json_array_size(json_object_get(golden, "texts")), 400);
    json_array_foreach(json_object_get(golden, "cases"), i, entry) {
        check_case(entry, json_object_get(base, "model"), json_object_get(golden, "texts"));
    }
    assert_true(i > 8);
    json_decref(base);
    json_decref(golden);
}

static const char sound[] = "{\"a\": 0, \"b\": 1, \"ab\": 2, \"<|endoftext|>\": 3}";

/* Expects a failure whose sentence has these words and no line end. */
static void refuse(const folder *f, const char *file, const char *words) {
    char *path = *file ? pare_path_join(f->path, file) : pare_format("%s", f->path);
    pare_tokenizer *tokenizer;
    assert_int_not_equal(pare_tokenizer_open(f->path, &tokenizer), PARE_OK);
    assert_null(tokenizer);
    if (!strstr(pare_message(), words) || !strstr(pare_message(), path) || strchr(pare_message(), '\n'))
        fail_msg("not \"%s\" of %s: %s", words, path, pare_message());
    free(path);
}

static void test_refused_files(void **state) {
    (void)state;
    static const struct {
        const char *vocabulary, *merges, *file, *words;
    } refused[] = {
        {sound, "#version: 0.2\na b\na  b\n", "merges.txt", "line 3: \"a  b\" is not two tokens"},
        {sound, "#version: 0.2\nab\na b\n", "merges.txt", "line 2: \"ab\" is not two tokens"},
        {sound, "a b\n\na b\n", "merges.txt", "line 2: \"\" is not two tokens"},
        {sound, "a b c\n", "merges.txt", "line 1: \"a b c\" is not two tokens"},
        {sound, " b\n", "merges.txt", "line 1: \" b\" is not two tokens"},
        {sound, "a b\r\nb \r\n", "merges.txt", "line 2: \"b \" is not two tokens"},
        {sound, "a b\nb a\n", "merges.txt", "line 2: the token \"ba\" is not in "},
        {sound, "a b\na c\n", "merges.txt", "line 2: the token \"c\" is not in "},
        {sound, "a b\n\xFF b\n", "merges.txt", "line 2 is not UTF-8"},
        {sound, NULL, "merges.txt", "is not there"},
        {"[1]", "a b\n", "vocab.json", "not an object of tokens"},
        {"{\"a\": 0, \"b\": 1.5, \"ab\": 2}", "a b\n", "vocab.json", "the id of token \"b\""},
        {"{\"a\": 0,\n \"b\": 99999999, \"ab\": 2}", "a b\n", "vocab.json", "the id of token \"b\""},
        {"{\"a\": 0,\n \"b\": 1, \"b\": 2}", "a b\n", "vocab.json", "line 2"},
        {"{\"a\": 0,\n \"b", "a b\n", "vocab.json", "line 2"},
        {"{}", "\n", "vocab.json", "no vocabulary"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        folder f = make_folder();
        write_text(&f, "config.json", "{\"model_type\": \"gpt2\"}", 22);
        write_text(&f, "vocab.json", refused[i].vocabulary, strlen(refused[i].vocabulary));
        if (refused[i].merges) write_text(&f, "merges.txt", refused[i].merges, strlen(refused[i].merges));
        refuse(&f, refused[i].file, refused[i].words);
        remove_folder(&f);
    }
}

/* Cut short, and with a byte changed, at every place: a sentence, or a tokenizer that works on what the file now says.
 */
static void damage(const folder *f, const char *name, const char *text) {
    static const char changes[] = {0x01, 0x20, 0x04, '\n', 0x7F};
    size_t bytes = strlen(text);
    char *data = malloc(bytes + 1);
    for (size_t i = 0; i < 2 * bytes; i++) {
        memcpy(data, text, bytes);
        data[i / 2] = (char)(data[i / 2] ^ changes[i / 2 % sizeof changes]);
        write_text(f, name, data, i % 2 ? bytes : i / 2);
        pare_tokenizer *tokenizer;
        uint32_t *ids;
        size_t count;
        if (pare_tokenizer_open(f->path, &tokenizer) != PARE_OK) {
            assert_int_not_equal(strlen(pare_message()), 0);
            continue;
        }
        assert_ok(pare_tokenizer_encode(tokenizer, "ab ba<|endoftext|>\n", 19, &ids, &count));
        pare_ids_free(ids);
        pare_tokenizer_close(tokenizer);
    }
    write_text(f, name, text, bytes);
    free(data);
}

static void test_damaged_files(void **state) {
    (void)state;
    folder f = make_folder();
    write_text(&f, "config.json", "{\"model_type\": \"gpt2\"}", 22);
    write_text(&f, "vocab.json", sound, sizeof sound - 1);
    write_text(&f, "merges.txt", "#version: 0.2\na b\n", 18);
    damage(&f, "vocab.json", sound);
    damage(&f, "merges.txt", "#version: 0.2\na b\n");
    remove_folder(&f);
}

/* How text is split has to be known. */
static void test_refused_classes(void **state) {
    (void)state;
    static const struct {
        const char *config, *settings, *words;
    } refused[] = {
        {"{\"model_type\": \"roberta\"}", "{\"tokenizer_class\": \"RobertaTokenizerFast\"}",
         "for a RobertaTokenizerFast"},
        {"{\"model_type\": \"llama\"}", "{}", "name the tokenizer_class"},
        {"{}", "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}", "name the tokenizer_class"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        folder f = make_folder();
        write_text(&f, "config.json", refused[i].config, strlen(refused[i].config));
        write_text(&f, "tokenizer_config.json", refused[i].settings, strlen(refused[i].settings));
        write_text(&f, "vocab.json", sound, sizeof sound - 1);
        write_text(&f, "merges.txt", "a b\n", 4);
        refuse(&f, "", refused[i].words);
        remove_folder(&f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_refused_files),
                                       cmocka_unit_test(test_damaged_files), cmocka_unit_test(test_refused_classes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
