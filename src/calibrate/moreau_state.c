#include "calibrate/moreau_level.h"
#include "calibrate/moreau_rows.h"
#include "support/memory.h"
#include "support/peer.h"

#include <math.h>

/* Of one iterate there is no mean. */
static bool takes_mean(const pare_moreau *moreau) {
    return moreau->tail > 1 && moreau->steps > 1;
}

uint64_t pare_moreau_state_bytes(const pare_model *model, const bool *displaced, const pare_moreau *moreau) {
    return pare_moreau_share_bytes(model, displaced, moreau, 1);
}

uint64_t pare_moreau_share_bytes(const pare_model *model, const bool *displaced, const pare_moreau *moreau, int ranks) {
    uint64_t copies = 1 + (uint64_t)(moreau->draws > 1) + (uint64_t)takes_mean(moreau);
    uint64_t copy = pare_moreau_most_elements(model, displaced, ranks) * sizeof(float);
    return copies * copy + pare_level_bytes(model, displaced, moreau) +
           pare_moreau_window_bytes(model, displaced, ranks);
}

/* *table: one pointer per tensor into `memory`, tensor after tensor, to this rank's rows. */
static pare_status lay_out(const pare_model *model, const bool *displaced, const char *scratch, const char *what,
                           pare_scratch *memory, float ***table) {
    int rank = pare_peer_rank(), ranks = pare_peer_count();
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (displaced[id]) total += pare_moreau_elements(model->tensors[id], rank, ranks);
    PARE_TRY(pare_alloc(table, model->tensor_count, sizeof **table, "displacement table"));
    PARE_TRY(pare_scratch_open(memory, total * sizeof(float), scratch, what));
    float *at = memory->data;
    for (size_t id = 0; id < model->tensor_count; id++) {
        (*table)[id] = displaced[id] ? at : NULL;
        if (displaced[id]) at += pare_moreau_elements(model->tensors[id], rank, ranks);
    }
    return PARE_OK;
}

static pare_status fill(const pare_model *model, const bool *displaced, const pare_moreau *moreau, const char *scratch,
                        pare_moreau_state *out) {
    uint64_t sample = pare_level_bytes(model, displaced, moreau);
    PARE_TRY(pare_level_check(moreau));
    PARE_TRY(pare_alloc(&out->tensor_l2, model->tensor_count, sizeof(double), "displacement norms"));
    PARE_TRY(pare_alloc(&out->trace, (size_t)moreau->steps, sizeof *out->trace, "trace"));
    PARE_TRY(pare_moreau_window_new(model, displaced, scratch, pare_peer_count(), &out->window));
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
    pare_moreau_window_free(&state->window);
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
