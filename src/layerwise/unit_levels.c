#include "layerwise/unit_levels.h"
#include "repair/repaired.h"
#include "support/memory.h"

#include <math.h>

pare_status pare_unit_levels_new(const pare_model *model, pare_unit_levels *out) {
    *out = (pare_unit_levels){.model = model};
    return pare_alloc(&out->part, model->config.layers, sizeof *out->part, "levels of widths");
}

void pare_unit_levels_free(pare_unit_levels *levels) {
    pare_free(levels->part);
    pare_scratch_close(&levels->memory);
    *levels = (pare_unit_levels){0};
}

static size_t output_id(uint32_t layer, pare_stage stage) {
    return pare_tensor_id(layer, stage == PARE_STAGE_ATTENTION ? PARE_ROLE_O : PARE_ROLE_DOWN);
}

/* Columns of the output that one unit has. */
static uint64_t unit_columns(const pare_model *model, uint32_t layer, pare_stage stage) {
    if (stage == PARE_STAGE_FFN) return 1;
    return (uint64_t)pare_widths_shared(&model->config.widths[layer]) * model->config.head_size;
}

static uint64_t rounded(uint64_t bytes) {
    return (bytes + PARE_REPAIRED_ALIGNMENT - 1) / PARE_REPAIRED_ALIGNMENT * PARE_REPAIRED_ALIGNMENT;
}

static uint64_t matrix_bytes(const pare_unit_levels *levels, uint32_t layer, pare_stage stage, uint32_t width) {
    return pare_repaired_bytes(levels->model, output_id(layer, stage), levels->model->config.hidden,
                               width * unit_columns(levels->model, layer, stage));
}

/* Everything at its place from `memory` on; NULL: it is only counted. */
static uint64_t lay_out(const pare_unit_levels *levels, char *memory) {
    uint64_t used = 0;
    for (uint32_t layer = 0; layer < levels->model->config.layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++) {
            pare_level_part *part = &levels->part[layer][stage];
            for (uint32_t i = 0; i < part->count; i++) {
                if (memory) part->matrix[i] = memory + used;
                used += matrix_bytes(levels, layer, (pare_stage)stage, part->width[i]);
                if (memory) part->kept[i] = (uint32_t *)(void *)(memory + used);
                used += rounded(part->width[i] * sizeof(uint32_t));
            }
        }
    return used;
}

uint64_t pare_unit_levels_bytes(const pare_unit_levels *levels) {
    return lay_out(levels, NULL);
}

pare_status pare_unit_levels_open(pare_unit_levels *levels, const char *scratch) {
    PARE_TRY(
        pare_scratch_open(&levels->memory, pare_unit_levels_bytes(levels), scratch, "the matrices of searched widths"));
    lay_out(levels, levels->memory.data);
    return PARE_OK;
}

uint64_t pare_unit_level_bytes(const pare_unit_levels *levels, uint32_t layer, pare_stage stage, uint32_t index) {
    return matrix_bytes(levels, layer, stage, levels->part[layer][stage].width[index]);
}

uint32_t pare_level_of_width(const pare_level_part *part, uint32_t width) {
    uint32_t i = 0;
    while (i < part->count && part->width[i] != width)
        i++;
    return i;
}

pare_status pare_unit_levels_keep(pare_unit_levels *levels, uint32_t layer, pare_stage stage, uint32_t index,
                                  const pare_obs *obs) {
    pare_level_part *part = &levels->part[layer][stage];
    const pare_tensor *tensor = levels->model->tensors[output_id(layer, stage)];
    uint64_t unit = unit_columns(levels->model, layer, stage);
    int64_t columns;
    float *row;
    const uint32_t *column = pare_obs_columns(obs, &columns);
    const double *weights = pare_obs_weights(obs);
    size_t size = pare_dtype_size(tensor->dtype) * (size_t)columns;
    for (uint32_t i = 0; i < part->width[index]; i++)
        part->kept[index][i] = column[i * unit] / (uint32_t)unit;
    part->error[index] = fmax(pare_obs_error(obs), index ? part->error[index - 1] : 0.0);
    PARE_TRY(pare_alloc(&row, (size_t)columns, sizeof *row, "weights in hand"));
    for (int64_t i = 0; i < levels->model->config.hidden; i++) {
        for (int64_t j = 0; j < columns; j++)
            row[j] = (float)weights[i * columns + j];
        pare_from_float((char *)part->matrix[index] + (size_t)i * size, tensor->dtype, row, (size_t)columns);
    }
    pare_free(row);
    return PARE_OK;
}
