/* What is done for what stays: masks bettered by swaps, and weights refitted. A row each, with what the rest of a
 * method asks of it. How it is done: layerwise/units_stage.c for units, matrix_solve.c and matrix_refine.c for single
 * weights. */
#ifndef PARE_METHOD_SURVIVORS_H
#define PARE_METHOD_SURVIVORS_H

#include <stdbool.h>

enum {
    PARE_TRAIT_SOLVES = 1 << 0,     /* refits by the outputs' least squares */
    PARE_TRAIT_SWEEPS = 1 << 1,     /* column by column, the error of each pushed on to those behind it */
    PARE_TRAIT_ALTERNATES = 1 << 2, /* between a mask and a fit */
    PARE_TRAIT_CONJUGATES = 1 << 3, /* by conjugate gradients, which have a number of steps */
    PARE_TRAIT_ALONE = 1 << 4,      /* for single weights alone */
    PARE_TRAIT_EXPECTED = 1 << 5,   /* swaps by expected errors, from moments of the inputs */
    PARE_TRAIT_EXACT = 1 << 6,      /* swaps by exact errors, from the Gram matrix */
    PARE_TRAIT_MEANS = 1 << 7,      /* biases alone, by the means of inputs */
    PARE_TRAITS_REFIT = PARE_TRAIT_SOLVES | PARE_TRAIT_SWEEPS | PARE_TRAIT_ALTERNATES /* weights are changed */
};

/* enumerator, name in recipe files, traits */
#define PARE_COMPENSATIONS(ROW)                                                                                        \
    ROW(NONE, "none", 0)                                                                                               \
    ROW(LS, "ls", PARE_TRAIT_SOLVES | PARE_TRAIT_CONJUGATES)                                                           \
    ROW(OBS, "obs", PARE_TRAIT_SWEEPS | PARE_TRAIT_ALONE)                                                              \
    ROW(ADMM, "admm", PARE_TRAIT_ALTERNATES | PARE_TRAIT_CONJUGATES | PARE_TRAIT_ALONE)                                \
    ROW(BIAS, "bias", PARE_TRAIT_MEANS)

#define PARE_REFINEMENTS(ROW)                                                                                          \
    ROW(NONE, "none", 0)                                                                                               \
    ROW(DSNOT, "dsnot", PARE_TRAIT_EXPECTED)                                                                           \
    ROW(SWAPS, "swaps", PARE_TRAIT_EXACT)

#define PARE_ENUMERATOR(name, text, traits) PARE_COMPENSATE_##name,
typedef enum pare_compensation { PARE_COMPENSATIONS(PARE_ENUMERATOR) PARE_COMPENSATION_COUNT } pare_compensation;
#undef PARE_ENUMERATOR
#define PARE_ENUMERATOR(name, text, traits) PARE_REFINE_##name,
typedef enum pare_refinement { PARE_REFINEMENTS(PARE_ENUMERATOR) PARE_REFINEMENT_COUNT } pare_refinement;
#undef PARE_ENUMERATOR

extern const char *const pare_compensation_names[], *const pare_refinement_names[]; /* NULL after the last */

/* True if it has one of these traits. The first of each does nothing, has none, and is false. */
bool pare_compensation_has(pare_compensation compensation, unsigned traits);
bool pare_refinement_has(pare_refinement refinement, unsigned traits);

#endif
