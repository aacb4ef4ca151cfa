/* How a model answers pictures: accuracy, loss, and how close it is to another model. */
#ifndef PARE_EVALUATE_PICTURES_H
#define PARE_EVALUATE_PICTURES_H

#include "evaluate/evaluation.h"
#include "report/pictures.h"

/* evaluation->windows: pictures (calibrate/pictures.h). dense: the model to compare with, which has the same classes
 * and album (model/patches.h); or NULL. before: how that one answers; or NULL. Sums in fp64. Fails with
 * PARE_NUMERIC_ERROR if the loss is not finite. */
pare_status pare_pictures_evaluate(const pare_evaluation *evaluation, const pare_model *dense, pare_picture_scores *out,
                                   pare_picture_scores *before);

/* picture: of the windows; logits: [classes]; dense: likewise of the dense model, or NULL. Valid during the call. */
typedef void (*pare_pictures_see)(void *context, size_t picture, const float *logits, const float *dense);

/* Shows `see` how every picture is answered, in the order of the windows. dense: as above, or NULL. */
pare_status pare_pictures_answer(const pare_evaluation *evaluation, const pare_model *dense, pare_pictures_see see,
                                 void *context);

#endif
