/* precompiled_charsmap:
 *   4 bytes      little-endian size of the trie in bytes
 *   the trie     a double array of little-endian 32-bit units (darts-clone)
 *   the rest     replacement texts, each ended by a NUL
 * A unit of the double array:
 *   bit 31       set on a leaf, whose other bits are the value: an offset into the texts
 *   bits 0-7     the byte that leads here
 *   bit 8        the state has a leaf, at its offset with byte 0
 *   bits 10-30   the offset of the children, to be XORed with the state's index and the byte; times 256 if bit 9 is set
 */
#include "tokenizer/charsmap.h"
#include "support/little_endian.h"
#include "support/memory.h"

#include <string.h>

static pare_status malformed(const char *path) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s has a damaged normalisation table (precompiled_charsmap); fetch the file again", path);
}

static uint32_t little_endian(const char *data) {
    return (uint32_t)pare_little_endian((const unsigned char *)data, sizeof(uint32_t));
}

pare_status pare_charsmap_read(const char *path, const char *data, size_t bytes, pare_charsmap *out) {
    *out = (pare_charsmap){0};
    if (!bytes) return PARE_OK;
    if (bytes < 4) return malformed(path);
    size_t trie = little_endian(data);
    if (!trie || trie % 4 || trie >= bytes - 4 || data[bytes - 1] != 0) return malformed(path);
    pare_status status;
    PARE_TRY_GOTO(status, pare_alloc(&out->units, trie / 4, 4, "the normalisation table"), failed);
    PARE_TRY_GOTO(status, pare_alloc(&out->texts, bytes - 4 - trie, 1, "the normalisation table"), failed);
    out->unit_count = trie / 4;
    out->text_bytes = bytes - 4 - trie;
    for (size_t i = 0; i < out->unit_count; i++)
        out->units[i] = little_endian(data + 4 + 4 * i);
    memcpy(out->texts, data + 4 + trie, out->text_bytes);
    return PARE_OK;
failed:
    pare_charsmap_free(out);
    return status;
}

static size_t children(uint32_t unit) {
    return (size_t)(unit >> 10) << ((unit & 0x200) >> 6);
}

/* Walks down the table along `text`, to the shortest or the longest sequence that it replaces. */
static size_t match(const pare_charsmap *map, const char *text, size_t bytes, bool shortest, const char **replacement) {
    size_t found = 0;
    if (!map->unit_count) return 0;
    size_t state = children(map->units[0]);
    for (size_t at = 0; at < bytes && !(shortest && found); at++) {
        unsigned char byte = (unsigned char)text[at];
        state ^= byte;
        if (state >= map->unit_count || (shortest && !byte)) break;
        uint32_t unit = map->units[state];
        if ((unit & 0x800000FFu) != byte) break;
        state ^= children(unit);
        if (!(unit & 0x100)) continue;
        uint32_t value = state < map->unit_count ? map->units[state] & 0x7FFFFFFFu : UINT32_MAX;
        if (value >= map->text_bytes) break;
        *replacement = map->texts + value;
        found = at + 1;
    }
    return found;
}

size_t pare_charsmap_match(const pare_charsmap *map, const char *text, size_t bytes, const char **replacement) {
    return match(map, text, bytes, false, replacement);
}

size_t pare_charsmap_match_first(const pare_charsmap *map, const char *text, size_t bytes, const char **replacement) {
    return match(map, text, bytes, true, replacement);
}

void pare_charsmap_free(pare_charsmap *map) {
    pare_free(map->units);
    pare_free(map->texts);
    *map = (pare_charsmap){0};
}
