#include "prune/prune_job.h"

#include <math.h>

static json_t *number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *errors_json(const pare_matrix_result *r) {
    double share = r->energy > 0.0 ? 1.0 / r->energy : NAN;
    return json_pack("{s:o,s:o,s:o,s:o,s:o}", "dense_output", number(r->energy), "mask", number(r->selected), "refined",
                     number(r->refined), "written", number(r->repaired), "relative", number(r->repaired * share));
}

static json_t *matrix_json(const pare_model *model, size_t id, const pare_matrix_result *r) {
    const pare_mask_statistics *s = &r->statistics;
    double count = (double)(r->rows * r->columns);
    json_t *json =
        json_pack("{s:s,s:f,s:I,s:I,s:f}", "name", model->tensors[id]->name, "sparsity", 1.0 - (double)r->kept / count,
                  "kept", (json_int_t)r->kept, "zeros", (json_int_t)r->zeros, "seconds", r->seconds);
    if (isfinite(r->repaired)) json_object_set_new(json, "error", errors_json(r));
    if (isfinite(r->weighted_before))
        json_object_set_new(json, "felt_error",
                            json_pack("{s:f,s:f}", "mask", r->weighted_before, "written", r->weighted_after));
    if (r->swaps) json_object_set_new(json, "swaps", json_integer((json_int_t)r->swaps));
    if (isfinite(r->expected_before))
        json_object_set_new(json, "expected_error",
                            json_pack("{s:f,s:f}", "before", r->expected_before, "after", r->expected_after));
    if (r->region_first > 0.0)
        json_object_set_new(json, "region_error",
                            json_pack("{s:f,s:f}", "first", r->region_first, "last", r->region_last));
    if (r->damped)
        json_object_set_new(json, "damping",
                            json_pack("{s:f,s:i,s:I}", "share", r->damping.share, "raised", (int)r->damping.raised,
                                      "dead_inputs", (json_int_t)r->damping.dead));
    json_object_set_new(json, "mask",
                        json_pack("{s:I,s:I,s:f,s:f}", "empty_rows", (json_int_t)s->empty_rows, "empty_columns",
                                  (json_int_t)s->empty_columns, "row_stripes", s->row_stripes, "column_stripes",
                                  s->column_stripes));
    return json;
}

void pare_sparse_count(const pare_prune_job *job, uint64_t *gone, uint64_t *all) {
    *gone = *all = 0;
    for (size_t id = 0; id < job->model->tensor_count; id++) {
        const pare_matrix_result *r = &job->sparse.results[id];
        if (!r->pruned) continue;
        *all += (uint64_t)(r->rows * r->columns);
        *gone += (uint64_t)(r->rows * r->columns - r->kept);
    }
}

static json_t *target_json(const pare_prune_job *job) {
    const pare_sparsity *s = &job->options->sparsity;
    if (s->of) return json_sprintf("%u:%u (%u of every %u stay)", s->keep, s->of, s->keep, s->of);
    if (!s->shares) return json_real(s->share);
    json_t *list = json_array();
    for (size_t i = 0; i < s->share_count; i++)
        json_array_append_new(list, json_real(s->shares[i]));
    return list;
}

json_t *pare_sparse_json(const pare_prune_job *job) {
    uint64_t gone, all;
    json_t *matrices = json_array();
    for (size_t id = 0; id < job->model->tensor_count; id++)
        if (job->sparse.results[id].pruned)
            json_array_append_new(matrices, matrix_json(job->model, id, &job->sparse.results[id]));
    pare_sparse_count(job, &gone, &all);
    json_t *json = json_pack("{s:o,s:I,s:I,s:f}", "target", target_json(job), "weights", (json_int_t)all, "removed",
                             (json_int_t)gone, "share", all ? (double)gone / (double)all : 0.0);
    if (job->sparse.permutation) json_object_set(json, "permutation", job->sparse.permutation);
    json_object_set_new(json, "matrices", matrices);
    return json;
}

json_t *pare_sparse_densities(const pare_prune_job *job) {
    json_t *matrices = json_array();
    for (size_t id = 0; id < job->model->tensor_count; id++) {
        const pare_matrix_result *r = &job->sparse.results[id];
        const pare_mask_statistics *s = &r->statistics;
        if (!r->pruned) continue;
        json_t *rows = json_array();
        for (int64_t i = 0; i < s->bin_rows; i++) {
            json_t *row = json_array();
            for (int64_t j = 0; j < s->bin_columns; j++)
                json_array_append_new(row, json_real((double)s->bins[i * s->bin_columns + j]));
            json_array_append_new(rows, row);
        }
        json_array_append_new(matrices,
                              json_pack("{s:s,s:I,s:I,s:o}", "name", job->model->tensors[id]->name, "rows",
                                        (json_int_t)r->rows, "columns", (json_int_t)r->columns, "density", rows));
    }
    return json_pack("{s:o}", "matrices", matrices);
}
