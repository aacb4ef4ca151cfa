/* How the loss feels the outputs of attention and FFN: F = sum over tokens of g g^T, with g the loss's gradient at the
 * residual stream behind the stage (the empirical Fisher matrix of the output). An error e of the output then costs
 * about e^T F e / 2. Gathered from one backward over the calibration set, which is taken in equal groups of sequences,
 * so that block inputs of one group at a time are kept. */
#ifndef PARE_CALIBRATE_OUTPUT_FISHER_H
#define PARE_CALIBRATE_OUTPUT_FISHER_H

#include "model/pass.h"
#include "support/scratch.h"

enum { PARE_OUTPUT_STAGES = 2 }; /* attention, FFN */

typedef struct pare_output_fisher {
    uint32_t layers;
    int64_t hidden;
    float *(*metric)[PARE_OUTPUT_STAGES]; /* [layers]: [d, d] each */
    double loss;                          /* of the calibration set */
    pare_scratch memory;
} pare_output_fisher;

typedef struct pare_fisher_request {
    const pare_source *source;
    const pare_runtime *runtime; /* for progress; may be NULL */
    const uint32_t *ids;         /* [sequences, length] */
    int64_t sequences, length;
    bool composed;       /* the source displaces or masks */
    uint64_t limit;      /* bytes of anonymous memory; 0: none set */
    const char *scratch; /* folder of the matrices, or NULL: in memory */
} pare_fisher_request;

uint64_t pare_output_fisher_bytes(const pare_model *model);
/* Sequences of a group: the largest divisor of `sequences` that fits the limit, at most 32; *memory: what the pass then
 * holds. */
pare_status pare_output_fisher_group(const pare_fisher_request *request, int64_t *group, pare_pass_memory *memory);

/* Free with pare_output_fisher_free. */
pare_status pare_output_fisher_run(const pare_fisher_request *request, pare_output_fisher *out);
void pare_output_fisher_free(pare_output_fisher *fisher);

#endif
