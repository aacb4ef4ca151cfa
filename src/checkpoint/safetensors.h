/* One .safetensors file: its header, checked whole, and its tensors in the order of their offsets. */
#ifndef PARE_CHECKPOINT_SAFETENSORS_H
#define PARE_CHECKPOINT_SAFETENSORS_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/header_read.h"
#include "support/scratch.h"

#include <jansson.h>

typedef struct pare_safetensors {
    pare_mapping mapping;
    pare_tensor *tensors; /* [count]; names and data live as long as this does; `file` is 0 */
    size_t count;
    pare_tensor *masks; /* [mask_count]: tensors of dtype U8, an element a byte; their `dtype` means nothing */
    size_t mask_count;
    json_t *metadata;   /* __metadata__, if the file was opened with masks and has one */
    pare_scratch image; /* where the data of tensors lies that had to be expanded (archive.h) or copied, or empty */
    bool copied;        /* the image has F64 as F32 (narrow.h), or what other strides scatter (torch_file.h) */
} pare_safetensors;

/* Maps the file and checks its header: names are unique, every dtype is F32, F16, BF16 or F64 (which becomes F32,
 * narrow.h), every size is its shape's, and the tensors cover the data section without gap or overlap. On failure *out
 * is empty. */
pare_status pare_safetensors_open(const char *path, pare_safetensors *out);

/* As pare_safetensors_open, but tensors of dtype U8 are accepted instead of F64, and the metadata is kept. */
pare_status pare_safetensors_open_masks(const char *path, pare_safetensors *out);
/* As pare_safetensors_open, but tensors of dtype U8 are listed as masks whose names those of MXFP4 weights' parts are
 * (mxfp4.h). */
pare_status pare_safetensors_open_packed(const char *path, pare_safetensors *out);
void pare_safetensors_close(pare_safetensors *file);

/* Frees the lists and the metadata, and leaves them empty; mapping and image stay. */
void pare_safetensors_forget(pare_safetensors *file);

/* Sets rank, shape, count and bytes of `tensor` (whose name is set) from the JSON array `shape`, for elements of
 * `element` bytes; messages name `path`. */
pare_status pare_tensor_read_shape(const char *path, const json_t *shape, size_t element, pare_tensor *tensor);

/* By address, an empty tensor before the one that begins at the same place; for qsort's use. */
int pare_tensor_compare_places(const pare_tensor *a, const pare_tensor *b);

#endif
