#include "model/parts.h"
#include "model/model.h"
#include "support/memory.h"

#include <stdio.h>
#include <string.h>

/* Rows of the parts before `role`'s in a fused tensor of one behind the other, and of all of them. */
static void place_rows(const pare_config *config, const pare_widths *widths, const pare_fused *fused, pare_role role,
                       int64_t *before, int64_t *all) {
    *before = *all = 0;
    for (int i = 0; i < fused->count; i++) {
        if (fused->parts[i] == role) *before = *all;
        *all += pare_config_span(config, widths, pare_roles[fused->parts[i]].rows);
    }
}

/* By groups of query heads, one key head and one value head; in rows. */
static pare_view grouped(const pare_config *config, const pare_widths *widths, pare_role role) {
    int64_t h = config->head_size, shared = pare_widths_shared(widths);
    int64_t begin = role == PARE_ROLE_Q ? 0 : role == PARE_ROLE_K ? shared : shared + 1;
    return (pare_view){
        .first = begin * h, .block = role == PARE_ROLE_Q ? shared * h : h, .block_step = (shared + 2) * h};
}

/* The view in rows of the fused tensor; `rows` those of the part. */
static pare_view view_in_rows(const pare_config *config, const pare_widths *widths, pare_role role, int64_t rows,
                              int64_t *all) {
    const pare_fused *fused = pare_family_fused(config->family, role);
    pare_view view = {.block = rows ? rows : 1, .block_step = rows};
    *all = rows;
    if (!fused) return view;
    place_rows(config, widths, fused, role, &view.first, all);
    return fused->how == PARE_FUSION_GROUPS ? grouped(config, widths, role) : view;
}

static void set_name(const pare_config *config, uint32_t layer, pare_role role, pare_stored_part *out) {
    char prefix[PARE_NAME_BYTES];
    pare_layer_prefix(config, prefix);
    snprintf(out->name, sizeof out->name, "%.96s%u.%s%s", prefix, layer, pare_roles[pare_roles[role].of].name,
             pare_role_suffix(role));
    out->tensor.name = out->name;
}

bool pare_part_of(const pare_config *config, uint32_t layer, pare_role role, const pare_tensor *whole,
                  pare_stored_part *out) {
    const pare_widths *widths = &config->widths[layer];
    bool vector = !pare_role_is_matrix(role), transposed = config->family->transposed && !vector;
    pare_role of = pare_roles[role].of;
    int64_t rows, columns = 1, all;
    if (!transposed && !pare_family_fused(config->family, role)) return false;
    if (vector)
        rows = pare_config_span(config, widths, pare_roles[role].columns);
    else
        pare_config_role_shape(config, widths, role, &rows, &columns);
    pare_view view = view_in_rows(config, widths, of, rows, &all);
    view.row_step = transposed ? 1 : columns;
    view.column_step = transposed ? all : 1;
    view.first *= view.row_step;
    view.block_step *= view.row_step;
    out->tensor = *whole;
    out->whole = whole;
    out->role = role;
    out->tensor.rank = vector ? 1 : 2;
    pare_tensor_resize(&out->tensor, vector ? 1 : rows, vector ? rows : columns);
    bool together = !transposed && view.block >= rows && !whole->view;
    if (together) out->tensor.data = (const char *)whole->data + (size_t)view.first * pare_dtype_size(whole->dtype);
    if (whole->view) {
        view.first += whole->view->first;
        view.type = whole->view->type;
        view.shift = whole->view->shift;
    }
    out->view = view;
    out->tensor.view = together ? NULL : &out->view;
    set_name(config, layer, role, out);
    return true;
}

static pare_status join_heads(const pare_checkpoint *checkpoint, const pare_config *config, uint32_t layer,
                              pare_role role, uint32_t heads, pare_stored_part *out) {
    char name[PARE_NAME_BYTES];
    void *joined = NULL;
    PARE_TRY(pare_alloc(&out->pieces, heads, sizeof *out->pieces, "norms of heads"));
    for (out->piece_count = 0; out->piece_count < heads; out->piece_count++) {
        pare_head_tensor_name(config, layer, role, out->piece_count, name);
        const pare_tensor *piece = pare_checkpoint_find(checkpoint, name);
        out->pieces[out->piece_count] = piece;
        if (piece->dtype != out->pieces[0]->dtype)
            return pare_fail(PARE_UNSUPPORTED,
                             "%s: tensor %s is %s, those of the heads before it are %s; store all alike",
                             pare_checkpoint_directory(checkpoint), name, pare_dtype_name(piece->dtype),
                             pare_dtype_name(out->pieces[0]->dtype));
    }
    out->tensor = *out->pieces[0];
    size_t bytes = (size_t)out->pieces[0]->bytes;
    PARE_TRY(pare_alloc_uninitialized(&joined, heads, bytes, "norms of heads"));
    for (uint32_t head = 0; head < heads; head++)
        memcpy((char *)joined + head * bytes, out->pieces[head]->data, bytes);
    out->tensor.data = out->joined = joined;
    return PARE_OK;
}

pare_status pare_head_norms_of(const pare_checkpoint *checkpoint, const pare_config *config, uint32_t layer,
                               pare_role role, pare_stored_part *out) {
    int64_t rows, columns;
    char name[PARE_NAME_BYTES];
    pare_config_role_shape(config, &config->widths[layer], role, &rows, &columns);
    uint32_t heads = (uint32_t)(columns / config->head_size);
    out->role = role;
    if (pare_role_is_by_head(config, role)) {
        PARE_TRY(join_heads(checkpoint, config, layer, role, heads, out));
    } else {
        pare_layer_tensor_name(config, layer, role, name);
        out->whole = pare_checkpoint_find(checkpoint, name);
        out->tensor = *out->whole;
    }
    out->tensor.rank = 1;
    pare_tensor_resize(&out->tensor, 1, columns);
    set_name(config, layer, role, out);
    return PARE_OK;
}

void pare_stored_part_free(pare_stored_part *part) {
    pare_free(part->joined);
    pare_free(part->pieces);
}
