#include "importance/gathered.h"
#include "support/memory.h"

void pare_gathered_free(pare_gathered *gathered) {
    pare_free(gathered->weights);
    pare_free(gathered->gradient);
    pare_free(gathered->squares);
    pare_free(gathered->scores);
    *gathered = (pare_gathered){0};
}

uint64_t pare_gathered_bytes(const pare_salience *salience, uint64_t elements) {
    uint64_t buffers = 2;
    if (salience->needs & PARE_NEEDS_GRADIENT) buffers++;
    if (salience->needs & PARE_NEEDS_SQUARES) buffers++;
    return salience->whole ? buffers * elements * sizeof(float) : 0;
}

static pare_status allocate(pare_gathered *g, const pare_salience_matrix *matrix, const pare_row_signals *signals) {
    size_t count = (size_t)(matrix->rows * matrix->columns);
    pare_gathered_free(g);
    PARE_TRY(pare_alloc_uninitialized(&g->weights, count, sizeof *g->weights, "weights in hand"));
    if (signals->gradient)
        PARE_TRY(pare_alloc_uninitialized(&g->gradient, count, sizeof *g->gradient, "gradient in hand"));
    if (signals->squares)
        PARE_TRY(pare_alloc_uninitialized(&g->squares, count, sizeof *g->squares, "gradients in hand"));
    pare_salience_weights(matrix, 0, count, g->weights);
    return PARE_OK;
}

static void take(float *to, const float *from, int64_t count, float scale) {
    for (int64_t i = 0; to && i < count; i++)
        to[i] = scale == 0.0f ? from[i] : from[i] * scale;
}

pare_status pare_gathered_add(pare_index_scores *scores, const pare_salience_matrix *matrix, int64_t first,
                              int64_t rows, const pare_row_signals *signals, bool *complete) {
    pare_gathered *g = &scores->gathered;
    pare_salience_matrix all = *matrix;
    size_t count = (size_t)(matrix->rows * matrix->columns);
    int64_t at = first * matrix->columns;
    if (first == 0) PARE_TRY(allocate(g, matrix, signals));
    if (first != g->rows)
        return pare_fail(PARE_CHECK_FAILED, "rows of %s came out of order: %lld after %lld", matrix->name,
                         (long long)first, (long long)g->rows);
    take(g->gradient ? g->gradient + at : NULL, signals->gradient, rows * matrix->columns, signals->gradient_scale);
    take(g->squares ? g->squares + at : NULL, signals->squares, rows * matrix->columns, 0.0f);
    g->rows += rows;
    *complete = g->rows == matrix->rows;
    if (!*complete) return PARE_OK;
    all.weight = g->weights;
    all.scattered = NULL;
    all.dtype = PARE_DTYPE_F32;
    all.gradient = g->gradient;
    PARE_TRY(pare_alloc_uninitialized(&g->scores, count, sizeof *g->scores, "scores"));
    return pare_salience_scores(scores->salience, &all, g->squares, g->scores);
}
