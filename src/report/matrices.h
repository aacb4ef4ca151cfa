/* What became of the matrices of which single weights went. */
#ifndef PARE_REPORT_MATRICES_H
#define PARE_REPORT_MATRICES_H

#include "model/model.h"
#include "select/element_mask.h"
#include "support/cholesky.h"
#include "support/json.h"

/* Of one matrix. Errors are squared errors of the layer's output over all calibration tokens, around their mean where
 * the bias was refitted; NaN where there was no Gram matrix to measure them by. */
typedef struct pare_matrix_result {
    bool pruned;
    bool borrowed;  /* a part of an expert that saw fewer tokens than inputs, and was judged by what the layer sees */
    bool of_expert; /* whose inputs were looked at; and the tokens that reach it */
    bool silent;    /* a part of an expert whose weights have no score, as no token reaches it */
    int64_t tokens;
    bool bias; /* it makes up for the mean of what is missing */
    int64_t rows, columns, kept;
    int64_t zeros;   /* in what is written */
    double energy;   /* of the dense output */
    double selected; /* error of the first mask, the others being as they were */
    double refined;  /* of the mask after refinement */
    double repaired; /* of what is written */
    double weighted_before,
        weighted_after; /* where the loss's metric was used: of the first and the last, in that metric */
    int64_t swaps;
    bool damped;
    pare_damping damping;
    double expected_before, expected_after; /* DSnoT: mean expected error of the rows */
    double region_first, region_last;       /* regional optimisation: mean squared error of a sequence's block output in
                                             * the first and the last round */
    double residual_before,
        residual_after; /* error of what is written, without and with the adapter; 0: there is none */
    double seconds;
    pare_mask_statistics statistics;
} pare_matrix_result;

/* The adapter that holds what was lost. */
typedef struct pare_residual_results {
    const char *folder; /* inside the output; NULL: nothing was written */
    uint32_t rank;
    uint64_t parameters;
    double before, after; /* squared errors of all layers' outputs, without and with it */
} pare_residual_results;

typedef struct pare_sparsity_results {
    const pare_model *model;
    const pare_matrix_result *matrices; /* [tensor_count] */
    uint32_t keep, of;                  /* the pattern that was asked for; of = 0: a share */
    double share;
    const double *shares; /* [share_count], one for each layer; or NULL */
    size_t share_count;
    const json_t *permutation;             /* of channels; or NULL */
    const pare_residual_results *residual; /* or NULL */
} pare_sparsity_results;

/* Target, totals, and every matrix with its figures. */
json_t *pare_report_sparsity(const pare_sparsity_results *results);
/* The binned densities of every mask. */
json_t *pare_report_densities(const pare_model *model, const pare_matrix_result *matrices);
/* Weights that go, and weights of all pruned matrices. */
void pare_matrices_count(const pare_model *model, const pare_matrix_result *matrices, uint64_t *gone, uint64_t *all);

#endif
