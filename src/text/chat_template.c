#include "text/chat_template.h"
#include "support/file.h"

#include <stdlib.h>

/* Bytes of "' + '" at `at`, in either kind of quotes; 0: it is something else. */
static size_t seam_at(const char *at) {
    const char *end = at + 1 + strspn(at + 1, " ");
    if (*at != '\'' && *at != '"') return 0;
    if (*end++ != '+') return 0;
    end += strspn(end, " ");
    return *end == '\'' || *end == '"' ? (size_t)(end + 1 - at) : 0;
}

char *pare_chat_template_normalize(const char *text) {
    char *copy = pare_format("%s", text), *out = copy;
    for (const char *in = text; *in; in++) {
        for (size_t seam; (seam = seam_at(in));)
            in += seam;
        if (!*in) break;
        bool line_end = in[0] == '\\' && in[1] == 'n';
        *out++ = line_end ? '\n' : (char)(*in == '"' ? '\'' : *in);
        in += line_end;
    }
    *out = 0;
    return copy;
}

bool pare_chat_template_fits(const pare_chat_format *format, const char *text) {
    for (int i = 0; i < PARE_CHAT_MARKERS; i++)
        if (format->markers[i] && !strstr(text, format->markers[i])) return false;
    return !format->absent || !strstr(text, format->absent);
}

/* The text between `before` and `after` at the first place where it is nothing but letters of a literal; freed with
 * free(), or NULL. */
static char *literal_between(const char *text, const char *before, const char *after) {
    for (const char *at = text; (at = strstr(at, before));) {
        at += strlen(before);
        const char *end = strstr(at, after);
        size_t length = end ? (size_t)(end - at) : 0;
        if (length && !memchr(at, '\'', length) && !memchr(at, '{', length))
            return pare_format("%.*s", (int)length, at);
    }
    return NULL;
}

/* The quoted literal that is `word` and spaces around it, freed with free(), or NULL. */
static char *spaced_literal(const char *text, const char *word) {
    for (const char *at = text; (at = strstr(at, word)); at++) {
        const char *start = at, *end = at + strlen(word);
        while (start > text && start[-1] == ' ')
            start--;
        while (*end == ' ')
            end++;
        if (start > text && start[-1] == '\'' && *end == '\'') return pare_format("%.*s", (int)(end - start), start);
    }
    return NULL;
}

static const char *begin_of(const char *text) {
    return strstr(text, "bos_token") ? "{bos}" : "";
}

static void adapt_chatml(pare_chat_style *style, const char *text) {
    pare_chat_format *f = style->format;
    f->begin = begin_of(text);
    f->answers_tools = strstr(text, "<tool_response>");
    style->system = literal_between(text, "<|im_start|>system\n", "<|im_end|>");
    if (strstr(text, "content'] | trim") || strstr(text, "content']|trim")) f->trim = PARE_TRIM_TEXT;
}

/* Templates since LLaMA 3.1 put a date into what the system says, today's if nothing else is given. A result that
 * depends on the day cannot be had again: the date is the one that the templates themselves fall back to. */
static void adapt_llama3(pare_chat_style *style, const char *text) {
    if (!strstr(text, "Cutting Knowledge Date: ")) return;
    style->header = pare_format("Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n");
    style->system = pare_format("%s", "");
}

/* How an answer is written: '{{ ' ' + message['content'] | trim + eos_token + ' ' }}' or less of it. */
static void adapt_answer(pare_chat_style *style, const char *text) {
    pare_chat_format *f = style->format;
    for (const char *at = text; (at = strstr(at, "eos_token")); at++) {
        const char *start = at;
        while (start > text && strncmp(start, "{{", 2) != 0)
            start--;
        size_t length = (size_t)(at - start);
        char *expression = pare_format("%.*s", (int)length, start);
        bool answer = strstr(expression, "content") != NULL;
        if (answer) {
            f->lead = strstr(expression, "' ' +") || strstr(expression, "' '+") ? " " : "";
            f->trim = strstr(expression, "trim") ? PARE_TRIM_ANSWERS : PARE_TRIM_NONE;
            f->after[PARE_ROLE_ASSISTANT] = strncmp(at, "eos_token + ' '", 15) == 0 ? " " : "";
        }
        free(expression);
        if (answer) return;
    }
}

static void adapt_mistral(pare_chat_style *style, const char *text) {
    pare_chat_format *f = style->format;
    style->literals[0] = spaced_literal(text, "[INST]");
    style->literals[1] = spaced_literal(text, "[/INST]");
    if (style->literals[0]) f->before[PARE_ROLE_USER] = style->literals[0];
    if (style->literals[1]) f->after[PARE_ROLE_USER] = style->literals[1];
    adapt_answer(style, text);
    if (strstr(text, "[SYSTEM_PROMPT]"))
        f->system = PARE_SYSTEM_OWN;
    else if (strstr(text, "loop.last and system_message"))
        f->system = PARE_SYSTEM_LAST_USER;
    else
        f->system = strstr(text, "system_message") ? PARE_SYSTEM_FIRST_USER : PARE_SYSTEM_REFUSED;
}

pare_status pare_chat_template_adapt(pare_chat_style *style, const char *text) {
    pare_chat_format *f = style->format;
    if (strcmp(f->name, "chatml") == 0) adapt_chatml(style, text);
    if (strcmp(f->name, "llama-3") == 0) adapt_llama3(style, text);
    if (strcmp(f->name, "mistral") == 0) adapt_mistral(style, text);
    if (strcmp(f->name, "gemma") == 0 && !strstr(text, "first_user_prefix")) f->system = PARE_SYSTEM_REFUSED;
    if (strcmp(f->name, "phi-3") == 0) {
        f->begin = begin_of(text);
        f->end = strstr(text, "eos_token") ? "{eos}" : "";
        if (!strstr(text, "<|system|>") && !strstr(text, "'<|' + message['role']")) f->system = PARE_SYSTEM_REFUSED;
        f->skips_empty = strstr(text, "'system' and message['content']");
        f->alternates = strstr(text, "<|end|>\n<|assistant|>\n");
    }
    if (strcmp(f->name, "zephyr") == 0) f->begin = begin_of(text);
    return PARE_OK;
}
