#include "select/dsnot.h"
#include "support/memory.h"

#include <float.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

/* A candidate and what it is chosen by. */
typedef struct choice {
    double key;
    uint32_t column;
} choice;

/* Candidates of one kind, the best first, and how many have been taken. */
typedef struct list {
    choice *choice;
    int64_t count, next;
} list;

/* Four lists: to take back or to prune, with D above or below zero. */
enum { ABOVE, BELOW, SIGNS };

typedef struct work {
    const float *weights, *initial;
    const pare_dsnot_inputs *inputs;
    const pare_dsnot *options;
    pare_element_mask *mask;
    double *column_share, *row_share; /* 1 / sums of |w|, over rho's mean; NULL without reweighting */
    double *spread, *loudness;        /* [columns] v^power and norm^alpha */
    choice *choices;                  /* [threads, columns] */
    double *prune_key;                /* [threads, columns] */
    double *before, *after;           /* [rows] |e| */
    int64_t *swaps;                   /* [rows] */
} work;

typedef struct row {
    const float *weights;
    int64_t at;
    double e, first;
    list grow[SIGNS], prune[SIGNS];
    double *prune_key;
} row;

static double contribution(const work *w, const float *weights, int64_t column) {
    return (double)weights[column] * (double)w->inputs->mean[column];
}

/* Relative importance of a weight over the matrix's mean. */
static double rho(const work *w, int64_t at, int64_t column) {
    return w->column_share[column] + w->row_share[at];
}

static double grow_key(const work *w, const row *r, int64_t column) {
    const pare_dsnot *o = w->options;
    double key = fabs(contribution(w, r->weights, column)) / w->spread[column];
    if (o->reweight == PARE_REWEIGHT_GROW) key *= rho(w, r->at, column);
    return o->gamma_grow > 0.0 ? key + o->gamma_grow * pow(fabs((double)r->weights[column]), o->norm) : key;
}

static double prune_key(const work *w, const row *r, int64_t column) {
    const pare_dsnot *o = w->options;
    double key = fabs((double)r->weights[column]) * w->loudness[column];
    if (o->reweight == PARE_REWEIGHT_PRUNE) key *= rho(w, r->at, column);
    return o->gamma_prune > 0.0 ? key + o->gamma_prune * pow(fabs((double)r->weights[column]), o->norm) : key;
}

static int largest_first(const void *a, const void *b) {
    const choice *x = a, *y = b;
    if (x->key != y->key) return x->key < y->key ? 1 : -1;
    return x->column > y->column ? 1 : -1;
}

static int smallest_first(const void *a, const void *b) {
    const choice *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? 1 : -1;
    return x->column > y->column ? 1 : -1;
}

/* Fills one list behind `room` with the columns of that side and sign; returns what is left of room. */
static choice *collect(const work *w, const row *r, bool kept, int sign, list *out, choice *room) {
    *out = (list){.choice = room};
    for (int64_t j = 0; j < w->mask->columns; j++) {
        double d = contribution(w, r->weights, j);
        if (pare_element_kept(w->mask, r->at, j) != kept || !(sign == ABOVE ? d > 0.0 : d < 0.0)) continue;
        room[out->count++] = (choice){kept ? prune_key(w, r, j) : grow_key(w, r, j), (uint32_t)j};
    }
    qsort(room, (size_t)out->count, sizeof *room, kept ? smallest_first : largest_first);
    return room + out->count;
}

static void open_row(const work *w, row *r, choice *room) {
    for (int64_t j = 0; j < w->mask->columns; j++)
        if (!pare_element_kept(w->mask, r->at, j)) r->e += contribution(w, r->weights, j);
    r->first = r->e;
    if (!(fabs(r->e) > w->options->epsilon)) return;
    for (int sign = 0; sign < SIGNS; sign++)
        room = collect(w, r, false, sign, &r->grow[sign], room);
    for (int sign = 0; sign < SIGNS && !w->options->of; sign++)
        room = collect(w, r, true, sign, &r->prune[sign], room);
    if (!w->options->of) return;
    for (int64_t j = 0; j < w->mask->columns; j++)
        r->prune_key[j] = !pare_element_kept(w->mask, r->at, j) ? INFINITY
                          : w->initial                          ? (double)w->initial[r->at * w->mask->columns + j]
                                                                : prune_key(w, r, j);
}

/* The kept weight of `column`'s group that scored lowest, of those that have not moved; -1: none. */
static int64_t cheapest_of_group(const work *w, const row *r, int64_t column) {
    int64_t first = column - column % w->options->of, end = first + w->options->of, best = -1;
    for (int64_t j = first; j < end && j < w->mask->columns; j++)
        if (r->prune_key[j] < INFINITY && (best < 0 || r->prune_key[j] < r->prune_key[best])) best = j;
    return best;
}

/* The next swap; false if a list is at its end. Nothing advances yet but past groups that are used up. */
static bool next_swap(const work *w, row *r, int64_t *grow, int64_t *prune) {
    list *from = &r->grow[r->e > 0.0 ? ABOVE : BELOW];
    const list *to = &r->prune[r->e > 0.0 ? BELOW : ABOVE];
    *prune = -1;
    if (w->options->of)
        for (; from->next < from->count; from->next++) {
            *prune = cheapest_of_group(w, r, from->choice[from->next].column);
            if (*prune >= 0) break;
        }
    else if (to->next < to->count)
        *prune = to->choice[to->next].column;
    if (*prune < 0 || from->next >= from->count) return false;
    *grow = from->choice[from->next].column;
    return true;
}

static bool sign_of(double e) {
    return e > 0.0;
}

/* False if the row is done. */
static bool swap(const work *w, row *r) {
    const pare_dsnot *o = w->options;
    int64_t grow, prune;
    if (!(fabs(r->e) > o->epsilon) || !next_swap(w, r, &grow, &prune)) return false;
    double after = r->e + contribution(w, r->weights, prune) - contribution(w, r->weights, grow);
    bool keep_sign = o->keep_sign || o->of;
    if (keep_sign && (after == 0.0 || sign_of(after) != sign_of(r->first))) return false;
    if (o->only_better && !(fabs(after) < fabs(r->e))) return false;
    r->grow[r->e > 0.0 ? ABOVE : BELOW].next++;
    if (o->of)
        r->prune_key[prune] = INFINITY;
    else
        r->prune[r->e > 0.0 ? BELOW : ABOVE].next++;
    pare_element_keep(w->mask, r->at, grow, true);
    pare_element_keep(w->mask, r->at, prune, false);
    r->e = after;
    return true;
}

static void refine_row(work *w, int64_t at) {
    int64_t columns = w->mask->columns, thread = omp_get_thread_num();
    row r = {.weights = w->weights + at * columns, .at = at, .prune_key = w->prune_key + thread * columns};
    open_row(w, &r, w->choices + thread * columns);
    while (w->swaps[at] < w->options->cycles && swap(w, &r))
        w->swaps[at]++;
    w->before[at] = fabs(r.first);
    w->after[at] = fabs(r.e);
}

/* 1 / sums of absolute values, over the matrix's mean of both together; nothing where a sum is 0. */
static void share(work *w) {
    int64_t rows = w->mask->rows, columns = w->mask->columns;
    double mean = 0.0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double value = fabs((double)w->weights[i * columns + j]);
            w->row_share[i] += value;
            w->column_share[j] += value;
        }
    double *side[] = {w->row_share, w->column_share};
    int64_t length[] = {rows, columns};
    for (int s = 0; s < 2; s++) {
        double sum = 0.0;
        for (int64_t i = 0; i < length[s]; i++) {
            side[s][i] = side[s][i] > 0.0 ? 1.0 / side[s][i] : 0.0;
            sum += side[s][i];
        }
        mean += sum / (double)length[s];
    }
    for (int s = 0; s < 2; s++)
        for (int64_t i = 0; i < length[s]; i++)
            side[s][i] = mean > 0.0 ? side[s][i] / mean : 1.0;
}

static void work_free(work *w) {
    void *all[] = {w->column_share, w->row_share, w->spread, w->loudness, w->choices,
                   w->prune_key,    w->before,    w->after,  w->swaps};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
}

static pare_status work_new(work *w) {
    size_t rows = (size_t)w->mask->rows, columns = (size_t)w->mask->columns, threads = (size_t)omp_get_max_threads();
    const char *what = "DSnoT";
    PARE_TRY(pare_alloc(&w->spread, columns, sizeof(double), what));
    PARE_TRY(pare_alloc(&w->loudness, columns, sizeof(double), what));
    PARE_TRY(pare_alloc(&w->choices, threads * columns, sizeof(choice), what));
    PARE_TRY(pare_alloc(&w->prune_key, threads * columns, sizeof(double), what));
    PARE_TRY(pare_alloc(&w->before, rows, sizeof(double), what));
    PARE_TRY(pare_alloc(&w->after, rows, sizeof(double), what));
    PARE_TRY(pare_alloc(&w->swaps, rows, sizeof(int64_t), what));
    for (size_t j = 0; j < columns; j++) {
        w->spread[j] = fmax(pow((double)w->inputs->variance[j], w->options->power), (double)FLT_MIN);
        w->loudness[j] = pow((double)w->inputs->norm[j], w->options->alpha);
    }
    if (w->options->reweight == PARE_REWEIGHT_NONE) return PARE_OK;
    PARE_TRY(pare_alloc(&w->row_share, rows, sizeof(double), what));
    PARE_TRY(pare_alloc(&w->column_share, columns, sizeof(double), what));
    share(w);
    return PARE_OK;
}

/* The first value that is not finite, or count. */
static int64_t unusable(const float *values, int64_t count, bool negative) {
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i]) || (!negative && values[i] < 0.0f)) return i;
    return count;
}

static pare_status check(const work *w) {
    const pare_dsnot *o = w->options;
    const pare_dsnot_inputs *in = w->inputs;
    int64_t rows = w->mask->rows, columns = w->mask->columns, bad = 0;
    if (o->cycles < 0 || !(o->epsilon >= 0.0) || !isfinite(o->power) || !isfinite(o->alpha) || o->of < 0 ||
        (o->of && (o->keep < 0 || o->keep > o->of)))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "DSnoT needs cycles >= 0, epsilon >= 0 and a pattern N:M with 0 <= N <= M, not %d, %g and "
                         "%lld:%lld",
                         o->cycles, o->epsilon, (long long)o->keep, (long long)o->of);
#pragma omp parallel for schedule(static) reduction(+ : bad) if (rows * columns > 65536)
    for (int64_t i = 0; i < rows; i++) {
        bad += unusable(w->weights + i * columns, columns, true) < columns;
        bad += w->initial && unusable(w->initial + i * columns, columns, true) < columns;
    }
    if (bad)
        return pare_fail(PARE_NUMERIC_ERROR,
                         "the weights or scores given to DSnoT hold NaN or infinity in %lld of %lld rows: check the "
                         "model with `pare inspect`",
                         (long long)bad, (long long)rows);
    int64_t mean = unusable(in->mean, columns, true), variance = unusable(in->variance, columns, false),
            norm = unusable(in->norm, columns, false);
    if (mean == columns && variance == columns && norm == columns) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the calibration statistics of input %lld given to DSnoT are not finite, or negative where they "
                     "cannot be: compute with --compute fp32",
                     (long long)(mean < columns       ? mean
                                 : variance < columns ? variance
                                                      : norm));
}

static pare_status refine_all(work *w, pare_dsnot_result *result) {
    int64_t rows = w->mask->rows;
    PARE_TRY(work_new(w));
    PARE_TRY(pare_interrupted());
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < rows; i++)
        refine_row(w, i);
    for (int64_t i = 0; i < rows; i++) {
        result->swaps += w->swaps[i];
        result->active_rows += w->before[i] > w->options->epsilon;
        result->before += w->before[i] / (double)rows;
        result->after += w->after[i] / (double)rows;
    }
    return PARE_OK;
}

pare_status pare_dsnot_refine(const float *weights, const float *initial, const pare_dsnot_inputs *inputs,
                              const pare_dsnot *options, pare_element_mask *mask, pare_dsnot_result *result) {
    work w = {.weights = weights, .initial = initial, .inputs = inputs, .options = options, .mask = mask};
    *result = (pare_dsnot_result){0};
    PARE_TRY(check(&w));
    pare_status status = refine_all(&w, result);
    work_free(&w);
    return status;
}
