/* The sides of a pair: how a model does before and after, on windows of text or of pictures. */
#ifndef PARE_EVALUATE_PAIR_H
#define PARE_EVALUATE_PAIR_H

#include "evaluate/evaluation.h"
#include "report/parts.h"

/* What of `pair` is to be filled: before (0) or after (1). */
pare_status pare_evaluate_pair(const pare_evaluation *evaluation, int side, pare_text_pair *pair);

/* Both sides of `pair`: of `dense`, and of the evaluation's model and how far it is from `dense`. */
pare_status pare_compare_pair(const pare_evaluation *evaluation, const pare_model *dense, pare_text_pair *pair);

#endif
