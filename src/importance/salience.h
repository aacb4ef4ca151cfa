/* How important an element is, from its weight and its signals. One file per idea. */
#ifndef PARE_IMPORTANCE_SALIENCE_H
#define PARE_IMPORTANCE_SALIENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a salience reads beside the weight. */
enum {
    PARE_NEEDS_GRADIENT = 1, /* g: a gradient, plain, smoothed or of the Moreau envelope */
    PARE_NEEDS_SQUARES = 2,  /* A: mean over the samples of the squared gradient of each */
    PARE_NEEDS_INPUTS = 4,   /* ||x||: L2 norm of each input feature over all calibration tokens */
};

/* Of a run of elements of one row; NULL where not needed. */
typedef struct pare_element_signals {
    const float *gradient, *squares, *inputs;
} pare_element_signals;

typedef struct pare_salience {
    const char *name;
    const char *formula;
    unsigned needs;  /* PARE_NEEDS_* */
    bool signed_sum; /* elements keep their sign; the absolute value is taken of an index's sum */
    /* salience[n] of n elements; salience overlaps nothing. */
    void (*elements)(const float *weight, const pare_element_signals *signals, int64_t n, float *salience);
} pare_salience;

/* The salience of that name, or NULL; and the names, NULL after the last. */
const pare_salience *pare_salience_find(const char *name);
const char *pare_salience_name(size_t index);

/* |w g|, abs before the sum: LLM-Pruner's param_first (eq. 3); with g the Moreau gradient, MoreauPruner (eq. 9, 11). */
extern const pare_salience pare_salience_first_order;
/* w g, abs after the sum: LLM-Pruner's vectorize. */
extern const pare_salience pare_salience_vectorize;
/* |w^2 A| and |w g - w A w / 2|, A being the diagonal Fisher: LLM-Pruner's param_second (no 1/2 there) and param_mix.
 */
extern const pare_salience pare_salience_second_order, pare_salience_mixed;
/* |w| and w^2 (no square root, as in the reference). */
extern const pare_salience pare_salience_absolute, pare_salience_square;
/* |w| ||x||: Wanda. */
extern const pare_salience pare_salience_activation;

#endif
