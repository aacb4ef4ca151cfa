/* Units chosen by their error, and removed by block elimination. */
#include "select/obs_internal.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate {
    double error;
    int64_t unit; /* among those left */
} candidate;

/* The step in hand. */
typedef struct removal {
    const pare_obs_step *step;
    int64_t units;          /* left */
    int64_t *group;         /* [units left] */
    int64_t *quota;         /* [groups] units still to go */
    candidate *candidates;  /* [units left] */
    double *square, *other; /* [unit, unit] */
} removal;

static int by_error(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    if (x->error < y->error) return -1;
    if (x->error > y->error) return 1;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static int by_unit(const void *a, const void *b) {
    const candidate *x = a, *y = b;
    return x->unit < y->unit ? -1 : x->unit > y->unit;
}

static void removal_free(removal *r) {
    pare_free(r->group);
    pare_free(r->quota);
    pare_free(r->candidates);
    pare_free(r->square);
    pare_free(r->other);
}

static pare_status removal_new(const pare_obs *obs, const pare_obs_step *step, removal *r) {
    int64_t groups = step->groups > 1 ? step->groups : 1;
    *r = (removal){.step = step, .units = obs->left / step->unit};
    size_t units = (size_t)r->units, square = (size_t)(step->unit * step->unit);
    pare_status status = pare_alloc(&r->group, units, sizeof *r->group, "groups of units");
    if (!status) status = pare_alloc(&r->quota, (size_t)groups, sizeof *r->quota, "groups of units");
    if (!status) status = pare_alloc(&r->candidates, units, sizeof *r->candidates, "units");
    if (!status) status = pare_alloc(&r->square, square, sizeof(double), "unit");
    if (!status) status = pare_alloc(&r->other, square, sizeof(double), "unit");
    if (status) {
        removal_free(r);
        return status;
    }
    for (int64_t u = 0; u < r->units; u++)
        r->group[u] = u / (r->units / groups);
    for (int64_t g = 0; g < groups; g++)
        r->quota[g] = step->count / groups;
    return PARE_OK;
}

/* Errors of single columns: column sums of W * (M W), over the diagonal. */
static void column_errors(const pare_obs *obs, candidate *out) {
    int64_t n = obs->left;
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < n; j++)
        out[j] = (candidate){.unit = j};
    enum { BLOCK = 256 }; /* columns per thread and turn: whole rows would not fit into cache */
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t end = first + BLOCK < n ? first + BLOCK : n;
        for (int64_t i = 0; i < obs->rows; i++) {
            const double *w = obs->weights + i * n, *v = obs->valued ? obs->valued + i * n : w;
            for (int64_t j = first; j < end; j++)
                out[j].error += w[j] * v[j];
        }
        for (int64_t j = first; j < end; j++)
            out[j].error /= obs->inverse[j * n + j];
    }
}

/* trace( W_u^T M W_u ([H^-1]_uu)^-1 ) */
static pare_status unit_error(const pare_obs *obs, const removal *r, int64_t u, double *error) {
    int64_t b = r->step->unit, n = obs->left, at = u * b;
    memset(r->other, 0, (size_t)(b * b) * sizeof *r->other);
    if (obs->valued)
        cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)b, (int)b, (int)obs->rows, 1.0, obs->weights + at,
                    (int)n, obs->valued + at, (int)n, 0.0, r->other, (int)b);
    else
        for (int64_t i = 0; i < obs->rows; i++) {
            const double *w = obs->weights + i * n + at;
            for (int64_t a = 0; a < b; a++)
                for (int64_t c = 0; c < b; c++)
                    r->other[a * b + c] += w[a] * w[c];
        }
    for (int64_t a = 0; a < b; a++)
        memcpy(r->square + a * b, obs->inverse + (at + a) * n + at, (size_t)b * sizeof(double));
    if (!pare_cholesky(r->square, b))
        return pare_fail(PARE_NUMERIC_ERROR, "the inverse Gram matrix of %s lost its precision: raise the damping",
                         obs->what);
    pare_cholesky_solve(r->square, b, r->other, b);
    *error = 0.0;
    for (int64_t a = 0; a < b; a++)
        *error += r->other[a * b + a];
    return PARE_OK;
}

static pare_status unit_errors(const pare_obs *obs, const removal *r) {
    if (r->step->unit == 1) column_errors(obs, r->candidates);
    for (int64_t u = 0; u < r->units; u++) {
        candidate *c = &r->candidates[u];
        c->unit = u;
        if (r->step->unit > 1) PARE_TRY(unit_error(obs, r, u, &c->error));
        if (isfinite(c->error)) continue;
        return pare_fail(PARE_NUMERIC_ERROR, "the error of losing a unit of %s is %f: raise the damping", obs->what,
                         c->error);
    }
    return PARE_OK;
}

/* Moves the units that go to the front of `candidates`, cheapest first, at most `limit`, and counts them. */
static int64_t choose(removal *r, int64_t limit) {
    int64_t chosen = 0;
    qsort(r->candidates, (size_t)r->units, sizeof *r->candidates, by_error);
    for (int64_t i = 0; i < r->units && chosen < limit; i++) {
        candidate c = r->candidates[i];
        if (r->quota[r->group[c.unit]] == 0) continue;
        r->quota[r->group[c.unit]]--;
        r->candidates[i] = r->candidates[chosen];
        r->candidates[chosen++] = c;
    }
    return chosen;
}

/* The rows and columns that go, out of the matrices; gone = count * unit columns. */
typedef struct elimination {
    int64_t gone;
    int64_t *column;       /* [gone] in the order of removal */
    double *factor;        /* [gone, gone]: L L^T = [H^-1]_rr */
    double *rows;          /* [gone, left]: L^-1 [H^-1]_r: */
    double *left, *valued; /* [rows, gone]: W_r L^-T, and of M W; valued may be NULL */
} elimination;

static void elimination_free(elimination *e) {
    pare_free(e->column);
    pare_free(e->factor);
    pare_free(e->rows);
    pare_free(e->left);
    pare_free(e->valued);
}

static pare_status elimination_new(const pare_obs *obs, const removal *r, int64_t count, elimination *e) {
    int64_t unit = r->step->unit, gone = count * unit;
    size_t square = (size_t)(gone * gone), side = (size_t)(gone * obs->rows);
    *e = (elimination){.gone = gone};
    pare_status status = pare_alloc(&e->column, (size_t)gone, sizeof *e->column, "removed columns");
    if (!status) status = pare_alloc_uninitialized(&e->factor, square, sizeof(double), "removed columns");
    if (!status)
        status = pare_alloc_uninitialized(&e->rows, (size_t)(gone * obs->left), sizeof(double), "removed rows");
    if (!status) status = pare_alloc_uninitialized(&e->left, side, sizeof(double), "removed weights");
    if (!status && obs->valued) status = pare_alloc_uninitialized(&e->valued, side, sizeof(double), "removed weights");
    if (status) {
        elimination_free(e);
        return status;
    }
    for (int64_t i = 0; i < gone; i++)
        e->column[i] = r->candidates[i / unit].unit * unit + i % unit;
    for (int64_t i = 0; i < gone; i++) {
        const double *row = obs->inverse + e->column[i] * obs->left;
        memcpy(e->rows + i * obs->left, row, (size_t)obs->left * sizeof(double));
        for (int64_t j = 0; j < gone; j++)
            e->factor[i * gone + j] = row[e->column[j]];
    }
    return PARE_OK;
}

/* matrix: [rows, left] -> side = matrix_r L^-T, matrix -= side L^-1 [H^-1]_r: */
static void eliminate(const pare_obs *obs, const elimination *e, double *matrix, double *side) {
    int gone = (int)e->gone, left = (int)obs->left, rows = (int)obs->rows;
    for (int64_t i = 0; i < obs->rows; i++)
        for (int64_t j = 0; j < e->gone; j++)
            side[i * e->gone + j] = matrix[i * obs->left + e->column[j]];
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, rows, gone, 1.0, e->factor, gone, side,
                gone);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, left, gone, -1.0, side, gone, e->rows, left, 1.0,
                matrix, left);
}

/* Column by column in the order of removal: L's columns are the eliminations one after the other. */
static void add_errors(pare_obs *obs, const removal *r, const elimination *e, int64_t done) {
    for (int64_t j = 0; j < e->gone; j++) {
        double sum = 0.0, plain = 0.0;
        for (int64_t i = 0; i < obs->rows; i++) {
            double w = e->left[i * e->gone + j];
            sum += w * (e->valued ? e->valued[i * e->gone + j] : w);
            plain += w * w;
        }
        obs->error += sum;
        obs->plain += plain;
        if (r->step->curve && (j + 1) % r->step->unit == 0) r->step->curve[done + j / r->step->unit] = obs->error;
    }
}

/* Rows `row` (NULL: all) and columns `column` of a matrix that was `width` wide, moved together in place. */
static void pack(double *matrix, int64_t width, const int64_t *row, int64_t rows, const int64_t *column,
                 int64_t columns) {
    for (int64_t i = 0; i < rows; i++) {
        const double *from = matrix + (row ? row[i] : i) * width;
        for (int64_t j = 0; j < columns; j++)
            matrix[i * columns + j] = from[column[j]];
    }
}

/* Closes the gaps that the first `count` candidates leave, in matrices and lists alike. */
static pare_status compact(pare_obs *obs, removal *r, int64_t count) {
    int64_t unit = r->step->unit, left = 0, units = 0, next = 0, *keep;
    PARE_TRY(pare_alloc(&keep, (size_t)obs->left, sizeof *keep, "columns left"));
    qsort(r->candidates, (size_t)count, sizeof *r->candidates, by_unit);
    for (int64_t u = 0; u < r->units; u++) {
        if (next < count && r->candidates[next].unit == u) {
            next++;
            continue;
        }
        r->group[units] = r->group[u];
        units++;
        for (int64_t j = 0; j < unit; j++) {
            obs->column[left] = obs->column[u * unit + j];
            keep[left++] = u * unit + j;
        }
    }
    pack(obs->inverse, obs->left, keep, left, keep, left);
    pack(obs->weights, obs->left, NULL, obs->rows, keep, left);
    if (obs->valued) pack(obs->valued, obs->left, NULL, obs->rows, keep, left);
    pare_free(keep);
    obs->left = left;
    r->units = units;
    return PARE_OK;
}

/* Removes the first `count` candidates together; `done` were removed before. */
static pare_status remove_round(pare_obs *obs, removal *r, int64_t count, int64_t done) {
    elimination e;
    PARE_TRY(elimination_new(obs, r, count, &e));
    pare_status status = PARE_OK;
    if (!pare_cholesky(e.factor, e.gone)) {
        status = pare_fail(PARE_NUMERIC_ERROR, "the inverse Gram matrix of %s lost its precision: raise the damping",
                           obs->what);
    } else {
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, (int)e.gone, (int)obs->left, 1.0,
                    e.factor, (int)e.gone, e.rows, (int)obs->left);
        eliminate(obs, &e, obs->weights, e.left);
        if (e.valued) eliminate(obs, &e, obs->valued, e.valued);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)obs->left, (int)e.gone, -1.0, e.rows, (int)obs->left,
                    1.0, obs->inverse, (int)obs->left);
        pare_mirror(obs->inverse, obs->left, obs->left);
        add_errors(obs, r, &e, done);
        status = compact(obs, r, count);
    }
    elimination_free(&e);
    return status;
}

static pare_status check(const pare_obs *obs, const pare_obs_step *step) {
    int64_t groups = step->groups > 1 ? step->groups : 1, units = step->unit > 0 ? obs->left / step->unit : 0;
    if (step->unit > 0 && obs->left % step->unit == 0 && units % groups == 0 && step->count % groups == 0 &&
        step->count >= 0 && step->count <= units && step->fraction >= 0.0 && step->fraction <= 1.0)
        return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "cannot remove %lld units of %lld columns, evenly from %lld groups, from %lld columns of %s",
                     (long long)step->count, (long long)step->unit, (long long)groups, (long long)obs->left, obs->what);
}

pare_status pare_obs_remove(pare_obs *obs, const pare_obs_step *step) {
    removal r;
    PARE_TRY(check(obs, step));
    PARE_TRY(removal_new(obs, step, &r));
    pare_status status = PARE_OK;
    pare_blas_threads();
    for (int64_t done = 0, count; done < step->count && status == PARE_OK; done += count) {
        int64_t limit = (int64_t)(step->fraction * (double)r.units);
        limit = limit < 1 ? 1 : limit;
        if (limit > step->count - done) limit = step->count - done;
        count = 0;
        status = pare_interrupted();
        if (status == PARE_OK) status = unit_errors(obs, &r);
        if (status != PARE_OK) break;
        count = choose(&r, limit);
        status = remove_round(obs, &r, count, done);
    }
    removal_free(&r);
    return status;
}
