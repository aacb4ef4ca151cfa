/* Weights that safetensors files hold as MXFP4, as gpt-oss has them: NAME_blocks, U8 [..., outputs, inputs / 32, 16]
 * with two numbers a byte, the first in the low half, and NAME_scales, U8 [..., outputs, inputs / 32] with an exponent
 * for 32 of them. Together they are NAME, [..., inputs, outputs] of BF16, which holds all of these numbers. */
#ifndef PARE_CHECKPOINT_MXFP4_H
#define PARE_CHECKPOINT_MXFP4_H

#include "checkpoint/safetensors.h"
#include "checkpoint/view.h"

enum { PARE_MXFP4_BLOCK = 32 };

/* True for names that such tensors have. */
bool pare_mxfp4_is_part(const char *name);

/* Adds to the files what their tensors of U8 make up, wherever the two halves of one lie. *views: for the tensors, to
 * be freed after them with pare_free; NULL: there are none. Refuses what is no pair. */
pare_status pare_mxfp4_join(pare_safetensors *files, size_t count, pare_view **views);

#endif
