/* Perplexity of token windows (structured pruning protocol of LLM-Pruner and MoreauPruner): the exponential of the mean
 * negative log-likelihood over all windows and all of their length - 1 next tokens. */
#ifndef PARE_EVALUATE_PERPLEXITY_H
#define PARE_EVALUATE_PERPLEXITY_H

#include "evaluate/evaluation.h"

/* evaluation->windows: of text. *nll: mean negative log-likelihood in nats, summed in fp64. Fails as
 * pare_evaluation_check if it is not finite. */
pare_status pare_perplexity(const pare_evaluation *evaluation, double *nll);

#endif
