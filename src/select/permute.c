#include "select/permute.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* Gains are summed over DEPTH rows in fp32 at a time, for STRIP blocks by LANES donors. */
enum { DEPTH = 256, STRIP = 4, LANES = 64 };

/* The columns that one order is found for: the matrix, a stretch of it, or all stretches below each other. */
typedef struct view {
    const float *scores; /* of the first column */
    int64_t columns;     /* of the matrix */
    int64_t stretches;   /* that move alike */
    int64_t rows, width; /* rows: of the matrix times stretches */
    int64_t keep, of, blocks;
} view;

typedef struct work {
    uint32_t *order;       /* [width] */
    uint32_t *chosen;      /* [blocks] */
    double *gain;          /* [part, part] part: blocks of a chunk */
    float *donors, *rests; /* [part / LANES, DEPTH, LANES], [part / STRIP, DEPTH, STRIP], rounded up */
    double *row_kept;      /* [rows] */
    float *group;          /* [threads, of] */
} work;

static const float *view_row(const view *v, int64_t row) {
    return v->scores + row / v->stretches * v->columns + row % v->stretches * v->width;
}

/* The `rank` largest of n values come first, in order. */
static void largest_first(float *value, int64_t n, int64_t rank) {
    for (int64_t i = 0; i < rank; i++)
        for (int64_t j = i + 1; j < n; j++)
            if (value[j] > value[i]) {
                float larger = value[j];
                value[j] = value[i];
                value[i] = larger;
            }
}

/* Sum of the scores that stay in this order. */
static double kept(const view *v, const uint32_t *order, work *w) {
    double sum = 0.0;
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < v->rows; row++) {
        const float *score = view_row(v, row);
        float *group = w->group + omp_get_thread_num() * v->of;
        w->row_kept[row] = 0.0;
        for (int64_t first = 0; first < v->width; first += v->of) {
            for (int64_t i = 0; i < v->of; i++)
                group[i] = score[order[first + i]];
            largest_first(group, v->of, v->keep);
            for (int64_t i = 0; i < v->keep; i++)
                w->row_kept[row] += (double)group[i];
        }
    }
    for (int64_t row = 0; row < v->rows; row++)
        sum += w->row_kept[row];
    return sum;
}

typedef struct column {
    double sum;
    uint32_t index;
} column;

static int ascending(const void *a, const void *b) {
    const column *x = a, *y = b;
    if (x->sum != y->sum) return x->sum < y->sum ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Columns by their sum, cut into `of` segments; a block gets one of each, every second segment taken backwards. */
static pare_status allocate(const view *v, work *w) {
    column *all;
    PARE_TRY(pare_alloc(&all, (size_t)v->width, sizeof *all, "permutation"));
    for (int64_t row = 0; row < v->rows; row++) {
        const float *score = view_row(v, row);
        for (int64_t j = 0; j < v->width; j++)
            all[j].sum += (double)score[j];
    }
    for (int64_t j = 0; j < v->width; j++)
        all[j].index = (uint32_t)j;
    qsort(all, (size_t)v->width, sizeof *all, ascending);
    for (int64_t block = 0; block < v->blocks; block++)
        for (int64_t slot = 0; slot < v->of; slot++)
            w->order[block * v->of + slot] = all[slot * v->blocks + (slot % 2 ? v->blocks - 1 - block : block)].index;
    pare_free(all);
    return PARE_OK;
}

/* gain[STRIP, stride] += over `depth` rows the larger of a block's rest and a donor. */
PARE_VECTORIZE static void add_larger(const float *rests, const float *donors, int64_t depth, int64_t strip,
                                      int64_t lanes, int64_t stride, double *gain) {
    float sum[STRIP][LANES] = {{0.0f}};
    for (int64_t row = 0; row < depth; row++, rests += STRIP, donors += LANES)
        for (int i = 0; i < STRIP; i++) {
            float rest = rests[i];
            for (int j = 0; j < LANES; j++)
                sum[i][j] += rest > donors[j] ? rest : donors[j];
        }
    for (int64_t i = 0; i < strip; i++)
        for (int64_t j = 0; j < lanes; j++)
            gain[i * stride + j] += (double)sum[i][j];
}

/* Of rows [first, first + depth): what each block of the part would take at the slot, and the smallest score that it
 * keeps of its other columns: the larger of the two counts towards what it keeps, all else stays. */
static void pack(const view *v, const uint32_t *order, int64_t part, int64_t slot, int64_t first, int64_t depth,
                 work *w) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < depth; row++) {
        const float *score = view_row(v, first + row);
        float *group = w->group + omp_get_thread_num() * v->of;
        for (int64_t block = 0; block < part; block++) {
            const uint32_t *at = order + block * v->of;
            for (int64_t i = 0, n = 0; i < v->of; i++)
                if (i != slot) group[n++] = score[at[i]];
            largest_first(group, v->of - 1, v->keep);
            w->donors[(block / LANES * DEPTH + row) * LANES + block % LANES] = score[at[slot]];
            w->rests[(block / STRIP * DEPTH + row) * STRIP + block % STRIP] = group[v->keep - 1];
        }
    }
}

static void gains(const view *v, const uint32_t *order, int64_t part, int64_t slot, work *w) {
    memset(w->gain, 0, (size_t)(part * part) * sizeof *w->gain);
    for (int64_t first = 0; first < v->rows; first += DEPTH) {
        int64_t depth = v->rows - first < DEPTH ? v->rows - first : DEPTH;
        pack(v, order, part, slot, first, depth, w);
#pragma omp parallel for schedule(static)
        for (int64_t donor = 0; donor < part; donor += LANES)
            for (int64_t block = 0; block < part; block += STRIP)
                add_larger(w->rests + block * DEPTH, w->donors + donor * DEPTH, depth,
                           part - block < STRIP ? part - block : STRIP, part - donor < LANES ? part - donor : LANES,
                           part, w->gain + block * part + donor);
    }
}

/* Exchanges the columns of one slot among the blocks of a part. */
static pare_status assign_slot(const view *v, uint32_t *order, int64_t part, int64_t slot, work *w) {
    double gain = 0.0;
    PARE_TRY(pare_interrupted());
    gains(v, order, part, slot, w);
    PARE_TRY(pare_linear_assignment(w->gain, part, w->chosen));
    for (int64_t i = 0; i < part; i++)
        gain += w->gain[i * part + w->chosen[i]] - w->gain[i * part + i];
    if (!(gain > 0.0)) return PARE_OK;
    for (int64_t i = 0; i < part; i++)
        w->chosen[i] = order[w->chosen[i] * v->of + slot];
    for (int64_t i = 0; i < part; i++)
        order[i * v->of + slot] = w->chosen[i];
    return PARE_OK;
}

/* The first block of a chunk; the first chunks are the longer ones. */
static int64_t chunk_first(const view *v, int64_t chunk, int64_t chunks) {
    return chunk * (v->blocks / chunks) + (chunk < v->blocks % chunks ? chunk : v->blocks % chunks);
}

static int64_t chunks_of(const view *v, const pare_permute *permute) {
    int64_t chunks = permute->chunks > 1 ? permute->chunks : 1;
    return chunks < v->blocks ? chunks : v->blocks;
}

static pare_status assign(const view *v, const pare_permute *permute, work *w) {
    int64_t chunks = chunks_of(v, permute);
    for (int64_t slot = 0; slot < v->of; slot++)
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            int64_t first = chunk_first(v, chunk, chunks), part = chunk_first(v, chunk + 1, chunks) - first;
            PARE_TRY(assign_slot(v, w->order + first * v->of, part, slot, w));
        }
    return PARE_OK;
}

static pare_status work_new(const view *v, const pare_permute *permute, work *w) {
    const char *what = "permutation";
    size_t chunks = (size_t)chunks_of(v, permute), part = ((size_t)v->blocks + chunks - 1) / chunks;
    size_t padded = (part + LANES - 1) / LANES * LANES, of = (size_t)v->of;
    pare_status status = pare_alloc(&w->order, (size_t)v->width, sizeof(uint32_t), what);
    if (!status) status = pare_alloc(&w->row_kept, (size_t)v->rows, sizeof(double), what);
    if (!status) status = pare_alloc(&w->group, (size_t)omp_get_max_threads() * of, sizeof(float), what);
    if (status || permute->kind != PARE_PERMUTE_ASSIGN) return status;
    status = pare_alloc(&w->chosen, part, sizeof(uint32_t), what);
    if (!status) status = pare_alloc_uninitialized(&w->gain, part * part, sizeof(double), what);
    if (!status) status = pare_alloc(&w->donors, padded * DEPTH, sizeof(float), what);
    if (!status) status = pare_alloc(&w->rests, padded * DEPTH, sizeof(float), what);
    return status;
}

static void work_free(work *w) {
    void *all[] = {w->order, w->chosen, w->gain, w->donors, w->rests, w->row_kept, w->group};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
}

static void stay(const view *v, work *w) {
    for (int64_t j = 0; j < v->width; j++)
        w->order[j] = (uint32_t)j;
}

/* Leaves the order of a view's columns in w->order. Assignment starts from the allocation, or, if that ends below what
 * was there before, from the columns as they are. */
static pare_status order_view(const view *v, const pare_permute *permute, work *w, double *before, double *after) {
    bool assigned = permute->kind == PARE_PERMUTE_ASSIGN;
    stay(v, w);
    *before = *after = kept(v, w->order, w);
    if (permute->kind == PARE_PERMUTE_NONE || v->keep == 0 || v->keep == v->of) return PARE_OK;
    PARE_TRY(allocate(v, w));
    for (int round = 0; round < 2; round++) {
        if (assigned) PARE_TRY(assign(v, permute, w));
        *after = kept(v, w->order, w);
        if (*after > *before) return PARE_OK;
        stay(v, w);
        *after = *before;
        if (!assigned) return PARE_OK;
    }
    return PARE_OK;
}

static pare_status check(const float *scores, int64_t rows, int64_t columns, const pare_permute *p) {
    int64_t bad = 0, unit = p->unit ? p->unit : columns;
    if (p->of < 1 || p->keep < 0 || p->keep > p->of || unit < 0 || p->chunks < 0)
        return pare_fail(PARE_BAD_ARGUMENT, "a permutation needs a pattern N:M with 0 <= N <= M, M > 0, not %lld:%lld",
                         (long long)p->keep, (long long)p->of);
    if (columns % p->of || (unit && (columns % unit || unit % p->of)))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%lld columns in stretches of %lld cannot be permuted for a pattern of %lld: choose an M that "
                         "divides them, or no permutation",
                         (long long)columns, (long long)unit, (long long)p->of);
#pragma omp parallel for schedule(static) reduction(+ : bad) if (rows * columns > 65536)
    for (int64_t i = 0; i < rows * columns; i++)
        bad += !isfinite(scores[i]);
    if (!bad) return PARE_OK;
    return pare_fail(
        PARE_NUMERIC_ERROR,
        "%lld of the scores that a permutation is made for are NaN or infinite: check the model with `pare "
        "inspect`",
        (long long)bad);
}

pare_status pare_permute_columns(const float *scores, int64_t rows, int64_t columns, const pare_permute *permute,
                                 uint32_t *order, double *before, double *after) {
    work w = {0};
    *before = *after = 0.0;
    PARE_TRY(check(scores, rows, columns, permute));
    if (!columns) return PARE_OK;
    int64_t unit = permute->unit ? permute->unit : columns, stretches = permute->alike ? columns / unit : 1;
    view v = {scores, columns, stretches, rows * stretches, unit, permute->keep, permute->of, unit / permute->of};
    pare_status status = work_new(&v, permute, &w);
    for (int64_t first = 0; first < columns && !status; first += unit * stretches) {
        double here, there;
        v.scores = scores + first;
        status = order_view(&v, permute, &w, &here, &there);
        *before += here;
        *after += there;
        for (int64_t j = 0; j < unit * stretches && !status; j++)
            order[first + j] = (uint32_t)(first + j - j % unit) + w.order[j % unit];
    }
    work_free(&w);
    return status;
}
