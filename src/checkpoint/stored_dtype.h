/* What pare makes of the dtype of a stored tensor, as safetensors spells it. */
#ifndef PARE_CHECKPOINT_STORED_DTYPE_H
#define PARE_CHECKPOINT_STORED_DTYPE_H

#include "support/dtype.h"
#include "support/status.h"

/* True for F32, F16 and BF16; else *dtype is F32. */
bool pare_stored_dtype_find(const char *name, pare_dtype *dtype);

/* True if the tensor is a mask of truth values that the model's class computes itself. */
bool pare_stored_is_computed(const char *tensor, const char *dtype);

/* Fails with a sentence that names file, tensor and dtype. */
pare_status pare_stored_dtype_refuse(const char *path, const char *tensor, const char *dtype);

#endif
