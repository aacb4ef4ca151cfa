/* UTF-8, the character classes that tokenizers speak of, and Unicode normal forms (utf8proc). */
#ifndef PARE_TOKENIZER_UNICODE_H
#define PARE_TOKENIZER_UNICODE_H

#include "tokenizer/buffer.h"

enum {
    PARE_UTF8_MAX = 4,           /* bytes of a character */
    PARE_CODE_POINTS = 0x110000, /* one more than the last one */
    PARE_REPLACEMENT = 0xFFFD,
    PARE_SPACE_MARK = 0x2581 /* U+2581, which stands for a space in SentencePiece vocabularies */
};

/* The first character of `text`: its bytes, or 0 where they are not UTF-8 (or bytes is 0). */
static inline size_t pare_utf8_decode(const char *text, size_t bytes, uint32_t *code) {
    const unsigned char *s = (const unsigned char *)text;
    if (bytes && s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    if (bytes >= 2 && (s[0] & 0xE0) == 0xC0 && (s[1] & 0xC0) == 0x80) {
        *code = (s[0] & 0x1Fu) << 6 | (s[1] & 0x3Fu);
        return *code >= 0x80 ? 2 : 0;
    }
    if (bytes >= 3 && (s[0] & 0xF0) == 0xE0 && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80) {
        *code = (s[0] & 0x0Fu) << 12 | (s[1] & 0x3Fu) << 6 | (s[2] & 0x3Fu);
        return *code >= 0x800 && (*code < 0xD800 || *code >= 0xE000) ? 3 : 0;
    }
    if (bytes >= 4 && (s[0] & 0xF8) == 0xF0 && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80 &&
        (s[3] & 0xC0) == 0x80) {
        *code = (s[0] & 0x07u) << 18 | (s[1] & 0x3Fu) << 12 | (s[2] & 0x3Fu) << 6 | (s[3] & 0x3Fu);
        return *code >= 0x10000 && *code < PARE_CODE_POINTS ? 4 : 0;
    }
    *code = PARE_REPLACEMENT;
    return 0;
}

/* Writes a code point below PARE_CODE_POINTS; returns its bytes. */
size_t pare_utf8_encode(uint32_t code, char out[PARE_UTF8_MAX]);
/* The last character of `text`, which is UTF-8; its bytes, or 0 if there is none. */
size_t pare_utf8_decode_last(const char *text, size_t bytes, uint32_t *code);
/* Bytes in front of the first malformed one. */
size_t pare_utf8_valid(const char *text, size_t bytes);
/* Appends `text` with every malformed byte replaced by U+FFFD. */
pare_status pare_utf8_repair(const char *text, size_t bytes, pare_buffer *out);
/* True if `bytes` (1 to 3 of them) begin a character and are not yet all of it. */
bool pare_utf8_incomplete(const char *text, size_t bytes);

/* Bytes of the first grapheme cluster; 0 where it begins with what is no character. */
size_t pare_grapheme(const char *text, size_t bytes);

bool pare_is_space(uint32_t code);       /* White_Space */
bool pare_is_word(uint32_t code);        /* \w of UTS 18: Alphabetic, M, Nd, Pc, joiners */
bool pare_is_numeric(uint32_t code);     /* N */
bool pare_is_punctuation(uint32_t code); /* P, and all that ASCII calls punctuation */

typedef enum pare_unicode_form {
    PARE_FORM_NFC,
    PARE_FORM_NFD,
    PARE_FORM_NFKC,
    PARE_FORM_NFKD,
    PARE_FORM_LOWERCASE,
    PARE_FORM_WITHOUT_ACCENTS, /* marks left out */
    PARE_FORM_NMT              /* control characters left out, others as spaces: rules for machine translation */
} pare_unicode_form;

/* Appends the form of UTF-8 `text`. */
pare_status pare_unicode_convert(pare_unicode_form form, const char *text, size_t bytes, pare_buffer *out);

#endif
