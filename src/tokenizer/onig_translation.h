/* Shared by onig.c, which translates expressions, and onig_class.c, which translates the classes in them. */
#ifndef PARE_TOKENIZER_ONIG_TRANSLATION_H
#define PARE_TOKENIZER_ONIG_TRANSLATION_H

#include "tokenizer/buffer.h"

#define PARE_ONIG_SPACES "\\t-\\r\\x{85}\\p{Z}"
#define PARE_ONIG_CLASS_WORDS "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define PARE_ONIG_HEX "0-9A-Fa-f"

typedef struct pare_onig_translation {
    const char *path, *expression;
    size_t bytes, at;
    pare_buffer *out;
} pare_onig_translation;

pare_status pare_onig_refuse(const pare_onig_translation *t, const char *what);
bool pare_onig_is_next(const pare_onig_translation *t, const char *text);
/* Appends `count` bytes of the expression as they are, and goes on behind them. */
pare_status pare_onig_copy(pare_onig_translation *t, size_t count, pare_buffer *out);
/* \uHHHH at t->at. */
pare_status pare_onig_code_point(pare_onig_translation *t, pare_buffer *out);

/* The class that begins with the bracket at t->at. */
pare_status pare_onig_class(pare_onig_translation *t);

#endif
