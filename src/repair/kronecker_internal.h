/* The metric that both ways of kronecker.h work in. */
#ifndef PARE_REPAIR_KRONECKER_INTERNAL_H
#define PARE_REPAIR_KRONECKER_INTERNAL_H

#include "repair/kronecker.h"

typedef struct pare_kronecker_metric {
    const pare_kronecker *problem;
    int64_t rows, columns;
    float *gram;                     /* [columns, columns] damped; scaled: unit diagonal; 0 for dead inputs */
    float *fisher;                   /* blocks of rows, the same; NULL: rows are independent */
    pare_blocks blocks;              /* of fisher */
    float *row_scale, *column_scale; /* roots of the damped diagonals; 1 for the dead */
    float *row_live, *column_live;   /* 1, or 0 for the dead */
    double *row_weight;              /* [rows] of the damped F's diagonal, 0 for the dead */
    pare_damping gram_damping, fisher_damping;
} pare_kronecker_metric;

/* Scaled. Refuses what is not finite. Free with pare_kronecker_metric_free. */
pare_status pare_kronecker_metric_new(const pare_kronecker *problem, int64_t rows, int64_t columns,
                                      pare_kronecker_metric *out);
void pare_kronecker_metric_free(pare_kronecker_metric *metric);
/* While it is made; it then holds pare_kronecker_metric_held_bytes. */
uint64_t pare_kronecker_metric_bytes(int64_t coupled, int64_t rows, int64_t columns);
uint64_t pare_kronecker_metric_held_bytes(int64_t coupled, int64_t rows, int64_t columns);
/* From unit diagonals to the matrices as they are, damped. */
void pare_kronecker_metric_unscale(pare_kronecker_metric *metric);

/* matrix: float [rows, columns] times row_scale column_scale, or divided by them. */
void pare_kronecker_scale(const pare_kronecker_metric *metric, float *matrix, bool back);
/* scores = |matrix|, 0 for the dead. */
void pare_kronecker_scores(const pare_kronecker_metric *metric, const float *matrix, float *scores);
/* weights, scaled, in: the target, out: a first solution that the mask may still have to be applied to. */
pare_status pare_kronecker_admm(const pare_kronecker_metric *metric, float *weights, pare_element_mask *mask);
uint64_t pare_kronecker_admm_bytes(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns);
pare_work pare_kronecker_admm_work(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns);
pare_status pare_kronecker_sweep(const pare_kronecker_metric *metric, float *weights, pare_element_mask *mask);
uint64_t pare_kronecker_sweep_bytes(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns);
pare_work pare_kronecker_sweep_work(const pare_kronecker *problem, int64_t coupled, int64_t rows, int64_t columns);

#endif
