/* The state that obs.c sets up and obs_remove.c eats away. */
#ifndef PARE_SELECT_OBS_INTERNAL_H
#define PARE_SELECT_OBS_INTERNAL_H

#include "select/obs.h"

struct pare_obs {
    int64_t rows, left; /* columns left; all matrices are packed to that width */
    uint32_t *column;   /* [left] as they were numbered at first */
    double *inverse;    /* H^-1 of the columns left: [left, left], both triangles */
    double *weights;    /* [rows, left] */
    double *valued;     /* M W: [rows, left]; NULL without a metric */
    double error;       /* of all that is removed */
    double plain;       /* the same with all outputs alike */
    double gain;        /* C D^T, D = C H^-1: what fitting all columns has won */
    pare_damping damping;
    const char *what;
};

uint64_t pare_obs_fit_bytes(int64_t rows, int64_t width); /* of temporaries */

#endif
