/* A Hugging Face checkpoint directory: named tensors, mapped read-only, from one safetensors file or its shards; or
 * expanded from the archive of a sparse model (archive.h). */
#ifndef PARE_CHECKPOINT_CHECKPOINT_H
#define PARE_CHECKPOINT_CHECKPOINT_H

#include "checkpoint/place.h"
#include "support/dtype.h"
#include "support/file.h"
#include "support/status.h"

enum { PARE_TENSOR_MAX_RANK = 4 };

typedef struct pare_view pare_view;

typedef struct pare_tensor {
    const char *name;
    pare_dtype dtype;
    int rank;
    uint64_t shape[PARE_TENSOR_MAX_RANK]; /* outermost first; [out, in] for a linear layer */
    uint64_t count;                       /* elements */
    uint64_t bytes;
    const void *data; /* mapped or expanded; may have any alignment */
    size_t file;      /* index for pare_checkpoint_file */
    const pare_view *view; /* where the elements lie that are scattered in another tensor (view.h); NULL: at `data` */
} pare_tensor;

typedef struct pare_checkpoint pare_checkpoint;

/* Maps model.safetensors of the place's folder, or else the shards that model.safetensors.index.json names, or else
 * expands model.pare-sparse, or else says what the folder is instead; a file that was named is mapped alone. Every
 * header is checked before use. Dtypes other than F32, F16, BF16 and F64 (read as F32) are refused; empty tensors (a 0
 * in the shape) are not. A tensor is where the shards have it, whatever the index says; which ones are needed, the
 * configuration decides. */
pare_status pare_checkpoint_open_place(const pare_place *place, pare_checkpoint **out);

/* The same of what pare_place_find makes of `path`. */
pare_status pare_checkpoint_open(const char *path, pare_checkpoint **out);
void pare_checkpoint_close(pare_checkpoint *checkpoint);

const char *pare_checkpoint_directory(const pare_checkpoint *checkpoint);

/* Tensors in the order of their files and offsets. */
size_t pare_checkpoint_count(const pare_checkpoint *checkpoint);
const pare_tensor *pare_checkpoint_at(const pare_checkpoint *checkpoint, size_t index);
/* NULL if there is none of that name. */
const pare_tensor *pare_checkpoint_find(const pare_checkpoint *checkpoint, const char *name);

/* The shard that the index promised the tensor in; NULL if it did not. */
const char *pare_checkpoint_promise(const pare_checkpoint *checkpoint, const char *name);

/* The files, as paths. */
size_t pare_checkpoint_file_count(const pare_checkpoint *checkpoint);
const char *pare_checkpoint_file(const pare_checkpoint *checkpoint, size_t index);
const pare_mapping *pare_checkpoint_mapping(const pare_checkpoint *checkpoint, size_t index);

/* The bytes among which the data of a file's tensors lies, in their order: its mapping's, or the expanded ones. */
const unsigned char *pare_checkpoint_image(const pare_checkpoint *checkpoint, size_t index, uint64_t *bytes);

/* True if the tensors come from an archive. */
bool pare_checkpoint_is_archive(const pare_checkpoint *checkpoint);

/* Asks the kernel to start reading the tensor's pages; returns at once. */
void pare_tensor_prefetch(const pare_tensor *tensor);

#endif
