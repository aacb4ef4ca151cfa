#include "evaluate/task_text.h"
#include "support/file.h"
#include "text/strip.h"

#include <stdlib.h>
#include <utf8proc.h>

size_t pare_text_trailing_space(const char *text) {
    size_t bytes = strlen(text), end = bytes, length;
    uint32_t code;
    while ((length = pare_utf8_decode_last(text, end, &code)) && pare_is_stripped(code))
        end -= length;
    return bytes - end;
}

char *pare_text_strip(const char *text) {
    size_t length;
    uint32_t code;
    while (*text && (length = pare_utf8_decode(text, strlen(text), &code)) && pare_is_stripped(code))
        text += length;
    return pare_format("%.*s", (int)(strlen(text) - pare_text_trailing_space(text)), text);
}

/* The title case of a character whose is more than one character, or NULL. */
static const char *long_title(uint32_t code) {
    static const struct {
        uint32_t code;
        const char *title;
    } titles[] = {{0x00DF, "Ss"},
                  {0x0149, "\xCA\xBCN"},
                  {0x01F0, "J\xCC\x8C"},
                  {0x0390, "\xCE\x99\xCC\x88\xCC\x81"},
                  {0x03B0, "\xCE\xA5\xCC\x88\xCC\x81"},
                  {0x0587, "\xD4\xB5\xD6\x82"},
                  {0x1E96, "H\xCC\xB1"},
                  {0x1E97, "T\xCC\x88"},
                  {0x1E98, "W\xCC\x8A"},
                  {0x1E99, "Y\xCC\x8A"},
                  {0x1E9A, "A\xCA\xBE"},
                  {0x1F50, "\xCE\xA5\xCC\x93"},
                  {0x1F52, "\xCE\xA5\xCC\x93\xCC\x80"},
                  {0x1F54, "\xCE\xA5\xCC\x93\xCC\x81"},
                  {0x1F56, "\xCE\xA5\xCC\x93\xCD\x82"},
                  {0x1FB2, "\xE1\xBE\xBA\xCD\x85"},
                  {0x1FB4, "\xCE\x86\xCD\x85"},
                  {0x1FB6, "\xCE\x91\xCD\x82"},
                  {0x1FB7, "\xCE\x91\xCD\x82\xCD\x85"},
                  {0x1FC2, "\xE1\xBF\x8A\xCD\x85"},
                  {0x1FC4, "\xCE\x89\xCD\x85"},
                  {0x1FC6, "\xCE\x97\xCD\x82"},
                  {0x1FC7, "\xCE\x97\xCD\x82\xCD\x85"},
                  {0x1FD2, "\xCE\x99\xCC\x88\xCC\x80"},
                  {0x1FD3, "\xCE\x99\xCC\x88\xCC\x81"},
                  {0x1FD6, "\xCE\x99\xCD\x82"},
                  {0x1FD7, "\xCE\x99\xCC\x88\xCD\x82"},
                  {0x1FE2, "\xCE\xA5\xCC\x88\xCC\x80"},
                  {0x1FE3, "\xCE\xA5\xCC\x88\xCC\x81"},
                  {0x1FE4, "\xCE\xA1\xCC\x93"},
                  {0x1FE6, "\xCE\xA5\xCD\x82"},
                  {0x1FE7, "\xCE\xA5\xCC\x88\xCD\x82"},
                  {0x1FF2, "\xE1\xBF\xBA\xCD\x85"},
                  {0x1FF4, "\xCE\x8F\xCD\x85"},
                  {0x1FF6, "\xCE\xA9\xCD\x82"},
                  {0x1FF7, "\xCE\xA9\xCD\x82\xCD\x85"},
                  {0xFB00, "Ff"},
                  {0xFB01, "Fi"},
                  {0xFB02, "Fl"},
                  {0xFB03, "Ffi"},
                  {0xFB04, "Ffl"},
                  {0xFB05, "St"},
                  {0xFB06, "St"},
                  {0xFB13, "\xD5\x84\xD5\xB6"},
                  {0xFB14, "\xD5\x84\xD5\xA5"},
                  {0xFB15, "\xD5\x84\xD5\xAB"},
                  {0xFB16, "\xD5\x8E\xD5\xB6"},
                  {0xFB17, "\xD5\x84\xD5\xAD"}};
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].code == code) return titles[i].title;
    return NULL;
}

static bool is_in(uint32_t code, uint32_t first, uint32_t last) {
    return code >= first && code <= last;
}

/* Property Case_Ignorable: marks, modifiers, format characters, and what may stand within a word. */
static bool is_case_ignorable(uint32_t code) {
    static const uint32_t within_words[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                            0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < sizeof within_words / sizeof *within_words; i++)
        if (within_words[i] == code) return true;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return false;
    }
}

/* Property Cased of what is not Case_Ignorable: letters of a case, ordinals, Roman numerals, circled and squared
 * letters. */
static bool is_cased(uint32_t code) {
    utf8proc_category_t category = utf8proc_category((utf8proc_int32_t)code);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LT) return true;
    return code == 0xAA || code == 0xBA || is_in(code, 0x2160, 0x217F) || is_in(code, 0x24B6, 0x24E9) ||
           is_in(code, 0x1F130, 0x1F149) || is_in(code, 0x1F150, 0x1F169) || is_in(code, 0x1F170, 0x1F189);
}

/* The first character in front of `end` that is not case-ignorable is cased. */
static bool follows_cased(const char *text, size_t end) {
    size_t length;
    uint32_t code;
    while ((length = pare_utf8_decode_last(text, end, &code)) && is_case_ignorable(code))
        end -= length;
    return length && is_cased(code);
}

static bool precedes_cased(const char *text) {
    size_t length;
    uint32_t code;
    while ((length = pare_utf8_decode(text, strlen(text), &code)) && is_case_ignorable(code))
        text += length;
    return length && is_cased(code);
}

/* Appends what follows the first `from` bytes, in lower case: a sigma at the end of a word becomes a final one. */
static pare_status append_lower(const char *text, size_t from, pare_buffer *out) {
    static const char capital_sigma[] = "\xCE\xA3", sigma[] = "\xCF\x83", final_sigma[] = "\xCF\x82";
    const size_t bytes = sizeof capital_sigma - 1;
    for (const char *found; (found = strstr(text + from, capital_sigma));) {
        size_t at = (size_t)(found - text);
        bool final = follows_cased(text, at) && !precedes_cased(found + bytes);
        PARE_TRY(pare_unicode_convert(PARE_FORM_LOWERCASE, text + from, at - from, out));
        PARE_TRY(pare_buffer_append(out, final ? final_sigma : sigma, bytes));
        from = at + bytes;
    }
    return pare_unicode_convert(PARE_FORM_LOWERCASE, text + from, strlen(text + from), out);
}

char *pare_text_capitalize(const char *text) {
    uint32_t code;
    size_t first = pare_utf8_decode(text, strlen(text), &code);
    char title[PARE_UTF8_MAX + 1] = {0};
    pare_buffer lower = {0};
    if (!first) return pare_format("%s", text);
    title[pare_utf8_encode((uint32_t)utf8proc_totitle((utf8proc_int32_t)code), title)] = 0;
    pare_status status = append_lower(text, first, &lower);
    const char *start = long_title(code) ? long_title(code) : title;
    char *out = pare_format("%s%.*s", start, status == PARE_OK ? (int)lower.bytes : 0, lower.data ? lower.data : "");
    pare_buffer_free(&lower);
    return out;
}

/* In place: what replaces is never longer. */
static void replace_all(char *text, const char *from, const char *to) {
    size_t wanted = strlen(from), given = strlen(to);
    char *out = text;
    for (const char *in = text; *in;) {
        if (strncmp(in, from, wanted) == 0) {
            memcpy(out, to, given);
            out += given;
            in += wanted;
        } else {
            *out++ = *in++;
        }
    }
    *out = 0;
}

static void delete_brackets(char *text) {
    char *out = text;
    for (const char *in = text; *in;) {
        const char *end = *in == '[' ? in + strcspn(in, "]\n") : NULL;
        if (end && *end == ']')
            in = end + 1;
        else
            *out++ = *in++;
    }
    *out = 0;
}

char *pare_text_without_marks(const char *text) {
    char *out = pare_text_strip(text);
    replace_all(out, " [title]", ". ");
    delete_brackets(out);
    replace_all(out, "  ", " ");
    return out;
}

uint32_t pare_text_characters(const char *text) {
    uint32_t characters = 0;
    for (; *text; text++)
        characters += ((unsigned char)*text & 0xC0) != 0x80;
    return characters;
}
