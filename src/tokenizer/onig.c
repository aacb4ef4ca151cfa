/* Oniguruma (Ruby syntax, UTF-8) and PCRE2 (UTF and UCP) differ, as far as tokenizers are concerned, in:
 *   \s \S      PCRE2 counts U+180E as a space
 *   \w \W \b   Oniguruma: Alphabetic, marks, decimal digits, connectors; outside of classes also Latin-1's other
 * numbers \h \H      Oniguruma: a hexadecimal digit \uHHHH     Oniguruma only
 *   (?m)       Oniguruma: the dot matches newlines, PCRE2's (?s)
 *   {,n}       Oniguruma: from none to n
 *   {n,m}+     Oniguruma: repeated; PCRE2: possessive
 *   [a[b]&&c]  Oniguruma: nested classes and intersections (onig_class.c) */
#include "tokenizer/onig.h"
#include "tokenizer/onig_translation.h"

#define WORDS PARE_ONIG_CLASS_WORDS "\\xb2\\xb3\\xb9\\xbc-\\xbe"

typedef pare_onig_translation translation;

pare_status pare_onig_refuse(const translation *t, const char *what) {
    return pare_fail(PARE_UNSUPPORTED, "%s splits text by the regular expression %.*s, in which pare does not know %s",
                     t->path, (int)(t->bytes > 200 ? 200 : t->bytes), t->expression, what);
}

static pare_status put(translation *t, const char *text) {
    return pare_buffer_append(t->out, text, strlen(text));
}

pare_status pare_onig_copy(translation *t, size_t count, pare_buffer *out) {
    if (count > t->bytes - t->at) count = t->bytes - t->at;
    PARE_TRY(pare_buffer_append(out, t->expression + t->at, count));
    t->at += count;
    return PARE_OK;
}

static pare_status copy(translation *t, size_t count) {
    return pare_onig_copy(t, count, t->out);
}

bool pare_onig_is_next(const translation *t, const char *text) {
    size_t length = strlen(text);
    return t->bytes - t->at >= length && memcmp(t->expression + t->at, text, length) == 0;
}

pare_status pare_onig_code_point(translation *t, pare_buffer *out) {
    for (size_t i = 2; i < 6; i++)
        if (t->at + i >= t->bytes || !memchr("0123456789abcdefABCDEF", t->expression[t->at + i], 22))
            return pare_onig_refuse(t, "a \\u without four hexadecimal digits");
    t->at += 2;
    PARE_TRY(pare_buffer_append(out, "\\x{", 3));
    PARE_TRY(pare_onig_copy(t, 4, out));
    return pare_buffer_append(out, "}", 1);
}

typedef struct escape {
    char letter;
    const char *meaning;
} escape;

static pare_status translate_escape(translation *t) {
    static const escape escapes[] = {
        {'s', "[" PARE_ONIG_SPACES "]"},
        {'S', "[^" PARE_ONIG_SPACES "]"},
        {'w', "[" WORDS "]"},
        {'W', "[^" WORDS "]"},
        {'h', "[" PARE_ONIG_HEX "]"},
        {'H', "[^" PARE_ONIG_HEX "]"},
        {'b', "(?:(?<=[" WORDS "])(?![" WORDS "])|(?<![" WORDS "])(?=[" WORDS "]))"},
        {'B', "(?:(?<=[" WORDS "])(?=[" WORDS "])|(?<![" WORDS "])(?![" WORDS "]))"},
    };
    if (t->at + 1 >= t->bytes) return pare_onig_refuse(t, "a backslash at its end");
    char letter = t->expression[t->at + 1];
    if (letter == 'u') return pare_onig_code_point(t, t->out);
    for (size_t i = 0; i < sizeof escapes / sizeof *escapes; i++) {
        if (escapes[i].letter != letter) continue;
        t->at += 2;
        return put(t, escapes[i].meaning);
    }
    return copy(t, 2);
}

/* "(?flags)" or "(?flags:": their m is PCRE2's s. Anything else after "(?" has no letter of ours in it. */
static pare_status translate_group(translation *t) {
    PARE_TRY(copy(t, 2));
    size_t end = t->at;
    while (end < t->bytes && memchr("imx-", t->expression[end], 4))
        end++;
    if (end >= t->bytes || (t->expression[end] != ')' && t->expression[end] != ':')) return PARE_OK;
    while (t->at < end) {
        if (!pare_onig_is_next(t, "m")) {
            PARE_TRY(copy(t, 1));
            continue;
        }
        t->at++;
        PARE_TRY(put(t, "s"));
    }
    return PARE_OK;
}

/* A brace that may begin a repetition count. */
static pare_status translate_count(translation *t) {
    size_t end = t->at + 1;
    while (end < t->bytes && memchr("0123456789,", t->expression[end], 11))
        end++;
    bool is_count = end < t->bytes && t->expression[end] == '}' && end > t->at + 1;
    if (is_count && end + 1 < t->bytes && t->expression[end + 1] == '+')
        return pare_onig_refuse(t, "a + behind a repetition count");
    PARE_TRY(copy(t, 1));
    return is_count && pare_onig_is_next(t, ",") ? put(t, "0") : PARE_OK;
}

pare_status pare_onig_translate(const char *path, const char *expression, size_t bytes, pare_buffer *out) {
    translation t = {path, expression, bytes, 0, out};
    PARE_TRY(pare_buffer_reserve(out, bytes + 1));
    while (t.at < t.bytes) {
        if (pare_onig_is_next(&t, "\\"))
            PARE_TRY(translate_escape(&t));
        else if (pare_onig_is_next(&t, "["))
            PARE_TRY(pare_onig_class(&t));
        else if (pare_onig_is_next(&t, "(?"))
            PARE_TRY(translate_group(&t));
        else if (pare_onig_is_next(&t, "{"))
            PARE_TRY(translate_count(&t));
        else
            PARE_TRY(copy(&t, 1));
    }
    return PARE_OK;
}
