#include "tokenizer/gguf_vocabulary.h"
#include "support/json.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { TOKENS_LIMIT = 1 << 24, TEXT_LIMIT = 1 << 16 };

static const char tokens_key[] = "tokenizer.ggml.tokens";

static pare_status read_numbers(const pare_gguf *file, const char *key, uint64_t count, const pare_gguf_entry **out) {
    PARE_TRY(pare_gguf_list(file, key, false, out));
    if (!*out || (*out)->count == count) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: %s has %llu entries where there are %llu tokens", file->mapping.path, key,
                     (unsigned long long)(*out)->count, (unsigned long long)count);
}

/* Converters fill the vocabulary up to the embedding's rows with "[PAD7]". */
static bool is_filler(const pare_gguf_vocabulary *v, uint64_t id) {
    const pare_gguf_text *token = &v->tokens[id];
    bool unused = pare_gguf_token_type(v, id) == PARE_GGUF_TOKEN_UNUSED;
    return unused && token->length > 5 && memcmp(token->bytes, "[PAD", 4) == 0;
}

pare_status pare_gguf_vocabulary_read(const pare_gguf *file, pare_gguf_vocabulary *out) {
    const pare_gguf_entry *tokens;
    *out = (pare_gguf_vocabulary){.file = file};
    PARE_TRY(pare_gguf_list(file, tokens_key, true, &tokens));
    if (!tokens || !tokens->count || tokens->count > TOKENS_LIMIT)
        return pare_fail(PARE_FORMAT_ERROR, "%s: %s has no tokens, or too many to be true", file->mapping.path,
                         tokens_key);
    out->tokens = tokens->texts;
    out->count = tokens->count;
    PARE_TRY(read_numbers(file, "tokenizer.ggml.token_type", out->count, &out->types));
    PARE_TRY(read_numbers(file, "tokenizer.ggml.scores", out->count, &out->scores));
    while (out->count > 1 && is_filler(out, out->count - 1))
        out->count--;
    return PARE_OK;
}

pare_gguf_token pare_gguf_token_type(const pare_gguf_vocabulary *vocabulary, uint64_t id) {
    int64_t type = vocabulary->types && pare_gguf_is_whole(vocabulary->types)
                       ? pare_gguf_whole_at(vocabulary->types, id)
                       : PARE_GGUF_TOKEN_NORMAL;
    bool known = type >= PARE_GGUF_TOKEN_NORMAL && type <= PARE_GGUF_TOKEN_BYTE;
    return known ? (pare_gguf_token)type : PARE_GGUF_TOKEN_NORMAL;
}

static json_t *text_json(const pare_gguf_text *text) {
    char buffer[TEXT_LIMIT + 1];
    memcpy(buffer, text->bytes, text->length);
    buffer[text->length] = '\0';
    return pare_json_string(buffer);
}

json_t *pare_gguf_token_json(const pare_gguf_vocabulary *vocabulary, uint64_t id) {
    return text_json(&vocabulary->tokens[id]);
}

static pare_status refuse_token(const pare_gguf_vocabulary *v, uint64_t id, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: token %llu of %s %s", v->file->mapping.path, (unsigned long long)id,
                     tokens_key, what);
}

static pare_status put_token(const pare_gguf_vocabulary *v, uint64_t id, json_t *vocab) {
    const pare_gguf_text *token = &v->tokens[id];
    char text[TEXT_LIMIT + 1];
    if (token->length > TEXT_LIMIT) return refuse_token(v, id, "is too long to be one");
    if (!pare_gguf_is_text(*token)) return refuse_token(v, id, "is no text");
    memcpy(text, token->bytes, token->length);
    text[token->length] = '\0';
    if (json_object_get(vocab, text)) return refuse_token(v, id, "occurs twice");
    pare_json_put(vocab, text, json_integer((json_int_t)id));
    return PARE_OK;
}

pare_status pare_gguf_vocab_json(const pare_gguf_vocabulary *vocabulary, json_t **out) {
    json_t *vocab = json_object();
    pare_status status = PARE_OK;
    *out = NULL;
    for (uint64_t id = 0; id < vocabulary->count && status == PARE_OK; id++)
        status = put_token(vocabulary, id, vocab);
    if (status == PARE_OK)
        *out = vocab;
    else
        json_decref(vocab);
    return status;
}

json_t *pare_gguf_added_json(const pare_gguf_vocabulary *vocabulary) {
    json_t *list = json_array();
    for (uint64_t id = 0; id < vocabulary->count; id++) {
        pare_gguf_token type = pare_gguf_token_type(vocabulary, id);
        bool special = type == PARE_GGUF_TOKEN_CONTROL || type == PARE_GGUF_TOKEN_UNKNOWN;
        const pare_gguf_text *token = &vocabulary->tokens[id];
        if ((!special && type != PARE_GGUF_TOKEN_USER_DEFINED) || !token->length || token->length > TEXT_LIMIT)
            continue;
        pare_json_append(
            list, pare_json_of({"id", json_integer((json_int_t)id)}, {"content", pare_gguf_token_json(vocabulary, id)},
                               {"single_word", json_false()}, {"lstrip", json_false()}, {"rstrip", json_false()},
                               {"normalized", json_false()}, {"special", json_boolean(special)}));
    }
    return list;
}

pare_status pare_gguf_merges_json(const pare_gguf_vocabulary *vocabulary, json_t **out) {
    const pare_gguf_entry *merges;
    json_t *list = json_array();
    *out = NULL;
    pare_status status = pare_gguf_list(vocabulary->file, "tokenizer.ggml.merges", true, &merges);
    for (uint64_t i = 0; status == PARE_OK && merges && i < merges->count; i++) {
        const pare_gguf_text *merge = &merges->texts[i];
        const char *space = merge->length > 2 ? memchr(merge->bytes + 1, ' ', merge->length - 1) : NULL;
        if (!space || merge->length > TEXT_LIMIT) {
            status = pare_fail(PARE_FORMAT_ERROR, "%s: entry %llu of tokenizer.ggml.merges is no pair of tokens",
                               vocabulary->file->mapping.path, (unsigned long long)i);
            break;
        }
        pare_gguf_text left = {merge->bytes, (uint64_t)(space - merge->bytes)};
        pare_gguf_text right = {space + 1, merge->length - left.length - 1};
        pare_json_append(list, pare_json_list_of(text_json(&left), text_json(&right)));
    }
    if (status == PARE_OK)
        *out = list;
    else
        json_decref(list);
    return status;
}
