/* Layout of a tiktoken file: a line per token, its bytes in base64, a space, and its rank, which is its id; ranks count
 * from 0 on. A text's bytes are merged in the order of ranks: of all neighbours that are a token together, the two that
 * make the one of lowest rank go first. */
#include "tokenizer/tiktoken.h"
#include "support/file.h"
#include "support/memory.h"
#include "tokenizer/base64.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/gguf_pre.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_LIMIT = 1 << 26, TOKEN_LIMIT = 1 << 20, LONGEST_TOKEN = 1024, SPECIAL = 256 };

/* Those of Llama 3.1; the places of others are reserved. */
static const struct {
    int place;
    const char *text;
} special[] = {{0, "<|begin_of_text|>"},   {1, "<|end_of_text|>"},   {4, "<|finetune_right_pad_id|>"},
               {6, "<|start_header_id|>"}, {7, "<|end_header_id|>"}, {8, "<|eom_id|>"},
               {9, "<|eot_id|>"},          {10, "<|python_tag|>"}};

typedef struct reader {
    const char *path;
    json_t *vocabulary, *merges; /* by the spelling of byte_level.h */
    char token[LONGEST_TOKEN];   /* the bytes of the one that is read */
    size_t bytes;
    uint32_t count;
    pare_buffer spelled, left, right;
} reader;

static pare_status no_memory(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's merges");
}

/* What stands before the space of a line; false if it is no base64, or is empty or too long. */
static bool decode(const char *text, size_t length, char out[LONGEST_TOKEN], size_t *bytes) {
    return length / 4 * 3 <= LONGEST_TOKEN && pare_base64_decode(text, length, out, bytes);
}

/* *space: where the rank begins; false if the line is not BASE64 RANK. */
static bool split_line(const char *line, size_t length, const char **space, uint32_t *rank) {
    *space = memchr(line, ' ', length);
    *rank = 0;
    if (!*space || *space + 1 == line + length || line + length - *space > 9) return false;
    for (const char *at = *space + 1; at < line + length; at++) {
        if (*at < '0' || *at > '9') return false;
        *rank = 10 * *rank + (uint32_t)(*at - '0');
    }
    return true;
}

static pare_status spell(const char *text, size_t bytes, pare_buffer *out) {
    out->bytes = 0;
    PARE_TRY(pare_byte_level_encode(text, bytes, out));
    return pare_buffer_append(out, "", 1);
}

static pare_status add_token(reader *r, size_t line) {
    PARE_TRY(spell(r->token, r->bytes, &r->spelled));
    if (json_object_get(r->vocabulary, r->spelled.data))
        return pare_fail(PARE_FORMAT_ERROR, "%s, line %zu: this token stands in a line before, too", r->path, line);
    if (json_object_set_new(r->vocabulary, r->spelled.data, json_integer(r->count)) != 0) return no_memory();
    r->count++;
    return PARE_OK;
}

static pare_status read_line(reader *r, size_t line, const char *text, size_t length) {
    const char *space;
    uint32_t rank;
    if (!split_line(text, length, &space, &rank) || !decode(text, (size_t)(space - text), r->token, &r->bytes))
        return pare_fail(PARE_FORMAT_ERROR, "%s, line %zu is not a token in base64 and its rank; fetch the file again",
                         r->path, line);
    if (rank != r->count || rank == TOKEN_LIMIT)
        return pare_fail(PARE_FORMAT_ERROR, "%s, line %zu has the rank %u where %u comes next; fetch the file again",
                         r->path, line, rank, r->count);
    return add_token(r, line);
}

typedef pare_status (*line_fn)(reader *r, size_t line, const char *text, size_t length);

static pare_status each_line(reader *r, const char *text, size_t bytes, line_fn visit) {
    size_t line = 1;
    for (const char *end = text + bytes, *next; text < end; text = next, line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        next = stop ? stop + 1 : end;
        size_t length = (size_t)((stop ? stop : end) - text);
        if (length && text[length - 1] == '\r') length--;
        if (length) PARE_TRY(visit(r, line, text, length));
    }
    return PARE_OK;
}

/* Two tokens that make a third, with their ranks. */
typedef struct parts {
    json_int_t left, right;
    size_t at; /* bytes of the left one */
} parts;

static int compare_parts(const void *one, const void *other) {
    const parts *a = one, *b = other;
    if (a->left != b->left) return a->left < b->left ? -1 : 1;
    return (a->right > b->right) - (a->right < b->right);
}

/* All ways to make the line's token of two others: since the list is in the order of ranks, any of them goes before the
 * merges of later tokens. */
static pare_status add_merges(reader *r, size_t line, const char *text, size_t length) {
    const char *space = memchr(text, ' ', length);
    parts found[LONGEST_TOKEN];
    size_t count = 0;
    (void)line;
    decode(text, (size_t)(space - text), r->token, &r->bytes);
    for (size_t at = 1; at < r->bytes; at++) {
        PARE_TRY(spell(r->token, at, &r->left));
        const json_t *left = json_object_get(r->vocabulary, r->left.data);
        if (!left) continue;
        PARE_TRY(spell(r->token + at, r->bytes - at, &r->right));
        const json_t *right = json_object_get(r->vocabulary, r->right.data);
        if (right) found[count++] = (parts){json_integer_value(left), json_integer_value(right), at};
    }
    qsort(found, count, sizeof *found, compare_parts);
    for (size_t i = 0; i < count; i++) {
        PARE_TRY(spell(r->token, found[i].at, &r->left));
        PARE_TRY(spell(r->token + found[i].at, r->bytes - found[i].at, &r->right));
        if (json_array_append_new(r->merges, json_pack("[s, s]", r->left.data, r->right.data)) != 0) return no_memory();
    }
    return PARE_OK;
}

static json_t *special_tokens(uint32_t first) {
    json_t *list = json_array();
    for (int i = 0, reserved = 0; i < SPECIAL; i++) {
        char text[48] = "";
        for (size_t k = 0; k < sizeof special / sizeof *special; k++)
            if (special[k].place == i) snprintf(text, sizeof text, "%s", special[k].text);
        if (!*text) snprintf(text, sizeof text, "<|reserved_special_token_%d|>", reserved++);
        json_t *token = json_pack("{s:i, s:s, s:b, s:b, s:b, s:b, s:b}", "id", (int)first + i, "content", text,
                                  "single_word", 0, "lstrip", 0, "rstrip", 0, "normalized", 0, "special", 1);
        if (json_array_append_new(list, token) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *split_text(void) {
    const char *expression = pare_gguf_pre_find("llama-bpe")->splits[0];
    return json_pack("{s:s, s:{s:s}, s:s}", "type", "Split", "pattern", "Regex", expression, "behavior", "Isolated");
}

static json_t *make_document(const reader *r) {
    const char *begin = special[0].text;
    json_t *level = json_pack("{s:s, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "use_regex", 0);
    json_t *front = json_pack("{s:s, s:[{s:{s:s}}, {s:{s:s}}], s:{s:{s:s, s:[i], s:[s]}}}", "type",
                              "TemplateProcessing", "single", "SpecialToken", "id", begin, "Sequence", "id", "A",
                              "special_tokens", begin, "id", begin, "ids", (int)r->count, "tokens", begin);
    return json_pack("{s:o, s:n, s:{s:s, s:[o, o]}, s:o, s:{s:s}, s:{s:s, s:b, s:O, s:O}}", "added_tokens",
                     special_tokens(r->count), "normalizer", "pre_tokenizer", "type", "Sequence", "pretokenizers",
                     split_text(), level, "post_processor", front, "decoder", "type", "ByteLevel", "model", "type",
                     "BPE", "ignore_merges", 1, "vocab", r->vocabulary, "merges", r->merges);
}

static pare_status read_text(reader *r, const char *text, size_t bytes) {
    if (!r->vocabulary || !r->merges) return no_memory();
    PARE_TRY(each_line(r, text, bytes, read_line));
    if (!r->count) return pare_fail(PARE_FORMAT_ERROR, "%s has no tokens; fetch the file again", r->path);
    return each_line(r, text, bytes, add_merges);
}

pare_status pare_tiktoken_read(const char *path, json_t **out) {
    reader r = {.path = path, .vocabulary = json_object(), .merges = json_array()};
    char *text = NULL;
    size_t bytes;
    *out = NULL;
    pare_status status = pare_file_read(path, FILE_LIMIT, &text, &bytes);
    if (status == PARE_OK) status = read_text(&r, text, bytes);
    if (status == PARE_OK) {
        *out = make_document(&r);
        if (!*out) status = no_memory();
    }
    pare_free(text);
    json_decref(r.vocabulary);
    json_decref(r.merges);
    pare_buffer_free(&r.spelled);
    pare_buffer_free(&r.left);
    pare_buffer_free(&r.right);
    return status;
}

bool pare_tiktoken_is(const char *path) {
    char line[64], token[LONGEST_TOKEN];
    const char *space;
    size_t bytes;
    uint32_t rank;
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(line, 1, sizeof line, file) : 0;
    if (file) fclose(file);
    const char *end = memchr(line, '\n', length);
    if (end) length = (size_t)(end - line);
    if (length && line[length - 1] == '\r') length--;
    return split_line(line, length, &space, &rank) && rank == 0 && decode(line, (size_t)(space - line), token, &bytes);
}
