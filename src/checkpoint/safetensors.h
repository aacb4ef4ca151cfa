/* One .safetensors file: its header, checked whole, and its tensors in the order of their offsets. */
#ifndef PARE_CHECKPOINT_SAFETENSORS_H
#define PARE_CHECKPOINT_SAFETENSORS_H

#include "checkpoint/checkpoint.h"

typedef struct pare_safetensors {
    pare_mapping mapping;
    pare_tensor *tensors; /* [count]; names and data live as long as this does; `file` is 0 */
    size_t count;
} pare_safetensors;

/* Maps the file and checks its header: names are unique, every dtype is F32, F16 or BF16, every size is its shape's,
 * and the tensors cover the data section without gap or overlap. On failure *out is empty. */
pare_status pare_safetensors_open(const char *path, pare_safetensors *out);
void pare_safetensors_close(pare_safetensors *file);

/* False if empty, longer than 512 bytes or with control characters: such a name would garble messages and listings. */
bool pare_name_is_plain(const char *name);

#endif
