/* Which rows and columns of a tensor a selection keeps: what cutting and masking both go by. */
#ifndef PARE_SURGERY_AXES_H
#define PARE_SURGERY_AXES_H

#include "select/selection.h"

/* Kept units along one axis of a matrix, each `width` rows or columns wide; ascending where a selection says so. units
 * NULL: all are kept, as they stand. */
typedef struct pare_axis {
    const uint32_t *units; /* borrowed, as from the selection */
    uint64_t count, width;
} pare_axis;

typedef struct pare_axes {
    bool dropped; /* the tensor goes as a whole, with its layer or its expert */
    pare_axis rows, columns;
} pare_axes;

/* Of tensor `id`; a vector is one row. Q: rows of the kept query heads; K, V: of the kept key/value heads; gate, up: of
 * the FFN channels; O, down: columns of the same; a router: of the kept experts; whatever reads or writes the hidden
 * state: its channels. Everything of ids that do not exist. */
pare_axes pare_axes_of(const pare_model *model, const pare_selection *selection, size_t id);

/* Of what lies outside the layers, with this order of the hidden state's channels. Where the embedding is projected, it
 * has channels of its own. */
pare_axes pare_axes_outside(const pare_model *model, size_t id, pare_axis hidden);

/* The id of a tensor of the checkpoint, the embedding's for a tied LM head that is stored all the same; tensor_count
 * for those that the model does not use, or has in parts (composite.h). */
size_t pare_tensor_id_of(const pare_model *model, const pare_tensor *tensor);

/* Kept rows or columns; `all` where the axis keeps everything. */
uint64_t pare_axis_length(const pare_axis *axis, uint64_t all);

/* *list: the kept indices one by one, [pare_axis_length()], freed with pare_free; NULL where all are kept. */
pare_status pare_axis_list(const pare_axis *axis, uint32_t **list);

#endif
