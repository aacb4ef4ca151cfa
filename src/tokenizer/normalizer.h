/* The "normalizer" of a tokenizer.json: steps that rewrite text before it is split. */
#ifndef PARE_TOKENIZER_NORMALIZER_H
#define PARE_TOKENIZER_NORMALIZER_H

#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"

typedef struct pare_normalizer_step pare_normalizer_step;

typedef struct pare_normalizer {
    pare_normalizer_step *steps;
    size_t count;
} pare_normalizer;

/* json: the file's "normalizer", or NULL or null for none. Sequences are laid out flat; unknown kinds are refused. */
pare_status pare_normalizer_read(const char *path, const json_t *json, pare_normalizer *out);
void pare_normalizer_free(pare_normalizer *normalizer);

/* *result: the normalised text, which is `text` itself or the contents of one of the two buffers. */
pare_status pare_normalizer_run(const pare_normalizer *normalizer, pare_pattern_work *work, const char *text,
                                size_t bytes, pare_buffer buffers[2], const char **result, size_t *result_bytes);

#endif
