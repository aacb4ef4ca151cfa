/* A file of torch.save with the tensors of a model: pytorch_model.bin, consolidated.00.pth. Nothing in it is run. */
#ifndef PARE_CHECKPOINT_TORCH_FILE_H
#define PARE_CHECKPOINT_TORCH_FILE_H

#include "checkpoint/safetensors.h"

/* True if the name ends as that of such a file does: .bin, .pth, .pt or .ckpt. */
bool pare_torch_is_name(const char *name);

/* Maps the file and lists the tensors of its state dict (a dict of tensors, or a dict that has one under "state_dict",
 * "model_state_dict", "model" or "module"), in the order of their places. Tensors that lie in one piece, whatever they
 * share, are where the file has them; those with other strides, and F64 (rounded to F32), are copied to out->image.
 * Dtypes and computed masks as pare_safetensors_open. On failure *out is empty. */
pare_status pare_torch_file_open(const char *path, pare_safetensors *out);

#endif
