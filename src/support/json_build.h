/* JSON that is made (jansson carries it), so that no member is lost without a word. What cannot be a member marks its
 * place: a number that is none, a text that is not UTF-8, a value for which there was no memory. Whoever delivers the
 * document finds the mark (pare_json_fault, through pare_json_text and pare_json_dump of json.h) and fails by its name.
 * JSON has no infinity: where a value may rightly be absent or too large, pare_json_put_measured says so.
 * Needs jansson alone, since the program makes JSON, too. */
#ifndef PARE_SUPPORT_JSON_BUILD_H
#define PARE_SUPPORT_JSON_BUILD_H

#include <jansson.h>
#include <stdint.h>

/* Values, as new references. Integers, booleans, null, and empty objects and lists are jansson's own: these fail for
 * want of memory alone, as NULL, and all that takes a value marks NULL. */
json_t *pare_json_real(double value);       /* finite */
json_t *pare_json_string(const char *text); /* UTF-8; NULL: there was no memory for it */
/* What stands for a value that could not be made, so that nobody takes it for one that is not there. Those that make
 * texts give it, too. */
json_t *pare_json_lost(void);
/* A whole number; above 2^63 - 1, which no integer of JSON's readers holds, its digits as a text. */
json_t *pare_json_count(uint64_t value);
json_t *pare_json_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A file name; bytes that are not UTF-8 become '?'. */
json_t *pare_json_name(const char *name);
/* The same value once more. */
json_t *pare_json_same(const json_t *value);

/* Both take the reference to the value. */
void pare_json_put(json_t *object, const char *name, json_t *value);
void pare_json_append(json_t *list, json_t *value);

/* A number that may be absent: null for NaN (not measured), and for infinity null with a member NAME_reason. */
void pare_json_put_measured(json_t *object, const char *name, double value);
/* As an element of a list, or where null says all: null unless it is finite. */
json_t *pare_json_measured(double value);

/* What `from` has, appended to a list or put into an object, in place of members of the same names; NULL: nothing. */
void pare_json_extend(json_t *list, const json_t *from);
void pare_json_update(json_t *object, const json_t *from);

/* pare_json_of({"name", value}, ..): an object of these. pare_json_list_of(value, ..): a list. */
typedef struct pare_json_member {
    const char *name;
    json_t *value;
} pare_json_member;

#define pare_json_of(...)                                                                                              \
    pare_json_of_members((const pare_json_member[]){__VA_ARGS__},                                                      \
                         sizeof((const pare_json_member[]){__VA_ARGS__}) / sizeof(pare_json_member))
#define pare_json_list_of(...)                                                                                         \
    pare_json_list_of_values((json_t *const[]){__VA_ARGS__}, sizeof((json_t *const[]){__VA_ARGS__}) / sizeof(json_t *))
json_t *pare_json_of_members(const pare_json_member *members, size_t count);
json_t *pare_json_list_of_values(json_t *const *values, size_t count);

/* The document as text, with jansson's flags; NULL without memory. Freed with free(). jansson's own printers forget the
 * name of a member for which there was no memory, and go on. */
char *pare_json_printed(const json_t *json, size_t flags);

/* The first mark in a document. */
typedef enum pare_json_fault_kind {
    PARE_JSON_WHOLE, /* there is none */
    PARE_JSON_NOT_A_NUMBER,
    PARE_JSON_INFINITE,
    PARE_JSON_NOT_UTF8,
    PARE_JSON_NO_MEMORY
} pare_json_fault_kind;

enum { PARE_JSON_PLACE = 160 };
/* place: such as texts[1].nll, "" for the whole document; cut where it is longer. json NULL: no memory. */
pare_json_fault_kind pare_json_fault(const json_t *json, char place[PARE_JSON_PLACE]);

/* One sentence that names the place in `what`. */
enum { PARE_JSON_SENTENCE = 512 };
void pare_json_fault_say(pare_json_fault_kind fault, const char *place, const char *what,
                         char sentence[PARE_JSON_SENTENCE]);

/* A member of this thread for which there was not even the memory to mark it, until it is forgotten; or NULL. */
const char *pare_json_missing(void);
void pare_json_missing_forget(void);

#endif
