/* How important an element is, from its weight and its signal. One file per idea. */
#ifndef PARE_IMPORTANCE_SALIENCE_H
#define PARE_IMPORTANCE_SALIENCE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pare_salience {
    const char *name;
    bool needs_signal;
    /* salience[n] of n elements; signal is NULL unless needed; salience may be signal. */
    void (*elements)(const float *weight, const float *signal, int64_t n, float *salience);
} pare_salience;

/* |w s|: LLM-Pruner's param_first with s the gradient (eq. 3), MoreauPruner's with s the Moreau gradient (eq. 9, 11).
 */
extern const pare_salience pare_salience_first_order;
/* |w| and w^2 (no square root, as in the reference). */
extern const pare_salience pare_salience_absolute, pare_salience_square;

#endif
