/* Shared by the parts of the trainer: trainer.c (steps), trainer_sum.c (gradients), trainer_validate.c and
 * trainer_state.c (checkpoints). */
#ifndef PARE_TRAIN_TRAINER_INTERNAL_H
#define PARE_TRAIN_TRAINER_INTERNAL_H

#include "train/trainer.h"

/* The pass of that shape, in place of the one that there is. */
pare_status pare_trainer_shape(pare_trainer *trainer, const pare_pass_shape *shape);

/* Room for so many points. */
pare_status pare_curve_room(pare_curve *curve, size_t count);

/* How many of the `left` sequences of a batch, of which the first and longest has `longest` tokens, go through the pass
 * at a time: as many as its tokens hold. */
int64_t pare_trainer_fitting(const pare_trainer *trainer, int64_t longest, int64_t left);

/* Sequences of the largest shard of a batch. */
int64_t pare_trainer_sequences(const pare_batches_options *batches);
/* trainer->sum. */
pare_status pare_trainer_sum_new(pare_trainer *trainer);
/* Of a whole batch: trained->gradient, and the mean loss; on all ranks. Where the optimiser's state is owned, of this
 * rank's slice alone, unless whoever looks at a clipped gradient wants to see all of it. */
pare_status pare_trainer_gradient(pare_trainer *trainer, const pare_batch *whole, double *loss);
/* Numbers of which a rank adds up its share, and has its share of the optimiser's state. */
size_t pare_trainer_slice_begin(const pare_trainer *trainer, int rank);
size_t pare_trainer_slice_count(const pare_trainer *trainer, int rank);
/* Clips that gradient, wherever its slices are; its norm before, on all ranks. */
pare_status pare_trainer_clip(pare_trainer *trainer, double *norm);
/* After the optimiser's step: all slices of the values, on all ranks. */
pare_status pare_trainer_share_values(pare_trainer *trainer);

/* Makes the pass take that batch next. */
void pare_trainer_arrange(pare_trainer *trainer, const pare_batch *batch);

#endif
