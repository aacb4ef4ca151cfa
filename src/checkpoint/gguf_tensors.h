/* The tensors of a GGUF file as a checkpoint's: by the names that the family of the model has for them, and with its
 * order of rows. Nothing is copied: what is stored otherwise is a view. */
#ifndef PARE_CHECKPOINT_GGUF_TENSORS_H
#define PARE_CHECKPOINT_GGUF_TENSORS_H

#include "checkpoint/gguf.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/view.h"

/* What one tensor is to the model. */
typedef struct pare_gguf_meaning {
    char *name;    /* in the model's family; freed with free(). NULL: the tensor is none of the model's weights */
    uint32_t head; /* rows of a head that are stored in pairs, one of its first half, one of its second; 0: not so */
    float shift;   /* added to every number */
} pare_gguf_meaning;

/* Lists the tensors in `out`, whose mapping is the file's own (not to be closed). views: [tensor_count], which live as
 * long as the list. meaning NULL: as the file has them. Frees what it began with if it fails. */
pare_status pare_gguf_list_tensors(const pare_gguf *file, pare_gguf_meaning_fn *meaning, void *context,
                                   pare_view *views, pare_safetensors *out);

#endif
