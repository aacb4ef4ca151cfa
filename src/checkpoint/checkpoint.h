/* A Hugging Face checkpoint directory: named tensors, mapped read-only, from one safetensors file or its shards; or
 * expanded from the archive of a sparse model (archive.h); or from files of torch.save (torch_file.h); or those of a
 * GGUF file. */
#ifndef PARE_CHECKPOINT_CHECKPOINT_H
#define PARE_CHECKPOINT_CHECKPOINT_H

#include "checkpoint/gguf.h"
#include "checkpoint/place.h"
#include "support/dtype.h"
#include "support/file.h"
#include "support/status.h"

enum { PARE_TENSOR_MAX_RANK = 4 };

typedef struct pare_view pare_view;
typedef struct pare_meta_params pare_meta_params;

typedef struct pare_tensor {
    const char *name;
    pare_dtype dtype;
    int rank;
    uint64_t shape[PARE_TENSOR_MAX_RANK]; /* outermost first; [out, in] for a linear layer */
    uint64_t count;                       /* elements */
    uint64_t bytes;                       /* of the elements in the tensor's dtype */
    const void *data;                     /* mapped or expanded; may have any alignment */
    size_t file;                          /* index for pare_checkpoint_file */
    const pare_view
        *view; /* how the elements are stored that are scattered or packed (view.h); NULL: they are at `data` */
} pare_tensor;

typedef struct pare_checkpoint pare_checkpoint;
struct pare_gguf_meaning;
/* piece: 0, and where *out says that the tensor is more than one, the others in turn. */
typedef pare_status pare_gguf_meaning_fn(void *context, const pare_gguf_tensor *tensor, uint64_t piece,
                                         struct pare_gguf_meaning *out);

/* Maps model.safetensors of the place's folder, or else the shards that model.safetensors.index.json names, or else
 * expands model.pare-sparse, or else maps pytorch_model.bin or the shards of pytorch_model.bin.index.json
 * (torch_file.h), or else composes consolidated.*.pth as params.json says (meta.h), or else says what the folder is
 * instead; a file that was named is mapped alone. Every header is checked before use. Dtypes other than F32, F16, BF16
 * and F64 (read as F32) are refused; empty tensors (a 0 in the shape) are not. A tensor is where the shards have it,
 * whatever the index says; which ones are needed, the configuration decides. */
pare_status pare_checkpoint_open_place(const pare_place *place, pare_checkpoint **out);

/* The same of what pare_place_find makes of `path`. */
pare_status pare_checkpoint_open(const char *path, pare_checkpoint **out);
void pare_checkpoint_close(pare_checkpoint *checkpoint);

/* As messages and reports call the model: its folder, or its GGUF file. */
const char *pare_checkpoint_directory(const pare_checkpoint *checkpoint);

/* The GGUF file (of several, the first), for its metadata; NULL: the tensors come from something else. */
const pare_gguf *pare_checkpoint_gguf(const pare_checkpoint *checkpoint);

/* A tensor as one of the GGUF files has it, and which of them; NULL: there is none of that name. */
const pare_gguf_tensor *pare_checkpoint_gguf_tensor(const pare_checkpoint *checkpoint, const char *name, size_t *file);

/* Lists the tensors of a GGUF file anew, by what they mean to the model (gguf_tensors.h). What was found of the
 * checkpoint before is not to be used any more. */
pare_status pare_checkpoint_interpret(pare_checkpoint *checkpoint, pare_gguf_meaning_fn *meaning, void *context);

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

/* The bytes, beside the mapping's, among which the data of a file's tensors lies: those that were expanded or copied;
 * NULL and 0 if there are none. */
const unsigned char *pare_checkpoint_image(const pare_checkpoint *checkpoint, size_t index, uint64_t *bytes);

/* True if the tensors come from an archive. */
bool pare_checkpoint_is_archive(const pare_checkpoint *checkpoint);

/* What stands for config.json of a model in Meta's or Mistral's own format (meta_params.h); NULL of others. */
const pare_meta_params *pare_checkpoint_params(const pare_checkpoint *checkpoint);

/* Asks the kernel to start reading the tensor's pages; returns at once. */
void pare_tensor_prefetch(const pare_tensor *tensor);

#endif
