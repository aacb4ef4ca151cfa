/* Dynamic sparse no training (DSnoT, arXiv 2310.08915; spec 6) and R2-DSnoT (arXiv 2501.18980; spec 7.6): weights are
 * swapped in and out of a mask to bring the expected error of every output to zero. Values never change.
 *
 * With D = w m, a row's expected error is e = sum of D over pruned weights. While |e| > epsilon, the row takes back the
 * pruned weight with the largest D / v^power of e's sign and prunes the kept one with the smallest |w| norm^alpha whose
 * D has the other sign; with a pattern, the one of the same group that scored lowest at first, whatever its sign, and e
 * must keep its sign. A weight moves once at most. A row that runs out of either kind, or refuses a swap, is done; with
 * a pattern, weights of groups that have nothing left to prune are passed over. */
#ifndef PARE_SELECT_DSNOT_H
#define PARE_SELECT_DSNOT_H

#include "select/element_mask.h"

typedef enum pare_reweight { PARE_REWEIGHT_NONE, PARE_REWEIGHT_GROW, PARE_REWEIGHT_PRUNE } pare_reweight;

typedef struct pare_dsnot {
    int32_t cycles;                 /* at most; 50 */
    double epsilon;                 /* |e| at which a row is done, on the scale of token sums per sequence; 0.1 */
    double power;                   /* of the variance that growing divides by; 1 */
    bool keep_sign;                 /* refuse a swap that turns the sign of the row's first error (always so for N:M) */
    bool only_better;               /* refuse a swap that does not bring |e| down */
    pare_reweight reweight;         /* by relative importance, R2-DSnoT's first idea */
    double gamma_grow, gamma_prune; /* weight of |w|^p in either choice; 0 */
    double norm;                    /* that p; 2 */
    double alpha;                   /* power of the input norm in pruning: 1 for DSnoT, 0.5 for R2-DSnoT */
    int64_t keep, of;               /* the pattern to guard; of = 0: the number per row */
} pare_dsnot;

/* Of each input column i: m = mean over sequences of the sum over tokens, v: pooled within-sequence variance, norm:
 * ||X_i||_2 over all tokens / sqrt(sequences). */
typedef struct pare_dsnot_inputs {
    const float *mean, *variance, *norm;
} pare_dsnot_inputs;

typedef struct pare_dsnot_result {
    int64_t swaps, active_rows; /* rows that began above epsilon */
    double before, after;       /* mean |e| over the rows */
} pare_dsnot_result;

/* weights: float [rows, columns], dense; initial: scores [rows, columns] that the mask came from (used with a pattern),
 * or NULL: those by which a row prunes, |w| norm for DSnoT. mask: in and out; rows, or groups, keep as many as they
 * kept. Same mask for any number of threads. PARE_NUMERIC_ERROR if weights or inputs are not finite. */
pare_status pare_dsnot_refine(const float *weights, const float *initial, const pare_dsnot_inputs *inputs,
                              const pare_dsnot *options, pare_element_mask *mask, pare_dsnot_result *result);

#endif
