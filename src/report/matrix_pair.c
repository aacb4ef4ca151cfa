#include "report/matrix_pair.h"
#include "report/manifest_read.h"
#include "support/memory.h"
#include "surgery/axes.h"

#include <stdio.h>

void pare_matrix_pair_free(pare_matrix_pair *pair) {
    pare_free(pair->rows);
    pare_free(pair->columns);
    *pair = (pare_matrix_pair){0};
}

/* The layer of the model as it was that became layer `layer`. */
static uint32_t layer_before(const pare_selection *kept, uint32_t layer) {
    uint32_t before = 0;
    for (uint32_t left = layer; before < kept->layers; before++)
        if (!kept->layer[before].dropped && left-- == 0) break;
    return before;
}

/* SIZE_MAX where the dense model has no such role. */
static size_t dense_id(const pare_model *dense, const pare_model *pruned, size_t id, const pare_selection *kept) {
    uint32_t layer;
    pare_role role;
    if (pare_tensor_id_split(pruned, id, &layer, &role)) {
        uint32_t before = layer_before(kept, layer);
        return before < kept->layers ? pare_tensor_id_in(&dense->config, before, role) : SIZE_MAX;
    }
    for (int end = 0; end < PARE_ENDS; end++)
        if (pare_tensor_id_end(pruned, (pare_end)end) == id) {
            size_t own = pare_tensor_id_end(dense, (pare_end)end);
            return own < dense->tensor_count ? own : SIZE_MAX;
        }
    return SIZE_MAX;
}

static pare_status fail_shapes(const pare_matrix_source *source, const pare_named_matrix *pruned,
                               const pare_matrix_source *dense, const pare_named_matrix *own, bool said) {
    const char *folder = pare_checkpoint_directory(source->checkpoint);
    return pare_fail(
        PARE_BAD_ARGUMENT, "%s of %s is [%lld, %lld] and that of %s [%lld, %lld], %s", pruned->tensor->name, folder,
        (long long)pruned->rows, (long long)pruned->columns, pare_checkpoint_directory(dense->checkpoint),
        (long long)own->rows, (long long)own->columns,
        said ? "and its pruning.json does not lead from one to the other; give the model that it was pruned "
               "from"
             : "and no pruning.json in its folder says which rows and columns were kept");
}

/* What surgery/convert.h does to a matrix of a model that was written as another class. */
static pare_status check_classes(const pare_model *dense, const pare_model *pruned, pare_matrix_pair *out) {
    const pare_architecture *a = &dense->config.architecture, *b = &pruned->config.architecture;
    uint32_t layer;
    pare_role role;
    if (!pare_tensor_id_split(dense, out->dense.id, &layer, &role) || !pare_role_is_matrix(role)) return PARE_OK;
    pare_input_kind reads = pare_roles[role].reads;
    out->rescaled = b->shared_norm && !a->shared_norm && (reads == PARE_INPUT_QKV || reads == PARE_INPUT_GATE_UP);
    if ((role != PARE_ROLE_Q && role != PARE_ROLE_K) || a->interleaved == b->interleaved) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "%s was written as another class, which orders the rows of queries and keys otherwise; draw this "
                     "matrix by itself",
                     pare_checkpoint_directory(pruned->checkpoint));
}

/* By roles, where both are models. */
static pare_status find_by_role(const pare_matrix_source *dense, const pare_matrix_source *source,
                                const pare_named_matrix *pruned, const pare_manifest *manifest, pare_matrix_pair *out) {
    const pare_model *model = dense->model;
    size_t id = dense_id(model, source->model, pruned->id, &manifest->kept);
    if (id >= model->tensor_count || pare_tensor_is_absent(model->tensors[id]))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s has nothing in the place of %s of %s; give the model that it was pruned from",
                         pare_checkpoint_directory(dense->checkpoint), pruned->tensor->name,
                         pare_checkpoint_directory(source->checkpoint));
    PARE_TRY(pare_matrix_of(dense, model->tensors[id], id, &out->dense));
    PARE_TRY(check_classes(model, source->model, out));
    pare_axes axes = pare_axes_of(model, &manifest->kept, id);
    int64_t rows = (int64_t)pare_axis_length(&axes.rows, (uint64_t)out->dense.rows);
    int64_t columns = (int64_t)pare_axis_length(&axes.columns, (uint64_t)out->dense.columns);
    if (rows != pruned->rows || columns != pruned->columns)
        return fail_shapes(source, pruned, dense, &out->dense, manifest->there);
    PARE_TRY(pare_axis_list(&axes.rows, &out->rows));
    return pare_axis_list(&axes.columns, &out->columns);
}

static pare_status find_by_name(const pare_matrix_source *dense, const pare_matrix_source *source,
                                const pare_named_matrix *pruned, pare_matrix_pair *out) {
    PARE_TRY(pare_matrix_find(dense, pruned->tensor->name, &out->dense));
    if (out->dense.rows == pruned->rows && out->dense.columns == pruned->columns) return PARE_OK;
    return fail_shapes(source, pruned, dense, &out->dense, false);
}

pare_status pare_matrix_pair_find(const pare_matrix_source *dense, const pare_matrix_source *source,
                                  const pare_named_matrix *pruned, pare_matrix_pair *out) {
    const char *folder = pare_checkpoint_directory(source->checkpoint);
    pare_manifest manifest = {0};
    *out = (pare_matrix_pair){0};
    if (!dense->model || !source->model || pruned->id == SIZE_MAX) return find_by_name(dense, source, pruned, out);
    pare_status status = pare_manifest_read(folder, dense->model, &manifest);
    if (status == PARE_OK && manifest.reordered)
        status =
            pare_fail(PARE_BAD_ARGUMENT,
                      "%s has its channels in another order (permutation in its pruning.json), so that its weights "
                      "do not lie where those of %s do; draw each by itself",
                      folder, pare_checkpoint_directory(dense->checkpoint));
    if (status == PARE_OK) status = find_by_role(dense, source, pruned, &manifest, out);
    pare_selection_free(&manifest.kept);
    return status;
}
