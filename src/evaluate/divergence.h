/* How far a model's predictions are from those of the dense model it was made from, over the same windows. */
#ifndef PARE_EVALUATE_DIVERGENCE_H
#define PARE_EVALUATE_DIVERGENCE_H

#include "evaluate/evaluation.h"

typedef struct pare_divergence_result {
    double nll;  /* of the model, as in pare_perplexity */
    double kl;   /* mean KL(dense || model) of the next-token distributions, in nats */
    double top1; /* share of positions where both have the same likeliest token */
} pare_divergence_result;

/* Means over all positions but each window's last; logarithms and sums in fp64. The models share one vocabulary,
 * refused otherwise. dense_nll: that of the dense model, as in pare_perplexity; or NULL. */
pare_status pare_divergence(const pare_evaluation *evaluation, const pare_model *dense, pare_divergence_result *out,
                            double *dense_nll);

#endif
