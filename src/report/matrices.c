#include "report/matrices.h"
#include "model/expert_tensors.h"
#include "model/layer_matrices.h"

#include <math.h>

static json_t *errors_json(const pare_matrix_result *r) {
    double share = r->energy > 0.0 ? 1.0 / r->energy : NAN;
    return pare_json_of({"dense_output", pare_json_measured(r->energy)}, {"mask", pare_json_measured(r->selected)},
                        {"refined", pare_json_measured(r->refined)}, {"written", pare_json_measured(r->repaired)},
                        {"relative", pare_json_measured(r->repaired * share)});
}

static json_t *matrix_json(const pare_model *model, size_t id, const pare_matrix_result *r) {
    const pare_mask_statistics *s = &r->statistics;
    double count = (double)(r->rows * r->columns);
    json_t *json =
        pare_json_of({"name", pare_json_string(model->tensors[id]->name)},
                     {"sparsity", pare_json_real(1.0 - (double)r->kept / count)}, {"kept", json_integer(r->kept)},
                     {"zeros", json_integer(r->zeros)}, {"seconds", pare_json_real(r->seconds)});
    if (isfinite(r->repaired)) pare_json_put(json, "error", errors_json(r));
    if (isfinite(r->weighted_before))
        pare_json_put(
            json, "felt_error",
            pare_json_of({"mask", pare_json_real(r->weighted_before)}, {"written", pare_json_real(r->weighted_after)}));
    if (r->swaps) pare_json_put(json, "swaps", json_integer(r->swaps));
    if (isfinite(r->expected_before))
        pare_json_put(
            json, "expected_error",
            pare_json_of({"before", pare_json_real(r->expected_before)}, {"after", pare_json_real(r->expected_after)}));
    if (r->region_first > 0.0)
        pare_json_put(
            json, "region_error",
            pare_json_of({"first", pare_json_real(r->region_first)}, {"last", pare_json_real(r->region_last)}));
    if (r->bias) pare_json_put(json, "bias", json_true());
    pare_expert_place place;
    if (pare_tensor_id_split_expert(model, id, &place)) pare_json_put(json, "expert", json_integer(place.expert));
    if (r->of_expert) pare_json_put(json, "tokens", json_integer(r->tokens));
    if (r->borrowed) pare_json_put(json, "inputs_of_layer", json_true());
    if (r->damped)
        pare_json_put(json, "damping",
                      pare_json_of({"share", pare_json_real(r->damping.share)},
                                   {"raised", json_integer(r->damping.raised)},
                                   {"dead_inputs", json_integer(r->damping.dead)}));
    pare_json_put(json, "mask",
                  pare_json_of({"empty_rows", json_integer(s->empty_rows)},
                               {"empty_columns", json_integer(s->empty_columns)},
                               {"row_stripes", pare_json_real(s->row_stripes)},
                               {"column_stripes", pare_json_real(s->column_stripes)}));
    return json;
}

void pare_matrices_count(const pare_model *model, const pare_matrix_result *matrices, uint64_t *gone, uint64_t *all) {
    *gone = *all = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        const pare_matrix_result *r = &matrices[id];
        if (!r->pruned) continue;
        *all += (uint64_t)(r->rows * r->columns);
        *gone += (uint64_t)(r->rows * r->columns - r->kept);
    }
}

static json_t *target_json(const pare_sparsity_results *s) {
    if (s->of) return pare_json_format("%u:%u (%u of every %u stay)", s->keep, s->of, s->keep, s->of);
    if (!s->shares) return pare_json_real(s->share);
    json_t *list = json_array();
    for (size_t i = 0; i < s->share_count; i++)
        pare_json_append(list, pare_json_real(s->shares[i]));
    return list;
}

static json_t *residual_json(const pare_residual_results *r) {
    json_t *json = pare_json_of({"rank", json_integer(r->rank)}, {"parameters", pare_json_count(r->parameters)},
                                {"folder", r->folder ? pare_json_string(r->folder) : json_null()});
    pare_json_put_measured(json, "error_before", r->before);
    pare_json_put_measured(json, "error_after", r->after);
    return json;
}

/* Layer by layer. */
static json_t *matrices_json(const pare_sparsity_results *r) {
    const pare_config *config = &r->model->config;
    json_t *matrices = json_array();
    for (uint32_t layer = 0; layer < config->layers; layer++)
        for (size_t i = 0; i < pare_layer_matrices(config); i++) {
            size_t id = pare_layer_matrix(config, layer, i);
            if (r->matrices[id].pruned) pare_json_append(matrices, matrix_json(r->model, id, &r->matrices[id]));
        }
    return matrices;
}

static bool borrows(const pare_matrix_result *r) {
    return r->borrowed;
}

static bool is_silent(const pare_matrix_result *r) {
    return r->silent;
}

/* Experts with a matrix of which this holds; NULL: there are none. */
static json_t *experts_json(const pare_sparsity_results *r, bool (*holds)(const pare_matrix_result *)) {
    uint64_t count = 0, unreached = 0;
    pare_expert_place first = {0}, place;
    size_t last = SIZE_MAX;
    for (size_t id = 0; id < r->model->tensor_count; id++) {
        const pare_matrix_result *m = &r->matrices[id];
        if (!holds(m) || !pare_tensor_id_split_expert(r->model, id, &place)) continue;
        size_t expert = (size_t)place.layer * r->model->config.experts.count + place.expert;
        if (expert == last) continue;
        last = expert;
        if (!count++) first = place;
        unreached += m->tokens == 0;
    }
    if (!count) return NULL;
    return pare_json_of({"experts", pare_json_count(count)}, {"unreached", pare_json_count(unreached)},
                        {"layer", json_integer(first.layer)}, {"expert", json_integer(first.expert)});
}

json_t *pare_report_sparsity(const pare_sparsity_results *r) {
    uint64_t gone, all;
    json_t *matrices = matrices_json(r), *borrowers = experts_json(r, borrows), *silent = experts_json(r, is_silent);
    pare_matrices_count(r->model, r->matrices, &gone, &all);
    json_t *json =
        pare_json_of({"target", target_json(r)}, {"weights", pare_json_count(all)}, {"removed", pare_json_count(gone)},
                     {"share", pare_json_real(all ? (double)gone / (double)all : 0.0)});
    if (r->permutation) pare_json_put(json, "permutation", pare_json_same(r->permutation));
    if (r->residual) pare_json_put(json, "residual", residual_json(r->residual));
    if (borrowers) pare_json_put(json, "inputs_of_layer", borrowers);
    if (silent) pare_json_put(json, "without_score", silent);
    pare_json_put(json, "matrices", matrices);
    return json;
}

json_t *pare_report_densities(const pare_model *model, const pare_matrix_result *results) {
    json_t *matrices = json_array();
    for (size_t id = 0; id < model->tensor_count; id++) {
        const pare_matrix_result *r = &results[id];
        const pare_mask_statistics *s = &r->statistics;
        if (!r->pruned) continue;
        json_t *rows = json_array();
        for (int64_t i = 0; i < s->bin_rows; i++) {
            json_t *row = json_array();
            for (int64_t j = 0; j < s->bin_columns; j++)
                pare_json_append(row, pare_json_real((double)s->bins[i * s->bin_columns + j]));
            pare_json_append(rows, row);
        }
        pare_json_append(matrices, pare_json_of({"name", pare_json_string(model->tensors[id]->name)},
                                                {"rows", json_integer(r->rows)}, {"columns", json_integer(r->columns)},
                                                {"density", rows}));
    }
    return pare_json_of({"matrices", matrices});
}
