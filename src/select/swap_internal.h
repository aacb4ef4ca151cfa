/* One row of pare_swap_refine: its state, the sets of columns among which swaps are made, and where sets come from. */
#ifndef PARE_SELECT_SWAP_INTERNAL_H
#define PARE_SELECT_SWAP_INTERNAL_H

#include "select/swap.h"

enum {
    SWAP_SIDE = 32,           /* columns of either side that enter a working set */
    SWAP_SET = 2 * SWAP_SIDE, /* columns in a working set at most */
    SWAP_CHUNK = 32           /* neighbouring columns that the scan bounds together */
};

/* A swap counts if it lowers the error by more than this share of q_p + q_r: above the rounding of c. */
#define SWAP_TOLERANCE 1e-9

/* What all rows share. */
typedef struct swap_matrix {
    const float *gram;     /* [columns, columns] */
    const float *diagonal; /* [columns] */
    const float *reach;    /* [columns, chunks] max over the chunk's j != i of |G_ij| / sqrt(G_ii G_jj), rounded up */
    int64_t columns, chunks;
    int64_t cycles, of;
} swap_matrix;

/* With z_i = 2 w_i c_i and q_i = w_i^2 G_ii, taking kept p out costs q_p + z_p, putting pruned r back q_r - z_r, and
 * both together 2 w_p w_r G_pr less. */
typedef struct swap_row {
    const swap_matrix *matrix;
    const float *weights;
    double *c;         /* [columns] G delta */
    float *sign;       /* [columns] 1: kept, -1: pruned */
    float *out, *back; /* [columns] the two costs, infinite on the other side */
    float *chunk_back; /* [columns] of each chunk: the least of back */
    float *chunk_root; /* [columns] of each chunk: the largest sqrt(q_r) of its pruned columns */
    float scale;       /* the largest q_r + |z_r|, which bounds the rounding of back */
    int64_t next;      /* the column where the scan goes on */
    int64_t swaps;
    bool done;
} swap_row;

typedef struct swap_set {
    int32_t count;
    uint32_t column[SWAP_SET];
} swap_set;

/* out and back from c and sign. */
void pare_swap_row_refresh(swap_row *row);
/* The best swaps inside the set, one after the other until none helps or the row has had its cycles; then c, out and
 * back of the whole row. True if there was one. */
bool pare_swap_row_solve(swap_row *row, const swap_set *set);

/* The columns that cost least to take out and to put back. */
void pare_swap_set_cheapest(const swap_row *row, swap_set *set);
/* Columns of pairs that help, from anywhere in the row; an empty set proves that there is none. */
void pare_swap_set_scan(swap_row *row, swap_set *set);
/* The best pair of each of the groups that gain most; an empty set proves that there is none. Overwrites chunk_back. */
void pare_swap_set_groups(swap_row *row, swap_set *set);

/* Change of the error by a swap; *limit: what it must lie below to count. */
double pare_swap_row_change(const swap_row *row, int64_t p, int64_t r, double *limit);

#endif
