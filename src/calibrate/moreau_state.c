#include "calibrate/moreau.h"
#include "support/memory.h"

static uint64_t displaced_elements(const pare_model *model, const bool *displaced) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (displaced[id]) total += model->tensors[id]->count;
    return total;
}

uint64_t pare_moreau_state_bytes(const pare_model *model, const bool *displaced, int32_t draws) {
    return displaced_elements(model, displaced) * sizeof(float) * (draws > 1 ? 2 : 1);
}

/* Points table[id] into `memory`, tensor after tensor. */
static void lay_out(const pare_model *model, const bool *displaced, const pare_scratch *memory, float **table) {
    float *at = memory->data;
    for (size_t id = 0; id < model->tensor_count; id++) {
        table[id] = displaced[id] ? at : NULL;
        if (displaced[id]) at += model->tensors[id]->count;
    }
}

pare_status pare_moreau_state_new(const pare_model *model, const bool *displaced, const pare_moreau *moreau,
                                  const char *scratch, pare_moreau_state *out) {
    *out = (pare_moreau_state){0};
    uint64_t bytes = displaced_elements(model, displaced) * sizeof(float);
    bool two = moreau->draws > 1;
    pare_status status = pare_alloc(&out->delta, model->tensor_count, sizeof *out->delta, "displacement table");
    if (!status) status = pare_alloc(&out->tensor_l2, model->tensor_count, sizeof(double), "displacement norms");
    if (!status) status = pare_alloc(&out->trace, (size_t)moreau->steps, sizeof *out->trace, "trace");
    if (!status) status = pare_scratch_open(&out->memory, bytes, scratch, "the Moreau displacement");
    if (!status && two) status = pare_alloc(&out->next, model->tensor_count, sizeof *out->next, "displacement table");
    if (!status && two) status = pare_scratch_open(&out->next_memory, bytes, scratch, "the next Moreau displacement");
    if (status) {
        pare_moreau_state_free(out);
        return status;
    }
    lay_out(model, displaced, &out->memory, out->delta);
    if (two) lay_out(model, displaced, &out->next_memory, out->next);
    return PARE_OK;
}

void pare_moreau_state_free(pare_moreau_state *state) {
    pare_scratch_close(&state->memory);
    pare_scratch_close(&state->next_memory);
    pare_free(state->delta);
    pare_free(state->next);
    pare_free(state->tensor_l2);
    pare_free(state->trace);
    *state = (pare_moreau_state){0};
}
