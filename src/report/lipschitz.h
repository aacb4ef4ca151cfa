/* How far the gradients of methods follow small changes of the weights, and the bounds of theory. */
#ifndef PARE_REPORT_LIPSCHITZ_H
#define PARE_REPORT_LIPSCHITZ_H

#include "support/json.h"

#include <stdbool.h>
#include <stdint.h>

/* With a Lipschitz constant of the loss that was estimated one way. */
typedef struct pare_lipschitz_bound {
    const char *beta_from;
    double beta, rho_below; /* rho must lie below that */
    bool applies;
    double bound, bound_of_proof;
} pare_lipschitz_bound;

typedef struct pare_lipschitz_method {
    const char *name;
    double gradient_norm, largest; /* largest: of the ratios */
    double relative;               /* free of the gradient's scale; NaN where the gradient is zero */
    double *ratios;                /* [draws]: change of the gradient to change of the weights */
    bool bounded;                  /* a Moreau gradient, for which there are bounds */
    double rho, isotropic_sigma;
    pare_lipschitz_bound bounds[2];
} pare_lipschitz_method;

typedef struct pare_lipschitz_results {
    double relative_size, weight_norm;
    uint32_t draws;
    double *change_norms;           /* [draws] */
    pare_lipschitz_method *methods; /* [count] */
    uint32_t count;
} pare_lipschitz_results;

json_t *pare_report_lipschitz(const pare_lipschitz_results *results);

/* Frees what it points to. */
void pare_lipschitz_results_free(pare_lipschitz_results *results);

#endif
