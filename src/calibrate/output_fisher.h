/* How the loss feels the outputs of attention and FFN: the Fisher matrices of linear_fisher.h for O and Down alone,
 * whose gradient is that of the residual stream behind the stage, mixed with their mean diagonal as far as the
 * calibration sequences disagree about them (shrinkage.h). */
#ifndef PARE_CALIBRATE_OUTPUT_FISHER_H
#define PARE_CALIBRATE_OUTPUT_FISHER_H

#include "calibrate/linear_fisher.h"

enum { PARE_OUTPUT_STAGES = 2 }; /* attention, FFN */

typedef struct pare_output_fisher {
    uint32_t layers;
    int64_t hidden;
    float *(*metric)[PARE_OUTPUT_STAGES]; /* [layers]: [d, d] each */
    double (*shrunk)[PARE_OUTPUT_STAGES]; /* [layers] share of the mean diagonal in it, 0 .. 1 */
    double loss;                          /* of the calibration set */
    pare_scratch memory;
} pare_output_fisher;

uint64_t pare_output_fisher_bytes(const pare_model *model);
/* As pare_linear_fisher_group. */
pare_status pare_output_fisher_group(const pare_fisher_request *request, int64_t *group, pare_pass_memory *memory);
pare_status pare_output_fisher_work(const pare_fisher_request *request, pare_work *out);

/* Free with pare_output_fisher_free. */
pare_status pare_output_fisher_run(const pare_fisher_request *request, pare_output_fisher *out);
void pare_output_fisher_free(pare_output_fisher *fisher);

#endif
