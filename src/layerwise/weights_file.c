/* What a walk that prunes single weights keeps of a layer, behind its repaired tensors (walk_file.c), for each matrix
 * that is pruned, numbers little-endian: what became of it, as in memory, and its flags as u32; the factors of what was
 * lost, and the matrix at every searched share, where there are such. */
#include "layerwise/weights_internal.h"
#include "model/expert_tensors.h"

static bool fits(const pare_matrix_result *r, int64_t rows, int64_t columns) {
    const pare_mask_statistics *s = &r->statistics;
    return r->rows == rows && r->columns == columns && r->kept >= 0 && r->kept <= rows * columns && s->bin_rows >= 0 &&
           s->bin_rows <= PARE_DENSITY_BINS && s->bin_columns >= 0 && s->bin_columns <= PARE_DENSITY_BINS;
}

/* Flags by themselves, so that none is looked at before it is one. */
static pare_status pass_result(pare_matrix_result *result, const pare_tensor *tensor, pare_state_file *file) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    PARE_TRY(pare_state_pass(file, result, sizeof *result));
    PARE_TRY(pare_state_flag(file, &result->pruned));
    PARE_TRY(pare_state_flag(file, &result->bias));
    PARE_TRY(pare_state_flag(file, &result->damped));
    return fits(result, rows, columns) ? PARE_OK : pare_state_refuse(file->place, "is of matrices of other shapes");
}

static pare_status pass_residual(const pare_weight_walk *w, size_t id, pare_state_file *file) {
    pare_trained *trained = w->job->residual;
    pare_lora_factors f = trained ? pare_lora_factors_of(trained, id) : (pare_lora_factors){0};
    if (!f.rank) return PARE_OK;
    PARE_TRY(pare_state_pass(file, trained->value + f.a, (uint64_t)(f.rank * f.columns) * sizeof *trained->value));
    return pare_state_pass(file, trained->value + f.b, (uint64_t)(f.rows * f.rank) * sizeof *trained->value);
}

static pare_status pass_levels(const pare_weight_walk *w, size_t id, pare_state_file *file) {
    const pare_weight_levels *levels = w->job->levels;
    const pare_tensor *tensor = w->l.model->tensors[id];
    for (uint32_t i = 0; levels && i < levels->count; i++)
        PARE_TRY(pare_state_pass(file, levels->matrix[id][i], tensor->count * pare_dtype_size(tensor->dtype)));
    return PARE_OK;
}

static bool is_whole(const pare_weight_walk *w, size_t id) {
    const pare_repaired *r = w->l.repaired;
    return id >= r->count || !r->matrix[id] || r->elements[id] == w->l.model->tensors[id]->count;
}

/* What was changed is whole. */
static pare_status check_whole(const pare_weight_walk *w, uint32_t layer, const pare_state_file *file) {
    const pare_config *config = &w->l.model->config;
    bool whole = true;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        whole &= !pare_has_role(&config->architecture, role) || is_whole(w, pare_tensor_id_in(config, layer, role));
    for (uint32_t expert = 0; expert < config->widths[layer].experts; expert++)
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++)
            whole &= is_whole(w, pare_tensor_id_expert(config, layer, expert, part));
    return whole ? PARE_OK : pare_state_refuse(file->place, "is of matrices of other shapes");
}

/* What became of it, its factors and levels, where it is pruned. */
static pare_status pass_matrix(pare_weight_walk *w, size_t id, pare_state_file *file) {
    if (!w->job->pruned[id]) return PARE_OK;
    PARE_TRY(pass_result(&w->results[id], w->l.model->tensors[id], file));
    PARE_TRY(pass_residual(w, id, file));
    return pass_levels(w, id, file);
}

static pare_status pass_experts(pare_weight_walk *w, uint32_t layer, pare_state_file *file) {
    const pare_config *config = &w->l.model->config;
    for (uint32_t expert = 0; expert < config->widths[layer].experts; expert++)
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++)
            PARE_TRY(pass_matrix(w, pare_tensor_id_expert(config, layer, expert, part), file));
    return PARE_OK;
}

pare_status pare_weights_describe(void *walk, uint32_t layer, pare_state_file *file) {
    pare_weight_walk *w = walk;
    PARE_TRY(check_whole(w, layer, file));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        PARE_TRY(pass_matrix(w, pare_tensor_id(layer, (pare_role)role), file));
    return pass_experts(w, layer, file);
}
