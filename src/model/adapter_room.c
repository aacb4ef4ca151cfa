#include "model/adapter_room.h"
#include "model/config_experts.h"
#include "model/dropout.h"
#include "support/memory.h"

#include <string.h>

/* Elements of the widest input of a linear layer, and one token and one feature more: floats take twice the bytes of
 * half-precision operands, and at least one row of them must fit, too. */
static uint64_t dropped_elements(const pare_config *config, int64_t tokens) {
    uint64_t widest = config->hidden;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        uint64_t query = (uint64_t)config->widths[layer].heads * config->head_size, ffn = config->widths[layer].ffn;
        widest = query > widest ? query : widest;
        widest = ffn > widest ? ffn : widest;
    }
    widest = config->latent.queries > widest ? config->latent.queries : widest;
    widest = config->latent.keys > widest ? config->latent.keys : widest;
    return ((uint64_t)tokens + 1) * (widest + 1);
}

/* Matrices that are no role's may have adapters. */
static bool has_others(const pare_config *config) {
    return pare_has_experts(config) || config->latent.queries;
}

uint64_t pare_adapter_room_bytes(const pare_backend *backend, const pare_config *config,
                                 const pare_adapter_shape *shape) {
    if (!shape->rank) return 0;
    uint64_t low = (uint64_t)(shape->rank * shape->tokens), operand = pare_operand_size(backend);
    uint64_t parts = (PARE_MATRIX_ROLES + (has_others(config) ? 1u : 0u)) * (shape->backward ? 2 : 1);
    uint64_t dropped = shape->dropout ? dropped_elements(config, shape->tokens) * operand : 0;
    return parts * low * operand + low * sizeof(float) + dropped;
}

pare_status pare_adapter_room_new(const pare_backend *backend, const pare_config *config,
                                  const pare_adapter_shape *shape, pare_adapter_room *out) {
    *out = (pare_adapter_room){0};
    if (!shape->rank) return PARE_OK;
    size_t low = (size_t)(shape->rank * shape->tokens), operand = pare_operand_size(backend);
    uint64_t elements = dropped_elements(config, shape->tokens);
    pare_status status = pare_alloc_uninitialized(&out->product, low, sizeof(float), "adapters");
    for (int role = 0; role < PARE_MATRIX_ROLES && status == PARE_OK; role++) {
        status = pare_alloc_uninitialized(&out->low[role], low, operand, "adapters");
        if (status == PARE_OK && shape->backward)
            status = pare_alloc_uninitialized(&out->dlow[role], low, operand, "adapters");
    }
    for (int i = 0; i < 1 + shape->backward && has_others(config) && status == PARE_OK; i++)
        status = pare_alloc_uninitialized(&out->other[i], low, operand, "adapters");
    if (status == PARE_OK && shape->dropout)
        status = pare_alloc_uninitialized(&out->dropped, elements, operand, "dropout");
    out->dropped_floats = (int64_t)(elements * operand / sizeof(float));
    if (status != PARE_OK) pare_adapter_room_free(out);
    return status;
}

void pare_adapter_room_free(pare_adapter_room *room) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_free(room->low[role]);
        pare_free(room->dlow[role]);
    }
    pare_free(room->other[0]);
    pare_free(room->other[1]);
    pare_free(room->product);
    pare_free(room->dropped);
    *room = (pare_adapter_room){0};
}

uint64_t pare_adapter_results_bytes(const pare_backend *backend, const pare_adapter_shape *shape) {
    return PARE_MATRIX_ROLES * (uint64_t)(shape->rank * shape->tokens) * pare_operand_size(backend);
}

pare_status pare_adapter_results_new(const pare_backend *backend, const pare_adapter_shape *shape,
                                     const pare_adapter_room *shared, pare_adapter_room *out) {
    *out = *shared;
    memset(out->low, 0, sizeof out->low);
    pare_status status = PARE_OK;
    for (int role = 0; role < PARE_MATRIX_ROLES && shape->rank && status == PARE_OK; role++)
        status = pare_alloc_uninitialized(&out->low[role], (size_t)(shape->rank * shape->tokens),
                                          pare_operand_size(backend), "adapters");
    if (status != PARE_OK) pare_adapter_results_free(out);
    return status;
}

void pare_adapter_results_free(pare_adapter_room *room) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_free(room->low[role]);
    *room = (pare_adapter_room){0};
}

pare_status pare_adapters_check(const pare_adapters *adapters, int64_t rank, bool dropout) {
    if (!adapters) return PARE_OK;
    if (adapters->rank < 0 || adapters->rank > rank)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "adapters of rank %lld in a pass for ranks up to %lld; set `rank` in its shape",
                         (long long)adapters->rank, (long long)rank);
    if (!(adapters->dropout >= 0.0f && adapters->dropout < 1.0f) || pare_dropout_threshold(adapters->dropout) > 65535)
        return pare_fail(PARE_BAD_ARGUMENT, "a dropout of %g: give a share from 0 to below 1",
                         (double)adapters->dropout);
    if (adapters->rank > 0 && adapters->dropout > 0.0f && !dropout)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "adapters with dropout in a pass without room for it; set `dropout` in its shape");
    return PARE_OK;
}
