/* Optimal brain surgeon for whole units (a unit: some neighbouring columns of a matrix). Units go one after the other,
 * always the one whose removal costs least when all other columns make up for it:
 *
 *   error(u) = sum over rows i, j of M_ij w_iu ([H^-1]_uu)^-1 w_ju^T,   H = G + lambda I
 *   W <- W - W_u ([H^-1]_uu)^-1 [H^-1]_u:,    H^-1 likewise
 *
 * so that the weights left are at each moment the least-squares ones (repair/least_squares.h) for what is left, and the
 * errors add up to the growth of that problem's objective. M says how much each output is worth: nothing (all alike), a
 * weight per row, or a matrix. Everything is computed in fp64, W and H^-1 are updated exactly. Hassibi, Stork 1992. */
#ifndef PARE_SELECT_OBS_H
#define PARE_SELECT_OBS_H

#include "support/cholesky.h"
#include "support/work.h"

typedef struct pare_obs pare_obs;

typedef struct pare_obs_problem {
    int64_t rows, width;
    const float *weights; /* W: [rows, width] */
    const float *gram;    /* G = sum x x^T: [width, width] */
    const float *cross;   /* C = sum r x^T: [rows, width], the target being W x + r; NULL: r = 0 */
    const float *metric;  /* M: [rows, rows], symmetric; NULL: the identity */
    double damping;       /* as in pare_damped */
    const char *what;     /* as in pare_damped */
    bool shared;          /* all ranks have it at the same time, and share the inverse */
} pare_obs_problem;

/* One way to remove units from what is left. */
typedef struct pare_obs_step {
    int64_t unit;    /* columns per unit; divides the number of columns left */
    int64_t count;   /* units to remove */
    int64_t groups;  /* > 1: the units left are this many equal runs, and each loses count / groups */
    double fraction; /* of the units left that go in one round, at least one: 0 for one at a time */
    double *curve;   /* [count] error after each removal, from the beginning; or NULL */
} pare_obs_step;

/* Bytes that a problem of this size holds at most; at_once: columns that go in one round. */
uint64_t pare_obs_bytes(int64_t rows, int64_t width, bool metric, int64_t at_once);

/* A problem and the removal of all but `kept` of its columns. */
typedef struct pare_obs_shape {
    int64_t rows, width, kept, unit;
    double fraction; /* as in pare_obs_step */
    bool metric, cross;
} pare_obs_shape;

pare_work pare_obs_work(const pare_obs_shape *shape);

/* Nothing is removed yet. PARE_NUMERIC_ERROR if the inputs or weights are not finite. Free with pare_obs_free. */
pare_status pare_obs_new(const pare_obs_problem *problem, pare_obs **out);
void pare_obs_free(pare_obs *obs);

/* Of equal errors the lower unit goes first. The threads must not change between calls. */
pare_status pare_obs_remove(pare_obs *obs, const pare_obs_step *step);

/* What is left as a fit (repair/least_squares.h): before, after: sum of |t - W_k x_k|^2 and |t - W' x_k|^2. */
typedef struct pare_obs_fitted {
    double before, after;
    pare_damping damping;
} pare_obs_fitted;

/* weights: float [rows, width], in: the problem's W, out: W' in the columns that are left and zero in the others.
 * residual: sum of |r|^2. The problem is the one that obs was made of. */
pare_status pare_obs_fit(const pare_obs *obs, const pare_obs_problem *problem, double residual, float *weights,
                         pare_obs_fitted *out);

/* What is left: columns ascending, their weights double [rows, *count], and the error so far. Owned by obs, valid until
 * the next call. */
const uint32_t *pare_obs_columns(const pare_obs *obs, int64_t *count);
const double *pare_obs_weights(const pare_obs *obs);
double pare_obs_error(const pare_obs *obs);
pare_damping pare_obs_damping(const pare_obs *obs);

#endif
