/* A look at all layers of the dense model, and what is settled by it. */
#ifndef PARE_LAYERWISE_LAYERWISE_SETTLE_H
#define PARE_LAYERWISE_LAYERWISE_SETTLE_H

#include "layerwise/layerwise_internal.h"

typedef struct pare_sights {
    pare_input_moments (*inputs)[PARE_INPUT_KINDS]; /* [layers] */
    float *(*inverse)[PARE_INPUT_KINDS];            /* [layers] [width] diagonal of the inverse Gram matrix, or NULL */
    double *(*outputs)[PARE_MATRIX_ROLES];          /* [layers] */
} pare_sights;

/* Runs the dense model, if the recipe observes anything. Free with pare_sights_free in any case. */
pare_status pare_sights_look(pare_layerwise *l, pare_sights *out);
void pare_sights_free(pare_sights *sights, uint32_t layers);

/* Calls visit for every pruned matrix, l showing what its layer has shown. */
typedef pare_status (*pare_sight_fn)(pare_layerwise *l, const pare_sights *s, uint32_t layer, pare_role role,
                                     void *context);
pare_status pare_sights_visit(pare_layerwise *l, pare_sights *sights, pare_sight_fn visit, void *context);
/* l->dense <- the matrix, l->scores <- its scores; *count: its elements. */
pare_status pare_sights_score(pare_layerwise *l, uint32_t layer, pare_role role, const pare_salience *salience,
                              int64_t *count);

/* l->sparsity by outliers (select/owl.h). */
pare_status pare_settle_outliers(pare_layerwise *l, pare_sights *sights);
/* l->sparsity by costs: w^2 / ([F^-1]_oo [H^-1]_ii), the increase of the loss when one weight goes and the others make
 * up for it (optimal brain surgery with H the inputs' Gram matrix and F the outputs' Fisher matrix). */
pare_status pare_settle_costs(pare_layerwise *l, pare_sights *sights);
/* l->given: masks by one threshold for the model. */
pare_status pare_settle_threshold(pare_layerwise *l, pare_sights *sights);

#endif
