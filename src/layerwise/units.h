/* Repair before any training: the blocks of the pruned model are gone through once, in order, with all calibration
 * sequences. In each block, attention first, then the FFN:
 *
 *   readers (beta > 0)   Q, K, V (gate, up):  W' = W + beta W A,  A = argmin sum |(q - p) - A p|^2 + ridge
 *                        p: the normed hidden state of the pruned model, q: of the dense one
 *   choice               the units that stay are given, or chosen by optimal brain surgeon (select/obs.h)
 *   output               O (Down): least squares (least_squares.h) of the columns left, with the inputs x that the
 *                        pruned model has, towards  (1 - alpha) W x + alpha (x_dense + W x' - x_pruned)
 *                        x': the inputs that the dense model has; x_dense, x_pruned: hidden states before the stage
 *
 * with biases where the matrices have some: fits are then around the means (intercept.c), and each bias makes up for
 * the mean of what its matrix misses, fitted or cut.
 *
 * Then the hidden states go on through the weights as they will be stored. In the end the final norm may be fitted
 * (c_j = sum q_j p_j / sum p_j^2 per channel) and, where it has weights of its own, the head as a reader.
 *
 * With hidden channels removed, the hidden states of the pruned model are zero there and its norms divide by what is
 * left; readers are then fitted from the channels left to all channels of the dense model. */
#ifndef PARE_LAYERWISE_UNITS_H
#define PARE_LAYERWISE_UNITS_H

#include "layerwise/layerwise.h"
#include "layerwise/unit_levels.h"

/* What the loss says about a stage's output. */
typedef struct pare_stage_signal {
    const float *metric; /* [d, d] worth of the output's channels, for the choice of units: mean of g g^T, g = dL/d
                          * output; NULL: all are worth the same */
} pare_stage_signal;

/* Zero means zero. */
typedef struct pare_repair_options {
    double alpha;          /* share of the dense model's outputs in the targets, 0 .. 1 */
    double beta;           /* share of the readers' correction, 0 .. 1; 0: readers stay */
    double damping;        /* of O and Down, as in pare_damped */
    double reader_damping; /* of readers */
    bool held_out;         /* where it starts; what it is, halves of the sequences say */
    bool keep_outputs;     /* O and Down are cut, not fitted */
    bool biases;           /* those of what is fitted, and of O and Down where units go, are refitted with it */
    bool final_norm;       /* fit it */
    bool head;             /* fit it, by beta; nothing happens where it is tied to the embedding */
    /* Choice of units where choose[stage]: widths[layer] says how many stay. heads / kv_heads below the model's: whole
     * groups go first, then query heads evenly in each group. */
    bool choose[PARE_STAGES];
    const pare_widths *widths;                       /* [layers]; NULL with nothing to choose */
    double fraction;                                 /* of the channels left that go in one round */
    const pare_stage_signal (*signals)[PARE_STAGES]; /* [layers], or NULL */
    double *(*curves)[PARE_STAGES]; /* [layers] where not NULL: error after each removed KV group or channel */
    bool probe;                     /* only the curves: nothing is removed or fitted */
    pare_unit_levels *levels; /* filled on the way where not NULL: the widths to choose are levels of each half that has
                               * some, and its output is fitted in any case */
} pare_repair_options;

typedef struct pare_repair_job {
    const pare_source *source;   /* the dense model, or what is left of it, masked, or with gates (train/gates.h): then
                                  * these are a part of what is cut and fitted */
    const pare_runtime *runtime; /* for progress; may be NULL */
    const uint32_t *ids;         /* [sequences, length] */
    int64_t sequences, length;
    int64_t micro_batch;     /* 0: chosen */
    uint64_t limit;          /* bytes of anonymous memory; 0: none set */
    const char *scratch;     /* folder for hidden states and repaired matrices that do not fit; NULL: none */
    const char *state, *key; /* of finished layers, as in pare_layerwise_request */
    pare_repair_options options;
} pare_repair_job;

/* What pare_repair_run would hold for this selection; metric: whether there are signals, if they are not known yet.
 * PARE_OUT_OF_MEMORY, naming what to change, if it does not fit. */
pare_status pare_repair_measure(const pare_repair_job *job, const pare_selection *selection, bool metric,
                                pare_layerwise_memory *out);
/* And what it has to do. */
pare_work pare_repair_work(const pare_repair_job *job, const pare_selection *selection, bool metric);

/* selection: in, what is kept (where not chosen here); out, with the choices. fits: [layers][PARE_STAGES], may be NULL.
 * *repaired is freed with pare_repaired_free. Same bits for the same inputs and threads. */
pare_status pare_repair_run(const pare_repair_job *job, pare_selection *selection, pare_repaired *repaired,
                            pare_stage_fit (*fits)[PARE_STAGES]);

#endif
