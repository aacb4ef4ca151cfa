#include "tokenizer/gguf_tokens.h"
#include "support/file.h"
#include "support/memory.h"
#include "tokenizer/extra_tokens.h"
#include "tokenizer/sentencepiece_model.h"

#include <stdlib.h>
#include <string.h>

/* Of tokens that no merge may make. */
static const float NEVER_MERGED = -1e6f;

static pare_status allocate(pare_gguf_pieces *out, uint64_t rows) {
    *out = (pare_gguf_pieces){.count = rows};
    return pare_alloc(&out->list, rows, sizeof *out->list, "tokens");
}

static void set(pare_gguf_pieces *pieces, int64_t id, const char *text, uint64_t bytes, pare_gguf_token type) {
    if (id < 0 || (uint64_t)id >= pieces->count) return;
    float score = type == PARE_GGUF_TOKEN_NORMAL || type == PARE_GGUF_TOKEN_BYTE ? 0 : NEVER_MERGED;
    pieces->list[id] = (pare_gguf_piece){.text = text, .bytes = bytes, .score = score, .type = type};
}

/* "<0x0A>" */
static bool is_byte(const char *text) {
    return strlen(text) == 6 && strncmp(text, "<0x", 3) == 0 && text[5] == '>';
}

static void set_added(pare_gguf_pieces *pieces, const json_t *added, const char *unknown) {
    size_t i;
    json_t *token;
    json_array_foreach(added, i, token) {
        const json_t *id = json_object_get(token, "id");
        const char *text = json_string_value(json_object_get(token, "content"));
        bool special = json_is_true(json_object_get(token, "special"));
        if (!text || !json_is_integer(id)) continue;
        pare_gguf_token type = unknown && strcmp(text, unknown) == 0 ? PARE_GGUF_TOKEN_UNKNOWN
                               : special                             ? PARE_GGUF_TOKEN_CONTROL
                                                                     : PARE_GGUF_TOKEN_USER_DEFINED;
        set(pieces, json_integer_value(id), text, strlen(text), type);
    }
}

/* The text of a merge, freed with free(): "a b" or ["a", "b"]. */
static char *merged(const json_t *merge) {
    const char *left = json_string_value(json_array_get(merge, 0)),
               *right = json_string_value(json_array_get(merge, 1));
    if (json_is_array(merge)) return left && right ? pare_format("%s%s", left, right) : NULL;
    const char *pair = json_string_value(merge), *space = pair && *pair ? strchr(pair + 1, ' ') : NULL;
    return space ? pare_format("%.*s%s", (int)(space - pair), pair, space + 1) : NULL;
}

/* The first merge that makes a token says when it is made. */
static pare_status set_scores(const char *path, const json_t *vocabulary, const json_t *merges,
                              pare_gguf_pieces *pieces) {
    size_t rank;
    json_t *merge;
    json_array_foreach(merges, rank, merge) {
        char *text = merged(merge);
        const json_t *id = text ? json_object_get(vocabulary, text) : NULL;
        free(text);
        PARE_TRY(pare_whole());
        if (!id)
            return pare_fail(PARE_FORMAT_ERROR, "%s: merge %zu makes a token that the vocabulary has not", path, rank);
        json_int_t number = json_integer_value(id);
        if (number < 0 || (uint64_t)number >= pieces->count) continue;
        pare_gguf_piece *piece = &pieces->list[number];
        if (piece->type == PARE_GGUF_TOKEN_NORMAL && !(piece->score < 0)) piece->score = -(float)(rank + 1);
    }
    for (uint64_t i = 0; i < pieces->count; i++) /* single characters */
        if (pieces->list[i].type == PARE_GGUF_TOKEN_NORMAL && !(pieces->list[i].score < 0))
            pieces->list[i].score = -(float)(rank + 1);
    return PARE_OK;
}

pare_status pare_gguf_pieces_of_json(const char *path, const json_t *json, uint64_t rows, pare_gguf_pieces *out) {
    const json_t *model = json_object_get(json, "model"), *vocabulary = json_object_get(model, "vocab");
    const char *unknown = pare_token_text_of(json_object_get(model, "unk_token"));
    bool fallback = json_is_true(json_object_get(model, "byte_fallback"));
    PARE_TRY(allocate(out, rows));
    const char *text;
    json_t *id;
    json_object_foreach((json_t *)(uintptr_t)vocabulary, text, id)
        set(out, json_is_integer(id) ? json_integer_value(id) : -1, text, strlen(text),
            fallback && is_byte(text)               ? PARE_GGUF_TOKEN_BYTE
            : unknown && strcmp(text, unknown) == 0 ? PARE_GGUF_TOKEN_UNKNOWN
                                                    : PARE_GGUF_TOKEN_NORMAL);
    set_added(out, json_object_get(json, "added_tokens"), unknown);
    pare_status status = set_scores(path, vocabulary, json_object_get(model, "merges"), out);
    if (status != PARE_OK) {
        pare_free(out->list);
        *out = (pare_gguf_pieces){0};
    }
    return status;
}

pare_status pare_gguf_pieces_of_model(const pare_sentencepiece_model *model, const json_t *added, uint64_t rows,
                                      pare_gguf_pieces *out) {
    PARE_TRY(allocate(out, rows));
    for (size_t i = 0; i < model->count; i++) {
        const pare_piece *piece = &model->pieces[i];
        set(out, (int64_t)i, piece->text.data, piece->text.bytes, (pare_gguf_token)piece->type);
        if (i < rows) out->list[i].score = piece->score;
    }
    set_added(out, added, NULL);
    return PARE_OK;
}
