/* The "pre_tokenizer" of a tokenizer.json: steps that split text into words, which are then encoded one by one. */
#ifndef PARE_TOKENIZER_PRETOKENIZER_H
#define PARE_TOKENIZER_PRETOKENIZER_H

#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

enum { PARE_PRETOKENIZER_STEPS = 48 };

typedef struct pare_pretokenizer_step pare_pretokenizer_step;

typedef struct pare_pretokenizer {
    pare_pretokenizer_step *steps;
    size_t count;
    bool byte_level; /* the words' bytes are what is merged: the last step spells them (ByteLevel) */
} pare_pretokenizer;

/* json: the file's "pre_tokenizer", or NULL or null for none. Unknown kinds and options are refused. */
pare_status pare_pretokenizer_read(const char *path, const json_t *json, pare_pretokenizer *out);
/* Turns `byte_level` off: words are handed on in the characters that stand for their bytes. */
pare_status pare_pretokenizer_spell(pare_pretokenizer *pretokenizer);
void pare_pretokenizer_free(pare_pretokenizer *pretokenizer);

/* Takes a word, not empty; valid during the call. */
typedef pare_status (*pare_word_fn)(void *user, const char *word, size_t bytes);

typedef struct pare_pretokenizer_work {
    pare_pattern_work *pattern;
    pare_buffer rewritten[PARE_PRETOKENIZER_STEPS];
} pare_pretokenizer_work;

/* Splits UTF-8 `text` and hands its words on in order. first: the text is the beginning of the whole input. */
pare_status pare_pretokenizer_run(const pare_pretokenizer *pretokenizer, pare_pretokenizer_work *work, const char *text,
                                  size_t bytes, bool first, pare_word_fn word, void *user);
void pare_pretokenizer_work_free(pare_pretokenizer_work *work);

#endif
