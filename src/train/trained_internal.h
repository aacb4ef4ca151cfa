/* What the kinds of things that are trained share. */
#ifndef PARE_TRAIN_TRAINED_INTERNAL_H
#define PARE_TRAIN_TRAINED_INTERNAL_H

#include "train/trained.h"

/* value and gradient, zeroed, for trained->count numbers; and freeing them. */
pare_status pare_trained_allocate(pare_trained *trained);
void pare_trained_release(pare_trained *trained);

/* values: elements [first, first + n) of something with the tensor's shape; they become 0 where the stored weight is 0.
 */
void pare_clear_zeros(const pare_tensor *tensor, int64_t first, int64_t n, float *values);

#endif
