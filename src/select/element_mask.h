/* Which weights of a matrix stay, one bit each, and what can be said of such a mask. */
#ifndef PARE_SELECT_ELEMENT_MASK_H
#define PARE_SELECT_ELEMENT_MASK_H

#include "support/status.h"

#include <stdint.h>

/* word[row * stride + column / 64], bit column % 64, least significant first: 1 stays, 0 goes. Bits beyond the last
 * column are 0. */
typedef struct pare_element_mask {
    int64_t rows, columns, stride;
    uint64_t *word;
} pare_element_mask;

/* All weights go. Free with pare_element_mask_free. */
pare_status pare_element_mask_new(int64_t rows, int64_t columns, pare_element_mask *out);
void pare_element_mask_free(pare_element_mask *mask);
void pare_element_mask_copy(const pare_element_mask *from, pare_element_mask *to); /* of the same shape */
void pare_element_mask_fill(pare_element_mask *mask);                              /* all weights stay */

static inline bool pare_element_kept(const pare_element_mask *mask, int64_t row, int64_t column) {
    return mask->word[row * mask->stride + column / 64] >> (column % 64) & 1;
}

/* Which of PARE_MASK_HALF columns stay, from a multiple of that on; word: the row's. Loops over so many at a time are
 * what compilers make masks of vectors of. */
enum { PARE_MASK_HALF = 32 };
static inline uint32_t pare_element_half(const uint64_t *word, int64_t column) {
    return (uint32_t)(word[column / 64] >> (column % 64));
}

static inline void pare_element_keep(pare_element_mask *mask, int64_t row, int64_t column, bool keep) {
    uint64_t *word = &mask->word[row * mask->stride + column / 64], bit = (uint64_t)1 << (column % 64);
    *word = keep ? *word | bit : *word & ~bit;
}

int64_t pare_element_mask_kept(const pare_element_mask *mask);
/* weights: float [rows, columns]; those that go become +0. */
void pare_element_mask_apply(const pare_element_mask *mask, float *weights);
/* The same of one row's: values [columns]. */
void pare_element_mask_apply_row(const pare_element_mask *mask, int64_t row, float *values);
/* True if every group of `of` neighbouring columns (a shorter one at the end keeps ceil(length keep / of)) keeps
 * exactly its share. */
bool pare_element_mask_is_pattern(const pare_element_mask *mask, int64_t keep, int64_t of);

enum { PARE_DENSITY_BINS = 64 };

/* The structural patterns that GBLM-Pruner shows in its figures, as numbers. */
typedef struct pare_mask_statistics {
    double density;                    /* share that stays */
    int64_t empty_rows, empty_columns; /* wholly pruned */
    /* Variance of the rows' (columns') densities, over what independent weights of the same density would show,
     * density (1 - density) / columns (rows): 1 without stripes. 0 where that is 0. */
    double row_stripes, column_stripes;
    int64_t bin_rows, bin_columns;                     /* at most PARE_DENSITY_BINS each */
    float bins[PARE_DENSITY_BINS * PARE_DENSITY_BINS]; /* [bin_rows, bin_columns] density of equal tiles */
} pare_mask_statistics;

void pare_element_mask_statistics(const pare_element_mask *mask, pare_mask_statistics *out);

#endif
