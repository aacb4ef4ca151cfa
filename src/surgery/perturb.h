/* A dense model with every weight moved a little: how far do scores and selections follow? */
#ifndef PARE_SURGERY_PERTURB_H
#define PARE_SURGERY_PERTURB_H

#include "surgery/staged_model.h"

typedef enum pare_perturb_kind {
    PARE_PERTURB_BF16, /* rounded to bf16, stored in the original's dtype */
    PARE_PERTURB_FP16, /* rounded to fp16, likewise */
    PARE_PERTURB_NOISE /* w (1 + epsilon z), z standard normal of `seed`; stored as F32, since bf16 would round most of
                          a small change away again */
} pare_perturb_kind;

typedef struct pare_perturbation {
    pare_perturb_kind kind;
    double epsilon; /* NOISE: above 0, finite */
    uint64_t seed;
} pare_perturbation;

/* Writes the perturbed model as a temporary one (see pare_temporary_model_new), some MiB at a time. The noise is a
 * function of seed, tensor and element, the same however many threads there are. A weight that would become infinite
 * is PARE_NUMERIC_ERROR; the sentence names its tensor. Free with pare_temporary_model_free. */
pare_status pare_perturbed_model_new(const pare_model *model, const pare_perturbation *perturbation,
                                     const char *scratch, const pare_runtime *runtime, pare_temporary_model *out);

#endif
