#include "tokenizer/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

size_t pare_utf8_encode(uint32_t code, char out[PARE_UTF8_MAX]) {
    return (size_t)utf8proc_encode_char((utf8proc_int32_t)code, (utf8proc_uint8_t *)out);
}

size_t pare_utf8_decode_last(const char *text, size_t bytes, uint32_t *code) {
    for (size_t length = 1; length <= PARE_UTF8_MAX && length <= bytes; length++)
        if (((unsigned char)text[bytes - length] & 0xC0) != 0x80)
            return pare_utf8_decode(text + bytes - length, length, code) == length ? length : 0;
    return 0;
}

size_t pare_utf8_valid(const char *text, size_t bytes) {
    size_t at = 0;
    while (at < bytes) {
        uint64_t word;
        if (bytes - at >= sizeof word) {
            memcpy(&word, text + at, sizeof word);
            if (!(word & 0x8080808080808080u)) {
                at += sizeof word;
                continue;
            }
        }
        uint32_t code;
        size_t length = pare_utf8_decode(text + at, bytes - at, &code);
        if (!length) break;
        at += length;
    }
    return at;
}

pare_status pare_utf8_repair(const char *text, size_t bytes, pare_buffer *out) {
    static const char replacement[] = "\xEF\xBF\xBD";
    for (;;) {
        size_t valid = pare_utf8_valid(text, bytes);
        PARE_TRY(pare_buffer_append(out, text, valid));
        if (valid == bytes) return PARE_OK;
        PARE_TRY(pare_buffer_append(out, replacement, sizeof replacement - 1));
        text += valid + 1;
        bytes -= valid + 1;
    }
}

bool pare_utf8_incomplete(const char *text, size_t bytes) {
    char whole[PARE_UTF8_MAX];
    uint32_t code;
    if (!bytes || bytes >= PARE_UTF8_MAX || (unsigned char)text[0] < 0xC0) return false;
    /* Some pair of the lowest and highest continuation makes a character of it if anything can. */
    static const char fill[2] = {(char)0x80, (char)0xBF};
    for (int first = 0; first < 2; first++) {
        memset(whole, fill[0], sizeof whole);
        memcpy(whole, text, bytes);
        whole[bytes] = fill[first];
        for (size_t length = bytes + 1; length <= PARE_UTF8_MAX; length++)
            if (pare_utf8_decode(whole, length, &code) == length) return true;
    }
    return false;
}

size_t pare_grapheme(const char *text, size_t bytes) {
    uint32_t before, code;
    utf8proc_int32_t state = 0;
    if (bytes >= 2 && (unsigned char)text[0] < 0x80 && (unsigned char)text[1] < 0x80 && text[0] != '\r') return 1;
    size_t at = pare_utf8_decode(text, bytes, &before), width;
    for (; at && at < bytes; at += width) {
        width = pare_utf8_decode(text + at, bytes - at, &code);
        if (!width || utf8proc_grapheme_break_stateful((utf8proc_int32_t)before, (utf8proc_int32_t)code, &state)) break;
        before = code;
    }
    return at;
}

bool pare_is_space(uint32_t code) {
    if (code < 0x80) return code == ' ' || (code >= '\t' && code <= '\r');
    if (code == 0x85) return true;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_ZS && category <= UTF8PROC_CATEGORY_ZP;
}

/* Letters and numbers by another name: circled and squared letters are Alphabetic but of category So. */
static bool is_lettered_symbol(uint32_t code) {
    return (code >= 0x24B6 && code <= 0x24E9) || (code >= 0x1F130 && code <= 0x1F149) ||
           (code >= 0x1F150 && code <= 0x1F169) || (code >= 0x1F170 && code <= 0x1F189);
}

bool pare_is_word(uint32_t code) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_NL) return true;
    return category == UTF8PROC_CATEGORY_PC || code == 0x200C || code == 0x200D || is_lettered_symbol(code);
}

bool pare_is_numeric(uint32_t code) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO;
}

bool pare_is_punctuation(uint32_t code) {
    if (code < 0x80) return strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", (int)code) && code;
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

static bool is_mark(uint32_t code) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    return category >= UTF8PROC_CATEGORY_MN && category <= UTF8PROC_CATEGORY_ME;
}

static bool is_left_out_for_translation(uint32_t code) {
    return (code >= 0x01 && code <= 0x08) || code == 0x0B || (code >= 0x0E && code <= 0x1F) || code == 0x7F ||
           code == 0x8F || code == 0x9F;
}

static bool is_space_for_translation(uint32_t code) {
    return code == '\t' || code == '\n' || code == '\f' || code == '\r' || code == 0x1680 ||
           (code >= 0x200B && code <= 0x200F) || code == 0x2028 || code == 0x2029 || code == PARE_SPACE_MARK ||
           code == 0xFEFF || code == PARE_REPLACEMENT;
}

/* Character by character: lower case, nothing for a mark, a space or nothing for control characters. */
static pare_status convert_characters(pare_unicode_form form, const char *text, size_t bytes, pare_buffer *out) {
    size_t length;
    for (size_t at = 0; at < bytes; at += length) {
        uint32_t code;
        length = pare_utf8_decode(text + at, bytes - at, &code);
        if (!length) return pare_fail(PARE_BAD_ARGUMENT, "text to be normalised is not UTF-8");
        char character[PARE_UTF8_MAX];
        if (form == PARE_FORM_LOWERCASE && code == 0x130) { /* the one letter whose lower case is two characters */
            PARE_TRY(pare_buffer_append(out, "i\xCC\x87", 3));
        } else if (form == PARE_FORM_LOWERCASE) {
            code = (uint32_t)utf8proc_tolower((utf8proc_int32_t)code);
            PARE_TRY(pare_buffer_append(out, character, pare_utf8_encode(code, character)));
        } else if (form == PARE_FORM_NMT) {
            bool space = is_space_for_translation(code);
            if (!is_left_out_for_translation(code))
                PARE_TRY(pare_buffer_append(out, space ? " " : text + at, space ? 1 : length));
        } else if (!is_mark(code)) {
            PARE_TRY(pare_buffer_append(out, text + at, length));
        }
    }
    return PARE_OK;
}

static bool is_ascii(const char *text, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if ((unsigned char)text[i] >= 0x80) return false;
    return true;
}

pare_status pare_unicode_convert(pare_unicode_form form, const char *text, size_t bytes, pare_buffer *out) {
    if (form >= PARE_FORM_LOWERCASE) return convert_characters(form, text, bytes, out);
    if (is_ascii(text, bytes)) return pare_buffer_append(out, text, bytes);
    static const int options[] = {
        [PARE_FORM_NFC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE,
        [PARE_FORM_NFD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE,
        [PARE_FORM_NFKC] = UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT,
        [PARE_FORM_NFKD] = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT,
    };
    utf8proc_uint8_t *converted = NULL;
    utf8proc_ssize_t length = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)bytes, &converted,
                                           (utf8proc_option_t)options[form]);
    if (length < 0)
        return pare_fail(PARE_OUT_OF_MEMORY, "cannot normalise %zu bytes of text: %s", bytes, utf8proc_errmsg(length));
    pare_status status = pare_buffer_append(out, converted, (size_t)length);
    free(converted);
    return status;
}
