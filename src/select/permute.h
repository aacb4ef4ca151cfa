/* An order of input columns in which an N:M pattern costs least (RIA, ICLR 2024; spec 5.1). */
#ifndef PARE_SELECT_PERMUTE_H
#define PARE_SELECT_PERMUTE_H

#include "support/status.h"

#include <stdint.h>

typedef enum pare_permutation_kind {
    PARE_PERMUTE_NONE,
    PARE_PERMUTE_ALLOCATE, /* serpentine allocation by column importance */
    PARE_PERMUTE_ASSIGN /* then linear assignment, slot by slot; from the given order where allocation ends below it */
} pare_permutation_kind;

typedef struct pare_permute {
    pare_permutation_kind kind;
    int64_t keep, of;
    int64_t unit; /* columns only move inside stretches of this many neighbours (a head), and every stretch moves alike
                   * if `alike`; 0: anywhere */
    bool alike;
    int64_t chunks; /* assignment inside so many equal parts of the order: faster, worse; 0 or 1: the whole */
} pare_permute;

/* scores: float [rows, columns] (of several matrices with the same input: their rows below each other). columns, and
 * unit, must be a multiple of `of`, and columns of unit (PARE_BAD_ARGUMENT). order[columns]: position p holds the
 * original column order[p]. *before, *after: sum of the scores that stay without and with it; after >= before, and a
 * stretch that gains nothing stays as it was. The same order for any number of threads. PARE_NUMERIC_ERROR if a score
 * is not finite. Holds 8 (columns / of / chunks)^2 bytes and little more; of unit for columns where there are units. */
pare_status pare_permute_columns(const float *scores, int64_t rows, int64_t columns, const pare_permute *permute,
                                 uint32_t *order, double *before, double *after);

/* The assignment of n rows to n columns with the largest total (Jonker and Volgenant 1987); gain: double [n, n],
 * of[row] = column. PARE_NUMERIC_ERROR if a gain is not finite. */
pare_status pare_linear_assignment(const double *gain, int64_t n, uint32_t *of);

#endif
