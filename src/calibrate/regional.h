/* One block by itself: what it puts out for a calibration sequence, and the gradient of a loss of its own there
 * (Wanda++, arXiv 2503.04992; spec 8.1). */
#ifndef PARE_CALIBRATE_REGIONAL_H
#define PARE_CALIBRATE_REGIONAL_H

#include "model/block.h"

typedef struct pare_regional_inputs {
    int64_t sequences, length;
    /* x: float [length, d], what enters the block in this sequence. */
    pare_status (*load)(void *context, int64_t sequence, float *x);
    void *context;
} pare_regional_inputs;

/* What one sequence takes in any block of a model, forward and backward. */
typedef struct pare_regional_room {
    int64_t length, hidden;
    pare_activations activations;
    float *x, *output; /* [length, d]; output becomes the gradient */
    double *squares;   /* [length] */
    float *chunk;      /* rows of dW in flight */
    int64_t chunk_elements;
} pare_regional_room;

/* Bytes of a room, attention's workspace included. */
uint64_t pare_regional_room_bytes(const pare_model *model, const pare_backend *backend, int64_t length);
/* Free with pare_regional_room_free. */
pare_status pare_regional_room_new(const pare_model *model, const pare_backend *backend, int64_t length,
                                   pare_regional_room *out);
void pare_regional_room_free(pare_regional_room *room);

/* gradient[role]: float [out, in], or NULL where not wanted: sqrt((1/N) sum_n (d ||f(x_n)||_2 / dW)^2), f(x_n) the
 * block's output of sequence n, [length, d], its norm over everything. A sequence whose output is 0 counts as one whose
 * gradient is 0. The block's weights are read; its batch, activations and observer are not. Its rotation must cover
 * `length`. PARE_NUMERIC_ERROR if an output is not finite. */
pare_status pare_regional_gradient(const pare_block *block, const pare_regional_inputs *inputs,
                                   pare_regional_room *room, float *const gradient[PARE_MATRIX_ROLES]);

/* The same in parts: adds the squares of these sequences' gradients to what is there; the root of the mean over
 * `sequences`. */
pare_status pare_regional_gradient_add(const pare_block *block, const pare_regional_inputs *inputs,
                                       pare_regional_room *room, float *const gradient[PARE_MATRIX_ROLES]);
void pare_regional_gradient_finish(const pare_block *block, int64_t sequences,
                                   float *const gradient[PARE_MATRIX_ROLES]);

/* The parts, for other losses of a block. The block with one sequence at a time in the room: */
pare_block pare_regional_block(const pare_block *block, pare_regional_room *room);
/* the sum of squares of [length, d] values, in double, the same for any number of threads; */
double pare_regional_energy(const pare_regional_room *room, const float *values);
/* values *= factor; */
void pare_regional_scale(const pare_regional_room *room, float factor, float *values);
/* and, after pare_block_forward(block, room->x, ...), the weights' gradients to the sink, room->output being the
 * output's gradient, which is lost. */
pare_status pare_regional_backward(const pare_block *block, pare_regional_room *room, const pare_gradient_sink *sink);
/* PARE_NUMERIC_ERROR, naming block and sequence, unless `value`, a sum over the block's outputs, is finite. */
pare_status pare_regional_check(const pare_block *block, int64_t sequence, double value);

#endif
