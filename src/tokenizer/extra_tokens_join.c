/* Extra tokens put into a tokenizer: the ids they are given, and what in the files contradicts it. */
#include "tokenizer/extra_tokens.h"

#include <string.h>

typedef struct join {
    const pare_token_lists *lists;
    json_t *by_text; /* the tokens of lists->added by their texts */
    json_int_t next; /* the id of the next new token */
} join;

static pare_status no_memory(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the tokenizer's added tokens");
}

static json_int_t id_of(const json_t *token) {
    return json_integer_value(json_object_get(token, "id"));
}

static pare_status index_lists(join *j) {
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)j->lists->vocabulary, key, value) {
        if (json_integer_value(value) >= j->next) j->next = json_integer_value(value) + 1;
    }
    json_array_foreach(j->lists->added, i, value) {
        const char *text = pare_token_text_of(value);
        if (id_of(value) >= j->next) j->next = id_of(value) + 1;
        if (text && json_object_set(j->by_text, text, value) != 0) return no_memory();
    }
    return PARE_OK;
}

/* What the tokenizer calls the id; "" if nothing. */
static const char *name_of(const join *j, json_int_t id) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)j->lists->vocabulary, key, value) {
        if (json_integer_value(value) == id) return key;
    }
    return "";
}

/* id: what the files beside the tokenizer give the token; known: what the tokenizer has it as, or -1. */
static pare_status check(const join *j, const char *text, json_int_t id, json_int_t known) {
    const char *path = j->lists->path;
    if (known >= 0 && known != id)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has \"%.40s\" as token %lld, and the files beside it as token %lld; they do not belong "
                         "together",
                         path, text, (long long)known, (long long)id);
    if (known < 0 && id < j->next)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has \"%.40s\" as token %lld, which the files beside it call \"%.40s\"; they do not belong "
                         "together",
                         path, name_of(j, id), (long long)id, text);
    if (known < 0 && id > j->next)
        return pare_fail(PARE_FORMAT_ERROR,
                         "the files beside %s give \"%.40s\" the id %lld, but no token has the ids from %lld to %lld: "
                         "number added tokens without gaps, or bring the files that name those",
                         path, text, (long long)id, (long long)j->next, (long long)id - 1);
    return PARE_OK;
}

/* Adds a token that is not in the list of added ones. */
static pare_status append(join *j, const json_t *token, json_int_t known) {
    json_t *copy = json_copy((json_t *)(uintptr_t)token);
    json_int_t id = known >= 0 ? known : j->next++;
    int failed = !copy || json_object_set_new(copy, "id", json_integer(id)) != 0 ||
                 json_array_append(j->lists->added, copy) != 0 ||
                 json_object_set(j->by_text, pare_token_text_of(copy), copy) != 0;
    json_decref(copy);
    return failed ? no_memory() : PARE_OK;
}

static pare_status put(join *j, json_t *token, bool is_numbered) {
    const char *text = pare_token_text_of(token);
    json_t *present = json_object_get(j->by_text, text);
    const json_t *piece = json_object_get(j->lists->vocabulary, text);
    json_int_t id = id_of(token), known = present ? id_of(present) : piece ? json_integer_value(piece) : -1;
    if (is_numbered && j->lists->strict) PARE_TRY(check(j, text, id, known));
    if (!present) return append(j, token, known);
    if (!is_numbered) return PARE_OK;
    return json_object_update(present, token) == 0 && json_object_set_new(present, "id", json_integer(known)) == 0
               ? PARE_OK
               : no_memory();
}

pare_status pare_extra_tokens_join(const pare_extra_tokens *extra, const pare_token_lists *lists) {
    join j = {.lists = lists, .by_text = json_object()};
    json_t *token;
    size_t i;
    pare_status status = j.by_text ? index_lists(&j) : no_memory();
    json_array_foreach(extra->numbered, i, token) {
        if (status == PARE_OK) status = put(&j, token, true);
    }
    json_array_foreach(extra->named, i, token) {
        if (status == PARE_OK) status = put(&j, token, false);
    }
    json_decref(j.by_text);
    return status;
}
