/* A strict reader of markup for tests: elements that close in order, attributes in quotes and once each, characters
 * that are escaped and UTF-8, no control characters. HTML's void elements need no end; everything else does. */
#ifndef PARE_TESTS_MARKUP_H
#define PARE_TESTS_MARKUP_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

enum { MARKUP_DEPTH = 64, MARKUP_NAME = 40, MARKUP_ATTRIBUTES = 32 };

typedef struct markup {
    const char *at;
    char open[MARKUP_DEPTH][MARKUP_NAME];
    int depth;
    size_t elements;
    const char *fault; /* or NULL */
} markup;

static inline bool markup_fail(markup *m, const char *fault) {
    if (!m->fault) {
        m->fault = fault;
        fprintf(stderr, "%s: %.120s\n", fault, m->at);
    }
    return false;
}

static inline bool markup_name(markup *m, char name[MARKUP_NAME]) {
    size_t length = strspn(m->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:");
    if (length == 0 || length >= MARKUP_NAME) return markup_fail(m, "no name");
    memcpy(name, m->at, length);
    name[length] = 0;
    m->at += length;
    return true;
}

/* One character of text or of an attribute. */
static inline bool markup_character(markup *m) {
    utf8proc_int32_t point;
    utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)m->at, -1, &point);
    if (used <= 0) return markup_fail(m, "not UTF-8");
    if ((point < 0x20 && point != '\n' && point != '\t') || (point >= 0x7f && point < 0xa0))
        return markup_fail(m, "a control character");
    if (point == '&') {
        size_t length = strcspn(m->at, ";");
        bool number = m->at[1] == '#' && strspn(m->at + 2, "0123456789") == length - 2;
        bool named = strspn(m->at + 1, "abcdefghijklmnopqrstuvwxyz") == length - 1;
        if (length < 3 || length > 8 || !m->at[length] || !(number || named)) return markup_fail(m, "a bare &");
    }
    m->at += used;
    return true;
}

static inline bool markup_attributes(markup *m) {
    char seen[MARKUP_ATTRIBUTES][MARKUP_NAME];
    int count = 0;
    while (m->at += strspn(m->at, " \n"), *m->at && *m->at != '>' && *m->at != '/') {
        if (count == MARKUP_ATTRIBUTES || !markup_name(m, seen[count])) return markup_fail(m, "an attribute");
        for (int i = 0; i < count; i++)
            if (strcmp(seen[i], seen[count]) == 0) return markup_fail(m, "an attribute twice");
        count++;
        if (*m->at != '=') continue; /* HTML: present */
        if (m->at[1] != '"') return markup_fail(m, "an attribute without quotes");
        for (m->at += 2; *m->at && *m->at != '"';) {
            if (*m->at == '<') return markup_fail(m, "< in an attribute");
            if (!markup_character(m)) return false;
        }
        if (*m->at++ != '"') return markup_fail(m, "an open attribute");
        if (!strchr(" \n/>", *m->at)) return markup_fail(m, "attributes that touch");
    }
    return true;
}

static inline bool markup_is_void(const char *name) {
    static const char *const all[] = {"meta", "br", "hr", "img", "link", "input"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i], name) == 0) return true;
    return false;
}

static inline bool markup_close(markup *m) {
    char name[MARKUP_NAME];
    m->at += 2;
    if (!markup_name(m, name)) return false;
    if (m->depth == 0 || strcmp(m->open[m->depth - 1], name) != 0) return markup_fail(m, "closes what is not open");
    if (*m->at++ != '>') return markup_fail(m, "an end that does not end");
    m->depth--;
    return true;
}

static inline bool markup_element(markup *m) {
    if (m->at[1] == '/') return markup_close(m);
    if (strncmp(m->at, "<!doctype html>", 15) == 0 && m->elements == 0) {
        m->at += 15;
        return true;
    }
    if (m->depth == MARKUP_DEPTH) return markup_fail(m, "too deep");
    char *name = m->open[m->depth];
    m->at++;
    if (!markup_name(m, name) || !markup_attributes(m)) return false;
    m->elements++;
    if (m->at[0] == '/' && m->at[1] == '>') {
        m->at += 2;
        return true;
    }
    if (*m->at++ != '>') return markup_fail(m, "an element that does not end");
    if (markup_is_void(name)) return true;
    m->depth++;
    if (strcmp(name, "style") != 0) return true;
    const char *end = strstr(m->at, "</style>");
    if (!end) return markup_fail(m, "an open style");
    m->at = end;
    return true;
}

/* The number of elements; 0, with a line on standard error, if the text is not well-formed. */
static inline size_t markup_check(const char *text) {
    markup m = {.at = text};
    while (*m.at && !m.fault) {
        if (*m.at == '<')
            markup_element(&m);
        else if (*m.at == '>')
            markup_fail(&m, "a bare >");
        else
            markup_character(&m);
    }
    if (m.depth && !m.fault) {
        m.at = m.open[m.depth - 1];
        markup_fail(&m, "never closed");
    }
    return m.fault ? 0 : m.elements;
}

static inline size_t markup_count(const char *text, const char *what) {
    size_t count = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what))
        count++;
    return count;
}

#endif
