#include "surgery/composite.h"

#include <string.h>

bool pare_composite_of(const pare_model *model, const pare_tensor *whole, pare_composite *out) {
    *out = (pare_composite){.whole = whole, .head = model->config.head_size};
    for (size_t i = 0; i < model->part_count && out->count < PARE_COMPOSITE_PARTS; i++) {
        const pare_stored_part *part = &model->parts[i];
        if (part->whole != whole) continue;
        const pare_fused *fused = pare_family_fused(model->config.family, part->role);
        out->id[out->count++] = part->id;
        out->grouped = fused && fused->how == PARE_FUSION_GROUPS;
        out->vector = !pare_role_is_matrix(part->role);
        out->by_head = out->vector && whole->rank == 2;
        out->transposed = model->config.family->transposed && !out->vector;
    }
    return out->count > 0;
}

size_t pare_piece_of(const pare_model *model, const pare_tensor *tensor, uint32_t *head) {
    for (size_t i = 0; i < model->part_count; i++)
        for (*head = 0; *head < model->parts[i].piece_count; ++*head)
            if (model->parts[i].pieces[*head] == tensor) return model->parts[i].id;
    return model->tensor_count;
}

static int64_t all_rows(const pare_composite *c, const pare_composite_part *parts) {
    int64_t total = 0;
    for (int i = 0; i < c->count; i++)
        total += parts[i].rows;
    return total;
}

void pare_composite_shape(const pare_composite *c, const pare_composite_part *parts,
                          uint64_t shape[PARE_TENSOR_MAX_RANK]) {
    uint64_t rows = (uint64_t)all_rows(c, parts), columns = (uint64_t)parts[0].columns;
    shape[0] = c->by_head ? rows / (uint64_t)c->head : c->transposed ? columns : rows;
    shape[1] = c->by_head ? (uint64_t)c->head : c->vector ? 0 : c->transposed ? rows : columns;
}

/* Where row `row` of a part comes to stand; before: rows of the parts before it. */
static int64_t place_of(const pare_composite *c, const pare_composite_part *parts, int part, int64_t before,
                        int64_t row) {
    if (!c->grouped) return before + row;
    int64_t groups = parts[1].rows / c->head, block = groups ? parts[part].rows / groups : 1, step = 0, first = 0;
    for (int i = 0; i < c->count; i++) {
        if (i == part) first = step;
        step += groups ? parts[i].rows / groups : 0;
    }
    return row / block * step + first + row % block;
}

int64_t pare_composite_place(const pare_composite *c, const pare_composite_part *parts, int part, int64_t row) {
    int64_t before = 0;
    for (int i = 0; i < part; i++)
        before += parts[i].rows;
    return place_of(c, parts, part, before, row);
}

void pare_composite_join(const pare_composite *c, const pare_composite_part *parts, void *out) {
    size_t size = pare_dtype_size(c->whole->dtype);
    int64_t total = all_rows(c, parts), before = 0;
    for (int part = 0; part < c->count; before += parts[part].rows, part++) {
        int64_t columns = parts[part].columns;
        for (int64_t row = 0; row < parts[part].rows; row++) {
            int64_t place = place_of(c, parts, part, before, row);
            const char *from = (const char *)parts[part].data + (size_t)(row * columns) * size;
            if (!c->transposed) {
                memcpy((char *)out + (size_t)(place * columns) * size, from, (size_t)columns * size);
                continue;
            }
            for (int64_t column = 0; column < columns; column++)
                memcpy((char *)out + (size_t)(column * total + place) * size, from + (size_t)column * size, size);
        }
    }
}
