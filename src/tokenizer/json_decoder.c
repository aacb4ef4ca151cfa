/* The "decoder" of a tokenizer.json, worked out once for every token of the vocabulary. Known are ByteLevel; Metaspace;
 * and Replace, ByteFallback, Fuse, Strip in this order, as converted SentencePiece models have them. */
#include "support/json.h"
#include "support/memory.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/json_read.h"
#include "tokenizer/tokenizer_json.h"

typedef struct plan {
    const char *path;
    bool byte_level, byte_fallback, fused;
    pare_normalizer replace; /* of each token's text */
    pare_pattern_work work;
    pare_buffer buffers[2], text;
} plan;

static pare_status unknown_decoder(const plan *p, const char *type) {
    return pare_fail(PARE_UNSUPPORTED, "%s has a decoder of type %s, in a place or with options pare does not know",
                     p->path, type);
}

/* {"type": "Replace"} for a Metaspace decoder: its mark becomes a space. */
static pare_status read_metaspace(const json_t *json, json_t *replace, pare_decoder *out) {
    const char *mark = json_string_value(json_object_get(json, "replacement"));
    const char *scheme = json_string_value(json_object_get(json, "prepend_scheme"));
    bool prefixed = scheme ? strcmp(scheme, "never") != 0 : !json_is_false(json_object_get(json, "add_prefix_space"));
    if (prefixed) out->strip = PARE_STRIP_FIRST_TOKEN;
    pare_json_append(replace,
                     pare_json_of({"type", pare_json_string("Replace")},
                                  {"pattern", pare_json_of({"String", pare_json_string(mark ? mark : "\xE2\x96\x81")})},
                                  {"content", pare_json_string(" ")}));
    return PARE_OK;
}

static pare_status read_strip(const plan *p, const json_t *json, pare_decoder *out) {
    const json_t *content = json_object_get(json, "content"), *start = json_object_get(json, "start");
    const json_t *stop = json_object_get(json, "stop");
    if (!p->fused || json_string_length(content) != 1 || json_integer_value(stop) != 0 ||
        json_integer_value(start) < 0 || json_integer_value(start) > UINT32_MAX || out->strip != PARE_STRIP_NONE)
        return unknown_decoder(p, "Strip");
    out->strip = PARE_STRIP_TEXT;
    out->strip_count = (uint32_t)json_integer_value(start);
    out->strip_byte = json_string_value(content)[0];
    return PARE_OK;
}

static pare_status read_step(plan *p, const pare_json_step *step, bool alone, json_t *replace, pare_decoder *out) {
    if (strcmp(step->type, "ByteLevel") == 0 && alone) {
        p->byte_level = true;
        out->broken = PARE_BROKEN_PART;
        return PARE_OK;
    }
    if (strcmp(step->type, "Metaspace") == 0 && !p->byte_fallback && !p->fused && !json_array_size(replace))
        return read_metaspace(step->json, replace, out);
    if (strcmp(step->type, "Replace") == 0 && !p->byte_fallback && !p->fused) {
        pare_json_append(replace, pare_json_same(step->json));
        return PARE_OK;
    }
    if (strcmp(step->type, "ByteFallback") == 0 && !p->fused) {
        p->byte_fallback = true;
        out->broken = PARE_BROKEN_RUN;
        return PARE_OK;
    }
    if (strcmp(step->type, "Fuse") == 0) {
        p->fused = true;
        return PARE_OK;
    }
    return strcmp(step->type, "Strip") == 0 ? read_strip(p, step->json, out) : unknown_decoder(p, step->type);
}

static pare_status read_plan(plan *p, const json_t *json, pare_decoder *out) {
    pare_json_steps list;
    PARE_TRY(pare_json_steps_read(p->path, json, "decoder", "decoders", &list));
    json_t *replace = json_array();
    json_t *sequence = pare_json_of({"type", pare_json_string("Sequence")}, {"normalizers", pare_json_same(replace)});
    pare_status status = PARE_OK;
    for (size_t i = 0; status == PARE_OK && i < list.count; i++)
        status = read_step(p, list.steps + i, list.count == 1, replace, out);
    if (status == PARE_OK) status = pare_json_check(sequence, "the decoder");
    if (status == PARE_OK) status = pare_normalizer_read(p->path, sequence, &p->replace);
    out->spaced = !list.count;
    json_decref(sequence);
    json_decref(replace);
    pare_json_steps_free(&list);
    return status;
}

/* The value of a token "<0xHH>"; -1 for others. */
static int byte_value(const char *text, size_t bytes) {
    static const char digits[] = "0123456789ABCDEFabcdef";
    if (bytes != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>') return -1;
    int value = 0;
    for (int i = 3; i < 5; i++) {
        const char *digit = memchr(digits, text[i], sizeof digits - 1);
        if (!digit) return -1;
        int place = (int)(digit - digits);
        value = value * 16 + (place < 16 ? place : place - 6);
    }
    return value;
}

static pare_status set_token(plan *p, uint32_t id, const char *token, size_t bytes, pare_decoder *out) {
    const char *text;
    bool spelled = false;
    if (p->byte_level) {
        p->text.bytes = 0;
        PARE_TRY(pare_byte_level_decode(token, bytes, &p->text, &spelled));
        if (spelled) return pare_decoder_set(out, id, PARE_TOKEN_TEXT, p->text.data, p->text.bytes);
        return pare_decoder_set(out, id, PARE_TOKEN_TEXT, token, bytes);
    }
    bool spaces = memchr(token, ' ', bytes) != NULL;
    PARE_TRY(pare_normalizer_run(&p->replace, &p->work, token, bytes, p->buffers, &text, &bytes));
    int value = p->byte_fallback ? byte_value(text, bytes) : -1;
    /* Of the first token Metaspace takes its marks away, not spaces of the token's own. */
    pare_token_kind kind = out->strip == PARE_STRIP_FIRST_TOKEN && spaces ? PARE_TOKEN_FIXED : PARE_TOKEN_TEXT;
    if (value < 0) return pare_decoder_set(out, id, kind, text, bytes);
    char byte = (char)value;
    return pare_decoder_set(out, id, PARE_TOKEN_BYTE, &byte, 1);
}

static pare_status set_tokens(plan *p, const pare_tokenizer_json *tokenizer, const json_t *vocabulary,
                              pare_decoder *out) {
    const char *token;
    json_t *id;
    json_object_foreach((json_t *)(uintptr_t)vocabulary, token, id) {
        PARE_TRY(set_token(p, (uint32_t)json_integer_value(id), token, strlen(token), out));
    }
    for (size_t i = 0; i < json_array_size(vocabulary); i++) { /* of a Unigram model */
        const json_t *piece = json_array_get(json_array_get(vocabulary, i), 0);
        PARE_TRY(set_token(p, (uint32_t)i, json_string_value(piece), json_string_length(piece), out));
    }
    for (size_t i = 0; i < tokenizer->added.count; i++) {
        const pare_added_token *added = tokenizer->added.tokens + i;
        if (added->special)
            out->tokens[added->id].kind = PARE_TOKEN_SILENT;
        else
            PARE_TRY(set_token(p, added->id, added->found, added->found_bytes, out));
    }
    return PARE_OK;
}

pare_status pare_json_decoder_read(const pare_tokenizer_json *tokenizer, const char *path, const json_t *json,
                                   pare_decoder *out) {
    plan p = {.path = path};
    PARE_TRY(pare_decoder_init(out, tokenizer->size));
    pare_status status = read_plan(&p, json_object_get(json, "decoder"), out);
    if (status == PARE_OK)
        status = set_tokens(&p, tokenizer, json_object_get(json_object_get(json, "model"), "vocab"), out);
    pare_normalizer_free(&p.replace);
    pare_pattern_work_free(&p.work);
    pare_buffer_free(p.buffers);
    pare_buffer_free(p.buffers + 1);
    pare_buffer_free(&p.text);
    if (status != PARE_OK) pare_decoder_free(out);
    return status;
}
