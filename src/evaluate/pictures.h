/* How a model answers pictures: accuracy, loss, and how close it is to another model. */
#ifndef PARE_EVALUATE_PICTURES_H
#define PARE_EVALUATE_PICTURES_H

#include "evaluate/perplexity.h"
#include "report/parts.h"

/* evaluation->windows: pictures (calibrate/pictures.h). dense: the model to compare with, which has the same classes
 * and album (model/patches.h); or NULL. before: how that one answers; or NULL. Sums in fp64. Fails with
 * PARE_NUMERIC_ERROR if the loss is not finite. */
pare_status pare_pictures_evaluate(const pare_evaluation *evaluation, const pare_model *dense, pare_picture_scores *out,
                                   pare_picture_scores *before);

/* What of `pair` is to be filled, of windows of text or of pictures: before (0) or after (1). */
pare_status pare_evaluate_pair(const pare_evaluation *evaluation, int side, pare_text_pair *pair);

/* Both sides of `pair`: of `dense`, and of the evaluation's model and how far it is from `dense`. */
pare_status pare_compare_pair(const pare_evaluation *evaluation, const pare_model *dense, pare_text_pair *pair);

/* logits: float [count, classes] of every picture, in the order of the windows. */
pare_status pare_pictures_logits(const pare_evaluation *evaluation, float *logits);

#endif
