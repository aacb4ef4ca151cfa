/* Reading a page of help: which options it shows, and with which values. */
#ifndef PARE_TESTS_CLI_HELP_PAGE_H
#define PARE_TESTS_CLI_HELP_PAGE_H

#include "cli/program.h"

#include <string.h>

/* "--name" as a whole word at `at`. */
static inline bool page_is_word(const char *at, const char *option) {
    size_t length = strlen(option);
    return strncmp(at, option, length) == 0 && (!at[length] || strchr(" \n,", at[length]));
}

/* A paragraph of names instead of entries begins. */
static inline bool page_begins_list(const char *line) {
    static const char *const beginnings[] = {"Every method takes, too", "Every preset takes, too",
                                             "Not to be changed alone"};
    for (size_t i = 0; i < 3; i++)
        if (strncmp(line, beginnings[i], strlen(beginnings[i])) == 0) return true;
    return false;
}

/* The entry of the option (at its dashes), or where a list of names has it; NULL: the page does not show it. Texts that
 * mention it do not count. */
static inline const char *page_find(const char *page, const char *option) {
    bool list = false;
    for (const char *line = page; *line;) {
        const char *end = line + strcspn(line, "\n"), *entry = line;
        if (strncmp(line, "  -", 3) == 0) entry += line[3] == '-' ? 2 : 6;
        list = line != end && (list || page_begins_list(line));
        if (!list && entry != line && page_is_word(entry, option)) return entry;
        for (const char *at = line; list && at < end; at++)
            if ((at == line || at[-1] == ' ') && page_is_word(at, option)) return at;
        line = *end ? end + 1 : end;
    }
    return NULL;
}

/* The value behind the option's name; freed with free(). */
static inline char *page_value(const char *page, const char *option) {
    const char *at = page_find(page, option);
    assert_non_null(at);
    at += strlen(option);
    at += *at == ' ';
    return strndup(at, strcspn(at, " ,\n"));
}

/* The length of the longest line; every line but an empty one must end with a word. */
static inline size_t page_width(const char *page) {
    size_t widest = 0;
    for (const char *line = page; *line;) {
        size_t length = strcspn(line, "\n");
        assert_true(length == 0 || line[length - 1] != ' ');
        assert_int_equal(line[length], '\n');
        widest = length > widest ? length : widest;
        line += length + 1;
    }
    return widest;
}

static inline size_t page_lines(const char *page) {
    size_t lines = 0;
    for (; *page; page++)
        lines += *page == '\n';
    return lines;
}

/* A command line in the making. */
typedef struct page_words {
    const char *list[PROGRAM_WORDS];
    size_t count;
} page_words;

/* two: "": nothing. */
static inline void page_add(page_words *w, const char *one, const char *two) {
    assert_true(w->count + 4 < PROGRAM_WORDS);
    w->list[w->count++] = one;
    if (*two) w->list[w->count++] = two;
    w->list[w->count] = NULL;
}

#endif
