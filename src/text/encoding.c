#include "text/encoding.h"
#include "tokenizer/unicode.h"

enum { SAMPLED_BYTES = 1 << 16, STRANGE_PERCENT = 5, MALFORMED_PERCENT = 1, FEW = 3, FEW_IN = 1000 };

static pare_status refuse_wide(const char *path, size_t at, const char *name) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s is %s, not UTF-8, as its bytes from offset %zu on show; convert it: iconv -f %s -t UTF-8 %s > "
                     "text.txt",
                     path, name, at, name, path);
}

/* A byte-order mark, or zeros where characters of two or four bytes have them in text of European languages. */
static pare_status refuse_wide_characters(const char *path, const char *text, size_t bytes) {
    static const struct {
        const char *mark;
        size_t bytes;
        const char *name;
    } marks[] = {{"\xFF\xFE\0\0", 4, "UTF-32"},
                 {"\0\0\xFE\xFF", 4, "UTF-32"},
                 {"\xFF\xFE", 2, "UTF-16"},
                 {"\xFE\xFF", 2, "UTF-16"}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (bytes >= marks[i].bytes && memcmp(text, marks[i].mark, marks[i].bytes) == 0)
            return refuse_wide(path, 0, marks[i].name);
    static const struct {
        bool zero[4]; /* of every four bytes */
        const char *name;
    } shapes[] = {
        {{0, 1, 0, 1}, "UTF-16LE"}, {{1, 0, 1, 0}, "UTF-16BE"}, {{0, 1, 1, 1}, "UTF-32LE"}, {{1, 1, 1, 0}, "UTF-32BE"}};
    size_t zeros[4] = {0}, sampled = (bytes < SAMPLED_BYTES ? bytes : SAMPLED_BYTES) / 4;
    for (size_t at = 0; at < 4 * sampled; at++)
        zeros[at % 4] += !text[at];
    for (size_t i = 0; sampled > 1 && i < sizeof shapes / sizeof *shapes; i++) {
        bool fits = true;
        for (int place = 0; place < 4; place++)
            fits = fits && (shapes[i].zero[place] ? zeros[place] * 10 > sampled * 3 : zeros[place] * 20 <= sampled);
        if (fits) return refuse_wide(path, (size_t)((const char *)memchr(text, 0, bytes) - text), shapes[i].name);
    }
    return PARE_OK;
}

/* Bytes of the longest beginning of a character at `s`, which is no whole one: at least 1 (Unicode 3.9, as Python). */
static size_t malformed_length(const unsigned char *s, size_t bytes) {
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF;
    size_t length = s[0] < 0xC2 || s[0] > 0xF4 ? 1 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4, done = 1;
    if (length == 1 || bytes < 2 || s[1] < low || s[1] > high) return 1;
    for (done = 2; done < length && done < bytes && (s[done] & 0xC0) == 0x80;)
        done++;
    return done;
}

static size_t ascii_run(const char *text, size_t bytes) {
    size_t at = 0;
    for (uint64_t word; at + sizeof word <= bytes; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if (word & 0x8080808080808080u) break;
    }
    while (at < bytes && !(text[at] & 0x80))
        at++;
    return at;
}

typedef struct counts {
    size_t wide, letters, nuls; /* characters of several bytes; malformed bytes that Latin-1 has letters for; NULs */
} counts;

static counts count(const char *text, size_t bytes, pare_encoding *out) {
    counts c = {0};
    uint32_t code;
    for (size_t at = out->mark; (at += ascii_run(text + at, bytes - at)) < bytes;) {
        size_t length = pare_utf8_decode(text + at, bytes - at, &code);
        unsigned char byte = (unsigned char)text[at];
        c.wide += length > 0;
        at += length;
        if (length) continue;
        if (!out->malformed++) {
            out->first = at;
            out->first_byte = byte;
        }
        length = malformed_length((const unsigned char *)text + at, bytes - at);
        c.letters += length == 1 && byte >= 0xC0 && byte < 0xFE;
        at += length;
    }
    for (const char *nul = text; (nul = memchr(nul, 0, (size_t)(text + bytes - nul))); nul++)
        c.nuls++;
    return c;
}

static pare_status refuse_counts(const char *path, size_t bytes, const counts *c, const pare_encoding *e) {
    if ((c->nuls + e->malformed) * 100 > bytes * STRANGE_PERCENT && (c->nuls || c->letters * 2 < e->malformed))
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s is no text: %zu of its %zu bytes are NUL or not UTF-8, the first at offset %zu; give a "
                         "UTF-8 text file",
                         path, c->nuls + e->malformed, bytes, e->malformed ? e->first : 0);
    bool few = e->malformed <= FEW && e->malformed * FEW_IN <= bytes;
    bool latin = c->wide < e->malformed && c->letters * 2 > e->malformed && !few;
    if (!latin && e->malformed * 100 <= bytes * MALFORMED_PERCENT) return PARE_OK;
    return pare_fail(
        PARE_FORMAT_ERROR,
        "%s is not UTF-8%s: the byte at offset %zu is 0x%02X, and there are %zu like it; convert it: iconv "
        "-f %s -t UTF-8 %s > text.txt",
        path, latin ? ", but looks like Latin-1" : "", e->first, e->first_byte, e->malformed,
        latin ? "ISO-8859-1" : "ENCODING", path);
}

pare_status pare_encoding_look(const char *path, const char *text, size_t bytes, pare_encoding *out) {
    enum { MARK_BYTES = 3 };
    *out = (pare_encoding){0};
    if (!bytes) return PARE_OK;
    PARE_TRY(refuse_wide_characters(path, text, bytes));
    if (bytes >= MARK_BYTES && memcmp(text, "\xEF\xBB\xBF", MARK_BYTES) == 0) out->mark = MARK_BYTES;
    out->returns = memchr(text, '\r', bytes);
    counts c = count(text, bytes, out);
    return refuse_counts(path, bytes, &c, out);
}

pare_status pare_encoding_convert(const pare_encoding *encoding, const char *text, size_t bytes, pare_spill *out) {
    uint32_t code;
    for (size_t at = encoding->mark, start = at; at <= bytes;) {
        size_t length = at == bytes ? 0 : text[at] == '\r' ? 0 : pare_utf8_decode(text + at, bytes - at, &code);
        at += length;
        if (length && at - start < SAMPLED_BYTES) continue;
        PARE_TRY(pare_spill_add(out, text + start, at - start));
        start = at;
        if (length) continue;
        if (at == bytes) break;
        if (text[at] == '\r') {
            PARE_TRY(pare_spill_add(out, "\n", 1));
            at += at + 1 < bytes && text[at + 1] == '\n' ? 2 : 1;
        } else {
            PARE_TRY(pare_spill_add(out, "\xEF\xBF\xBD", 3));
            at += malformed_length((const unsigned char *)text + at, bytes - at);
        }
        start = at;
    }
    return PARE_OK;
}
