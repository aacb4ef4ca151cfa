#include "layerwise/dense_statistics.h"
#include "select/element_shares.h"
#include "support/blocks.h"
#include "support/memory.h"

#include <stdio.h>
#include <string.h>

typedef struct costs {
    pare_cost_histogram *matrices; /* [pruned matrices] */
    uint32_t count;
    double asked;
} costs;

static double mean_of(const float *values, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)values[i];
    return n ? sum / (double)n : 0.0;
}

/* out: float [n] 1 / [F^-1]_oo of one block of F, damped. */
static pare_status block_weights(const float *fisher, int64_t n, double damping, const char *what, float *out) {
    pare_inverse_factor factor = {0};
    PARE_TRY(pare_inverse_factor_new(fisher, n, damping, what, &factor));
    memset(out, 0, (size_t)n * sizeof *out);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i; j < n; j++)
            out[j] += factor.upper[i * n + j] * factor.upper[i * n + j];
    for (int64_t i = 0; i < n; i++)
        out[i] = 1.0f / out[i];
    pare_inverse_factor_free(&factor);
    return PARE_OK;
}

/* out: float [rows] 1 / [F^-1]_oo, F damped; ones where the metric is plain, or the loss feels nothing. */
static pare_status output_weights(const pare_weight_walk *w, size_t id, int64_t rows, float *out) {
    const pare_linear_fisher *fisher = w->job->fisher;
    double damping = w->recipe->fisher_damping;
    const float *diagonal = fisher ? fisher->diagonal[id] : NULL;
    double mean = diagonal ? mean_of(diagonal, rows) : 0.0;
    for (int64_t i = 0; i < rows; i++)
        out[i] = mean > 0.0 ? (float)((double)diagonal[i] + damping * mean) : 1.0f;
    if (!(mean > 0.0) || !fisher->full[id]) return PARE_OK;
    pare_blocks blocks = pare_blocks_of(rows, fisher->block[id]);
    char what[96];
    snprintf(what, sizeof what, "the gradients at the output of %.60s", w->l.model->tensors[id]->name);
    for (int64_t i = 0; i < blocks.count; i++) {
        int64_t first = i * blocks.size;
        double own = mean_of(diagonal + first, blocks.size);
        if (own > 0.0)
            PARE_TRY(block_weights(fisher->full[id] + pare_blocks_begin(blocks, i), blocks.size, damping * mean / own,
                                   what, out + first));
    }
    return PARE_OK;
}

/* w->scores <- w^2 row_o / [H^-1]_ii */
static void price(pare_weight_walk *w, const float *inverse, const float *row, int64_t rows, int64_t columns) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            float value = w->dense[i * columns + j];
            w->scores[i * columns + j] = value * value * (row[i] / inverse[j]);
        }
}

static pare_status see(pare_weight_walk *w, const pare_dense_statistics *s, uint32_t layer, pare_role role,
                       void *context) {
    costs *c = context;
    size_t id = pare_tensor_id(layer, role);
    int64_t rows, columns;
    float *row;
    pare_tensor_matrix(w->l.model->tensors[id], &rows, &columns);
    pare_source_rows(w->job->source, id, 0, rows, w->dense);
    PARE_TRY(pare_alloc(&row, (size_t)rows, sizeof *row, "costs"));
    pare_status status = output_weights(w, id, rows, row);
    if (status == PARE_OK) price(w, s->inverse[layer][pare_input_of(role)], row, rows, columns);
    pare_free(row);
    PARE_TRY(status);
    pare_cost_histogram *histogram = &c->matrices[c->count];
    PARE_TRY(pare_cost_histogram_new(histogram));
    c->asked = w->sparsity[id];
    c->count++;
    return pare_cost_histogram_add(histogram, w->scores, rows * columns);
}

/* Experts' matrices, and those of latents that are no layer's input, keep the share that was asked for. */
static bool is_weighed(const pare_weight_walk *w, size_t id) {
    uint32_t layer;
    pare_role role;
    return w->job->pruned[id] && pare_tensor_id_split(w->l.model, id, &layer, &role) &&
           !pare_reads_latent(&w->l.model->config, role);
}

static pare_status allocate(pare_weight_walk *w, const costs *c) {
    int64_t *gone;
    PARE_TRY(pare_alloc(&gone, c->count, sizeof *gone, "sparsities"));
    pare_element_shares(c->matrices, c->count, c->asked, w->recipe->spread, gone);
    for (size_t id = 0, at = 0; id < w->l.model->tensor_count; id++)
        if (is_weighed(w, id)) {
            w->sparsity[id] = (double)gone[at] / (double)c->matrices[at].count;
            at++;
        }
    pare_free(gone);
    return PARE_OK;
}

pare_status pare_allocate_by_costs(pare_weight_walk *w, pare_dense_statistics *s) {
    costs c = {0};
    PARE_TRY(pare_alloc(&c.matrices, w->l.model->tensor_count, sizeof *c.matrices, "costs"));
    pare_status status = pare_dense_statistics_visit(w, s, see, &c);
    if (status == PARE_OK) status = allocate(w, &c);
    for (uint32_t i = 0; i < c.count; i++)
        pare_cost_histogram_free(&c.matrices[i]);
    pare_free(c.matrices);
    return status;
}
