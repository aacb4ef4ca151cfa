/* A look at all layers of the dense model, and what follows from it. */
#ifndef PARE_LAYERWISE_DENSE_STATISTICS_H
#define PARE_LAYERWISE_DENSE_STATISTICS_H

#include "layerwise/weights_internal.h"

typedef struct pare_dense_statistics {
    pare_input_moments (*inputs)[PARE_INPUT_KINDS]; /* [layers] */
    float *(*inverse)[PARE_INPUT_KINDS];            /* [layers] [width] diagonal of the inverse Gram matrix, or NULL */
    double *(*outputs)[PARE_MATRIX_ROLES];          /* [layers] */
} pare_dense_statistics;

/* Runs the dense model, if the recipe observes anything, and keeps what is needed. Free with pare_dense_statistics_free
 * in any case. */
pare_status pare_dense_statistics_gather(pare_weight_walk *w, const pare_element_needs *needs,
                                         pare_dense_statistics *out);
void pare_dense_statistics_free(pare_dense_statistics *gathered, uint32_t layers);

/* What is kept of a layer that was looked at (dense_file.c). */
typedef struct pare_dense_file {
    pare_weight_walk *w;
    pare_dense_statistics *s;
    const pare_element_needs *needs; /* what layers were looked at for */
} pare_dense_file;
pare_status pare_dense_statistics_describe(void *file, uint32_t layer, pare_state_file *state);

/* Calls visit for every pruned matrix, w showing what its layer has shown. */
typedef pare_status (*pare_dense_visit_fn)(pare_weight_walk *w, const pare_dense_statistics *s, uint32_t layer,
                                           pare_role role, void *context);
pare_status pare_dense_statistics_visit(pare_weight_walk *w, pare_dense_statistics *gathered, pare_dense_visit_fn visit,
                                        void *context);
/* w->dense <- the matrix, w->scores <- its scores; *count: its elements. */
pare_status pare_dense_statistics_score(pare_weight_walk *w, uint32_t layer, pare_role role,
                                        const pare_salience *salience, int64_t *count);

/* w->sparsity by outliers (select/owl.h). */
pare_status pare_allocate_by_outliers(pare_weight_walk *w, pare_dense_statistics *gathered);
/* w->sparsity by costs: w^2 / ([F^-1]_oo [H^-1]_ii), the increase of the loss when one weight goes and the others make
 * up for it (optimal brain surgery with H the inputs' Gram matrix and F the outputs' Fisher matrix). */
pare_status pare_allocate_by_costs(pare_weight_walk *w, pare_dense_statistics *gathered);
/* w->given: masks by one threshold for the model. */
pare_status pare_mask_by_threshold(pare_weight_walk *w, pare_dense_statistics *gathered);

#endif
