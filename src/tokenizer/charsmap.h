/* The normalisation table that a SentencePiece model may carry (precompiled_charsmap). */
#ifndef PARE_TOKENIZER_CHARSMAP_H
#define PARE_TOKENIZER_CHARSMAP_H

#include "support/status.h"

typedef struct pare_charsmap {
    uint32_t *units; /* the double array; NULL: no table */
    size_t unit_count;
    char *texts; /* the replacements, each ended by a NUL */
    size_t text_bytes;
} pare_charsmap;

/* Copies the table out of the file `path`, a model or what quotes one. */
pare_status pare_charsmap_read(const char *path, const char *data, size_t bytes, pare_charsmap *out);
/* Bytes of the longest sequence that `text` begins with and that the table replaces; 0 if there is none. */
size_t pare_charsmap_match(const pare_charsmap *map, const char *text, size_t bytes, const char **replacement);
/* The same for the shortest such sequence, which no NUL is in. */
size_t pare_charsmap_match_first(const pare_charsmap *map, const char *text, size_t bytes, const char **replacement);
void pare_charsmap_free(pare_charsmap *map);

#endif
