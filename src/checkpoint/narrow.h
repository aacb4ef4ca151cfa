/* Weights of 64 bits, which some frameworks save by default, as the floats that every engine computes with. */
#ifndef PARE_CHECKPOINT_NARROW_H
#define PARE_CHECKPOINT_NARROW_H

#include "checkpoint/safetensors.h"

/* Puts all tensors of a file that is open into file->image, those with wide[i] rounded from F64 to F32. In memory if
 * half of what is available suffices, else in a scratch file. A finite number beyond F32 becomes infinite, which the
 * scan of the weights reports. */
pare_status pare_safetensors_narrow(pare_safetensors *file, const bool *wide);

#endif
