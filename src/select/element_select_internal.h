/* What the selections share: a cut between the scores of a group, and how it becomes bits. */
#ifndef PARE_SELECT_ELEMENT_SELECT_INTERNAL_H
#define PARE_SELECT_ELEMENT_SELECT_INTERNAL_H

#include "select/element_select.h"
#include "support/random_normal.h"

/* Of a group: scores below `at` go, and the first `ties` of those that equal it. */
typedef struct pare_element_cut {
    float at;
    int64_t ties;
} pare_element_cut;

/* Neighbouring columns of all rows of a matrix. */
typedef struct pare_score_region {
    const float *scores;           /* the first row's first */
    int64_t rows, columns, stride; /* floats from row to row */
    int64_t first;                 /* its first column in the mask */
} pare_score_region;

/* Finite scores >= 0 have bits below this, and are in the order of their bits. */
#define PARE_SCORE_BITS_END 0x7f800000u

/* -0 counts as 0. */
static inline uint32_t pare_score_bits(float score) {
    return pare_bits_of_float(score + 0.0f);
}

/* Eight bytes of 0 and 1 become eight bits by one product, which brings byte i to bit 56 + i. */
static inline uint64_t pare_pack_bytes(const uint8_t byte[64]) {
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += 8) {
        uint64_t eight = 0;
        for (int j = 0; j < 8; j++)
            eight |= (uint64_t)byte[i + j] << (8 * j);
        bits |= (eight * 0x0102040810204080u >> 56) << i;
    }
    return bits;
}

/* The cut below which `prune` of n finite scores lie; 0 <= prune <= n. */
pare_element_cut pare_element_cut_of(const float *scores, int64_t n, int64_t prune);

/* The cut behind everything that equals the last score which goes. */
static inline pare_element_cut pare_element_cut_inclusive(pare_element_cut cut) {
    return cut.ties ? (pare_element_cut){pare_float_of_bits(pare_score_bits(cut.at) + 1), 0} : cut;
}

/* How many of n go, the one at the threshold included where that goes too. */
static inline int64_t pare_element_count_of(int64_t n, double sparsity, bool inclusive) {
    int64_t count = pare_element_count(n, sparsity);
    return inclusive && count < n ? count + 1 : count;
}

/* Writes one group of a row: columns [first, first + n) of the mask's row. Returns the ties that are left. */
int64_t pare_element_cut_write(const float *scores, int64_t n, pare_element_cut cut, uint64_t *row, int64_t first);

/* True if all are finite and >= 0. */
bool pare_scores_are_sound(const float *scores, int64_t n);
/* PARE_NUMERIC_ERROR, naming the first score that is not sound; there must be one. */
pare_status pare_scores_refuse(const float *scores, int64_t rows, int64_t columns);

/* The kinds of element_select.c, one file each. */
pare_status pare_select_rows(const float *scores, double sparsity, pare_element_mask *mask);
pare_status pare_select_pattern(const float *scores, int64_t keep, int64_t of, pare_element_mask *mask);
pare_status pare_select_regions(const float *scores, const pare_element_target *target, int64_t slab,
                                pare_element_mask *mask);
pare_status pare_select_cumulative(const float *scores, double sparsity, pare_element_mask *mask);

#endif
