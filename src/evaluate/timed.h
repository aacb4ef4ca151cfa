/* Work whose time is taken: matrix products above all. */
#ifndef PARE_EVALUATE_TIMED_H
#define PARE_EVALUATE_TIMED_H

#include "backend/backend.h"
#include "model/model.h"

typedef pare_status (*pare_timed_fn)(void *context);

/* *seconds: of one call. */
pare_status pare_timed(pare_timed_fn work, void *context, double *seconds);

/* y = x W^T with x: [m, k], W: [n, k], in the type of the backend's operands. */
typedef struct pare_product_run {
    const pare_backend *backend;
    pare_matmul shape;
    void *a, *b;
    float *c;
    double flops;
} pare_product_run;

/* Rows of the widest matrix of the first layer, which may have no FFN: n where k is the hidden size. */
int64_t pare_product_outputs(const pare_config *config);

/* Free with pare_product_run_free. */
pare_status pare_product_run_new(const pare_backend *backend, int64_t m, int64_t n, int64_t k, pare_product_run *out);
void pare_product_run_free(pare_product_run *run);
/* A pare_timed_fn of a pare_product_run. */
pare_status pare_product_run_once(void *run);

#endif
