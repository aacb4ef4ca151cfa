/* Shared by pretokenizer.c, which runs the steps, and pretokenizer_read.c, which makes them. */
#ifndef PARE_TOKENIZER_PRETOKENIZER_STEPS_H
#define PARE_TOKENIZER_PRETOKENIZER_STEPS_H

#include "tokenizer/pretokenizer.h"

typedef enum pare_step_kind {
    PARE_STEP_PREFIX,    /* a space in front, unless there is one */
    PARE_STEP_METASPACE, /* spaces become `mark`, and one goes in front, as `scheme` says */
    PARE_STEP_SPELL,     /* bytes become the characters that stand for them, which later steps then see */
    PARE_STEP_SPLIT
} pare_step_kind;

typedef enum pare_split_source {
    PARE_SPLIT_PATTERN,
    PARE_SPLIT_NUMERIC, /* each numeric character is a match; so on for the others */
    PARE_SPLIT_PUNCTUATION,
    PARE_SPLIT_SPACE,
    PARE_SPLIT_CHARACTER, /* `character` */
    PARE_SPLIT_LENGTH,    /* runs of `length` characters */
    PARE_SPLIT_WORDS      /* runs of word characters, and runs of what is neither word nor space */
} pare_split_source;

typedef enum pare_split_behavior {
    PARE_SPLIT_ISOLATED,
    PARE_SPLIT_REMOVED,
    PARE_SPLIT_MERGED_WITH_PREVIOUS,
    PARE_SPLIT_MERGED_WITH_NEXT,
    PARE_SPLIT_CONTIGUOUS
} pare_split_behavior;

typedef enum pare_prepend_scheme { PARE_PREPEND_ALWAYS, PARE_PREPEND_FIRST, PARE_PREPEND_NEVER } pare_prepend_scheme;

struct pare_pretokenizer_step {
    pare_step_kind kind;
    pare_split_source source;
    pare_split_behavior behavior;
    bool invert; /* what lies between matches is the match */
    pare_pattern pattern;
    uint32_t character;
    size_t length;
    pare_prepend_scheme scheme;
    char mark[PARE_UTF8_MAX];
    size_t mark_bytes;
};

#endif
