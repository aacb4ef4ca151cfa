/* A folder for a test's files, and a tokenizer whose ids are bytes. */
#ifndef PARE_TESTS_TEXT_BYTE_FIXTURE_H
#define PARE_TESTS_TEXT_BYTE_FIXTURE_H

#include "shared.h"

#include <jansson.h>

static char folder[] = "/tmp/pare-text-XXXXXX";

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    return rmdir(folder);
}

static inline char *write_file(const char *name, const void *data, size_t bytes) {
    char *path = pare_path_join(folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

static inline void remove_file(char *path) {
    unlink(path);
    free(path);
}

/* Words of one byte-level token per byte: ids are bytes, BOS is 256 and is put in front. ends: EOS is 257. */
static inline pare_tokenizer *make_tokenizer(bool ends) {
    json_t *vocabulary = json_object();
    for (int byte = 0, spelled = 256; byte < 256; byte++) {
        bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
        int code = printable ? byte : spelled++;
        char text[3] = {(char)code, 0, 0};
        if (code >= 0x80) {
            text[0] = (char)(0xC0 | code >> 6);
            text[1] = (char)(0x80 | (code & 0x3F));
        }
        json_object_set_new(vocabulary, text, json_integer(byte));
    }
    json_t *json =
        json_pack("{s:{s:s, s:o, s:[]}, s:{s:s, s:b, s:b}, s:{s:s}, s:[{s:i, s:s, s:b}],"
                  " s:{s:s, s:[{s:{s:s}}, {s:{s:s}}], s:{s:{s:[i]}}}}",
                  "model", "type", "BPE", "vocab", vocabulary, "merges", "pre_tokenizer", "type", "ByteLevel",
                  "add_prefix_space", 0, "use_regex", 0, "decoder", "type", "ByteLevel", "added_tokens", "id", 256,
                  "content", "<s>", "special", 1, "post_processor", "type", "TemplateProcessing", "single",
                  "SpecialToken", "id", "<s>", "Sequence", "id", "A", "special_tokens", "<s>", "ids", 256);
    assert_non_null(json);
    if (ends)
        json_array_append_new(json_object_get(json, "added_tokens"),
                              json_pack("{s:i, s:s, s:b}", "id", 257, "content", "</s>", "special", 1));
    char *text = json_dumps(json, 0), *path = write_file("tokenizer.json", text, strlen(text));
    pare_tokenizer *tokenizer;
    assert_ok(pare_tokenizer_open(path, &tokenizer));
    assert_int_equal(pare_tokenizer_bos(tokenizer), 256);
    assert_int_equal(pare_tokenizer_eos(tokenizer), ends ? 257 : -1);
    assert_true(pare_tokenizer_adds_bos(tokenizer));
    assert_int_equal(pare_tokenizer_size(tokenizer), ends ? 258 : 257);
    free(text);
    json_decref(json);
    remove_file(path);
    return tokenizer;
}

#endif
