#include "tokenizer/extra_tokens.h"
#include "support/file.h"
#include "tokenizer/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_ID = 1 << 24 };

static pare_status no_memory(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's added tokens");
}

const char *pare_token_text_of(const json_t *token) {
    const char *text = json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
    return text && *text ? text : NULL;
}

/* id: -1 for none. flags: an object that may have them, or NULL. */
static pare_status add(json_t *list, const char *content, json_int_t id, const json_t *flags, bool special) {
    static const char *const names[] = {"lstrip", "rstrip", "single_word", "normalized"};
    json_t *token = json_pack("{s:s, s:b, s:b}", "content", content, "special", special, "normalized", 0);
    int failed = !token || json_array_append_new(list, token) != 0;
    if (!failed && id >= 0) failed = json_object_set_new(token, "id", json_integer(id)) != 0;
    for (size_t i = 0; !failed && i < sizeof names / sizeof *names; i++) {
        json_t *flag = json_object_get(flags, names[i]);
        if (flag) failed = json_object_set(token, names[i], flag) != 0;
    }
    return failed ? no_memory() : PARE_OK;
}

static pare_status read_decoder(const char *path, const json_t *decoder, json_t *list) {
    const char *key;
    json_t *token;
    if (decoder && !json_is_object(decoder))
        return pare_fail(PARE_FORMAT_ERROR, "%s: added_tokens_decoder is not an object", path);
    json_object_foreach((json_t *)(uintptr_t)decoder, key, token) {
        char *end;
        errno = 0;
        long long id = strtoll(key, &end, 10);
        if (errno || end == key || *end || id < 0 || id >= LARGEST_ID)
            return pare_fail(PARE_FORMAT_ERROR, "%s: \"%.40s\" in added_tokens_decoder is no token id below %d", path,
                             key, LARGEST_ID);
        if (!json_is_string(json_object_get(token, "content")))
            return pare_fail(PARE_FORMAT_ERROR, "%s: token %lld in added_tokens_decoder has no \"content\"", path, id);
        if (!pare_token_text_of(token)) continue;
        PARE_TRY(add(list, pare_token_text_of(token), id, token, json_is_true(json_object_get(token, "special"))));
    }
    return PARE_OK;
}

static bool has_text(const json_t *list, const char *text) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (strcmp(pare_token_text_of(json_array_get(list, i)), text) == 0) return true;
    return false;
}

static pare_status read_added(const char *path, const json_t *added, const json_t *named, json_t *list) {
    const char *key;
    json_t *id;
    json_object_foreach((json_t *)(uintptr_t)added, key, id) {
        double number = json_number_value(id);
        if (!json_is_number(id) || !(number >= 0 && number < (double)LARGEST_ID) ||
            number != (double)(json_int_t)number)
            return pare_fail(PARE_FORMAT_ERROR, "%s: the id of \"%.40s\" is no token id below %d", path, key,
                             LARGEST_ID);
        if (*key) PARE_TRY(add(list, key, (json_int_t)number, NULL, has_text(named, key)));
    }
    return PARE_OK;
}

static pare_status add_named(json_t *list, const json_t *token) {
    const char *text = pare_token_text_of(token);
    return text ? add(list, text, -1, json_is_object(token) ? token : NULL, true) : PARE_OK;
}

/* The tokens that have names of their own, then others whose key ends as theirs, then the lists. */
static pare_status read_named(const json_t *config, json_t *list) {
    static const char *const first[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    static const char *const lists[] = {"additional_special_tokens", "extra_special_tokens"};
    enum { FIRST = sizeof first / sizeof *first };
    const char *key;
    json_t *value;
    size_t i;
    for (i = 0; i < FIRST; i++)
        PARE_TRY(add_named(list, json_object_get(config, first[i])));
    json_object_foreach((json_t *)(uintptr_t)config, key, value) {
        size_t length = strlen(key);
        bool known = length < 6 || strcmp(key + length - 6, "_token") != 0;
        for (i = 0; !known && i < FIRST; i++)
            known = strcmp(key, first[i]) == 0;
        if (!known) PARE_TRY(add_named(list, value));
    }
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        const json_t *tokens = json_object_get(config, lists[k]);
        json_array_foreach((json_t *)(uintptr_t)tokens, i, value) PARE_TRY(add_named(list, value));
        if (!json_is_object(tokens)) continue;
        json_object_foreach((json_t *)(uintptr_t)tokens, key, value) PARE_TRY(add_named(list, value));
    }
    return PARE_OK;
}

typedef struct numbered {
    json_int_t id;
    json_t *token;
} numbered;

static int by_id(const void *left, const void *right) {
    const numbered *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static pare_status sort(const char *path, json_t **list) {
    size_t count = json_array_size(*list);
    numbered *order = calloc(count + 1, sizeof *order);
    json_t *sorted = json_array();
    pare_status status = order && sorted ? PARE_OK : no_memory();
    for (size_t i = 0; status == PARE_OK && i < count; i++) {
        json_t *token = json_array_get(*list, i);
        order[i] = (numbered){json_integer_value(json_object_get(token, "id")), token};
    }
    if (status == PARE_OK) qsort(order, count, sizeof *order, by_id);
    for (size_t i = 0; status == PARE_OK && i < count; i++) {
        if (i && order[i].id == order[i - 1].id)
            status = pare_fail(
                PARE_FORMAT_ERROR, "%s gives \"%.40s\" and \"%.40s\" the same id %lld; fetch the file again", path,
                pare_token_text_of(order[i - 1].token), pare_token_text_of(order[i].token), (long long)order[i].id);
        else if (json_array_append(sorted, order[i].token) != 0)
            status = no_memory();
    }
    free(order);
    json_decref(*list);
    *list = sorted;
    return status;
}

pare_status pare_extra_tokens_read(const char *directory, const json_t *config, const json_t *added,
                                   pare_extra_tokens *out) {
    char *path = pare_path_join(directory, added ? "added_tokens.json" : "tokenizer_config.json");
    *out = (pare_extra_tokens){json_array(), json_array()};
    pare_status status = out->numbered && out->named ? read_named(config, out->named) : no_memory();
    if (status == PARE_OK)
        status = added ? read_added(path, added, out->named, out->numbered)
                       : read_decoder(path, json_object_get(config, "added_tokens_decoder"), out->numbered);
    if (status == PARE_OK) status = sort(path, &out->numbered);
    free(path);
    if (status != PARE_OK) pare_extra_tokens_free(out);
    return status;
}

void pare_extra_tokens_free(pare_extra_tokens *extra) {
    json_decref(extra->numbered);
    json_decref(extra->named);
    *extra = (pare_extra_tokens){0};
}
