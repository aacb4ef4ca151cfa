#include "tokenizer/gguf_tokenizer_write.h"
#include "support/file.h"
#include "support/memory.h"
#include "tokenizer/extra_tokens.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/gguf_tokens.h"
#include "tokenizer/json_read.h"
#include "tokenizer/sentencepiece_model.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct writing {
    pare_gguf_metadata *metadata;
    const char *folder;
    json_t *json;                   /* NULL: the tokenizer is a tokenizer.model */
    pare_sentencepiece_model model; /* of that one */
    pare_gguf_pieces pieces;
    bool byte_level, prefix; /* prefix: a space goes in front of a text */
    const pare_gguf_pre *pre;
} writing;

static pare_status refuse(const writing *w, const char *what) {
    return pare_fail(PARE_UNSUPPORTED, "the tokenizer of %s %s, which no GGUF file that pare writes can say", w->folder,
                     what);
}

/* How text is cut before merges: the expressions in their order, and whether GPT-2's comes last. */
typedef struct cuts {
    const char *splits[PARE_GGUF_PRE_SPLITS];
    size_t count;
    bool gpt2, byte_level, prefix, other;
} cuts;

static void read_cut(const pare_json_step *step, cuts *out) {
    const json_t *pattern = json_object_get(step->json, "pattern");
    const char *expression = json_string_value(json_object_get(pattern, "Regex")), *type = step->type;
    if (strcmp(type, "ByteLevel") == 0) {
        out->byte_level = true;
        out->gpt2 = !json_is_false(json_object_get(step->json, "use_regex"));
        out->prefix = !json_is_false(json_object_get(step->json, "add_prefix_space"));
    } else if (strcmp(type, "Digits") == 0 && json_is_true(json_object_get(step->json, "individual_digits"))) {
        expression = "\\p{N}";
    } else if (strcmp(type, "Split") != 0) {
        expression = NULL;
    }
    if (strcmp(type, "ByteLevel") == 0) return;
    if (!expression || out->count == PARE_GGUF_PRE_SPLITS)
        out->other = true;
    else
        out->splits[out->count++] = expression;
}

static bool is_cut_so(const pare_gguf_pre *row, const cuts *c, bool nfc, bool whole) {
    size_t count = 0;
    while (count < PARE_GGUF_PRE_SPLITS && row->splits[count])
        count++;
    bool same = count == c->count && row->gpt2 == c->gpt2 && row->nfc == nfc && row->whole_words == whole;
    for (size_t i = 0; same && i < count; i++)
        same = strcmp(row->splits[i], c->splits[i]) == 0;
    return same;
}

static bool composes(const json_t *normalizer) {
    const char *type = json_string_value(json_object_get(normalizer, "type"));
    return type && strcmp(type, "NFC") == 0;
}

static pare_status find_pre(writing *w) {
    const json_t *model = json_object_get(w->json, "model"), *normalizer = json_object_get(w->json, "normalizer");
    const char *type = json_string_value(json_object_get(model, "type"));
    pare_json_steps steps = {0};
    cuts c = {0};
    if (type && strcmp(type, "BPE") != 0) return refuse(w, "is no BPE");
    PARE_TRY(pare_json_steps_read(w->folder, json_object_get(w->json, "pre_tokenizer"), "pre-tokenizer",
                                  "pretokenizers", &steps));
    for (size_t i = 0; i < steps.count; i++)
        read_cut(&steps.steps[i], &c);
    w->byte_level = c.byte_level;
    bool whole = json_is_true(json_object_get(model, "ignore_merges"));
    for (size_t i = 0; c.byte_level && !c.other && !c.prefix && pare_gguf_pre_at(i) && !w->pre; i++)
        if (is_cut_so(pare_gguf_pre_at(i), &c, composes(normalizer), whole)) w->pre = pare_gguf_pre_at(i);
    pare_json_steps_free(&steps);
    if (w->pre || !c.byte_level) return PARE_OK;
    return refuse(w, "cuts text in a way that llama.cpp has no name for");
}

/* A SentencePiece BPE in the clothes of a tokenizer.json: spaces become marks, one in front or not. */
static pare_status read_spaces(writing *w) {
    pare_json_steps steps = {0};
    bool marks = false, other = false;
    if (!json_is_true(json_object_get(json_object_get(w->json, "model"), "byte_fallback")))
        return refuse(w, "is a BPE without bytes");
    PARE_TRY(
        pare_json_steps_read(w->folder, json_object_get(w->json, "normalizer"), "normalizer", "normalizers", &steps));
    for (size_t i = 0; i < steps.count; i++) {
        w->prefix |= strcmp(steps.steps[i].type, "Prepend") == 0;
        marks |= strcmp(steps.steps[i].type, "Replace") == 0;
        other |= strcmp(steps.steps[i].type, "Prepend") != 0 && strcmp(steps.steps[i].type, "Replace") != 0;
    }
    pare_json_steps_free(&steps);
    PARE_TRY(pare_json_steps_read(w->folder, json_object_get(w->json, "pre_tokenizer"), "pre-tokenizer",
                                  "pretokenizers", &steps));
    for (size_t i = 0; i < steps.count; i++) {
        const char *scheme = json_string_value(json_object_get(steps.steps[i].json, "prepend_scheme"));
        bool metaspace = strcmp(steps.steps[i].type, "Metaspace") == 0;
        bool split = strcmp(steps.steps[i].type, "Split") == 0; /* Gemma's, at spaces, of which none are left */
        marks |= metaspace;
        other |= !metaspace && !split;
        w->prefix |= metaspace && (!scheme || strcmp(scheme, "never") != 0);
    }
    pare_json_steps_free(&steps);
    return marks && !other ? PARE_OK : refuse(w, "treats text in a way of its own before it is merged");
}

static void put_tokens(const writing *w) {
    pare_gguf_metadata *m = w->metadata;
    char filler[32];
    pare_gguf_put_list(m, "tokenizer.ggml.tokens", PARE_GGUF_STRING);
    for (uint64_t i = 0; i < w->pieces.count; i++) {
        const pare_gguf_piece *piece = &w->pieces.list[i];
        snprintf(filler, sizeof filler, "[PAD%llu]", (unsigned long long)i);
        pare_gguf_add_text(m, piece->type ? piece->text : filler, piece->type ? piece->bytes : strlen(filler));
    }
    pare_gguf_put_list(m, "tokenizer.ggml.token_type", PARE_GGUF_INT32);
    for (uint64_t i = 0; i < w->pieces.count; i++)
        pare_gguf_add_i32(m, (int32_t)(w->pieces.list[i].type ? w->pieces.list[i].type : PARE_GGUF_TOKEN_UNUSED));
    if (w->byte_level) return;
    pare_gguf_put_list(m, "tokenizer.ggml.scores", PARE_GGUF_FLOAT32);
    for (uint64_t i = 0; i < w->pieces.count; i++)
        pare_gguf_add_f32(m, w->pieces.list[i].score);
}

static pare_status put_merges(const writing *w) {
    const json_t *merges = json_object_get(json_object_get(w->json, "model"), "merges");
    size_t i;
    json_t *merge;
    pare_gguf_put_list(w->metadata, "tokenizer.ggml.merges", PARE_GGUF_STRING);
    json_array_foreach(merges, i, merge) {
        const char *left = json_string_value(json_array_get(merge, 0)),
                   *right = json_string_value(json_array_get(merge, 1)), *pair = json_string_value(merge);
        char *text = json_is_array(merge) ? pare_format("%s %s", left ? left : "", right ? right : "")
                                          : pare_format("%s", pair ? pair : "");
        if (text) pare_gguf_add_text(w->metadata, text, strlen(text));
        free(text);
    }
    return pare_whole();
}

/* What goes around a text. */
static pare_status put_frame(const writing *w, const pare_tokenizer *tokenizer) {
    const uint32_t *front;
    size_t count = pare_tokenizer_front(tokenizer, &front);
    int64_t bos = pare_tokenizer_bos(tokenizer), behind = pare_tokenizer_behind(tokenizer);
    if (count > 1 || (count == 1 && front[0] != bos)) return refuse(w, "puts more than BOS in front of a text");
    pare_gguf_put_flag(w->metadata, "tokenizer.ggml.add_bos_token", count == 1);
    pare_gguf_put_flag(w->metadata, "tokenizer.ggml.add_eos_token", behind >= 0);
    return PARE_OK;
}

/* The id of the text of `key` in tokenizer_config.json; -1: none. */
static int64_t id_of(const writing *w, const json_t *config, const char *key) {
    const char *text = pare_token_text_of(json_object_get(config, key));
    for (uint64_t i = 0; text && i < w->pieces.count; i++) {
        const pare_gguf_piece *piece = &w->pieces.list[i];
        if (piece->type && piece->bytes == strlen(text) && memcmp(piece->text, text, piece->bytes) == 0)
            return (int64_t)i;
    }
    return -1;
}

static void put_id(const writing *w, const char *key, int64_t id) {
    if (id >= 0 && (uint64_t)id < w->pieces.count) pare_gguf_put_u32(w->metadata, key, (uint32_t)id);
}

static pare_status put_specials(const writing *w, const pare_tokenizer *tokenizer) {
    char *path = pare_path_join(w->folder, "tokenizer_config.json");
    json_t *config = NULL;
    pare_status status = pare_file_exists(path) ? pare_json_load(path, JSON_DECODE_INT_AS_REAL, &config) : PARE_OK;
    if (status == PARE_OK) {
        put_id(w, "tokenizer.ggml.bos_token_id", pare_tokenizer_bos(tokenizer));
        put_id(w, "tokenizer.ggml.eos_token_id", pare_tokenizer_eos(tokenizer));
        put_id(w, "tokenizer.ggml.unknown_token_id", id_of(w, config, "unk_token"));
        put_id(w, "tokenizer.ggml.padding_token_id", id_of(w, config, "pad_token"));
        status = put_frame(w, tokenizer);
    }
    json_decref(config);
    free(path);
    return status;
}

static pare_status read_model(writing *w, uint64_t rows) {
    char *path = pare_path_join(w->folder, "tokenizer.model");
    pare_tokenizer_config config = {0};
    pare_status status = pare_sentencepiece_model_open(path, &w->model);
    free(path);
    PARE_TRY(status);
    if (w->model.model_type != PARE_SENTENCEPIECE_BPE) return refuse(w, "is a Unigram model");
    w->prefix = w->model.add_dummy_prefix;
    PARE_TRY(pare_tokenizer_config_read(w->folder, false, &config));
    status = pare_gguf_pieces_of_model(&w->model, config.extra.numbered, rows, &w->pieces);
    /* Texts of added tokens belong to the list. */
    w->json = status == PARE_OK ? json_incref(config.extra.numbered) : NULL;
    pare_tokenizer_config_free(&config);
    return status;
}

static pare_status read_json(writing *w, uint64_t rows) {
    PARE_TRY(find_pre(w));
    if (!w->byte_level) PARE_TRY(read_spaces(w));
    return pare_gguf_pieces_of_json(w->folder, w->json, rows, &w->pieces);
}

static pare_status put(writing *w, uint64_t rows) {
    pare_tokenizer *tokenizer;
    PARE_TRY(pare_tokenizer_document(w->folder, &w->json));
    bool json = w->json != NULL;
    PARE_TRY(json ? read_json(w, rows) : read_model(w, rows));
    pare_gguf_put_text(w->metadata, "tokenizer.ggml.model", w->byte_level ? "gpt2" : "llama");
    pare_gguf_put_text(w->metadata, "tokenizer.ggml.pre", w->pre ? w->pre->names[0] : "default");
    pare_gguf_put_flag(w->metadata, "tokenizer.ggml.add_space_prefix", w->prefix);
    put_tokens(w);
    if (w->byte_level) PARE_TRY(put_merges(w));
    PARE_TRY(pare_tokenizer_open(w->folder, &tokenizer));
    pare_status status = put_specials(w, tokenizer);
    pare_tokenizer_close(tokenizer);
    return status;
}

pare_status pare_gguf_put_tokenizer(pare_gguf_metadata *metadata, const char *folder, uint64_t rows) {
    writing w = {.metadata = metadata, .folder = folder};
    if (!pare_tokenizer_exists(folder)) {
        pare_gguf_put_text(metadata, "tokenizer.ggml.model", "none");
        return PARE_OK;
    }
    pare_status status = put(&w, rows);
    json_decref(w.json);
    pare_sentencepiece_model_close(&w.model);
    pare_free(w.pieces.list);
    return status;
}
