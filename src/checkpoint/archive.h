/* The archive of a sparse model: model.pare-sparse takes the place of model.safetensors in a checkpoint's folder, and
 * holds its tensors bit for bit; those that get smaller by it as a bitmask and the elements that are not zero (1 bit
 * per element + 1 - sparsity of the dense bytes: 0.5625x of bf16 at 50 %). */
#ifndef PARE_CHECKPOINT_ARCHIVE_H
#define PARE_CHECKPOINT_ARCHIVE_H

#include "checkpoint/safetensors.h"

/* The name does not end in .safetensors: engines load every file of a folder that does. */
#define PARE_ARCHIVE_NAME "model.pare-sparse"

/* Opens and expands an archive. The tensors and their order are those of the model it was made from; their data lies in
 * out->image, each tensor at a multiple of 64 bytes: in anonymous memory if it takes at most `memory` bytes, else in an
 * unnamed file in $TMPDIR or /tmp. Masks, values and counts are checked against each other. PARE_INTERRUPTED between
 * two tensors. On failure *out is empty. */
pare_status pare_archive_open(const char *path, uint64_t memory, pare_safetensors *out);

/* The `memory` for archives of models: half of what is available now. */
uint64_t pare_archive_memory(void);

/* Writes `folder`/model.pare-sparse of all tensors of `model`, tensor by tensor, with a few MiB of memory. The file
 * appears complete and synced or not at all; one that exists is an error. folder: the one that holds the model, or
 * another. *bytes: its size; may be NULL. Reports to `runtime`, which may be NULL. It takes at most the model's own
 * bytes and pare_writer_need's allowance for headers. */
pare_status pare_archive_write(const pare_checkpoint *model, const char *folder, const pare_runtime *runtime,
                               uint64_t *bytes);

/* Puts the archive in the place of the safetensors files of `folder`: writes it beside them, opens it, compares every
 * bit, and removes them. Until then the folder's model stays as it is. No mapping of the files may be needed later. */
pare_status pare_archive_replace(const char *folder, const pare_runtime *runtime, uint64_t *bytes);

#endif
