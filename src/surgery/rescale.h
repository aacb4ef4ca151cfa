/* What a class computes from the model's sizes is undone in the weights where these sizes change:
 *
 *   scores are divided by the layer's number i + 1, of which i' + 1 is left:  q' = q (i' + 1) / (i + 1)
 *   embeddings are multiplied by the root of the hidden size d, d' is left:   e' = e s,  s = sqrt(d / d')
 *     and, where the head is the embedding, the final norm makes up for it:   w' = w / s, or with 1 + w: (1 + w) / s -
 * 1
 *
 * Weights of 16 bits are rounded once more by it. */
#ifndef PARE_SURGERY_RESCALE_H
#define PARE_SURGERY_RESCALE_H

#include "select/selection.h"

/* x -> factor x + offset */
typedef struct pare_rescale {
    double factor, offset;
} pare_rescale;

/* What becomes of the elements of tensor `id`. */
pare_rescale pare_rescale_of(const pare_model *model, const pare_selection *selection, size_t id);
bool pare_rescale_changes(pare_rescale rescale);
/* True if it changes some tensor that is left. */
bool pare_rescale_is_used(const pare_model *model, const pare_selection *selection);
/* elements: [count] of this dtype, rounded to it again. */
void pare_rescale_apply(pare_rescale rescale, pare_dtype dtype, size_t count, void *elements);

#endif
