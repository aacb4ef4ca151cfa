/* Biases that are refitted with their matrices. With m the mean of a matrix's inputs x in the pruned model, a bias
 * makes up for the mean of whatever the rest misses:
 *
 *   min over W', b' of sum |t - W' x - b'|^2  :   b' = E[t] - W' m,  and W' fits t - E[t] to x - m
 *
 * so that fits see G - n m m^T in place of G and C - n r m^T in place of C = sum r x^T, r being what the target adds in
 * the mean. E[t] is W u + b, u = m; in targets that have a share a of the dense model, whose inputs have the mean q:
 * u = m + a (q - m) for readers, and a times the mean of what it has more behind the stage is added for outputs. */
#include "layerwise/layerwise.h"
#include "support/memory.h"

#include <math.h>

pare_status pare_layerwise_add_reference(pare_layerwise *l, pare_input_kind kind, int64_t first, int64_t tokens) {
    pare_inputs inputs = {.x = l->reference, .tokens = tokens, .width = l->hidden};
    if (!pare_layerwise_intercepts(&l->asked, l->block.layer, kind)) return PARE_OK;
    if (first == 0) pare_input_moments_clear(&l->intercept.reference);
    return pare_input_moments_add(l->backend, &inputs, l->asked.length, &l->intercept.reference);
}

void pare_layerwise_halve_means(pare_layerwise *l, pare_input_kind kind) {
    pare_intercept *i = &l->intercept;
    const pare_input_moments *inputs = &l->statistics[kind].moments;
    if (!pare_layerwise_intercepts(&l->asked, l->block.layer, kind)) return;
    i->half_tokens = inputs->tokens;
    for (int64_t k = 0; k < l->hidden; k++) {
        i->half_inputs[k] = inputs->sums[k];
        i->half_reference[k] = i->reference.sums[k];
    }
}

/* matrix [rows, columns] += factor a b^T */
static void add_product(float *matrix, int64_t rows, int64_t columns, double factor, const double *a, const double *b) {
#pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            matrix[i * columns + j] = (float)((double)matrix[i * columns + j] + factor * a[i] * b[j]);
}

/* sum over tokens of |r|^2 that is the mean's: of what the target adds. */
static double energy_of_means(const pare_layerwise *l, pare_input_kind kind) {
    const pare_input_moments *inputs = &l->statistics[kind].moments, *reference = &l->intercept.reference;
    double sum = 0.0;
    for (int64_t i = 0; i < l->hidden; i++) {
        double r = reference->sums[i] - (pare_stage_reads(kind) ? inputs->sums[i] : 0.0);
        sum += r * r;
    }
    return sum / (double)reference->tokens;
}

void pare_layerwise_center(pare_layerwise *l, pare_input_kind kind, double *energy) {
    pare_intercept *i = &l->intercept;
    pare_input_statistics *s = &l->statistics[kind];
    int64_t width = s->moments.width;
    bool targeted = pare_layerwise_has_target(l, kind), reads = pare_stage_reads(kind);
    if (!width || !pare_layerwise_intercepts(&l->asked, l->block.layer, kind)) return;
    double share = -1.0 / (double)s->moments.tokens;
    if (s->gram) add_product(s->gram, width, width, share, s->moments.sums, s->moments.sums);
    if (targeted) add_product(l->cross, l->hidden, width, share, i->reference.sums, s->moments.sums);
    if (targeted && energy) *energy -= energy_of_means(l, kind);
    i->centered = true;
    if (!targeted || !reads || !l->halved) return;
    double half = -1.0 / (double)i->half_tokens;
    add_product(l->half_gram, width, width, half, i->half_inputs, i->half_inputs);
    add_product(l->half_cross, l->hidden, width, half, i->half_reference, i->half_inputs);
}

double pare_layerwise_mean_energy(const pare_layerwise *l, pare_input_kind kind) {
    double share = pare_stage_reads(kind) ? l->asked.reader_share : l->asked.output_share;
    return l->intercept.centered ? share * share * energy_of_means(l, kind) : 0.0;
}

pare_status pare_layerwise_add_between(pare_layerwise *l, pare_input_kind kind, double sign) {
    pare_intercept *i = &l->intercept;
    if (!i->centered) return PARE_OK;
    const pare_input_moments *inputs = &l->statistics[kind].moments;
    double a = (double)i->half_tokens, n = (double)inputs->tokens, b = n - a, *p, *r;
    PARE_TRY(pare_alloc(&p, 2 * (size_t)l->hidden, sizeof *p, "means"));
    r = p + l->hidden;
    for (int64_t k = 0; k < l->hidden; k++) {
        double q = i->half_reference[k] / a - (i->reference.sums[k] - i->half_reference[k]) / b;
        p[k] = i->half_inputs[k] / a - (inputs->sums[k] - i->half_inputs[k]) / b;
        r[k] = l->asked.reader_share * (q - p[k]);
    }
    add_product(l->statistics[kind].gram, l->hidden, l->hidden, sign * a * b / n, p, p);
    add_product(l->cross, l->hidden, l->hidden, sign * a * b / n, r, p);
    pare_free(p);
    return PARE_OK;
}

/* i->mean <- m, or u with `target`. */
static void take_means(pare_layerwise *l, pare_input_kind kind, bool target) {
    pare_intercept *i = &l->intercept;
    const pare_input_moments *inputs = &l->statistics[kind].moments;
    bool leans = target && pare_stage_reads(kind) && pare_layerwise_has_target(l, kind);
    for (int64_t k = 0; k < inputs->width; k++) {
        double m = inputs->sums[k] / (double)inputs->tokens;
        double q = leans ? i->reference.sums[k] / (double)i->reference.tokens : m;
        i->mean[k] = m + l->asked.reader_share * (q - m);
    }
}

static double product(const float *row, const double *mean, int64_t columns) {
    double sum = 0.0;
    for (int64_t j = 0; j < columns; j++)
        sum += (double)row[j] * mean[j];
    return sum;
}

void pare_layerwise_expect(pare_layerwise *l, pare_role role, const float *weights) {
    pare_intercept *i = &l->intercept;
    pare_input_kind kind = pare_input_of(role);
    bool adds = !pare_stage_reads(kind) && pare_layerwise_has_target(l, kind);
    int64_t rows, columns;
    pare_tensor_matrix(l->model->tensors[pare_tensor_id(l->block.layer, role)], &rows, &columns);
    take_means(l, kind, true);
#pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t row = 0; row < rows; row++)
        i->expected[row] = product(weights + row * columns, i->mean, columns);
    for (int64_t row = 0; row < rows && adds; row++)
        i->expected[row] += l->asked.output_share * i->reference.sums[row] / (double)i->reference.tokens;
}

double pare_layerwise_gap(pare_layerwise *l, pare_role role, const float *weights, const pare_index_list *kept) {
    pare_intercept *i = &l->intercept;
    pare_input_kind kind = pare_input_of(role);
    int64_t rows, columns;
    double sum = 0.0;
    pare_tensor_matrix(l->model->tensors[pare_tensor_id(l->block.layer, role)], &rows, &columns);
    take_means(l, kind, false);
    for (int64_t row = 0; row < rows; row++) {
        double gap = i->expected[row];
        for (int64_t j = 0; j < kept->count; j++)
            gap -= (double)weights[row * columns + kept->index[j]] * i->mean[kept->index[j]];
        sum += gap * gap;
    }
    return sum * (double)l->statistics[kind].moments.tokens;
}

/* What the block's bias is of channels that the pruned model does not have. */
static void clear_channels(const pare_layerwise *l, pare_role role, int64_t rows, float *bias) {
    const pare_index_list *channels = &l->asked.channels;
    for (int64_t row = 0, k = 0; row < rows && channels->index && pare_role_writes(role); row++) {
        bool kept = k < channels->count && channels->index[k] == row;
        k += kept;
        if (!kept) bias[row] = 0.0f;
    }
}

pare_status pare_layerwise_refit_bias(pare_layerwise *l, pare_role role, const float *weights) {
    pare_intercept *i = &l->intercept;
    uint32_t layer = l->block.layer;
    pare_role of = pare_roles[role].bias;
    size_t id = pare_tensor_id_in(&l->model->config, layer, of);
    const pare_tensor *tensor = l->model->tensors[id];
    int64_t rows, columns;
    pare_tensor_matrix(l->model->tensors[pare_tensor_id(layer, role)], &rows, &columns);
    take_means(l, pare_input_of(role), false);
    pare_source_rows(l->asked.source, id, 0, 1, i->bias[role]);
#pragma omp parallel for schedule(static) if (rows * columns > 65536)
    for (int64_t row = 0; row < rows; row++) {
        double missing = i->expected[row] - product(weights + row * columns, i->mean, columns);
        i->bias[role][row] = (float)((double)i->bias[role][row] + missing);
    }
    clear_channels(l, role, rows, i->bias[role]);
    pare_from_float(i->stored, tensor->dtype, i->bias[role], (size_t)rows);
    pare_to_float(i->bias[role], i->stored, tensor->dtype, (size_t)rows);
    for (int64_t row = 0; row < rows; row++)
        if (!isfinite(i->bias[role][row]))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "%s: the bias cannot be refitted in numbers of its type; calibrate with other text, or "
                             "take --compensate none",
                             tensor->name);
    l->block.weights.vector[of] = i->bias[role];
    return PARE_OK;
}

pare_status pare_layerwise_keep_bias(pare_layerwise *l, pare_role role, const pare_index_list *kept) {
    pare_intercept *i = &l->intercept;
    size_t id = pare_tensor_id_in(&l->model->config, l->block.layer, pare_roles[role].bias);
    const pare_tensor *tensor = l->model->tensors[id];
    int64_t rows = pare_tensor_columns(tensor);
    pare_index_list one = {.count = 1};
    void *out;
    PARE_TRY(pare_repaired_add(l->repaired, l->model, id, 1, (uint64_t)kept->count, &out));
    pare_from_float(i->stored, tensor->dtype, i->bias[role], (size_t)rows);
    pare_matrix_cut(i->stored, rows, pare_dtype_size(tensor->dtype), one, *kept, out);
    return PARE_OK;
}
