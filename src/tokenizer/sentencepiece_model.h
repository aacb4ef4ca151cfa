/* The contents of a SentencePiece tokenizer.model. */
#ifndef PARE_TOKENIZER_SENTENCEPIECE_MODEL_H
#define PARE_TOKENIZER_SENTENCEPIECE_MODEL_H

#include "support/file.h"

typedef enum pare_piece_type {
    PARE_PIECE_NORMAL = 1,
    PARE_PIECE_UNKNOWN = 2,
    PARE_PIECE_CONTROL = 3,
    PARE_PIECE_USER_DEFINED = 4,
    PARE_PIECE_UNUSED = 5,
    PARE_PIECE_BYTE = 6
} pare_piece_type;

enum { PARE_SENTENCEPIECE_UNIGRAM = 1, PARE_SENTENCEPIECE_BPE = 2 }; /* and 3 word, 4 character */

typedef struct pare_span {
    const char *data; /* into the file's mapping */
    size_t bytes;
} pare_span;

typedef struct pare_piece {
    pare_span text; /* UTF-8, not empty */
    float score;    /* finite */
    pare_piece_type type;
} pare_piece;

typedef struct pare_sentencepiece_model {
    pare_mapping file;
    pare_piece *pieces; /* [count]; the index is the id */
    size_t count;
    int64_t model_type;
    bool byte_fallback, space_as_suffix;
    bool add_dummy_prefix, remove_extra_spaces, escape_spaces;
    pare_span charsmap; /* empty: identity */
    pare_span bos_piece, eos_piece, unknown_surface;
} pare_sentencepiece_model;

/* Reads and checks the file's structure. Refuses what is no SentencePiece model, and any model but BPE and Unigram. */
pare_status pare_sentencepiece_model_open(const char *path, pare_sentencepiece_model *out);
/* The value of a piece "<0xHH>"; -1 for others. */
int pare_piece_byte(const pare_piece *piece);
/* The file's failure as a sentence. */
pare_status pare_sentencepiece_malformed(const pare_sentencepiece_model *model, const char *what);
void pare_sentencepiece_model_close(pare_sentencepiece_model *model);

#endif
