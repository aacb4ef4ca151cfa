#include "report/front_matter.h"
#include "support/file.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_NAME = 96 };

/* With its end, which may be \n, \r\n or \r. */
static size_t line_length(const char *line) {
    size_t length = strcspn(line, "\r\n");
    length += line[length] == '\r';
    return length + (line[length] == '\n');
}

/* Of a line that is "---" and nothing else. */
static bool is_rule(const char *line) {
    size_t length = strcspn(line, "\r\n");
    while (length > 3 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    return length == 3 && memcmp(line, "---", 3) == 0;
}

/* Bytes of the key that a line begins with in its first column, without quotes; 0: it begins none. */
static size_t key_length(const char *line, const char **key) {
    const char quote = *line == '"' || *line == '\'' ? *line : 0;
    *key = line + (quote != 0);
    size_t length = strcspn(*key, quote == '"' ? "\"\r\n" : quote ? "'\r\n" : ": \t\r\n");
    const char *end = *key + length + (quote != 0);
    if (!length || length > LONGEST_NAME || strchr(" \t-#[]{},&*!|>%@`?\r\n", **key)) return 0;
    if (quote && end[-1] != quote) return 0;
    end += strspn(end, " \t");
    return *end == ':' && strchr(" \t\r\n", end[1]) ? length : 0;
}

static pare_status lost(void) {
    return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for the front matter of a model card");
}

static pare_front_key *find(const pare_front_matter *matter, const char *name) {
    for (size_t i = 0; i < matter->count; i++)
        if (strcmp(matter->list[i].name, name) == 0) return &matter->list[i];
    return NULL;
}

/* Takes both texts. */
static pare_status append(pare_front_matter *matter, char *name, char *text) {
    pare_front_key *list = name && text ? realloc(matter->list, (matter->count + 1) * sizeof *list) : NULL;
    if (!list) {
        free(name);
        free(text);
        return lost();
    }
    matter->list = list;
    list[matter->count++] = (pare_front_key){name, text};
    return PARE_OK;
}

/* The lines from `begin` to `end`, of which the first has the key or none has one. Ends of lines become \n. */
static pare_status read_key(pare_front_matter *matter, const char *begin, const char *end) {
    const char *key;
    size_t length = key_length(begin, &key);
    char *text = malloc((size_t)(end - begin) + 1), *to = text;
    for (const char *from = begin; text && from < end; from++)
        if (*from != '\r')
            *to++ = *from;
        else if (from[1] != '\n')
            *to++ = '\n';
    if (text) *to = 0;
    return append(matter, strndup(key, length), text);
}

/* Nothing, or a comment. */
static bool says_nothing(const char *line) {
    line += strspn(line, " \t");
    return *line == '\n' || *line == '\r' || *line == '#';
}

/* The line of the second rule; NULL: the text has no front matter, but two rules perhaps, and prose between them. */
static const char *find_end(const char *first) {
    const char *key;
    bool begun = false;
    for (const char *line = first; *line; line += line_length(line)) {
        if (is_rule(line)) return line;
        begun = begun || key_length(line, &key);
        if (!begun && !says_nothing(line)) return NULL;
    }
    return NULL;
}

pare_status pare_front_matter_read(const char *text, pare_front_matter *out, const char **body) {
    *out = (pare_front_matter){0};
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0) text += 3;
    *body = text;
    const char *first = text + line_length(text), *end = is_rule(text) ? find_end(first) : NULL, *key;
    if (!end) return PARE_OK;
    for (const char *begin = first, *next = first; next < end; begin = next) {
        do
            next += line_length(next);
        while (next < end && !key_length(next, &key));
        PARE_TRY(read_key(out, begin, next));
    }
    *body = end + line_length(end);
    return pare_whole();
}

void pare_front_matter_free(pare_front_matter *matter) {
    for (size_t i = 0; i < matter->count; i++) {
        free(matter->list[i].name);
        free(matter->list[i].text);
    }
    free(matter->list);
    *matter = (pare_front_matter){0};
}

bool pare_front_matter_has(const pare_front_matter *matter, const char *name) {
    return find(matter, name) != NULL;
}

pare_status pare_front_matter_put(pare_front_matter *matter, const char *name, const char *text) {
    pare_front_key *key = find(matter, name);
    if (!key) return append(matter, strdup(name), strdup(text));
    char *copy = strdup(text);
    if (!copy) return lost();
    free(key->text);
    key->text = copy;
    return PARE_OK;
}

void pare_front_matter_remove(pare_front_matter *matter, const char *name) {
    pare_front_key *key = find(matter, name);
    if (!key) return;
    free(key->name);
    free(key->text);
    size_t after = matter->count - (size_t)(key - matter->list) - 1;
    memmove(key, key + 1, after * sizeof *key);
    matter->count--;
}

/* What stands behind the key's colon. */
static const char *behind(const pare_front_key *key) {
    const char *name;
    size_t length = key_length(key->text, &name);
    const char *colon = length ? strchr(name + length, ':') : NULL;
    return colon ? colon + 1 : key->text;
}

/* The quote that ends the text which begins at `text` with one; NULL: it has no end. */
static const char *closing(const char *text) {
    const char quote = *text;
    for (text++; *text && *text != quote; text++)
        if (quote == '"' && *text == '\\' && text[1]) text++;
    return *text ? text : NULL;
}

/* A scalar on one line: from `text` to one of `ends`, or a comment; without quotes. *next: behind it. */
static char *scalar(const char *text, const char *ends, const char **next) {
    text += strspn(text, " \t");
    if (*text == '"' || *text == '\'') {
        const char *close = closing(text);
        if (close) {
            *next = close + 1;
            return pare_format("%.*s", (int)(close - text) - 1, text + 1);
        }
    }
    size_t length = strcspn(text, ends);
    *next = text + length;
    for (size_t i = 1; i < length; i++)
        if (text[i] == '#' && strchr(" \t", text[i - 1])) length = i;
    while (length && strchr(" \t", text[length - 1]))
        length--;
    return pare_format("%.*s", (int)length, text);
}

char *pare_front_matter_value(const pare_front_matter *matter, const char *name) {
    const pare_front_key *key = find(matter, name);
    const char *next;
    if (!key) return NULL;
    char *value = scalar(behind(key), "\n", &next);
    if (value && *value && !strchr("[{|>&", *value)) return value;
    free(value);
    return NULL;
}

/* `lines`, which is freed, with one more: "- " and what is written from `from` to `to`. */
static char *add_item(char *lines, const char *from, size_t length) {
    char *more = lines ? pare_format("%s- %.*s\n", lines, (int)length, from) : NULL;
    free(lines);
    return more;
}

/* The list as lines "- ITEM", each item as it is written; has: whether one of them is `word`. */
static char *list_lines(const char *text, const char *word, bool *has) {
    char *lines = pare_format("%s", "");
    text += strspn(text, " \t");
    bool bracket = *text == '[';
    if (bracket) text++;
    while (lines && *(text += strspn(text, bracket ? ", \t\n" : " \t\n")) && !(bracket && *text == ']')) {
        if (!bracket && *text == '-' && strchr(" \t\n", text[1])) {
            text++;
            continue;
        }
        if (*text == '#') {
            text += strcspn(text, "\n");
            continue;
        }
        bool quoted = *text == '"' || *text == '\'';
        const char *begin = text;
        char *item = scalar(text, bracket ? ",]\n" : "\n", &text);
        if (!item) break;
        lines = add_item(lines, begin, quoted ? (size_t)(text - begin) : strlen(item));
        *has = *has || strcmp(item, word) == 0;
        if (quoted && !bracket) text += strcspn(text, "\n");
        free(item);
    }
    return lines;
}

pare_status pare_front_matter_add(pare_front_matter *matter, const char *name, const char *word) {
    bool has = false;
    const pare_front_key *key = find(matter, name);
    char *lines = list_lines(key ? behind(key) : "", word, &has);
    char *text =
        lines ? pare_format("%s:\n%s%s%s%s", name, lines, has ? "" : "- ", has ? "" : word, has ? "" : "\n") : NULL;
    pare_status status = pare_whole();
    if (status == PARE_OK && !has) status = pare_front_matter_put(matter, name, text);
    free(lines);
    free(text);
    return status;
}

bool pare_front_matter_is_plain(const char *text) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
                      others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:";
    static const char *const values[] = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"};
    size_t length = strlen(text);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strcasecmp(values[i], text) == 0) return false;
    return length && strchr(letters, *text) && strspn(text, others) == length && text[length - 1] != ':';
}

void pare_front_matter_write(const pare_front_matter *matter, FILE *out) {
    fputs("---\n", out);
    for (size_t i = 0; i < matter->count; i++)
        fputs(matter->list[i].text, out);
    fputs("---\n", out);
}
