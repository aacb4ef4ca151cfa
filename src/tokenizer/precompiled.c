/* Unlike SentencePiece, which replaces the longest sequence that a place begins with, the library looks at grapheme
 * clusters: one of fewer than six bytes is replaced as a whole by what the shortest sequence at its beginning becomes;
 * otherwise each of its characters is. */
#include "tokenizer/precompiled.h"
#include "support/memory.h"
#include "tokenizer/base64.h"
#include "tokenizer/unicode.h"

enum { LONGEST_WHOLE = 5 }; /* bytes of a cluster that is replaced as a whole */

pare_status pare_precompiled_read(const char *path, const json_t *json, pare_charsmap *out) {
    const json_t *value = json_object_get(json, "precompiled_charsmap");
    size_t bytes = json_string_length(value), count = 0;
    char *table;
    *out = (pare_charsmap){0};
    PARE_TRY(pare_alloc(&table, bytes / 4 * 3, 1, "the normalisation table"));
    pare_status status = PARE_OK;
    if (!pare_base64_decode(json_string_value(value), bytes, table, &count))
        status =
            pare_fail(PARE_FORMAT_ERROR,
                      "%s: the precompiled_charsmap of its normalizer is not in base64; fetch the file again", path);
    if (status == PARE_OK) status = pare_charsmap_read(path, table, count, out);
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
