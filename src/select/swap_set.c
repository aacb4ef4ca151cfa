#include "select/swap_internal.h"
#include "select/swap_simd.h"
#include "support/vectorize.h"

#include <math.h>

enum { STRETCH = 64 }; /* values that are passed over together if their least is too large */

PARE_VECTORIZE static float smallest(const float *value, int64_t n) {
    float least = INFINITY;
    PARE_LEAST_IN(least)
    for (int64_t j = 0; j < n; j++)
        least = value[j] < least ? value[j] : least;
    return least;
}

/* Puts `at` among the columns of the SWAP_SIDE smallest values, in order; among equal ones the first stays. */
static int32_t insert(const float *value, uint32_t *column, int32_t count, int64_t at) {
    int32_t i = count < SWAP_SIDE ? count : SWAP_SIDE - 1;
    for (; i > 0 && value[at] < value[column[i - 1]]; i--)
        column[i] = column[i - 1];
    column[i] = (uint32_t)at;
    return count < SWAP_SIDE ? count + 1 : SWAP_SIDE;
}

/* The indices of the SWAP_SIDE smallest finite values, or fewer. */
static int32_t cheapest(const float *value, int64_t n, uint32_t *column) {
    int32_t count = 0;
    float bar = INFINITY;
    for (int64_t first = 0; first < n; first += STRETCH) {
        int64_t end = n - first < STRETCH ? n : first + STRETCH;
        if (!(smallest(value + first, end - first) < bar)) continue;
        for (int64_t j = first; j < end; j++) {
            if (!(value[j] < bar)) continue;
            count = insert(value, column, count, j);
            if (count == SWAP_SIDE) bar = value[column[count - 1]];
        }
    }
    return count;
}

void pare_swap_set_cheapest(const swap_row *row, swap_set *set) {
    set->count = cheapest(row->out, row->matrix->columns, set->column);
    set->count += cheapest(row->back, row->matrix->columns, set->column + set->count);
}

static void add(swap_set *set, int64_t column) {
    for (int32_t i = 0; i < set->count; i++)
        if (set->column[i] == column) return;
    set->column[set->count++] = (uint32_t)column;
}

/* The best r for p among columns [first, end), if it counts and changes the error by less than *least. */
static void best_partner(const swap_row *row, int64_t p, int64_t first, int64_t end, double *least, int64_t *best) {
    for (int64_t r = first; r < end; r++) {
        double limit;
        if (row->sign[r] > 0.0f) continue;
        double change = pare_swap_row_change(row, p, r, &limit);
        if (change < limit && change < *least) *least = change, *best = r;
    }
}

/* Change by the best pair of a group, infinite if none counts. */
static double group_pair(const swap_row *row, int64_t group, int64_t *p, int64_t *r) {
    int64_t first = group * row->matrix->of, end = first + row->matrix->of;
    double least = INFINITY;
    if (end > row->matrix->columns) end = row->matrix->columns;
    for (int64_t i = first; i < end; i++) {
        double before = least;
        if (row->sign[i] < 0.0f) continue;
        best_partner(row, i, first, end, &least, r);
        if (least < before) *p = i;
    }
    return least;
}

void pare_swap_set_groups(swap_row *row, swap_set *set) {
    int64_t groups = (row->matrix->columns + row->matrix->of - 1) / row->matrix->of, p = 0, r = 0;
    uint32_t group[SWAP_SIDE];
    for (int64_t i = 0; i < groups; i++)
        row->chunk_back[i] = (float)group_pair(row, i, &p, &r);
    int32_t count = cheapest(row->chunk_back, groups, group);
    set->count = 0;
    for (int32_t i = 0; i < count; i++) {
        group_pair(row, group[i], &p, &r);
        add(set, p);
        add(set, r);
    }
}

/* What bounds a chunk's pairs from below. */
static void bound_chunks(swap_row *row) {
    const swap_matrix *m = row->matrix;
    row->scale = 0.0f;
    for (int64_t k = 0, j = 0; k < m->chunks; k++) {
        float back = INFINITY, root = 0.0f;
        for (; j < m->columns && j < (k + 1) * SWAP_CHUNK; j++) {
            if (row->sign[j] > 0.0f) continue;
            float w = fabsf(row->weights[j]), q = w * w * m->diagonal[j];
            back = fminf(back, row->back[j]);
            root = fmaxf(root, w * sqrtf(m->diagonal[j]));
            row->scale = fmaxf(row->scale, q + 2.0f * w * (float)fabs(row->c[j]));
        }
        row->chunk_back[k] = back;
        row->chunk_root[k] = root;
    }
}

typedef struct ray { /* a kept column p as the scan meets it */
    const float *gram, *reach;
    float out, root, weight; /* root: 2 sqrt(q_p); weight: 2 w_p */
    float margin;            /* a pair at or below it may count: above the rounding of fp32 */
} ray;

/* The least of back - x |root| reach over the chunks. */
static inline float least_bound(const swap_row *row, const ray *p) {
    const float *back = row->chunk_back, *root = row->chunk_root, *reach = p->reach;
    float least = INFINITY, x = p->root;
    PARE_LEAST_IN(least)
    for (int64_t k = 0; k < row->matrix->chunks; k++) {
        float value = back[k] - x * (root[k] * reach[k]);
        least = value < least ? value : least;
    }
    return least;
}

/* The least of back_r - 2 w_p w_r G_pr over n columns from `first` on, in fp32. */
static inline float least_pair(const swap_row *row, const ray *p, int64_t first, int64_t n) {
    const float *back = row->back + first, *weights = row->weights + first, *gram = p->gram + first;
    float least = INFINITY, x = p->weight;
    PARE_LEAST_IN(least)
    for (int64_t j = 0; j < n; j++) {
        float value = back[j] - x * (weights[j] * gram[j]);
        least = value < least ? value : least;
    }
    return least;
}

/* The best r for kept p, or -1 if none counts. */
PARE_VECTORIZE static int64_t scan_column(const swap_row *row, int64_t p) {
    const swap_matrix *m = row->matrix;
    float w = fabsf(row->weights[p]), q = w * w * m->diagonal[p];
    ray at = {.gram = m->gram + p * m->columns,
              .reach = m->reach + p * m->chunks,
              .out = row->out[p],
              .root = 2.0f * w * sqrtf(m->diagonal[p]),
              .weight = 2.0f * row->weights[p],
              .margin = 2e-6f * (row->scale + q + fabsf(row->out[p]))};
    double least = INFINITY;
    int64_t best = -1;
    if (at.out + least_bound(row, &at) > at.margin) return -1;
    for (int64_t k = 0; k < m->chunks; k++) {
        if (at.out + (row->chunk_back[k] - at.root * (row->chunk_root[k] * at.reach[k])) > at.margin) continue;
        int64_t first = k * SWAP_CHUNK, end = k + 1 < m->chunks ? first + SWAP_CHUNK : m->columns;
        bool full = end - first == SWAP_CHUNK; /* a length that the compiler knows */
        float least_here = full ? least_pair(row, &at, first, SWAP_CHUNK) : least_pair(row, &at, first, end - first);
        if (at.out + least_here > at.margin) continue;
        best_partner(row, p, first, end, &least, &best);
    }
    return best;
}

void pare_swap_set_scan(swap_row *row, swap_set *set) {
    int64_t columns = row->matrix->columns;
    bound_chunks(row);
    set->count = 0;
    for (int64_t i = 0; i < columns && set->count + 2 <= SWAP_SET; i++) {
        int64_t p = row->next;
        row->next = p + 1 < columns ? p + 1 : 0;
        int64_t r = row->sign[p] > 0.0f ? scan_column(row, p) : -1;
        if (r < 0) continue;
        add(set, p);
        add(set, r);
    }
}
