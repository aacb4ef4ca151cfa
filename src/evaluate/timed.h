/* Work whose time is taken: matrix products above all. */
#ifndef PARE_EVALUATE_TIMED_H
#define PARE_EVALUATE_TIMED_H

#include "backend/backend.h"
#include "model/model.h"

typedef pare_status (*pare_timed_fn)(void *context);

/* *seconds: of one call. */
pare_status pare_timed(pare_timed_fn work, void *context, double *seconds);
/* Of `amount` that the work does in a call, what it does in a second, by the lower quartile of some calls in about 0.2
 * seconds; by the first where that is long, which otherwise finds nothing where it will be later on. Seconds of
 * processor time of the calling thread, which has an even share of all the work: what else the machine does meanwhile
 * has next to no part in it. prepare: before every call, and not counted; or NULL. */
pare_status pare_timed_rate(pare_timed_fn prepare, pare_timed_fn work, void *context, double amount, double *rate);

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
