/* The dense model with everything that goes switched off: what the smaller model must compute. */
#ifndef PARE_SURGERY_MASK_H
#define PARE_SURGERY_MASK_H

#include "model/source.h"
#include "repair/repaired.h"

/* Removed heads and FFN channels: zero columns of O and down, so that their outputs are never read. Dropped layers: all
 * of these columns, so that the block adds nothing, and skip_layer, so that it need not run. Removed hidden channels:
 * zero columns of the embedding and zero rows of O and down and of their biases, so that the residual stream is zero
 * there; norms run over the channels that are left (backend.h). Removed experts: none that a router may choose. */
typedef struct pare_mask {
    size_t tensors;
    uint32_t layers;               /* of experts_off */
    float **column_scale;          /* [tensors] */
    float **row_scale;             /* [tensors] */
    pare_replacement *replacement; /* [tensors], or NULL where nothing was repaired */
    uint32_t **lists;              /* [2 tensors] that the replacements point to, or NULL */
    bool *skip_layer;              /* [layers] */
    bool **experts_off;            /* [layers] as the source has them; NULL: the model has none */
    float *hidden_kept;            /* [hidden], as the source has it; NULL: all */
    int64_t hidden_count;
} pare_mask;

/* repaired: may be NULL; like model and selection it must live as long as the mask. Free with pare_mask_free. */
pare_status pare_mask_new(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                          pare_mask *out);
void pare_mask_free(pare_mask *mask);

/* Puts the mask over the source of the same model; the mask must live as long. */
void pare_mask_apply(const pare_mask *mask, pare_source *source);

#endif
