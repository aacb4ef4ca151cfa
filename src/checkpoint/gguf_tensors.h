/* The tensors of a GGUF file as a checkpoint's: by the names that the family of the model has for them, and with its
 * order of rows. Nothing is copied: what is stored otherwise is a view. */
#ifndef PARE_CHECKPOINT_GGUF_TENSORS_H
#define PARE_CHECKPOINT_GGUF_TENSORS_H

#include "checkpoint/gguf.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/view.h"

/* A tensor of the model's that is stored as two, whose rows take turns (view.h). */
typedef struct pare_gguf_halves {
    const pare_gguf_tensor *other; /* the second; NULL: it is stored as one */
    size_t file;                   /* that the second lies in */
    uint64_t block, split;
    bool turned;     /* the first is stored with rows and columns of each block exchanged */
    bool by_columns; /* both are, and it is the columns that they take turns in (view.h) */
    int rank;        /* of the whole */
    uint64_t shape[PARE_GGUF_MAX_RANK];
} pare_gguf_halves;

/* What one tensor is to the model. */
typedef struct pare_gguf_meaning {
    char *name;    /* in the model's family; freed with free(). NULL: the tensor is none of the model's weights */
    uint32_t head; /* rows of a head that are stored in pairs, one of its first half, one of its second; 0: not so */
    float shift;   /* added to every number */
    uint64_t
        pieces;  /* equal ones along the outermost of its three axes, each a tensor of its own; 0: it is one tensor */
    bool row;    /* a vector that the model has as a matrix of one row */
    bool turned; /* of three axes, the two inner ones of which are exchanged */
    pare_gguf_halves halves;
} pare_gguf_meaning;

/* The two tensors that are one of the model's. */
typedef struct pare_gguf_pair {
    pare_tensor halves[2];
    pare_view views[2];
} pare_gguf_pair;

/* What the tensors of a list point to. */
typedef struct pare_gguf_room {
    pare_view *views;      /* one for each */
    pare_gguf_pair *pairs; /* one for each that is stored as two */
} pare_gguf_room;

/* A file, and which one of the checkpoint's it is. */
typedef struct pare_gguf_source {
    const pare_gguf *file;
    size_t index;
} pare_gguf_source;

/* Lists the tensors in `out`, whose mapping is the file's own (not to be closed). room: all zero; lives as long as the
 * list, and is freed with pare_gguf_room_free, on failure as well. meaning NULL: as the file has them. Leaves nothing
 * in `out` if it fails. */
pare_status pare_gguf_list_tensors(pare_gguf_source from, pare_gguf_meaning_fn *meaning, void *context,
                                   pare_gguf_room *room, pare_safetensors *out);
void pare_gguf_room_free(pare_gguf_room *room);

#endif
