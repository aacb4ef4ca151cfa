/* The constants of MoreauPruner, which methods for units and for whole experts share. */
#ifndef PARE_METHOD_MOREAU_CONSTANTS_H
#define PARE_METHOD_MOREAU_CONSTANTS_H

#include "calibrate/moreau.h"

#define PARE_METHOD_MOREAU "MoreauPruner, Wang et al. 2024, arXiv 2406.07017"

/* Published constants (MoreauPruner, appendix; spec 3.1). No constants were published for the element-wise l1 variant:
 * it takes those of the group-sparse one. The released loop has no use for rho. */
#define PARE_PLAIN_MOREAU                                                                                              \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.05, .gamma = 1e-3, .prox = PARE_PROX_NONE, .tail = 1 }
#define PARE_GROUP_MOREAU                                                                                              \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_GROUP,       \
        .tail = 1                                                                                                      \
    }
#define PARE_L1_MOREAU                                                                                                 \
    { .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_L1, .tail = 1 }
#define PARE_RELEASED_MOREAU                                                                                           \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.05, .gamma = 1e-3, .prox = PARE_PROX_RELEASED,                \
        .tail = PARE_RELEASED_TAIL, .unpulled = true                                                                   \
    }
#define PARE_RELEASED_GROUP_MOREAU                                                                                     \
    {                                                                                                                  \
        .steps = 10, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_RELEASED,    \
        .tail = PARE_RELEASED_TAIL, .unpulled = true                                                                   \
    }

#endif
