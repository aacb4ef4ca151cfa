#include "calibrate/input_moments.h"
#include "calibrate/input_moments_internal.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

/* A tile of values as floats, small enough for the first level of cache beside its sums: rows are tokens. By feature,
 * it holds one run of a feature's values, in rows of LANES. What is beyond the values' end is 0. */
enum { TILE_ROWS = 8, TILE_COLUMNS = 512, LANES = 64, TILE = TILE_ROWS * TILE_COLUMNS };

/* Adds the columns of TILE_ROWS rows. */
PARE_VECTORIZE static void add_rows(const float *restrict x, int64_t stride, int64_t columns, double *restrict squares,
                                    double *restrict sums) {
    for (int64_t j = 0; j < columns; j++) {
        double square = 0.0, sum = 0.0;
        for (int64_t t = 0; t < TILE_ROWS; t++) {
            double value = (double)x[t * stride + j];
            sum += value;
            square += value * value;
        }
        squares[j] += square;
        sums[j] += sum;
    }
}

/* n values from element `at` on. */
static void fill(const pare_moment_values *v, int64_t at, int64_t n, float *out) {
    pare_to_float(out, (const char *)v->x + (size_t)at * pare_dtype_size(v->dtype), v->dtype, (size_t)n);
}

/* What one sequence gives to feature j. Rounding may leave a constant input a variance just below zero. */
static void add_sequence(const pare_moment_sums *to, int64_t j, int64_t length, double squares, double sum) {
    double within = squares - sum * sum / (double)length;
    to->squares[j] += squares;
    if (to->sums) to->sums[j] += sum;
    if (to->within) to->within[j] += within < 0.0 ? 0.0 : within;
}

/* Columns [first, first + count) of values by token; count <= TILE_COLUMNS. */
static void add_columns(const pare_moment_values *v, int64_t first, int64_t count, const pare_moment_sums *to) {
    float tile[TILE];
    for (int64_t begin = 0; begin < v->tokens; begin += v->length) {
        double squares[TILE_COLUMNS] = {0}, sums[TILE_COLUMNS] = {0};
        for (int64_t t = 0; t < v->length; t += TILE_ROWS) {
            for (int64_t i = 0; i < TILE_ROWS; i++)
                if (t + i < v->length)
                    fill(v, (begin + t + i) * v->width + first, count, tile + i * TILE_COLUMNS);
                else
                    memset(tile + i * TILE_COLUMNS, 0, (size_t)count * sizeof *tile);
            add_rows(tile, TILE_COLUMNS, count, squares, sums);
        }
        for (int64_t j = 0; j < count; j++)
            add_sequence(to, first + j, v->length, squares[j], sums[j]);
    }
}

/* Feature j of values by feature. */
static void add_feature(const pare_moment_values *v, int64_t j, const pare_moment_sums *to) {
    enum { STEP = TILE_ROWS * LANES };
    float tile[TILE];
    for (int64_t begin = 0; begin < v->tokens; begin += v->length) {
        double squares[LANES] = {0}, sums[LANES] = {0};
        for (int64_t t = 0; t < v->length; t += TILE) {
            int64_t n = v->length - t < TILE ? v->length - t : TILE, whole = (n + STEP - 1) / STEP * STEP;
            fill(v, j * v->tokens + begin + t, n, tile);
            memset(tile + n, 0, (size_t)(whole - n) * sizeof *tile);
            for (int64_t i = 0; i < whole; i += STEP)
                add_rows(tile + i, LANES, LANES, squares, sums);
        }
        for (int half = LANES / 2; half; half /= 2)
            for (int l = 0; l < half; l++) {
                squares[l] += squares[l + half];
                sums[l] += sums[l + half];
            }
        add_sequence(to, j, v->length, squares[0], sums[0]);
    }
}

void pare_moments_add(const pare_moment_values *values, const pare_moment_sums *sums) {
    int64_t width = values->width, step = values->by_feature ? 1 : TILE_COLUMNS;
#pragma omp parallel for schedule(dynamic) if (values->tokens * width > 65536)
    for (int64_t first = 0; first < width; first += step) {
        if (values->by_feature)
            add_feature(values, first, sums);
        else
            add_columns(values, first, width - first < step ? width - first : step, sums);
    }
}

pare_status pare_input_moments_new(int64_t width, bool variance, pare_input_moments *out) {
    *out = (pare_input_moments){.width = width};
    pare_status status = pare_alloc(&out->squares, (size_t)width, sizeof(double), "input moments");
    if (status == PARE_OK && variance) status = pare_alloc(&out->sums, (size_t)width, sizeof(double), "input moments");
    if (status == PARE_OK && variance)
        status = pare_alloc(&out->within, (size_t)width, sizeof(double), "input moments");
    if (status != PARE_OK) pare_input_moments_free(out);
    return status;
}

void pare_input_moments_free(pare_input_moments *moments) {
    pare_free(moments->squares);
    pare_free(moments->sums);
    pare_free(moments->within);
    *moments = (pare_input_moments){0};
}

void pare_input_moments_clear(pare_input_moments *moments) {
    moments->tokens = moments->sequences = 0;
    for (int64_t i = 0; i < moments->width; i++)
        moments->squares[i] = 0.0;
    for (int64_t i = 0; moments->sums && i < moments->width; i++)
        moments->sums[i] = moments->within[i] = 0.0;
}

static pare_status sum_reals(double *values, double *half, int64_t width, pare_shard_sums *sums) {
    pare_shard_sum sum = {.kind = PARE_SUM_DOUBLE, .values = values, .count = (size_t)width, .half = half};
    return values ? pare_shard_sums_add(sums, &sum) : PARE_OK;
}

static pare_status sum_count(int64_t *value, int64_t *half, pare_shard_sums *sums) {
    return pare_shard_sums_add(sums,
                               &(pare_shard_sum){.kind = PARE_SUM_COUNT, .values = value, .count = 1, .half = half});
}

pare_status pare_input_moments_sum(pare_input_moments *moments, double *half_sums, int64_t *half_tokens,
                                   pare_shard_sums *sums) {
    if (!moments->width) return PARE_OK;
    PARE_TRY(sum_reals(moments->squares, NULL, moments->width, sums));
    PARE_TRY(sum_reals(moments->sums, half_sums, moments->width, sums));
    PARE_TRY(sum_reals(moments->within, NULL, moments->width, sums));
    PARE_TRY(sum_count(&moments->tokens, half_tokens, sums));
    return sum_count(&moments->sequences, NULL, sums);
}

uint64_t pare_input_moments_sum_bytes(int64_t width, bool variance) {
    return (uint64_t)width * sizeof(double) * (variance ? 3 : 1) + 2 * sizeof(int64_t);
}

pare_status pare_input_moments_add(const pare_backend *backend, const pare_inputs *inputs, int64_t length,
                                   pare_input_moments *moments) {
    if (inputs->width != moments->width)
        return pare_fail(PARE_BAD_ARGUMENT, "inputs of width %lld cannot be added to the moments of %lld inputs",
                         (long long)inputs->width, (long long)moments->width);
    if (length <= 0 || inputs->tokens % length)
        return pare_fail(PARE_BAD_ARGUMENT, "%lld tokens are not whole sequences of %lld tokens",
                         (long long)inputs->tokens, (long long)length);
    pare_moment_values values = {.x = inputs->x,
                                 .dtype = backend->operand,
                                 .by_feature = inputs->by_feature,
                                 .tokens = inputs->tokens,
                                 .width = inputs->width,
                                 .length = length};
    pare_moment_sums sums = {.squares = moments->squares, .sums = moments->sums, .within = moments->within};
    pare_moments_add(&values, &sums);
    moments->tokens += inputs->tokens;
    moments->sequences += inputs->tokens / length;
    return PARE_OK;
}

/* x / count, 0 before anything was added. */
static double share(double x, int64_t count) {
    return count ? x / (double)count : 0.0;
}

void pare_input_moments_norm(const pare_input_moments *moments, float *out) {
    for (int64_t i = 0; i < moments->width; i++)
        out[i] = (float)sqrt(share(moments->squares[i], moments->sequences));
}

void pare_input_moments_deviation(const pare_input_moments *moments, float *out) {
    for (int64_t i = 0; i < moments->width; i++) {
        double squares = moments->squares[i] - share(moments->sums[i] * moments->sums[i], moments->tokens);
        out[i] = (float)sqrt(share(fmax(0.0, squares), moments->sequences));
    }
}

void pare_input_moments_mean(const pare_input_moments *moments, float *out) {
    for (int64_t i = 0; i < moments->width; i++)
        out[i] = (float)share(moments->sums[i], moments->sequences);
}

void pare_input_moments_variance(const pare_input_moments *moments, float *out) {
    for (int64_t i = 0; i < moments->width; i++)
        out[i] = (float)share(moments->within[i], moments->tokens);
}
