/* stochRIA (arXiv 2501.18980, Lemma 3.10; spec 7.5): the sums of rows and columns are taken over drawn weights. */
#include "importance/relative.h"
#include "support/memory.h"
#include "support/random.h"

#include <math.h>
#include <omp.h>

/* Rows or columns of a matrix. */
typedef struct lines {
    const pare_salience_matrix *matrix;
    bool columns;
    int64_t count, length; /* lines, and weights of each */
    int64_t drawn;
    int64_t words; /* of 64 marks for the weights of a line */
} lines;

static double weight_at(const lines *l, int64_t line, int64_t index) {
    const pare_salience_matrix *m = l->matrix;
    size_t element = (size_t)(l->columns ? index * m->columns + line : line * m->columns + index);
    float weight;
    pare_salience_weights(m, element, 1, &weight);
    return (double)fabsf(weight);
}

static bool mark(uint64_t *marks, uint64_t index) {
    uint64_t bit = (uint64_t)1 << (index % 64), *word = &marks[index / 64];
    bool fresh = !(*word & bit);
    *word |= bit;
    return fresh;
}

/* Floyd's algorithm: each of the last `drawn` indices brings one from 0 up to itself, or itself if that one is there.
 * marks: zeros, and zeros again afterwards. */
static double drawn_sum(const lines *l, int64_t line, uint64_t *marks) {
    const pare_salience_matrix *m = l->matrix;
    pare_random random = {.seed = m->constants->seed,
                          .stream = m->tensor << 33 | (uint64_t)l->columns << 32 | (uint64_t)line};
    double sum = 0.0;
    for (int64_t last = l->length - l->drawn; last < l->length; last++) {
        uint64_t index = pare_random_below(&random, (uint64_t)last + 1);
        if (!mark(marks, index)) mark(marks, index = (uint64_t)last);
        sum += weight_at(l, line, (int64_t)index);
    }
    for (int64_t i = 0; i < l->words; i++)
        marks[i] = 0;
    return sum * (double)l->length / (double)l->drawn;
}

/* factor: [count], in: from the full sums, kept where nothing but zeros is drawn. */
static pare_status draw_lines(const lines *l, float *factor) {
    uint64_t *marks;
    int threads = omp_get_max_threads();
    PARE_TRY(pare_alloc(&marks, (size_t)(threads * l->words), sizeof *marks, "drawn weights"));
#pragma omp parallel for schedule(static) num_threads(threads) if (l->count * l->drawn > 4096)
    for (int64_t i = 0; i < l->count; i++) {
        double sum = drawn_sum(l, i, marks + omp_get_thread_num() * l->words);
        if (sum != 0.0) factor[i] = pare_relative_reciprocal(sum);
    }
    pare_free(marks);
    return PARE_OK;
}

static lines lines_of(const pare_salience_matrix *matrix, bool columns, int64_t drawn) {
    int64_t length = columns ? matrix->rows : matrix->columns;
    return (lines){.matrix = matrix,
                   .columns = columns,
                   .count = columns ? matrix->columns : matrix->rows,
                   .length = length,
                   .drawn = drawn,
                   .words = (length + 63) / 64};
}

static pare_status prepare(const pare_salience_matrix *matrix, pare_salience_factors *factors) {
    double share = matrix->constants->share;
    int64_t shorter = matrix->rows < matrix->columns ? matrix->rows : matrix->columns;
    if (!(share > 0.0 && share <= 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "%g is not a share of weights to draw: give one above 0, up to 1", share);
    PARE_TRY(pare_relative_inputs(matrix, factors));
    PARE_TRY(pare_relative_prepare(matrix, 1.0, factors));
    if (share == 1.0 || shorter == 0) return PARE_OK;
    int64_t drawn = (int64_t)fmax(1.0, round(share * (double)shorter));
    lines rows = lines_of(matrix, false, drawn), columns = lines_of(matrix, true, drawn);
    PARE_TRY(draw_lines(&rows, factors->row));
    return draw_lines(&columns, factors->column);
}

const pare_salience pare_salience_stochria = {.name = "stochria",
                                              .formula = "|w| (1/drawn column + 1/drawn row) ||x||^a",
                                              .needs = PARE_NEEDS_INPUTS,
                                              .constants = {.exponent = 1.0, .share = 0.1},
                                              .prepare = prepare,
                                              .elements = pare_relative_elements};
