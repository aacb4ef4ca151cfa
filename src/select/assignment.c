#include "select/permute.h"
#include "select/swap_simd.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

enum { NOBODY = -1 };

/* Costs are -gain. Dual prices v of the columns: an assigned row has its column at the least cost - v of its row. */
typedef struct assignment {
    const double *gain;
    int64_t n;
    double *price;                   /* v [n] */
    double *distance;                /* [n] of the shortest path to a column; infinite once it is settled */
    double *open_price;              /* [n] v; -infinity once the column is settled */
    double *settled;                 /* [n] distance of settled columns */
    int64_t *column_of;              /* [n] of a row */
    int64_t *row_of;                 /* [n] of a column */
    int64_t *before;                 /* [n] row before a column on its path */
    int64_t *free, *settled_columns; /* [n] */
} assignment;

/* Prices at the least cost of each column; the row that has it, if free, takes the column. */
static void reduce_columns(assignment *a) {
    for (int64_t j = 0; j < a->n; j++) {
        a->price[j] = INFINITY;
        a->row_of[j] = a->column_of[j] = NOBODY;
    }
    for (int64_t i = 0; i < a->n; i++)
        for (int64_t j = 0; j < a->n; j++)
            if (-a->gain[i * a->n + j] < a->price[j]) a->price[j] = -a->gain[i * a->n + j], a->before[j] = i;
    for (int64_t j = 0; j < a->n; j++)
        if (a->column_of[a->before[j]] == NOBODY) {
            a->column_of[a->before[j]] = j;
            a->row_of[j] = a->before[j];
        }
}

/* The two columns with the least cost - v for a row; n >= 2. */
static void two_cheapest(const assignment *a, int64_t row, int64_t column[2], double value[2]) {
    const double *gain = a->gain + row * a->n;
    value[0] = value[1] = INFINITY;
    column[0] = column[1] = 0;
    for (int64_t j = 0; j < a->n; j++) {
        double cost = -gain[j] - a->price[j];
        if (cost >= value[1]) continue;
        bool first = cost < value[0];
        value[1] = first ? value[0] : cost;
        column[1] = first ? column[0] : j;
        if (first) value[0] = cost, column[0] = j;
    }
}

/* Free rows take their cheapest column, whose price falls until the second cheapest is as good; who had it is free
 * again. Returns the number of rows still free. Rounding could let two rows outbid each other without end, so turns are
 * counted. */
static int64_t reduce_rows(assignment *a, int64_t count) {
    int64_t next = 0, left = 0, turns = 4 * a->n;
    while (next < count) {
        int64_t row = a->free[next++], column[2];
        double value[2];
        two_cheapest(a, row, column, value);
        bool clear = value[0] < value[1];
        int64_t take = !clear && a->row_of[column[0]] != NOBODY ? column[1] : column[0], owner = a->row_of[take];
        if (clear) a->price[take] -= value[1] - value[0];
        a->column_of[row] = take;
        a->row_of[take] = row;
        if (owner == NOBODY) continue;
        a->column_of[owner] = NOBODY;
        if (clear && turns-- > 0)
            a->free[--next] = owner;
        else
            a->free[left++] = owner;
    }
    return left;
}

/* Shortens distances through `row`, whose own column lies `base` away; returns the least of all. */
PARE_VECTORIZE static double relax(const double *gain, const double *price, double base, int64_t row, int64_t n,
                                   double *distance, int64_t *before) {
    double least = INFINITY;
    PARE_LEAST_IN(least)
    for (int64_t j = 0; j < n; j++) {
        double through = base - gain[j] - price[j];
        bool shorter = through < distance[j];
        distance[j] = shorter ? through : distance[j];
        before[j] = shorter ? row : before[j];
        least = distance[j] < least ? distance[j] : least;
    }
    return least;
}

PARE_VECTORIZE static int64_t first_at(const double *distance, double value, int64_t n) {
    int64_t first = n;
    PARE_LEAST_IN(first)
    for (int64_t j = 0; j < n; j++) {
        int64_t at = distance[j] == value ? j : n;
        first = at < first ? at : first;
    }
    return first;
}

/* Gives a free row a column along the shortest alternating path. */
static void augment(assignment *a, int64_t start) {
    int64_t row = start, count = 0, column;
    double base = 0.0, least;
    memcpy(a->open_price, a->price, (size_t)a->n * sizeof *a->price);
    for (int64_t j = 0; j < a->n; j++)
        a->distance[j] = INFINITY;
    for (;;) {
        least = relax(a->gain + row * a->n, a->open_price, base, row, a->n, a->distance, a->before);
        column = first_at(a->distance, least, a->n);
        if (a->row_of[column] == NOBODY) break;
        row = a->row_of[column];
        a->settled[count] = least;
        a->settled_columns[count++] = column;
        base = least + a->gain[row * a->n + column] + a->price[column];
        a->distance[column] = INFINITY;
        a->open_price[column] = -INFINITY;
    }
    for (int64_t i = 0; i < count; i++)
        a->price[a->settled_columns[i]] += a->settled[i] - least;
    for (row = NOBODY; row != start;) {
        row = a->before[column];
        int64_t next = a->column_of[row];
        a->row_of[column] = row;
        a->column_of[row] = column;
        column = next;
    }
}

static void assign(assignment *a) {
    int64_t count = 0;
    reduce_columns(a);
    for (int64_t i = 0; i < a->n; i++)
        if (a->column_of[i] == NOBODY) a->free[count++] = i;
    for (int pass = 0; pass < 2 && a->n > 1; pass++)
        count = reduce_rows(a, count);
    for (int64_t i = 0; i < count; i++)
        augment(a, a->free[i]);
}

static pare_status assignment_new(assignment *a) {
    double **doubles[] = {&a->price, &a->distance, &a->open_price, &a->settled};
    int64_t **integers[] = {&a->column_of, &a->row_of, &a->before, &a->free, &a->settled_columns};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++)
        PARE_TRY(pare_alloc(doubles[i], (size_t)a->n, sizeof(double), "assignment"));
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
        PARE_TRY(pare_alloc(integers[i], (size_t)a->n, sizeof(int64_t), "assignment"));
    return PARE_OK;
}

static void assignment_free(assignment *a) {
    void *all[] = {a->price,  a->distance, a->open_price, a->settled,        a->column_of,
                   a->row_of, a->before,   a->free,       a->settled_columns};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
}

pare_status pare_linear_assignment(const double *gain, int64_t n, uint32_t *of) {
    assignment a = {.gain = gain, .n = n};
    for (int64_t i = 0; i < n * n; i++)
        if (!isfinite(gain[i]))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the gain of assigning row %lld to column %lld is %g: check the scores it comes from",
                             (long long)(i / n), (long long)(i % n), gain[i]);
    pare_status status = assignment_new(&a);
    if (!status) assign(&a);
    for (int64_t i = 0; i < n && !status; i++)
        of[i] = (uint32_t)a.column_of[i];
    assignment_free(&a);
    return status;
}
