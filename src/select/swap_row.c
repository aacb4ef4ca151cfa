#include "select/swap_internal.h"
#include "select/swap_simd.h"
#include "support/vectorize.h"

#include <math.h>

enum { TILE = 2048 };

PARE_VECTORIZE static void refresh(const float *weights, const float *diagonal, const double *c, const float *sign,
                                   int64_t n, float *restrict out, float *restrict back) {
    for (int64_t j = 0; j < n; j++) {
        double w = (double)weights[j], z = 2.0 * w * c[j], q = w * w * (double)diagonal[j];
        float taken = (float)(q + z), given = (float)(q - z), bar = sign[j] * INFINITY;
        out[j] = taken > -bar ? taken : -bar; /* a branch on sign would keep the loop from using vectors */
        back[j] = given > bar ? given : bar;
    }
}

void pare_swap_row_refresh(swap_row *row) {
    refresh(row->weights, row->matrix->diagonal, row->c, row->sign, row->matrix->columns, row->out, row->back);
}

PARE_VECTORIZE static void add_rows(double *c, const float *const g[4], const double d[4], int64_t n) {
    const float *g0 = g[0], *g1 = g[1], *g2 = g[2], *g3 = g[3];
    double d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    for (int64_t j = 0; j < n; j++)
        c[j] += (d0 * (double)g0[j] + d1 * (double)g1[j]) + (d2 * (double)g2[j] + d3 * (double)g3[j]);
}

/* c += sum of step_i G_{column_i}, in tiles of c that stay in the first-level cache. */
static void move(swap_row *row, const uint32_t *column, const double *step, int32_t count) {
    int64_t columns = row->matrix->columns;
    for (int64_t first = 0; first < columns; first += TILE) {
        int64_t n = columns - first < TILE ? columns - first : TILE;
        for (int32_t i = 0; i < count; i += 4) {
            const float *g[4];
            double d[4];
            for (int32_t k = 0; k < 4; k++) {
                g[k] = row->matrix->gram + (int64_t)column[i + k < count ? i + k : i] * columns + first;
                d[k] = i + k < count ? step[i + k] : 0.0;
            }
            add_rows(row->c + first, g, d, n);
        }
    }
}

double pare_swap_row_change(const swap_row *row, int64_t p, int64_t r, double *limit) {
    int64_t columns = row->matrix->columns;
    double wp = (double)row->weights[p], wr = (double)row->weights[r];
    double qp = wp * wp * (double)row->matrix->diagonal[p], qr = wr * wr * (double)row->matrix->diagonal[r];
    *limit = -SWAP_TOLERANCE * (qp + qr);
    return 2.0 * wp * row->c[p] + qp - 2.0 * wr * row->c[r] + qr -
           2.0 * wp * wr * (double)row->matrix->gram[p * columns + r];
}

typedef struct local {
    int32_t count;
    double z[SWAP_SET], q[SWAP_SET], out[SWAP_SET], back[SWAP_SET];
    int64_t group[SWAP_SET];
    bool kept[SWAP_SET];
    double pair[SWAP_SET][SWAP_SET]; /* 2 w_i w_j G_ij */
} local;

/* G_ij is read for i > j only: the reads, which miss the caches, are what this costs. */
static void gather(const swap_row *row, const swap_set *set, local *l) {
    const swap_matrix *m = row->matrix;
    l->count = set->count;
    for (int32_t i = 0; i < set->count; i++) {
        int64_t column = set->column[i];
        double w = 2.0 * (double)row->weights[column];
        const float *gram = m->gram + column * m->columns;
        for (int32_t j = 0; j <= i; j++)
            l->pair[j][i] = l->pair[i][j] = w * (double)row->weights[set->column[j]] * (double)gram[set->column[j]];
        l->z[i] = w * row->c[column];
        l->q[i] = l->pair[i][i] / 2.0;
        l->kept[i] = row->sign[column] > 0.0f;
        l->group[i] = m->of ? column / m->of : 0;
    }
}

PARE_VECTORIZE static double lowest(const double *back, const double *pair, int64_t n) {
    double least = INFINITY;
    PARE_LEAST_IN(least)
    for (int64_t j = 0; j < n; j++) {
        double value = back[j] - pair[j];
        least = value < least ? value : least;
    }
    return least;
}

static double lowest_of_group(const local *l, int32_t i) {
    double least = INFINITY;
    for (int32_t j = 0; j < l->count; j++)
        if (l->group[j] == l->group[i]) least = fmin(least, l->back[j] - l->pair[i][j]);
    return least;
}

/* The pair of the set that changes the error most, if that counts. */
static bool best_pair(local *l, bool grouped, int32_t *p, int32_t *r) {
    double best = INFINITY;
    *p = *r = -1;
    for (int32_t i = 0; i < l->count; i++) {
        l->out[i] = l->kept[i] ? l->q[i] + l->z[i] : INFINITY;
        l->back[i] = l->kept[i] ? INFINITY : l->q[i] - l->z[i];
    }
    for (int32_t i = 0; i < l->count; i++) {
        if (!l->kept[i]) continue;
        double least = grouped ? lowest_of_group(l, i) : lowest(l->back, l->pair[i], l->count);
        if (l->out[i] + least < best) best = l->out[i] + least, *p = i;
    }
    if (*p < 0) return false;
    for (int32_t j = 0; j < l->count && *r < 0; j++)
        if (!l->kept[j] && l->group[j] == l->group[*p] && l->out[*p] + (l->back[j] - l->pair[*p][j]) == best) *r = j;
    return *r >= 0 && best < -SWAP_TOLERANCE * (l->q[*p] + l->q[*r]);
}

/* Makes swaps inside the set as long as one counts. */
static void exchange(swap_row *row, local *l) {
    int64_t cycles = row->matrix->cycles;
    int32_t p, r;
    while ((!cycles || row->swaps < cycles) && best_pair(l, row->matrix->of > 0, &p, &r)) {
        for (int32_t i = 0; i < l->count; i++)
            l->z[i] += l->pair[p][i] - l->pair[r][i];
        l->kept[p] = false;
        l->kept[r] = true;
        row->swaps++;
    }
}

bool pare_swap_row_solve(swap_row *row, const swap_set *set) {
    int64_t before = row->swaps;
    int32_t changes = 0;
    uint32_t column[SWAP_SET];
    double step[SWAP_SET];
    local l;
    gather(row, set, &l);
    exchange(row, &l);
    for (int32_t i = 0; i < l.count; i++) {
        int64_t at = set->column[i];
        if (l.kept[i] == (row->sign[at] > 0.0f)) continue;
        row->sign[at] = l.kept[i] ? 1.0f : -1.0f;
        column[changes] = set->column[i];
        step[changes++] = l.kept[i] ? -(double)row->weights[at] : (double)row->weights[at];
    }
    if (row->swaps == before) return false;
    move(row, column, step, changes);
    pare_swap_row_refresh(row);
    return true;
}
