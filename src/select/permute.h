/* An order of input columns in which an N:M pattern costs least (RIA, ICLR 2024; spec 5.1). */
#ifndef PARE_SELECT_PERMUTE_H
#define PARE_SELECT_PERMUTE_H

#include "support/status.h"

#include <stdint.h>

typedef enum pare_permutation_kind {
    PARE_PERMUTE_NONE,
    PARE_PERMUTE_ALLOCATE, /* serpentine allocation by column importance */
    PARE_PERMUTE_ASSIGN    /* then linear assignment, slot by slot */
} pare_permutation_kind;

typedef struct pare_permute {
    pare_permutation_kind kind;
    int64_t keep, of;
    int64_t unit; /* columns only move inside stretches of this many neighbours (a head), and every stretch moves alike
                   * if `alike`; 0: anywhere */
    bool alike;
    int64_t chunks; /* assignment inside so many equal parts of the order: faster, worse; 0 or 1: the whole */
} pare_permute;

/* scores: float [rows, columns] (of several matrices with the same input: their rows below each other). columns must be
 * a multiple of `of` (PARE_BAD_ARGUMENT). order[columns]: position p holds the original column order[p]. *before,
 * *after: sum of the scores that stay without and with it; after >= before, else the order is the identity. */
pare_status pare_permute_columns(const float *scores, int64_t rows, int64_t columns, const pare_permute *permute,
                                 uint32_t *order, double *before, double *after);

/* The assignment of n rows to n columns with the largest total; gain: double [n, n], of[row] = column. */
pare_status pare_linear_assignment(const double *gain, int64_t n, uint32_t *of);

#endif
