/* Pickles of Python as plain data: a machine that knows the opcodes that torch.save writes, and runs nothing. What a
 * pickle would call is one of the names that it is given, and stays a note of that name with its arguments. */
#ifndef PARE_CHECKPOINT_PICKLE_H
#define PARE_CHECKPOINT_PICKLE_H

#include "support/file.h"

/* What becomes of a name of Python that a pickle has. */
typedef enum pare_pickle_use {
    PARE_PICKLE_NAME,     /* is kept as a name, and may not be called */
    PARE_PICKLE_DICT,     /* called, it is a dict: empty, or of a list of pairs */
    PARE_PICKLE_TUPLE,    /* called, it is the tuple that it gets */
    PARE_PICKLE_FUNCTION, /* called, it is a PARE_VALUE_CALL */
} pare_pickle_use;

typedef struct pare_pickle_global {
    const char *module, *name;
    pare_pickle_use use;
} pare_pickle_global;

typedef enum pare_value_kind {
    PARE_VALUE_NONE,
    PARE_VALUE_BOOL,
    PARE_VALUE_INTEGER,
    PARE_VALUE_LONG, /* more than 64 bits: text, little-endian in two's complement */
    PARE_VALUE_REAL, /* whose value is not kept */
    PARE_VALUE_TEXT, /* UTF-8 or bytes */
    PARE_VALUE_TUPLE,
    PARE_VALUE_LIST,
    PARE_VALUE_DICT, /* items: key, value, key, value, ... in the order of insertion */
    PARE_VALUE_GLOBAL,
    PARE_VALUE_CALL,       /* of `global`; items: the arguments */
    PARE_VALUE_PERSISTENT, /* items: one, what tells which */
} pare_value_kind;

typedef struct pare_value {
    pare_value_kind kind;
    uint32_t count, room; /* of items */
    uint32_t *items;      /* numbers of other values; those of a call belong to its tuple of arguments */
    int64_t integer;      /* of a bool or an integer */
    const char *text;     /* [bytes], in the mapping, without a NUL */
    uint64_t bytes;
    const pare_pickle_global *global;
} pare_value;

typedef struct pare_pickle {
    pare_value *values;
    uint32_t count, room;
    uint32_t root;
} pare_pickle;

/* Reads the pickle at byte *at of the file, which ends before byte `end`, and moves *at behind it. globals: all names
 * that it may have [count]. Every length and index is checked, what is kept is bounded by the pickle's own bytes, and
 * no pickle is deep. Messages name the file, and the opcode or the name that is refused. On failure *out is empty. */
pare_status pare_pickle_read(const pare_mapping *file, uint64_t *at, uint64_t end, const pare_pickle_global *globals,
                             size_t count, pare_pickle *out);
void pare_pickle_free(pare_pickle *pickle);

const pare_value *pare_pickle_root(const pare_pickle *pickle);
/* Item `index` of `value`, or NULL if there is none. */
const pare_value *pare_pickle_item(const pare_pickle *pickle, const pare_value *value, uint32_t index);
/* The value under `key` in a dict, or NULL. */
const pare_value *pare_pickle_member(const pare_pickle *pickle, const pare_value *dict, const char *key);
bool pare_value_is_text(const pare_value *value, const char *text);

#endif
