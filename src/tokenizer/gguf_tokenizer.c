#include "tokenizer/gguf_tokenizer.h"
#include "support/json.h"
#include "tokenizer/gguf_pre.h"
#include "tokenizer/gguf_vocabulary.h"

#include <stdlib.h>
#include <string.h>

/* U+2581, which SentencePiece has in the place of spaces. */
static const char mark[] = "\xE2\x96\x81";

typedef struct special {
    const char *key, *config; /* in the metadata; in tokenizer_config.json */
    int64_t id;               /* -1: none */
} special;

enum { BOS, EOS, UNKNOWN, PADDING, SPECIALS };

typedef struct making {
    const pare_gguf *file;
    pare_gguf_vocabulary vocabulary;
    special specials[SPECIALS];
    bool add_bos, add_eos;
    json_t *tokenizer, *model; /* model: in tokenizer */
} making;

bool pare_gguf_has_tokenizer(const pare_gguf *file) {
    return pare_gguf_find(file, "tokenizer.ggml.tokens") != NULL;
}

static pare_status read_specials(making *m) {
    static const special all[SPECIALS] = {{"tokenizer.ggml.bos_token_id", "bos_token", -1},
                                          {"tokenizer.ggml.eos_token_id", "eos_token", -1},
                                          {"tokenizer.ggml.unknown_token_id", "unk_token", -1},
                                          {"tokenizer.ggml.padding_token_id", "pad_token", -1}};
    memcpy(m->specials, all, sizeof all);
    for (int i = 0; i < SPECIALS; i++) {
        special *one = &m->specials[i];
        PARE_TRY(pare_gguf_whole(m->file, one->key, 0, UINT32_MAX, -1, &one->id));
        if (one->id >= (int64_t)m->vocabulary.count) one->id = -1; /* it cannot occur */
    }
    return PARE_OK;
}

static json_t *text_of(const making *m, int64_t id) {
    return pare_gguf_token_json(&m->vocabulary, (uint64_t)id);
}

static json_t *split_json(const char *expression) {
    json_t *pattern = pare_json_of({"Regex", pare_json_string(expression)});
    return pare_json_of({"type", pare_json_string("Split")}, {"pattern", pattern},
                        {"behavior", pare_json_string("Isolated")}, {"invert", json_false()});
}

static json_t *byte_level_json(bool gpt2) {
    return pare_json_of({"type", pare_json_string("ByteLevel")}, {"add_prefix_space", json_false()},
                        {"trim_offsets", json_true()}, {"use_regex", json_boolean(gpt2)});
}

static json_t *sequence_json(const char *member, json_t *list) {
    return pare_json_of({"type", pare_json_string("Sequence")}, {member, list});
}

static void put_bpe(const making *m, json_t *vocab, json_t *merges, const char *unknown, bool fallback, bool whole) {
    pare_json_put(m->tokenizer, "model",
                  pare_json_of({"type", pare_json_string("BPE")}, {"dropout", json_null()},
                               {"unk_token", unknown ? text_of(m, m->specials[UNKNOWN].id) : json_null()},
                               {"continuing_subword_prefix", json_null()}, {"end_of_word_suffix", json_null()},
                               {"fuse_unk", json_boolean(unknown != NULL)}, {"byte_fallback", json_boolean(fallback)},
                               {"ignore_merges", json_boolean(whole)}, {"vocab", vocab}, {"merges", merges}));
}

static pare_status find_pre(const making *m, const pare_gguf_pre **out) {
    static const char key[] = "tokenizer.ggml.pre";
    char *name;
    PARE_TRY(pare_gguf_string(m->file, key, &name));
    *out = pare_gguf_pre_find(name ? name : "default");
    pare_status status = PARE_OK;
    if (!*out)
        status = pare_fail(PARE_UNSUPPORTED,
                           "%s: %s is %.60s, a way of cutting text that pare does not know; use the model's Hugging "
                           "Face folder, which has tokenizer.json",
                           m->file->mapping.path, key, name);
    free(name);
    return status;
}

static pare_status make_byte_level(making *m) {
    const pare_gguf_pre *pre;
    json_t *vocab = NULL, *merges = NULL, *steps = json_array();
    pare_status status = find_pre(m, &pre);
    if (status == PARE_OK) status = pare_gguf_vocab_json(&m->vocabulary, &vocab);
    if (status == PARE_OK) status = pare_gguf_merges_json(&m->vocabulary, &merges);
    if (status != PARE_OK) {
        json_decref(vocab);
        json_decref(steps);
        return status;
    }
    for (int i = 0; i < PARE_GGUF_PRE_SPLITS && pre->splits[i]; i++)
        pare_json_append(steps, split_json(pre->splits[i]));
    pare_json_append(steps, byte_level_json(pre->gpt2));
    pare_json_put(m->tokenizer, "normalizer", pre->nfc ? pare_json_of({"type", pare_json_string("NFC")}) : json_null());
    pare_json_put(m->tokenizer, "pre_tokenizer", sequence_json("pretokenizers", steps));
    pare_json_put(m->tokenizer, "decoder", byte_level_json(true));
    put_bpe(m, vocab, merges, NULL, false, pre->whole_words);
    m->add_bos = pre->adds_bos;
    return PARE_OK;
}

static json_t *replace_json(const char *from, const char *to) {
    return pare_json_of({"type", pare_json_string("Replace")},
                        {"pattern", pare_json_of({"String", pare_json_string(from)})},
                        {"content", pare_json_string(to)});
}

static void put_spaces(const making *m, bool prefix) {
    json_t *before = json_array(), *after = json_array();
    if (prefix)
        pare_json_append(before,
                         pare_json_of({"type", pare_json_string("Prepend")}, {"prepend", pare_json_string(mark)}));
    pare_json_append(before, replace_json(" ", mark));
    pare_json_append(after, replace_json(mark, " "));
    pare_json_append(after, pare_json_of({"type", pare_json_string("ByteFallback")}));
    pare_json_append(after, pare_json_of({"type", pare_json_string("Fuse")}));
    if (prefix)
        pare_json_append(after, pare_json_of({"type", pare_json_string("Strip")}, {"content", pare_json_string(" ")},
                                             {"start", json_integer(1)}, {"stop", json_integer(0)}));
    pare_json_put(m->tokenizer, "normalizer", sequence_json("normalizers", before));
    pare_json_put(m->tokenizer, "pre_tokenizer", json_null());
    pare_json_put(m->tokenizer, "decoder", sequence_json("decoders", after));
}

static pare_status make_sentencepiece(making *m) {
    json_t *vocab = NULL, *merges = NULL;
    bool prefix, fallback = false;
    PARE_TRY(pare_gguf_flag(m->file, "tokenizer.ggml.add_space_prefix", true, &prefix));
    for (uint64_t id = 0; id < m->vocabulary.count; id++)
        fallback = fallback || pare_gguf_token_type(&m->vocabulary, id) == PARE_GGUF_TOKEN_BYTE;
    pare_status status = pare_gguf_vocab_json(&m->vocabulary, &vocab);
    if (status == PARE_OK) status = pare_gguf_scored_merges_json(&m->vocabulary, &merges);
    if (status != PARE_OK) {
        json_decref(vocab);
        return status;
    }
    put_spaces(m, prefix);
    put_bpe(m, vocab, merges, m->specials[UNKNOWN].id >= 0 ? "unk_token" : NULL, fallback, false);
    m->add_bos = true;
    return PARE_OK;
}

static json_t *special_json(const making *m, int which) {
    return pare_json_of(
        {"SpecialToken", pare_json_of({"id", text_of(m, m->specials[which].id)}, {"type_id", json_integer(0)})});
}

/* Text `which` with what is put around it. */
static void append_framed(const making *m, int which, json_t *list) {
    json_t *text = pare_json_of({"id", pare_json_string(which ? "B" : "A")}, {"type_id", json_integer(0)});
    if (m->add_bos) pare_json_append(list, special_json(m, BOS));
    pare_json_append(list, pare_json_of({"Sequence", text}));
    if (m->add_eos) pare_json_append(list, special_json(m, EOS));
}

static json_t *frame_json(const making *m) {
    static const int ends[] = {BOS, EOS};
    const bool added[] = {m->add_bos, m->add_eos};
    json_t *single = json_array(), *pair = json_array(), *tokens = json_object();
    append_framed(m, 0, single);
    append_framed(m, 0, pair);
    append_framed(m, 1, pair);
    for (int i = 0; i < 2; i++) {
        int64_t id = m->specials[ends[i]].id;
        if (!added[i]) continue;
        json_t *text = text_of(m, id);
        pare_json_put(tokens, json_string_value(text),
                      pare_json_of({"id", pare_json_same(text)}, {"ids", pare_json_list_of(json_integer(id))},
                                   {"tokens", pare_json_list_of(pare_json_same(text))}));
        json_decref(text);
    }
    return pare_json_of({"type", pare_json_string("TemplateProcessing")}, {"single", single}, {"pair", pair},
                        {"special_tokens", tokens});
}

static pare_status put_frame(making *m) {
    PARE_TRY(pare_gguf_flag(m->file, "tokenizer.ggml.add_bos_token", m->add_bos, &m->add_bos));
    PARE_TRY(pare_gguf_flag(m->file, "tokenizer.ggml.add_eos_token", false, &m->add_eos));
    m->add_bos = m->add_bos && m->specials[BOS].id >= 0;
    m->add_eos = m->add_eos && m->specials[EOS].id >= 0;
    pare_json_put(m->tokenizer, "post_processor", m->add_bos || m->add_eos ? frame_json(m) : json_null());
    return PARE_OK;
}

static pare_status make_config(const making *m, json_t **out) {
    char *chat;
    PARE_TRY(pare_gguf_string(m->file, "tokenizer.chat_template", &chat));
    json_t *config = pare_json_of(
        {"tokenizer_class", pare_json_string("PreTrainedTokenizerFast")}, {"add_bos_token", json_boolean(m->add_bos)},
        {"add_eos_token", json_boolean(m->add_eos)}, {"clean_up_tokenization_spaces", json_false()});
    for (int i = 0; i < SPECIALS; i++)
        if (m->specials[i].id >= 0) pare_json_put(config, m->specials[i].config, text_of(m, m->specials[i].id));
    if (chat) pare_json_put(config, "chat_template", pare_json_string(chat));
    free(chat);
    *out = config;
    return pare_json_check(config, m->file->mapping.path);
}

static pare_status make(making *m, const char *kind) {
    pare_json_put(m->tokenizer, "version", pare_json_string("1.0"));
    pare_json_put(m->tokenizer, "truncation", json_null());
    pare_json_put(m->tokenizer, "padding", json_null());
    PARE_TRY(pare_gguf_vocabulary_read(m->file, &m->vocabulary));
    PARE_TRY(read_specials(m));
    if (strcmp(kind, "gpt2") == 0)
        PARE_TRY(make_byte_level(m));
    else if (strcmp(kind, "llama") == 0)
        PARE_TRY(make_sentencepiece(m));
    else
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: tokenizer.ggml.model is %.60s; pare knows gpt2 and llama: use the model's Hugging Face "
                         "folder",
                         m->file->mapping.path, kind);
    PARE_TRY(put_frame(m));
    pare_json_put(m->tokenizer, "added_tokens", pare_gguf_added_json(&m->vocabulary));
    return pare_json_check(m->tokenizer, m->file->mapping.path);
}

pare_status pare_gguf_tokenizer(const pare_gguf *file, json_t **tokenizer, json_t **config) {
    making m = {.file = file, .tokenizer = json_object()};
    char *kind;
    *tokenizer = *config = NULL;
    pare_status status = pare_gguf_string(file, "tokenizer.ggml.model", &kind);
    if (status == PARE_OK) status = make(&m, kind ? kind : "missing");
    if (status == PARE_OK) status = make_config(&m, config);
    free(kind);
    if (status == PARE_OK) {
        *tokenizer = m.tokenizer;
        return PARE_OK;
    }
    json_decref(m.tokenizer);
    json_decref(*config);
    *config = NULL;
    return status;
}
