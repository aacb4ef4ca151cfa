#include "calibrate/moreau_level.h"
#include "support/memory.h"

#include <math.h>

static uint64_t displaced_bytes(const pare_model *model, const bool *displaced) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (displaced[id]) total += model->tensors[id]->count;
    return total * sizeof(float);
}

/* Of one iterate there is no mean. */
static bool takes_mean(const pare_moreau *moreau) {
    return moreau->tail > 1 && moreau->steps > 1;
}

uint64_t pare_moreau_state_bytes(const pare_model *model, const bool *displaced, const pare_moreau *moreau) {
    uint64_t copies = 1 + (uint64_t)(moreau->draws > 1) + (uint64_t)takes_mean(moreau);
    return copies * displaced_bytes(model, displaced) + pare_level_bytes(model, displaced, moreau);
}

/* *table: one pointer per tensor into `memory`, tensor after tensor. */
static pare_status lay_out(const pare_model *model, const bool *displaced, const char *scratch, const char *what,
                           pare_scratch *memory, float ***table) {
    PARE_TRY(pare_alloc(table, model->tensor_count, sizeof **table, "displacement table"));
    PARE_TRY(pare_scratch_open(memory, displaced_bytes(model, displaced), scratch, what));
    float *at = memory->data;
    for (size_t id = 0; id < model->tensor_count; id++) {
        (*table)[id] = displaced[id] ? at : NULL;
        if (displaced[id]) at += model->tensors[id]->count;
    }
    return PARE_OK;
}

static pare_status fill(const pare_model *model, const bool *displaced, const pare_moreau *moreau, const char *scratch,
                        pare_moreau_state *out) {
    uint64_t sample = pare_level_bytes(model, displaced, moreau);
    PARE_TRY(pare_level_check(moreau));
    PARE_TRY(pare_alloc(&out->tensor_l2, model->tensor_count, sizeof(double), "displacement norms"));
    PARE_TRY(pare_alloc(&out->trace, (size_t)moreau->steps, sizeof *out->trace, "trace"));
    PARE_TRY(lay_out(model, displaced, scratch, "the Moreau displacement", &out->memory, &out->delta));
    if (moreau->draws > 1)
        PARE_TRY(lay_out(model, displaced, scratch, "the next Moreau displacement", &out->next_memory, &out->next));
    if (takes_mean(moreau))
        PARE_TRY(lay_out(model, displaced, scratch, "the mean Moreau displacement", &out->mean_memory, &out->mean));
    return sample ? pare_scratch_open(&out->sample, sample, scratch, "the row norms of a gradient") : PARE_OK;
}

pare_status pare_moreau_state_new(const pare_model *model, const bool *displaced, const pare_moreau *moreau,
                                  const char *scratch, pare_moreau_state *out) {
    *out = (pare_moreau_state){.level = moreau->eta_quantile > 0.0 ? NAN : moreau->eta};
    pare_status status = fill(model, displaced, moreau, scratch, out);
    if (status) pare_moreau_state_free(out);
    return status;
}

void pare_moreau_state_free(pare_moreau_state *state) {
    pare_scratch_close(&state->memory);
    pare_scratch_close(&state->next_memory);
    pare_scratch_close(&state->mean_memory);
    pare_scratch_close(&state->sample);
    pare_free(state->delta);
    pare_free(state->next);
    pare_free(state->mean);
    pare_free(state->tensor_l2);
    pare_free(state->trace);
    *state = (pare_moreau_state){0};
}

float *const *pare_moreau_signal(const pare_moreau_state *state) {
    return state->mean ? state->mean : state->delta;
}
