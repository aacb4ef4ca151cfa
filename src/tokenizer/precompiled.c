/* Unlike SentencePiece, which replaces the longest sequence that a place begins with, the library looks at grapheme
 * clusters: one of fewer than six bytes is replaced as a whole by what the shortest sequence at its beginning becomes;
 * otherwise each of its characters is. */
#include "tokenizer/precompiled.h"
#include "support/memory.h"
#include "tokenizer/unicode.h"

#include <limits.h>
#include <openssl/evp.h>

enum { LONGEST_WHOLE = 5 }; /* bytes of a cluster that is replaced as a whole */

/* Bytes that `text` ends with for want of data. */
static size_t padding(const char *text, size_t bytes) {
    size_t count = 0;
    while (count < 2 && count < bytes && text[bytes - 1 - count] == '=')
        count++;
    return count;
}

static pare_status decode(const char *path, const char *text, size_t bytes, unsigned char *out, size_t *count) {
    int length =
        bytes && bytes % 4 == 0 && bytes < INT_MAX ? EVP_DecodeBlock(out, (const unsigned char *)text, (int)bytes) : -1;
    if (length < 0)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: the precompiled_charsmap of its normalizer is not in base64; fetch the file again", path);
    *count = (size_t)length - padding(text, bytes);
    return PARE_OK;
}

pare_status pare_precompiled_read(const char *path, const json_t *json, pare_charsmap *out) {
    const json_t *value = json_object_get(json, "precompiled_charsmap");
    size_t bytes = json_string_length(value), count = 0;
    unsigned char *table;
    *out = (pare_charsmap){0};
    PARE_TRY(pare_alloc(&table, bytes / 4 * 3 + 3, 1, "the normalisation table"));
    pare_status status = decode(path, json_string_value(value), bytes, table, &count);
    if (status == PARE_OK) status = pare_charsmap_read(path, (const char *)table, count, out);
    pare_free(table);
    return status;
}

pare_status pare_precompiled_run(const pare_charsmap *map, const char *text, size_t bytes, pare_buffer *out) {
    const char *replacement;
    size_t cluster;
    for (size_t at = 0; at < bytes; at += cluster) {
        cluster = pare_grapheme(text + at, bytes - at);
        if (!cluster) return pare_fail(PARE_BAD_ARGUMENT, "text to be normalised is not UTF-8");
        if (cluster <= LONGEST_WHOLE && pare_charsmap_match_first(map, text + at, cluster, &replacement)) {
            PARE_TRY(pare_buffer_append(out, replacement, strlen(replacement)));
            continue;
        }
        size_t width;
        for (size_t i = at; i < at + cluster; i += width) {
            uint32_t code;
            width = pare_utf8_decode(text + i, bytes - i, &code);
            if (pare_charsmap_match_first(map, text + i, width, &replacement))
                PARE_TRY(pare_buffer_append(out, replacement, strlen(replacement)));
            else
                PARE_TRY(pare_buffer_append(out, text + i, width));
        }
    }
    return PARE_OK;
}
