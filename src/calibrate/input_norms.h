/* How large the inputs of the linear layers are: the sum of squares of every input feature over all calibration tokens
 * (Wanda: |w| times the input's norm), and its sum, where norms around the means are asked for (FLAP). */
#ifndef PARE_CALIBRATE_INPUT_NORMS_H
#define PARE_CALIBRATE_INPUT_NORMS_H

#include "model/pass.h"

typedef struct pare_input_norms {
    const pare_backend *backend;
    uint32_t layers;
    uint64_t tokens;                      /* seen by each */
    uint64_t sequences;                   /* of an importance matrix: as many as it was made of; else 0 */
    double *(*squares)[PARE_INPUT_KINDS]; /* [layers]: double [width] each, sums of x^2 */
    double *(*sums)[PARE_INPUT_KINDS];    /* likewise of x; or NULL */
    int64_t hidden, expert_ffn;           /* of experts, where those are counted */
    double **expert_squares; /* [layers]: [experts, d + width] each expert's, over the tokens that reach it: of what
                              * gate and up read, then of what Down reads; NULL: not counted */
    pare_observer observer;  /* to be hung on a block or a pass; counts until it is taken off */
} pare_input_norms;

/* *out must stay where it is while its observer is in use. Free with pare_input_norms_free. */
pare_status pare_input_norms_new(const pare_model *model, const pare_backend *backend, bool sums,
                                 pare_input_norms *out);
/* Those of experts are counted, too. */
pare_status pare_input_norms_see_experts(const pare_model *model, pare_input_norms *norms);
void pare_input_norms_free(pare_input_norms *norms);
/* Into norms that are all zero, what one forward of all sequences of the pass shows: a set of them for each of this
 * rank's shards meanwhile (input_norms_pass.c). */
pare_status pare_input_norms_measure(pare_pass *pass, const pare_source *source, const uint32_t *ids,
                                     pare_input_norms *norms);
/* Bytes of the sums of squares. */
uint64_t pare_input_norms_bytes(const pare_model *model);
uint64_t pare_input_norms_expert_bytes(const pare_model *model);

#endif
