/* The "model" of a tokenizer.json: {"type": "BPE", "vocab": {token: id}, "merges": ["left right"] or [["left",
 * "right"]], "unk_token", "fuse_unk", "byte_fallback", "ignore_merges", and what pare refuses: "dropout",
 * "continuing_subword_prefix", "end_of_word_suffix"}. A merge's rank is its place in the list. */
#include "support/memory.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/json_read.h"
#include "tokenizer/tokenizer_json.h"

#include <stdio.h>

enum { LARGEST_ID = 1 << 24 };

typedef struct reader {
    const char *path;
    const json_t *vocabulary;
    const char *unknown; /* NULL: none */
    bool ignore_merges;
    pare_bpe *bpe;
    pare_buffer spelled, joined;
} reader;

static pare_status refuse_options(const char *path, const json_t *model) {
    const json_t *dropout = json_object_get(model, "dropout");
    if (dropout && !json_is_null(dropout) && json_number_value(dropout) != 0)
        return pare_fail(PARE_UNSUPPORTED, "%s drops merges at random (dropout); set it to null", path);
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < 2; i++)
        if (json_string_length(json_object_get(model, affixes[i])))
            return pare_fail(PARE_UNSUPPORTED, "%s has a %s, which pare does not know", path, affixes[i]);
    return PARE_OK;
}

static uint32_t find_id(const reader *r, const char *token) {
    const json_t *id = json_object_get(r->vocabulary, token);
    return id ? (uint32_t)json_integer_value(id) : PARE_NO_ID;
}

/* The bytes that a token is made from in the text. *reachable: whether any text has them. */
static pare_status spell(reader *r, const char *token, size_t bytes, const char **text, size_t *text_bytes,
                         bool *reachable) {
    *text = token;
    *text_bytes = bytes;
    *reachable = true;
    if (!r->bpe->byte_level) return PARE_OK;
    r->spelled.bytes = 0;
    PARE_TRY(pare_byte_level_decode(token, bytes, &r->spelled, reachable));
    *text = r->spelled.data;
    *text_bytes = r->spelled.bytes;
    return PARE_OK;
}

static pare_status enter_token(reader *r, const char *token, size_t bytes, uint32_t id) {
    const char *text;
    size_t text_bytes;
    bool reachable;
    uint32_t code;
    PARE_TRY(spell(r, token, bytes, &text, &text_bytes, &reachable));
    if (!reachable || !text_bytes) return PARE_OK;
    if (r->bpe->byte_level && text_bytes == 1) r->bpe->bytes[(unsigned char)*text] = id;
    if (!r->bpe->byte_level && pare_utf8_decode(text, text_bytes, &code) == text_bytes)
        PARE_TRY(pare_bpe_set_character(r->bpe, code, id));
    if (!r->ignore_merges) return PARE_OK;
    if (text_bytes > PARE_WORD_MAX)
        return pare_fail(PARE_UNSUPPORTED, "%s has a token of %zu bytes; pare knows up to %d", r->path, text_bytes,
                         PARE_WORD_MAX);
    return pare_word_table_add(&r->bpe->whole, pare_word_hash(text, text_bytes), text, text_bytes, &id, 1);
}

static pare_status read_vocabulary(reader *r, uint32_t *size) {
    const char *token;
    json_t *value;
    if (!json_is_object(r->vocabulary) || !json_object_size(r->vocabulary))
        return pare_fail(PARE_FORMAT_ERROR, "%s has no vocabulary; fetch the file again", r->path);
    json_object_foreach((json_t *)(uintptr_t)r->vocabulary, token, value) {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= LARGEST_ID)
            return pare_fail(PARE_FORMAT_ERROR, "%s: the id of token \"%.60s\" is not a number below %d", r->path,
                             token, LARGEST_ID);
        if (*size <= (uint32_t)id) *size = (uint32_t)id + 1;
        PARE_TRY(enter_token(r, token, strlen(token), (uint32_t)id));
    }
    return PARE_OK;
}

static bool is_byte_token(const char *token) {
    unsigned value;
    char end;
    return strlen(token) == 6 && sscanf(token, "<0x%2X%c", &value, &end) == 2 && end == '>';
}

static pare_status read_byte_fallback(reader *r) {
    size_t found = 0;
    for (unsigned byte = 0; byte < 256; byte++) {
        char token[8];
        snprintf(token, sizeof token, "<0x%02X>", byte);
        uint32_t id = find_id(r, token);
        if (id == PARE_NO_ID) continue;
        r->bpe->bytes[byte] = id;
        found++;
    }
    if (found && found < 256)
        return pare_fail(PARE_UNSUPPORTED, "%s falls back to bytes, but has only %zu of the 256 byte tokens", r->path,
                         found);
    r->bpe->byte_fallback = found == 256;
    return PARE_OK;
}

/* Notes which two units the merge joins. */
static pare_status enter_join(reader *r, const char *left, const char *right) {
    uint32_t last = 0, first = 0;
    if ((r->bpe->byte_fallback && (is_byte_token(left) || is_byte_token(right))) ||
        (r->unknown && (strcmp(left, r->unknown) == 0 || strcmp(right, r->unknown) == 0))) {
        r->bpe->indivisible = true;
        return PARE_OK;
    }
    if (!pare_utf8_decode_last(left, strlen(left), &last) || !pare_utf8_decode(right, strlen(right), &first))
        return PARE_OK;
    if (r->bpe->byte_level) {
        int last_byte = pare_byte_level_byte(last), first_byte = pare_byte_level_byte(first);
        if (last_byte < 0 || first_byte < 0) return PARE_OK;
        last = (uint32_t)last_byte;
        first = (uint32_t)first_byte;
    }
    return pare_pair_table_set(&r->bpe->joins, (pare_pair){last, first, 0, 0});
}

static pare_status enter_merge(reader *r, const char *left, const char *right, uint32_t rank) {
    r->joined.bytes = 0;
    PARE_TRY(pare_buffer_append(&r->joined, left, strlen(left)));
    PARE_TRY(pare_buffer_append(&r->joined, right, strlen(right) + 1));
    uint32_t ids[3] = {find_id(r, left), find_id(r, right), find_id(r, r->joined.data)};
    const char *const tokens[3] = {left, right, r->joined.data};
    for (int i = 0; i < 3; i++)
        if (ids[i] == PARE_NO_ID)
            return pare_fail(PARE_FORMAT_ERROR, "%s: merge %u needs the token \"%.60s\", which its vocabulary lacks",
                             r->path, rank, tokens[i]);
    PARE_TRY(enter_join(r, left, right));
    return pare_pair_table_set(&r->bpe->merges, (pare_pair){ids[0], ids[1], rank, ids[2]});
}

static pare_status read_merge(reader *r, const json_t *merge, uint32_t rank, pare_buffer *line) {
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        const char *left = json_string_value(json_array_get(merge, 0)),
                   *right = json_string_value(json_array_get(merge, 1));
        if (left && right) return enter_merge(r, left, right, rank);
    }
    if (json_is_string(merge)) {
        line->bytes = 0;
        PARE_TRY(pare_buffer_append(line, json_string_value(merge), json_string_length(merge) + 1));
        char *space = strchr(line->data, ' ');
        if (space && !strchr(space + 1, ' ')) {
            *space = 0;
            return enter_merge(r, line->data, space + 1, rank);
        }
    }
    return pare_fail(PARE_FORMAT_ERROR, "%s: merge %u is not a pair of tokens", r->path, rank);
}

static pare_status read_merges(reader *r, const json_t *merges) {
    pare_buffer line = {0};
    pare_status status = PARE_OK;
    if (!json_is_array(merges)) return pare_fail(PARE_FORMAT_ERROR, "%s has no list of merges", r->path);
    for (size_t i = 0; status == PARE_OK && i < json_array_size(merges); i++)
        status = read_merge(r, json_array_get(merges, i), (uint32_t)i, &line);
    pare_buffer_free(&line);
    return status;
}

static pare_status read_model(reader *r, const json_t *model, uint32_t *size) {
    bool fallback;
    PARE_TRY(pare_json_boolean(r->path, model, "ignore_merges", false, &r->ignore_merges));
    PARE_TRY(pare_json_boolean(r->path, model, "fuse_unk", false, &r->bpe->fuse_unknown));
    PARE_TRY(pare_json_boolean(r->path, model, "byte_fallback", false, &fallback));
    PARE_TRY(read_vocabulary(r, size));
    r->unknown = json_string_value(json_object_get(model, "unk_token"));
    if (r->unknown && (r->bpe->unknown = find_id(r, r->unknown)) == PARE_NO_ID)
        return pare_fail(PARE_FORMAT_ERROR, "%s: its unk_token \"%.60s\" is not in its vocabulary", r->path,
                         r->unknown);
    if (fallback && !r->bpe->byte_level) PARE_TRY(read_byte_fallback(r));
    return read_merges(r, json_object_get(model, "merges"));
}

pare_status pare_json_model_read(const char *path, const json_t *model, bool byte_level, pare_bpe *out,
                                 uint32_t *size) {
    PARE_TRY(refuse_options(path, model));
    pare_bpe_init(out);
    out->byte_level = byte_level;
    reader r = {.path = path, .vocabulary = json_object_get(model, "vocab"), .bpe = out};
    pare_status status = read_model(&r, model, size);
    pare_buffer_free(&r.spelled);
    pare_buffer_free(&r.joined);
    if (status != PARE_OK) pare_bpe_free(out);
    return status;
}
