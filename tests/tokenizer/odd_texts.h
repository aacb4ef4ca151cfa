/* Odd texts and what they are to be, as scripts in tests/oracle write them. */
#ifndef PARE_TESTS_TEXT_ODD_TEXTS_H
#define PARE_TESTS_TEXT_ODD_TEXTS_H

#include "packed.h"
#include "support/memory.h"
#include "text/shared.h"

/* Whether the text has the ids, and they decode to the text, or to `decoded` unless that is null. */
static inline bool has_ids(const pare_tokenizer *tokenizer, const json_t *text, const json_t *expected,
                           const json_t *decoded) {
    uint32_t *ids;
    size_t count, bytes;
    char *back;
    const json_t *result = json_is_null(decoded) ? text : decoded;
    assert_ok(pare_tokenizer_encode(tokenizer, json_string_value(text), json_string_length(text), &ids, &count));
    assert_ok(pare_tokenizer_decode(tokenizer, ids, count, &back, &bytes));
    bool same = count == json_array_size(expected) && bytes == json_string_length(result) &&
                memcmp(back, json_string_value(result), bytes) == 0;
    for (size_t i = 0; same && i < count; i++)
        same = ids[i] == json_integer_value(json_array_get(expected, i));
    pare_text_free(back);
    pare_ids_free(ids);
    return same;
}

#endif
