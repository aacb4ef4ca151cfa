#include "model/kept.h"
#include "support/memory.h"

pare_kept_rule pare_kept_rule_of(const pare_runtime *runtime) {
    switch (runtime ? runtime->keep_activations : PARE_KEEP_AUTO) {
    case PARE_KEEP_YES:
        return PARE_KEPT_ALL;
    case PARE_KEEP_NO:
        return PARE_KEPT_NONE;
    default:
        return PARE_KEPT_AS_ROOM;
    }
}

uint64_t pare_kept_block_bytes(const pare_backend *backend, const pare_config *config,
                               const pare_adapter_shape *shape) {
    return pare_activations_results_bytes(backend, config, shape->tokens) + pare_adapter_results_bytes(backend, shape) +
           sizeof(pare_kept_block);
}

static pare_status new_block(const pare_backend *backend, const pare_config *config, const pare_adapter_shape *shape,
                             const pare_block *shared, pare_kept_block *out) {
    PARE_TRY(pare_activations_results_new(backend, config, shape->tokens, shared->activations, &out->activations));
    return pare_adapter_results_new(backend, shape, shared->adapter_room, &out->room);
}

pare_status pare_kept_new(const pare_backend *backend, const pare_config *config, const pare_adapter_shape *shape,
                          const pare_block *shared, int64_t count, pare_kept *out) {
    *out = (pare_kept){0};
    if (!count) return PARE_OK;
    PARE_TRY(pare_alloc(&out->list, (size_t)count, sizeof *out->list, "kept activations"));
    pare_status status = PARE_OK;
    for (; out->count < count && status == PARE_OK; out->count++)
        status = new_block(backend, config, shape, shared, &out->list[out->count]);
    if (status != PARE_OK) pare_kept_free(out);
    return status;
}

void pare_kept_free(pare_kept *kept) {
    for (int64_t i = 0; i < kept->count; i++) {
        pare_activations_results_free(&kept->list[i].activations);
        pare_adapter_results_free(&kept->list[i].room);
    }
    pare_free(kept->list);
    *kept = (pare_kept){0};
}
