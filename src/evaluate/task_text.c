#include "evaluate/task_text.h"
#include "support/file.h"
#include "text/unicode.h"

#include <stdlib.h>
#include <utf8proc.h>

static bool is_python_space(uint32_t code) {
    return pare_is_space(code) || (code >= 0x1C && code <= 0x1F);
}

size_t pare_text_trailing_space(const char *text) {
    size_t bytes = strlen(text), end = bytes, length;
    uint32_t code;
    while ((length = pare_utf8_decode_last(text, end, &code)) && is_python_space(code))
        end -= length;
    return bytes - end;
}

char *pare_text_strip(const char *text) {
    size_t length;
    uint32_t code;
    while (*text && (length = pare_utf8_decode(text, strlen(text), &code)) && is_python_space(code))
        text += length;
    return pare_format("%.*s", (int)(strlen(text) - pare_text_trailing_space(text)), text);
}

/* The title case of a character whose is more than one character, or NULL. */
static const char *long_title(uint32_t code) {
    switch (code) {
    case 0x00DF:
        return "Ss";
    case 0x0149:
        return "\xCA\xBCN";
    case 0xFB00:
        return "Ff";
    case 0xFB01:
        return "Fi";
    case 0xFB02:
        return "Fl";
    default:
        return NULL;
    }
}

char *pare_text_capitalize(const char *text) {
    uint32_t code;
    size_t first = pare_utf8_decode(text, strlen(text), &code);
    char title[PARE_UTF8_MAX + 1] = {0};
    pare_buffer lower = {0};
    if (!first) return pare_format("%s", text);
    title[pare_utf8_encode((uint32_t)utf8proc_totitle((utf8proc_int32_t)code), title)] = 0;
    pare_status status = pare_unicode_convert(PARE_FORM_LOWERCASE, text + first, strlen(text + first), &lower);
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
