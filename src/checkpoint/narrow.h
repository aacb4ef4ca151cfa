/* Weights of 64 bits, which some frameworks save by default, as the floats that every engine computes with. */
#ifndef PARE_CHECKPOINT_NARROW_H
#define PARE_CHECKPOINT_NARROW_H

#include "checkpoint/safetensors.h"

/* Puts all tensors of a file that is open into file->image, those with wide[i] rounded from F64 to F32. In memory if
 * half of what is available suffices, else in a scratch file. A finite number beyond F32 becomes infinite, which the
 * scan of the weights reports. */
pare_status pare_safetensors_narrow(pare_safetensors *file, const bool *wide);

/* file->image with room for `bytes` bytes of copied tensors, each of which takes pare_image_room of its own: in memory
 * if half of what is available suffices, else in a scratch file. `what` names them in messages. */
pare_status pare_image_open(pare_safetensors *file, uint64_t bytes, const char *what);
uint64_t pare_image_room(uint64_t bytes);

/* count doubles, at any address, rounded to the nearest floats. */
void pare_round_doubles(float *out, const unsigned char *in, uint64_t count);

#endif
