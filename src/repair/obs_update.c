/* The order of work. Columns go in slabs, slabs in stretches of some 1024 columns. Within a slab rows are independent:
 * LANES of them at a time are transposed so that a vector holds one column of several rows, and are eliminated column
 * by column in first-level cache. Errors reach the rest of the stretch by a product per slab, and all columns behind
 * the stretch by one product of large depth. */
#include "repair/obs_update.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/product.h"
#include "support/vectorize.h"

#include <omp.h>
#include <string.h>

enum { LANES = 32, STRETCH = 1024 };

/* One thread's rows of a slab, [slab, LANES] each. */
typedef struct lanes {
    float *weight, *error, *score;
    uint8_t *kept;
    double loss[LANES];
} lanes;

typedef struct work {
    const pare_inverse_factor *factor;
    const pare_element_target *choose;
    float *weights;
    pare_element_mask *mask;
    int64_t rows, columns, slab, stretch;
    float *errors; /* [rows, stretch] */
    float *scores; /* [rows, slab]; with PARE_COMPARE_SLAB */
    uint8_t *kept; /* the same */
    float *pivot;  /* [columns] 1 / U_ii; 0 for dead inputs */
    double *loss;  /* [rows] */
    lanes *lanes;  /* [threads] */
    int threads;
} work;

static bool by_pattern(const work *w) {
    return w->choose && w->choose->of > 0;
}

static bool by_slab(const work *w) {
    return w->choose && !by_pattern(w) && w->choose->compare == PARE_COMPARE_SLAB;
}

static bool by_row(const work *w) {
    return w->choose && !by_pattern(w) && w->choose->compare == PARE_COMPARE_ROW;
}

/* `slab` columns, or more so that no pattern is cut. */
static int64_t whole_patterns(const pare_element_target *choose, int64_t slab) {
    int64_t of = choose ? choose->of : 0;
    return of > 0 ? (slab + of - 1) / of * of : slab;
}

static void work_free(work *w) {
    for (int i = 0; w->lanes && i < w->threads; i++) {
        pare_free(w->lanes[i].weight);
        pare_free(w->lanes[i].kept);
    }
    pare_free(w->lanes);
    pare_free(w->errors);
    pare_free(w->scores);
    pare_free(w->kept);
    pare_free(w->pivot);
    pare_free(w->loss);
}

static pare_status lanes_new(lanes *out, size_t slab) {
    size_t size = slab * LANES;
    PARE_TRY(pare_alloc(&out->weight, 3 * size, sizeof(float), "weight update"));
    out->error = out->weight + size;
    out->score = out->error + size;
    return pare_alloc(&out->kept, size, sizeof(uint8_t), "weight update");
}

static pare_status work_new(const pare_obs_update *update, float *weights, pare_element_mask *mask, work *w) {
    *w = (work){.factor = update->factor,
                .choose = update->choose,
                .weights = weights,
                .mask = mask,
                .rows = mask->rows,
                .columns = mask->columns,
                .slab = whole_patterns(update->choose, update->slab),
                .threads = omp_get_max_threads()};
    w->stretch = w->slab < STRETCH ? STRETCH / w->slab * w->slab : w->slab;
    size_t rows = (size_t)w->rows, slab = (size_t)w->slab;
    pare_status status =
        pare_alloc_uninitialized(&w->errors, rows * (size_t)w->stretch, sizeof(float), "weight update");
    if (!status) status = pare_alloc(&w->pivot, (size_t)w->columns, sizeof(float), "weight update");
    if (!status) status = pare_alloc(&w->loss, rows, sizeof(double), "weight update");
    if (!status) status = pare_alloc(&w->lanes, (size_t)w->threads, sizeof(lanes), "weight update");
    if (!status && by_slab(w)) status = pare_alloc(&w->scores, rows * slab, sizeof(float), "weight update");
    if (!status && by_slab(w)) status = pare_alloc(&w->kept, rows * slab, sizeof(uint8_t), "weight update");
    for (int i = 0; !status && i < w->threads; i++)
        status = lanes_new(&w->lanes[i], slab);
    if (status) {
        work_free(w);
        return status;
    }
    for (int64_t i = 0; i < w->columns; i++)
        w->pivot[i] = w->factor->dead[i] ? 0.0f : 1.0f / w->factor->upper[i * (w->columns + 1)];
    return PARE_OK;
}

/* scores: w^2 / U_jj^2 */
PARE_VECTORIZE static void score_row(const float *weights, const float *pivot, int64_t width, float *scores) {
    for (int64_t j = 0; j < width; j++) {
        float error = weights[j] * pivot[j];
        scores[j] = error * error;
    }
}

static void keep_row(work *w, int64_t row, int64_t first, int64_t width, const uint8_t *kept) {
    for (int64_t j = 0; j < width; j++)
        pare_element_keep(w->mask, row, first + j, kept[j]);
}

/* The slab's mask from all rows at once. */
static void choose_in_slab(work *w, int64_t first, int64_t width) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        score_row(w->weights + row * w->columns + first, w->pivot + first, width, w->scores + row * width);
    int64_t size = w->rows * width;
    int64_t prune = pare_element_count(size, w->choose->sparsity);
    if (w->choose->inclusive)
        pare_element_select_until(w->scores, size, prune, w->kept);
    else
        pare_element_select_group(w->scores, size, 1, prune, w->kept);
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < w->rows; row++)
        keep_row(w, row, first, width, w->kept + row * width);
}

/* A row's own mask in the slab. */
static void choose_in_row(work *w, lanes *t, int64_t row, int64_t first, int64_t width) {
    score_row(w->weights + row * w->columns + first, w->pivot + first, width, t->score);
    pare_element_select_group(t->score, width, 1, pare_element_count(width, w->choose->sparsity), t->kept);
    keep_row(w, row, first, width, t->kept);
}

PARE_VECTORIZE static void score_lanes(const float *weight, float pivot, float *score) {
    for (int l = 0; l < LANES; l++) {
        float error = weight[l] * pivot;
        score[l] = error * error;
    }
}

/* kept of column j of a group: at least `gone` of the others go before it, lower columns first among equals. */
PARE_VECTORIZE static void rank_lanes(const float *score, int64_t length, int64_t j, int32_t gone, uint8_t *kept) {
    int32_t before[LANES] = {0};
    for (int64_t k = 0; k < j; k++)
        for (int l = 0; l < LANES; l++)
            before[l] += score[k * LANES + l] <= score[j * LANES + l];
    for (int64_t k = j + 1; k < length; k++)
        for (int l = 0; l < LANES; l++)
            before[l] += score[k * LANES + l] < score[j * LANES + l];
    for (int l = 0; l < LANES; l++)
        kept[j * LANES + l] = before[l] >= gone;
}

/* A pattern's group, `length` columns from column i of the slab on, with the weights as they are now. */
static void choose_group(const work *w, lanes *t, int64_t first, int64_t i, int64_t length) {
    int64_t keep = (length * w->choose->keep + w->choose->of - 1) / w->choose->of;
    for (int64_t j = i; j < i + length; j++)
        score_lanes(t->weight + j * LANES, w->pivot[first + j], t->score + j * LANES);
    for (int64_t j = 0; j < length; j++)
        rank_lanes(t->score + i * LANES, length, j, (int32_t)(length - keep), t->kept + i * LANES);
}

/* Eliminates columns i .. end of the slab in all lanes and tells the columns up to `width`. upper: U's diagonal element
 * of the slab's first column, rows n apart. */
PARE_VECTORIZE static void eliminate(lanes *t, const float *upper, const float *pivot, int64_t n, int64_t i,
                                     int64_t end, int64_t width) {
    for (; i < end; i++) {
        const float *u = upper + i * n;
        const uint8_t *kept = t->kept + i * LANES;
        float *w = t->weight + i * LANES, *e = t->error + i * LANES, error[LANES];
        for (int l = 0; l < LANES; l++) {
            error[l] = kept[l] ? 0.0f : w[l] * pivot[i];
            e[l] = error[l];
            w[l] = kept[l] ? w[l] : 0.0f;
        }
        for (int l = 0; l < LANES; l++)
            t->loss[l] += (double)(error[l] * error[l]);
        for (int64_t j = i + 1; j < width; j++)
            for (int l = 0; l < LANES; l++)
                t->weight[j * LANES + l] -= error[l] * u[j];
    }
}

static void load(const work *w, lanes *t, int64_t row, int64_t count, int64_t first, int64_t width) {
    memset(t->loss, 0, sizeof t->loss);
    if (count < LANES) memset(t->weight, 0, (size_t)(width * LANES) * sizeof *t->weight);
    for (int64_t l = 0; l < count; l++) {
        const float *from = w->weights + (row + l) * w->columns + first;
        for (int64_t j = 0; j < width; j++) {
            t->weight[j * LANES + l] = from[j];
            t->kept[j * LANES + l] = pare_element_kept(w->mask, row + l, first + j);
        }
    }
}

/* errors: of the stretch, at the slab's first column. */
static void store(work *w, const lanes *t, int64_t row, int64_t count, int64_t first, int64_t width, float *errors) {
    for (int64_t l = 0; l < count; l++) {
        float *to = w->weights + (row + l) * w->columns + first, *error = errors + (row + l) * w->stretch;
        for (int64_t j = 0; j < width; j++) {
            to[j] = t->weight[j * LANES + l];
            error[j] = t->error[j * LANES + l];
        }
        for (int64_t j = 0; by_pattern(w) && j < width; j++)
            pare_element_keep(w->mask, row + l, first + j, t->kept[j * LANES + l]);
        w->loss[row + l] += t->loss[l];
    }
}

static void eliminate_rows(work *w, lanes *t, int64_t row, int64_t first, int64_t width, float *errors) {
    int64_t count = w->rows - row < LANES ? w->rows - row : LANES;
    const float *upper = w->factor->upper + first * (w->columns + 1), *pivot = w->pivot + first;
    for (int64_t l = 0; by_row(w) && l < count; l++)
        choose_in_row(w, t, row + l, first, width);
    load(w, t, row, count, first, width);
    int64_t step = by_pattern(w) ? w->choose->of : width;
    for (int64_t i = 0; i < width; i += step) {
        int64_t length = width - i < step ? width - i : step;
        if (by_pattern(w)) choose_group(w, t, first, i, length);
        eliminate(t, upper, pivot, w->columns, i, i + length, width);
    }
    store(w, t, row, count, first, width, errors);
}

/* columns from .. end -= errors U[at .. at + depth, from .. end] */
static void push(const work *w, const float *errors, int64_t at, int64_t depth, int64_t from, int64_t end) {
    if (from >= end || w->factor->identity) return;
    int64_t n = w->columns;
    pare_product(w->rows, end - from, depth, -1.0f, (pare_rows){errors, w->stretch},
                 (pare_rows){w->factor->upper + at * n + from, n}, 1.0f, w->weights + from, n);
}

static void run_stretch(work *w, int64_t start, int64_t end) {
    for (int64_t first = start; first < end; first += w->slab) {
        int64_t width = end - first < w->slab ? end - first : w->slab;
        float *errors = w->errors + (first - start);
        if (by_slab(w)) choose_in_slab(w, first, width);
#pragma omp parallel for schedule(static) num_threads(w->threads)
        for (int64_t row = 0; row < w->rows; row += LANES)
            eliminate_rows(w, &w->lanes[omp_get_thread_num()], row, first, width, errors);
        push(w, errors, first, width, first + width, end);
    }
    push(w, w->errors, start, end - start, end, w->columns);
}

static pare_status check(const pare_obs_update *update, const float *weights, const pare_element_mask *mask) {
    const pare_element_target *choose = update->choose;
    if (update->factor->n != mask->columns)
        return pare_fail(PARE_BAD_ARGUMENT, "the inverse factor of %lld inputs does not fit a matrix of %lld columns",
                         (long long)update->factor->n, (long long)mask->columns);
    if (update->slab < 1)
        return pare_fail(PARE_BAD_ARGUMENT, "a slab needs at least 1 column, not %lld", (long long)update->slab);
    if (choose && choose->of <= 0 && choose->compare != PARE_COMPARE_SLAB && choose->compare != PARE_COMPARE_ROW)
        return pare_fail(PARE_BAD_ARGUMENT, "SparseGPT chooses its mask per slab, per row of a slab or by a pattern "
                                            "while it updates weights: for another comparison give it the mask");
    if (pare_all_finite(weights, mask->rows * mask->columns)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR, "a matrix that is to be pruned holds NaN or infinity: check the model with "
                                         "`pare inspect`");
}

pare_status pare_obs_update_run(const pare_obs_update *update, float *weights, pare_element_mask *mask, double *loss) {
    work w;
    PARE_TRY(check(update, weights, mask));
    PARE_TRY(work_new(update, weights, mask, &w));
    pare_status status = PARE_OK;
    for (int64_t start = 0; start < w.columns && status == PARE_OK; start += w.stretch) {
        run_stretch(&w, start, w.columns - start < w.stretch ? w.columns : start + w.stretch);
        status = pare_interrupted();
    }
    double sum = 0.0;
    for (int64_t row = 0; row < w.rows; row++)
        sum += 0.5 * w.loss[row];
    if (loss) *loss = sum;
    work_free(&w);
    return status;
}

uint64_t pare_obs_update_bytes(int64_t rows, int64_t columns, int64_t slab) {
    uint64_t stretch = (uint64_t)(slab < STRETCH ? STRETCH : slab), threads = (uint64_t)omp_get_max_threads();
    return (uint64_t)rows * (stretch * sizeof(float) + (uint64_t)slab * 5 + sizeof(double)) +
           (uint64_t)columns * sizeof(float) + threads * (uint64_t)slab * LANES * 13;
}

/* Every column's errors go on to all columns behind it: within the slab one by one, which is slower than products are
 * by about this. */
pare_work pare_obs_update_work(int64_t rows, int64_t columns, int64_t slab) {
    static const double one_by_one = 4.0;
    double elements = (double)rows * (double)columns;
    pare_work total = {{0}};
    total.amount[PARE_WORK_SINGLE] = elements * ((double)columns + one_by_one * (double)slab);
    total.amount[PARE_WORK_BYTES] = 6.0 * elements * sizeof(float);
    return total;
}
