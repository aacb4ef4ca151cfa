#include "text/json_form.h"
#include "text/chat_turns.h"
#include "text/container.h"
#include "text/documents.h"

#include <jansson.h>

enum { SAMPLED_LINES = 16 };

bool pare_json_is_name(const char *path) {
    static const char *const endings[] = {".json", ".jsonl", ".ndjson", ".jsonlines"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (pare_name_ends_with(path, endings[i])) return true;
    return false;
}

size_t pare_json_skip_space(const char *text, size_t bytes, size_t at) {
    while (at < bytes && (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
        at++;
    return at;
}

size_t pare_json_value_end(const char *text, size_t bytes, size_t at) {
    size_t depth = 0;
    bool quoted = false;
    for (; at < bytes; at++) {
        char c = text[at];
        if (quoted && c == '\\') {
            at++;
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted) {
            if (!depth && (c == ',' || c == ']' || c == '}')) return at;
            depth += c == '[' || c == '{';
            depth -= c == ']' || c == '}';
        }
    }
    return bytes;
}

static bool is_sound(const char *text, size_t bytes) {
    json_t *value = json_loadb(text, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    json_decref(value);
    return value != NULL;
}

/* Whether the line looks like a row: it begins and ends as one. */
static bool is_bracketed(const char *line, size_t bytes) {
    while (bytes && strchr(" \t", line[bytes - 1]))
        bytes--;
    return bytes > 1 && ((line[0] == '{' && line[bytes - 1] == '}') || (line[0] == '[' && line[bytes - 1] == ']') ||
                         (line[0] == '"' && line[bytes - 1] == '"'));
}

typedef struct sample {
    size_t lines, bracketed, sound;
} sample;

/* The first lines that are not blank. */
static sample look(const char *text, size_t bytes) {
    sample s = {0};
    for (size_t at = 0; s.lines < SAMPLED_LINES && (at = pare_json_skip_space(text, bytes, at)) < bytes;) {
        const char *newline = memchr(text + at, '\n', bytes - at);
        size_t length = newline ? (size_t)(newline - text) - at : bytes - at;
        bool row = is_bracketed(text + at, length);
        s.lines++;
        s.bracketed += row;
        s.sound += row && is_sound(text + at, length);
        at += length;
    }
    return s;
}

/* Whether the text is a list, as far as its first item and, if it is the only one, its end show. */
static bool is_list(const char *text, size_t bytes, size_t first) {
    size_t at = pare_json_skip_space(text, bytes, first + 1), end = pare_json_value_end(text, bytes, at);
    if (end == bytes || text[end] == '}') return false;
    if (text[end] == ',') return is_sound(text + at, end - at);
    if (end > at && !is_sound(text + at, end - at)) return false;
    return pare_json_skip_space(text, bytes, end + 1) == bytes;
}

/* One object that has nothing to learn from itself: neither a text nor turns of a chat. */
static bool is_wrapper(const char *text, size_t bytes) {
    json_t *object = json_loadb(text, bytes, JSON_ALLOW_NUL, NULL), *value;
    const char *key;
    bool texts = pare_chat_key(object);
    json_object_foreach(object, key, value) texts = texts || json_is_string(value);
    bool wrapper = json_object_size(object) && !texts;
    json_decref(object);
    return wrapper;
}

pare_json_form pare_json_form_of(const char *path, const char *text, size_t bytes) {
    size_t first = pare_json_skip_space(text, bytes, 0);
    bool named = pare_json_is_name(path);
    if (first == bytes) return named ? PARE_JSON_LINES : PARE_JSON_NONE;
    bool begins = strchr("[{\"", text[first]) && text[first];
    if (!begins && !named) return PARE_JSON_NONE;
    sample s = look(text, bytes);
    bool rows = s.sound && 2 * s.bracketed > s.lines;
    if (text[first] == '[' && s.lines == 1 && is_list(text, bytes, first)) return PARE_JSON_LIST;
    if (text[first] == '"' && !named && s.sound < s.lines) return PARE_JSON_NONE;
    if (s.lines == 1 && text[first] == '{' && pare_name_ends_with(path, ".json") &&
        is_wrapper(text + first, bytes - first))
        return PARE_JSON_OTHER;
    if (rows && !(text[first] == '[' && !s.sound)) return PARE_JSON_LINES;
    if (text[first] == '[' && (named || is_list(text, bytes, first))) return PARE_JSON_LIST;
    if (text[first] == '{' && is_sound(text + first, bytes - first)) return PARE_JSON_OTHER;
    if (!named) return PARE_JSON_NONE;
    return pare_name_ends_with(path, ".json") ? PARE_JSON_OTHER : PARE_JSON_LINES;
}
