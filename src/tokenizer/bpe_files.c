/* vocab.json: {token: id}, the tokens in GPT-2's spelling of bytes.
 * merges.txt: one merge per line, "left right"; the first line is the first to be applied. Lines that begin with
 * "#version" are no merges, nor are empty lines at the end. */
#include "tokenizer/bpe_files.h"
#include "support/file.h"
#include "support/memory.h"
#include "tokenizer/json_read.h"
#include "tokenizer/unicode.h"

#include <stdlib.h>

enum { LARGEST_FILE = 1 << 30 };

typedef struct reader {
    const char *path; /* of merges.txt */
    const char *vocabulary_path;
    const json_t *vocabulary;
    json_t *merges;
    pare_buffer joined;
} reader;

static pare_status no_memory(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's merges");
}

static pare_status need_token(const reader *r, size_t line, const char *token) {
    if (json_object_get(r->vocabulary, token)) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s, line %zu: the token \"%.60s\" is not in %s; the two files do not belong together", r->path,
                     line, token, r->vocabulary_path);
}

/* text: the line, with a NUL behind it. */
static pare_status read_line(reader *r, size_t line, char *text, size_t bytes) {
    char *space = memchr(text, ' ', bytes);
    if (pare_utf8_valid(text, bytes) != bytes || memchr(text, 0, bytes))
        return pare_fail(PARE_FORMAT_ERROR, "%s, line %zu is not UTF-8 text; fetch the file again", r->path, line);
    if (!space || space == text || !space[1] || strchr(space + 1, ' '))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s, line %zu: \"%.60s\" is not two tokens with a space between them; fetch the file again",
                         r->path, line, text);
    *space = 0;
    r->joined.bytes = 0;
    PARE_TRY(pare_buffer_append(&r->joined, text, (size_t)(space - text)));
    PARE_TRY(pare_buffer_append(&r->joined, space + 1, strlen(space + 1) + 1));
    PARE_TRY(need_token(r, line, text));
    PARE_TRY(need_token(r, line, space + 1));
    PARE_TRY(need_token(r, line, r->joined.data));
    return json_array_append_new(r->merges, json_pack("[s, s]", text, space + 1)) == 0 ? PARE_OK : no_memory();
}

/* text: all lines, with a NUL behind them. */
static pare_status read_lines(reader *r, char *text, size_t bytes) {
    static const char version[] = "#version";
    while (bytes && strchr("\r\n", text[bytes - 1]) && text[bytes - 1])
        bytes--;
    text[bytes] = 0;
    char *end = text + bytes;
    for (size_t line = 1; text < end; line++) {
        char *stop = memchr(text, '\n', (size_t)(end - text)), *next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        if (stop > text && stop[-1] == '\r') stop--;
        *stop = 0;
        if (strncmp(text, version, sizeof version - 1) != 0) PARE_TRY(read_line(r, line, text, (size_t)(stop - text)));
        text = next;
    }
    return PARE_OK;
}

static pare_status read_merges(const char *path, const char *vocabulary_path, const json_t *vocabulary, json_t **out) {
    char *text = NULL;
    size_t bytes;
    reader r = {.path = path, .vocabulary_path = vocabulary_path, .vocabulary = vocabulary, .merges = json_array()};
    pare_status status = r.merges ? PARE_OK : no_memory();
    if (status == PARE_OK && !pare_file_exists(path))
        status = pare_fail(PARE_FILE_ERROR, "%s is not there, and %s is of no use without it; copy it there", path,
                           vocabulary_path);
    if (status == PARE_OK) status = pare_file_read(path, LARGEST_FILE, &text, &bytes);
    if (status == PARE_OK) status = read_lines(&r, text, bytes);
    pare_free(text);
    pare_buffer_free(&r.joined);
    *out = r.merges;
    return status;
}

/* Takes both references over. */
static json_t *make_document(const pare_bpe_style *style, bool prefix, json_t *vocabulary, json_t *merges) {
    json_t *level = json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", prefix, "use_regex",
                              style->expression == NULL);
    json_t *split = style->expression ? json_pack("{s:s, s:{s:s}, s:s}", "type", "Split", "pattern", "Regex",
                                                  style->expression, "behavior", "Isolated")
                                      : json_pack("{s:s, s:[]}", "type", "Sequence", "pretokenizers");
    json_t *normalizer = style->composed ? json_pack("{s:s}", "type", "NFC") : json_null();
    return json_pack("{s:[], s:o, s:{s:s, s:[o, o]}, s:{s:s}, s:{s:s, s:o, s:o}}", "added_tokens", "normalizer",
                     normalizer, "pre_tokenizer", "type", "Sequence", "pretokenizers", split, level, "decoder", "type",
                     "ByteLevel", "model", "type", "BPE", "vocab", vocabulary, "merges", merges);
}

pare_status pare_bpe_files_read(const char *directory, const pare_bpe_style *style, bool prefix, json_t **out) {
    char *vocabulary_path = pare_path_join(directory, "vocab.json"), *path = pare_path_join(directory, "merges.txt");
    json_t *vocabulary = NULL, *merges = NULL;
    *out = NULL;
    pare_status status = pare_whole();
    if (status == PARE_OK) status = pare_json_load(vocabulary_path, JSON_REJECT_DUPLICATES, &vocabulary);
    if (status == PARE_OK && !json_is_object(vocabulary))
        status = pare_fail(PARE_FORMAT_ERROR, "%s is not an object of tokens and their ids; fetch the file again",
                           vocabulary_path);
    if (status == PARE_OK) status = read_merges(path, vocabulary_path, vocabulary, &merges);
    if (status == PARE_OK) {
        *out = make_document(style, prefix, json_incref(vocabulary), json_incref(merges));
        if (!*out) status = no_memory();
    }
    json_decref(vocabulary);
    json_decref(merges);
    free(vocabulary_path);
    free(path);
    return status;
}
