#include "text/extra_tokens.h"
#include "support/file.h"
#include "text/json_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct numbered {
    json_int_t id;
    json_t *token;
} numbered;

static const char *content_of(const json_t *token) {
    return json_string_value(json_object_get(token, "content"));
}

static pare_status no_memory(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's added tokens");
}

/* Loads DIRECTORY/name, or {} where there is none. */
static pare_status load(const char *directory, const char *name, char **path, json_t **json) {
    *path = pare_path_join(directory, name);
    *json = NULL;
    if (pare_file_exists(*path)) return pare_json_load(*path, JSON_DECODE_INT_AS_REAL, json);
    *json = json_object();
    return *json ? PARE_OK : no_memory();
}

static pare_status add(json_t *list, const char *content, json_int_t id, const json_t *flags, bool special) {
    static const char *const names[] = {"lstrip", "rstrip", "single_word"};
    if (!*content) return PARE_OK; /* as some early LLaMA copies name their special tokens */
    json_t *token =
        json_pack("{s:s, s:I, s:b, s:b}", "content", content, "id", id, "special", special, "normalized", 0);
    for (size_t i = 0; token && i < sizeof names / sizeof *names; i++)
        if (json_object_get(flags, names[i]) && json_object_set(token, names[i], json_object_get(flags, names[i])) != 0)
            return no_memory();
    return token && json_array_append_new(list, token) == 0 ? PARE_OK : no_memory();
}

/* added_tokens_decoder: {"32000": {"content": ..., "special": ..., ...}, ...} */
static pare_status read_decoder(const char *path, json_t *decoder, json_t *list) {
    const char *key;
    json_t *token;
    json_object_foreach(decoder, key, token) {
        char *end;
        errno = 0;
        long long id = strtoll(key, &end, 10);
        if (errno || end == key || *end || id < 0)
            return pare_fail(PARE_FORMAT_ERROR, "%s: \"%.40s\" in added_tokens_decoder is no token id", path, key);
        if (!content_of(token))
            return pare_fail(PARE_FORMAT_ERROR, "%s: token %lld in added_tokens_decoder has no \"content\"", path, id);
        PARE_TRY(add(list, content_of(token), id, token, json_is_true(json_object_get(token, "special"))));
    }
    return PARE_OK;
}

/* Whether the file names the text as one of its special tokens: under "..._token", or in a list of further ones. */
static bool is_named(const json_t *json, const char *text) {
    const char *key;
    json_t *value, *item;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)json, key, value) {
        const char *name = json_is_object(value) ? content_of(value) : json_string_value(value);
        if (name && strcmp(name, text) == 0) return true;
        json_array_foreach(value, i, item) {
            name = json_is_object(item) ? content_of(item) : json_string_value(item);
            if (name && strcmp(name, text) == 0) return true;
        }
    }
    return false;
}

/* added_tokens.json: {"<|im_end|>": 32000, ...} */
static pare_status read_plain(const char *path, json_t *added, const json_t *named, json_t *list) {
    const char *key;
    json_t *id;
    json_object_foreach(added, key, id) {
        double number = json_number_value(id);
        if (!json_is_number(id) || number < 0 || number > 1e9 || number != (double)(json_int_t)number)
            return pare_fail(PARE_FORMAT_ERROR, "%s: the id of \"%.40s\" is no token id", path, key);
        PARE_TRY(add(list, key, (json_int_t)number, NULL, is_named(named, key)));
    }
    return PARE_OK;
}

static int by_id(const void *left, const void *right) {
    const numbered *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

/* The list by rising ids. */
static pare_status sort(const char *path, json_t *list) {
    size_t count = json_array_size(list);
    numbered *order = calloc(count + 1, sizeof *order);
    json_t *sorted = json_array();
    pare_status status = order && sorted ? PARE_OK : no_memory();
    for (size_t i = 0; status == PARE_OK && i < count; i++) {
        json_t *token = json_array_get(list, i);
        order[i] = (numbered){json_integer_value(json_object_get(token, "id")), token};
    }
    if (status == PARE_OK) qsort(order, count, sizeof *order, by_id);
    for (size_t i = 0; status == PARE_OK && i < count; i++) {
        if (i && order[i].id == order[i - 1].id)
            status = pare_fail(PARE_FORMAT_ERROR, "%s gives \"%.40s\" and \"%.40s\" the same id %lld", path,
                               content_of(order[i - 1].token), content_of(order[i].token), (long long)order[i].id);
        else if (json_array_append(sorted, order[i].token) != 0)
            status = no_memory();
    }
    if (status == PARE_OK && (json_array_clear(list) != 0 || json_array_extend(list, sorted) != 0))
        status = no_memory();
    json_decref(sorted);
    free(order);
    return status;
}

pare_status pare_extra_tokens_read(const char *directory, json_t **out) {
    char *paths[3] = {NULL, NULL, NULL};
    json_t *files[3] = {NULL, NULL, NULL};
    static const char *const names[3] = {"tokenizer_config.json", "added_tokens.json", "special_tokens_map.json"};
    *out = json_array();
    pare_status status = *out ? PARE_OK : no_memory();
    for (size_t i = 0; status == PARE_OK && i < 3; i++)
        status = load(directory, names[i], &paths[i], &files[i]);
    json_t *decoder = json_object_get(files[0], "added_tokens_decoder");
    bool listed = json_object_size(decoder) > 0;
    if (status == PARE_OK)
        status = listed ? read_decoder(paths[0], decoder, *out) : read_plain(paths[1], files[1], files[2], *out);
    if (status == PARE_OK) status = sort(paths[listed ? 0 : 1], *out);
    for (size_t i = 0; i < 3; i++) {
        json_decref(files[i]);
        free(paths[i]);
    }
    if (status == PARE_OK) return PARE_OK;
    json_decref(*out);
    *out = NULL;
    return status;
}

/* The token of the list with this text, or with this id; NULL: none. */
static const json_t *find(const json_t *list, const char *content, json_int_t id) {
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *token = json_array_get(list, i);
        if (content && content_of(token) && strcmp(content_of(token), content) == 0) return token;
        if (!content && json_integer_value(json_object_get(token, "id")) == id) return token;
    }
    return NULL;
}

pare_status pare_extra_tokens_join(const char *path, json_t *list, const json_t *extra) {
    for (size_t i = 0; i < json_array_size(extra); i++) {
        json_t *token = json_array_get(extra, i);
        json_int_t id = json_integer_value(json_object_get(token, "id"));
        if (find(list, content_of(token), 0)) continue;
        const json_t *other = find(list, NULL, id);
        if (other)
            return pare_fail(
                PARE_FORMAT_ERROR,
                "%s has \"%.40s\" as token %lld, which the files beside it call \"%.40s\"; they do not belong "
                "together",
                path, content_of(other), (long long)id, content_of(token));
        if (json_array_append(list, token) != 0) return no_memory();
    }
    return PARE_OK;
}

/* Whether the model's vocabulary of a tokenizer.json has the text or the id. */
static bool in_vocabulary(const json_t *vocabulary, const char *content, json_int_t id) {
    const char *key;
    json_t *value;
    if (!json_is_object(vocabulary) || json_object_get(vocabulary, content)) return true;
    json_object_foreach((json_t *)(uintptr_t)vocabulary, key, value) {
        if (json_is_integer(value) && json_integer_value(value) == id) return true;
    }
    return false;
}

pare_status pare_extra_tokens_complete(json_t *tokenizer, const json_t *extra) {
    json_t *list = json_object_get(tokenizer, "added_tokens");
    const json_t *vocabulary = json_object_get(json_object_get(tokenizer, "model"), "vocab");
    if (!json_is_array(list)) return PARE_OK;
    for (size_t i = 0; i < json_array_size(extra); i++) {
        json_t *token = json_array_get(extra, i);
        json_int_t id = json_integer_value(json_object_get(token, "id"));
        if (find(list, content_of(token), 0) || find(list, NULL, id)) continue;
        if (in_vocabulary(vocabulary, content_of(token), id)) continue;
        if (json_array_append(list, token) != 0) return no_memory();
    }
    return PARE_OK;
}
