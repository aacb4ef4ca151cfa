#include "json_build.h"
#include "text_stream.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Marks are nulls told apart by their addresses; jansson counts no references of such values, as of its own null. */
static json_t marks[] = {[PARE_JSON_NOT_A_NUMBER] = {JSON_NULL, (size_t)-1},
                         [PARE_JSON_INFINITE] = {JSON_NULL, (size_t)-1},
                         [PARE_JSON_NOT_UTF8] = {JSON_NULL, (size_t)-1},
                         [PARE_JSON_NO_MEMORY] = {JSON_NULL, (size_t)-1}};

static _Thread_local char missing[80];

static void note_missing(const char *name) {
    if (!missing[0]) snprintf(missing, sizeof missing, "%.79s", name && *name ? name : "value");
}

const char *pare_json_missing(void) {
    return missing[0] ? missing : NULL;
}

void pare_json_missing_forget(void) {
    missing[0] = 0;
}

json_t *pare_json_real(double value) {
    if (isnan(value)) return &marks[PARE_JSON_NOT_A_NUMBER];
    return isinf(value) ? &marks[PARE_JSON_INFINITE] : json_real(value);
}

json_t *pare_json_measured(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *pare_json_lost(void) {
    note_missing("value");
    return &marks[PARE_JSON_NO_MEMORY];
}

/* json_string fails for bad text and for want of memory alike; a text is bad if it fails where there is memory for it.
 */
json_t *pare_json_string(const char *text) {
    json_t *json = text ? json_string(text) : pare_json_lost();
    if (json) return json;
    json_t *unchecked = json_string_nocheck(text);
    if (unchecked && (json = json_string(text))) {
        json_decref(unchecked);
        return json;
    }
    json_decref(unchecked);
    return unchecked ? &marks[PARE_JSON_NOT_UTF8] : pare_json_lost();
}

json_t *pare_json_count(uint64_t value) {
    if (value > INT64_MAX) return pare_json_format("%llu", (unsigned long long)value);
    return json_integer((json_int_t)value);
}

json_t *pare_json_format(const char *format, ...) {
    va_list arguments;
    char *text;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) return pare_json_lost();
    json_t *json = pare_json_string(text);
    free(text);
    return json;
}

/* Of bytes that are no ASCII '?' is left; freed with free(). */
static char *ascii_of(const char *text) {
    char *ascii = strdup(text);
    for (char *c = ascii; c && *c; c++)
        if ((unsigned char)*c >= 0x80) *c = '?';
    return ascii;
}

json_t *pare_json_name(const char *name) {
    json_t *json = pare_json_string(name);
    if (json != &marks[PARE_JSON_NOT_UTF8]) return json;
    char *ascii = ascii_of(name);
    json = ascii ? json_string(ascii) : NULL;
    free(ascii);
    return json ? json : pare_json_lost();
}

json_t *pare_json_same(const json_t *value) {
    return json_incref((json_t *)(uintptr_t)value);
}

/* A member whose name is no text is marked under what can be read of it. */
static bool put_mark(json_t *object, const char *name) {
    json_t *text = pare_json_string(name);
    bool bad = text == &marks[PARE_JSON_NOT_UTF8];
    json_decref(text);
    char *ascii = bad ? ascii_of(name) : NULL;
    bool marked = ascii && json_object_set_new(object, ascii, &marks[PARE_JSON_NOT_UTF8]) == 0;
    free(ascii);
    return marked;
}

void pare_json_put(json_t *object, const char *name, json_t *value) {
    if (!value) value = &marks[PARE_JSON_NO_MEMORY];
    if (json_object_set_new(object, name, value) != 0 && !put_mark(object, name)) note_missing(name);
}

void pare_json_append(json_t *list, json_t *value) {
    if (!value) value = &marks[PARE_JSON_NO_MEMORY];
    if (json_array_append_new(list, value) != 0) note_missing("list");
}

void pare_json_put_measured(json_t *object, const char *name, double value) {
    pare_json_put(object, name, pare_json_measured(value));
    if (!isinf(value)) return;
    char reason[128];
    snprintf(reason, sizeof reason, "%.100s_reason", name);
    pare_json_put(object, reason, json_string("too large for a number"));
}

void pare_json_extend(json_t *list, const json_t *from) {
    for (size_t i = 0; i < json_array_size(from); i++)
        pare_json_append(list, pare_json_same(json_array_get(from, i)));
}

void pare_json_update(json_t *object, const json_t *from) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)from, name, value) pare_json_put(object, name, pare_json_same(value));
}

json_t *pare_json_of_members(const pare_json_member *members, size_t count) {
    json_t *object = json_object();
    for (size_t i = 0; i < count; i++)
        pare_json_put(object, members[i].name, members[i].value);
    return object;
}

json_t *pare_json_list_of_values(json_t *const *values, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        pare_json_append(list, values[i]);
    return list;
}

static bool is_mark(const json_t *json) {
    return json >= marks && json < marks + sizeof marks / sizeof *marks;
}

static bool is_whole(const json_t *json) {
    const char *name;
    const json_t *value;
    bool whole = !is_mark(json);
    for (size_t i = 0; whole && i < json_array_size(json); i++)
        whole = is_whole(json_array_get(json, i));
    json_object_foreach((json_t *)(uintptr_t)json, name, value) {
        if (!whole) break;
        whole = is_whole(value);
    }
    return whole;
}

/* Where the next part of a place goes, behind what was printed at `used`. */
static size_t behind(size_t used, int printed) {
    size_t next = used + (size_t)printed;
    return next < PARE_JSON_PLACE ? next : PARE_JSON_PLACE - 1;
}

/* The mark in a document that has one; used: bytes of the place that lead here. */
static pare_json_fault_kind find(const json_t *json, char *place, size_t used) {
    const char *name;
    const json_t *value;
    if (is_mark(json)) return (pare_json_fault_kind)(json - marks);
    for (size_t i = 0; i < json_array_size(json); i++) {
        value = json_array_get(json, i);
        if (is_whole(value)) continue;
        return find(value, place, behind(used, snprintf(place + used, PARE_JSON_PLACE - used, "[%zu]", i)));
    }
    json_object_foreach((json_t *)(uintptr_t)json, name, value) {
        if (is_whole(value)) continue;
        const char *dot = used ? "." : "";
        return find(value, place, behind(used, snprintf(place + used, PARE_JSON_PLACE - used, "%s%s", dot, name)));
    }
    return PARE_JSON_WHOLE;
}

char *pare_json_printed(const json_t *json, size_t flags) {
    char *text;
    size_t bytes;
    FILE *out = pare_text_stream(&text, &bytes);
    bool printed = out && json_dumpf(json, out, flags) == 0;
    if (out && fclose(out) == 0 && printed) return text;
    free(text);
    return NULL;
}

pare_json_fault_kind pare_json_fault(const json_t *json, char place[PARE_JSON_PLACE]) {
    place[0] = 0;
    if (!json) return PARE_JSON_NO_MEMORY;
    return is_whole(json) ? PARE_JSON_WHOLE : find(json, place, 0);
}

void pare_json_fault_say(pare_json_fault_kind fault, const char *place, const char *what,
                         char sentence[PARE_JSON_SENTENCE]) {
    const char *of = *place ? " of " : "";
    if (fault == PARE_JSON_NO_MEMORY)
        snprintf(sentence, PARE_JSON_SENTENCE, "not enough memory for %s%s%s; end other programs", place, of, what);
    else if (fault == PARE_JSON_NOT_UTF8)
        snprintf(sentence, PARE_JSON_SENTENCE, "%s%s%s is not UTF-8, and JSON holds no other text; rename it", place,
                 of, what);
    else
        snprintf(sentence, PARE_JSON_SENTENCE,
                 "%s%s%s came out as %s, which is no result; look for damaged weights and data, or take --compute fp32",
                 place, of, what, fault == PARE_JSON_INFINITE ? "infinity" : "NaN (not a number)");
}
