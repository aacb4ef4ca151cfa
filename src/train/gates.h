/* Learned gates (DDP, Huang et al. 2026, arXiv 2603.08065): the weights are frozen, and every unit, a KV group (or one
 * query head) or an FFN channel, has a number z that is trained. What the unit puts out is multiplied by the gate
 * m = max(z, 0) (eq. 11), which is a factor of its columns of O or Down, so that a pass sees W' = W diag(m) there, and
 *   dL/dm_u = sum over the rows i and the unit's columns j of W_ij dL/dW'_ij.
 * The maximum is passed straight through: dL/dz = dL/dm, so that closed gates may open again. */
#ifndef PARE_TRAIN_GATES_H
#define PARE_TRAIN_GATES_H

#include "select/target.h"
#include "train/trained.h"

typedef struct pare_gates_options {
    pare_layer_range attention, ffn; /* layers whose units have gates */
    bool query_heads;                /* every query head by itself, instead of whole KV groups */
    uint64_t seed;                   /* z begins as 1 + 0.01 n, n normal, as in the released code */
} pare_gates_options;

/* The gates of one half of one layer: z at value[first .. first + units), each of `columns` neighbouring columns. */
typedef struct pare_gate_part {
    uint32_t layer;
    pare_part part;
    size_t output; /* id of O or Down */
    size_t first;
    uint32_t units;
    int64_t columns;
    uint64_t parameters; /* that go with one unit */
} pare_gate_part;

/* kind "gates"; the pass is composed, its sink takes what comes of O and Down. After a step z is at least
 * PARE_GATE_LEAST, as in the released code. */
#define PARE_GATE_LEAST (-0.1f)
pare_status pare_trained_gates(const pare_model *model, const pare_backend *backend, const pare_gates_options *options,
                               pare_trained **out);
/* Bytes of all of it, gradients included. */
uint64_t pare_trained_gates_bytes(const pare_model *model, const pare_gates_options *options);

/* [*count] of the kind "gates", in the order of `value`. */
const pare_gate_part *pare_gate_parts(const pare_trained *gates, size_t *count);

/* Factors of columns, [tensor_count], NULL where a tensor has no gates: *out is the gates' own, which have none
 * afterwards and may only be freed. Free with pare_gate_factors_free. */
void pare_gates_release_factors(pare_trained *gates, float ***out);
void pare_gate_factors_free(float **factors, size_t tensors);

#endif
