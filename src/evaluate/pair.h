/* What is measured of a model before and after something was done to it: on windows of text, or on pictures. */
#ifndef PARE_EVALUATE_PAIR_H
#define PARE_EVALUATE_PAIR_H

#include "evaluate/perplexity.h"
#include "model/work.h"
#include "report/parts.h"

/* One side of `pair`, before (0) or after (1): how likely the model finds the text, and, with a model to compare it
 * with, how far it is from that one; and the continuations that the evaluation asks for. dense: or NULL. */
pare_status pare_evaluate_pair(const pare_evaluation *evaluation, const pare_model *dense, int side,
                               pare_text_pair *pair);

/* The same of one that has no side: pictures with their answers, texts with all else. */
pare_status pare_evaluate_side(const pare_evaluation *evaluation, const pare_model *dense, pare_text_side *out);

/* Both sides of `pair`: of `dense`, and of the evaluation's model and how far it is from `dense`. */
pare_status pare_compare_pair(const pare_evaluation *evaluation, const pare_model *dense, pare_text_pair *pair);

/* What pare_compare_pair has to do with so many windows of so many tokens, which pictures have of their own, and
 * continuations. */
pare_work pare_pair_work(const pare_model *model, int64_t windows, int64_t length, uint32_t continuations);

#endif
