/* What an iteration did, step by step. */
#ifndef PARE_REPORT_TRACE_H
#define PARE_REPORT_TRACE_H

#include "calibrate/moreau.h"
#include "model/model.h"
#include "support/json.h"

/* A step in which gates were trained. */
typedef struct pare_gate_step {
    double loss;  /* of the step's sequences */
    double left;  /* share of the parameters of all units that counts as left */
    double mixed; /* mean of s (1 - s), 0 where every gate has decided */
    double mu;    /* gate at which a unit counts half */
} pare_gate_step;

typedef struct pare_gate_trace {
    pare_gate_step *steps; /* [count] */
    size_t count;
} pare_gate_trace;

/* [{"step", "loss", "left", "undecided", "mu"}] */
json_t *pare_report_gate_trace(const pare_gate_trace *trace);
/* What became of the gates: [{"heads": [of each query head], "channels": {"closed", "mean", "largest"}}] of the layers,
 * null where a half has none. factors: [tensor_count] of columns of O and Down, or NULL. */
json_t *pare_report_gates(const pare_model *model, float *const *factors);

/* [{"step", "loss", "delta_l2", "zero_groups", "rank_correlation"}]; the last where it was computed. */
json_t *pare_report_trace(const pare_moreau_step *steps, int32_t count);

#endif
