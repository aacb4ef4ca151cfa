/* What a walk that prunes single weights keeps of a layer, behind its repaired tensors (walk_file.c), for each matrix
 * that is pruned, those of experts behind the others, numbers little-endian: what became of it, as in memory, and its
 * flags as u32; the factors of what was lost, and the matrix at every searched share, where there are such. */
#include "layerwise/weights_internal.h"
#include "model/expert_tensors.h"

static bool fits(const pare_matrix_result *r, int64_t rows, int64_t columns) {
    const pare_mask_statistics *s = &r->statistics;
    return r->pruned && r->rows == rows && r->columns == columns && r->kept >= 0 && r->kept <= rows * columns &&
           r->zeros >= 0 && r->zeros <= rows * columns && r->tokens >= 0 && s->empty_rows >= 0 &&
           s->empty_rows <= rows && s->empty_columns >= 0 && s->empty_columns <= columns && s->bin_rows >= 0 &&
           s->bin_rows <= PARE_DENSITY_BINS && s->bin_columns >= 0 && s->bin_columns <= PARE_DENSITY_BINS;
}

/* Flags by themselves, so that none is looked at before it is one. */
static pare_status pass_result(pare_matrix_result *result, const pare_tensor *tensor, pare_state_file *file) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    PARE_TRY(pare_state_pass(file, result, sizeof *result));
    PARE_TRY(pare_state_flag(file, &result->pruned));
    PARE_TRY(pare_state_flag(file, &result->borrowed));
    PARE_TRY(pare_state_flag(file, &result->of_expert));
    PARE_TRY(pare_state_flag(file, &result->silent));
    PARE_TRY(pare_state_flag(file, &result->bias));
    PARE_TRY(pare_state_flag(file, &result->damped));
    if (pare_state_reads(file) && !fits(result, rows, columns))
        return pare_state_refuse(file->place, "is of matrices of other shapes");
    return pare_state_finite(file, result->statistics.bins, PARE_DTYPE_F32,
                             sizeof result->statistics.bins / sizeof *result->statistics.bins);
}

static pare_status pass_residual(const pare_weight_walk *w, size_t id, pare_state_file *file) {
    pare_trained *trained = w->job->residual;
    pare_lora_factors f = trained ? pare_lora_factors_of(trained, id) : (pare_lora_factors){0};
    if (!f.rank) return PARE_OK;
    PARE_TRY(pare_state_numbers(file, trained->value + f.a, PARE_DTYPE_F32, (uint64_t)(f.rank * f.columns)));
    return pare_state_numbers(file, trained->value + f.b, PARE_DTYPE_F32, (uint64_t)(f.rows * f.rank));
}

static pare_status pass_levels(const pare_weight_walk *w, size_t id, pare_state_file *file) {
    const pare_weight_levels *levels = w->job->levels;
    const pare_tensor *tensor = w->l.model->tensors[id];
    for (uint32_t i = 0; levels && i < levels->count; i++)
        PARE_TRY(pare_state_numbers(file, levels->matrix[id][i], tensor->dtype, tensor->count));
    return PARE_OK;
}

/* What is pruned was written anew, and that is whole. */
static pare_status pass_matrix(const pare_weight_walk *w, size_t id, pare_state_file *file) {
    const pare_repaired *r = w->l.repaired;
    if (!w->job->pruned[id]) return PARE_OK;
    if (pare_state_reads(file) && (!r->matrix[id] || r->elements[id] != w->l.model->tensors[id]->count))
        return pare_state_refuse(file->place, "is of matrices of other shapes");
    PARE_TRY(pass_result(&w->results[id], w->l.model->tensors[id], file));
    PARE_TRY(pass_residual(w, id, file));
    return pass_levels(w, id, file);
}

/* Biases that were refitted. */
static pare_status check_whole(const pare_weight_walk *w, uint32_t layer, const pare_state_file *file) {
    const pare_repaired *r = w->l.repaired;
    for (size_t i = 0; i < pare_layer_tensors(&w->l.model->config); i++) {
        size_t id = pare_layer_tensor(&w->l.model->config, layer, i);
        if (id < r->count && r->matrix[id] && r->elements[id] != w->l.model->tensors[id]->count)
            return pare_state_refuse(file->place, "is of matrices of other shapes");
    }
    return PARE_OK;
}

pare_status pare_weights_describe(void *walk, uint32_t layer, pare_state_file *file) {
    pare_weight_walk *w = walk;
    const pare_config *config = &w->l.model->config;
    PARE_TRY(check_whole(w, layer, file));
    for (size_t i = 0; i < pare_layer_tensors(config); i++) {
        size_t id = pare_layer_tensor(config, layer, i);
        if (id < w->l.model->tensor_count) PARE_TRY(pass_matrix(w, id, file));
    }
    return PARE_OK;
}
