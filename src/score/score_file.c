/* What is kept of a signal between two passes (checkpoint/state_file.h), numbers little-endian: u64 passes that are
 * through, and of all, f64 the sum of their losses; then what they came to: f32 the gradient of each tensor that has
 * one, and its squares likewise, or of each set, tensor by tensor, u32 whether it has scores, and these as f64. */
#include "checkpoint/state_file.h"
#include "score/score_internal.h"

typedef struct score_file {
    pare_scoring *s;
    uint64_t done;
    double losses;
} score_file;

static pare_status pass_stores(float *const *store, const pare_model *model, pare_state_file *file) {
    for (size_t id = 0; store && id < model->tensor_count; id++)
        if (store[id]) PARE_TRY(pare_state_numbers(file, store[id], PARE_DTYPE_F32, model->tensors[id]->count));
    return PARE_OK;
}

static pare_status pass_set(pare_index_scores *set, pare_state_file *file) {
    for (size_t id = 0; id < set->count; id++) {
        bool there = set->by_tensor[id] != NULL;
        PARE_TRY(pare_state_flag(file, &there));
        if (!there) continue;
        PARE_TRY(pare_index_scores_room(set, id));
        PARE_TRY(pare_state_doubles(file, set->by_tensor[id], pare_index_scores_count(set, id)));
    }
    return PARE_OK;
}

static pare_status describe(void *context, pare_state_file *file) {
    score_file *f = context;
    const pare_score_request *r = f->s->request;
    PARE_TRY(pare_state_pass(file, &f->done, sizeof f->done));
    PARE_TRY(pare_state_same(file, f->s->passes_total));
    if (f->done > f->s->passes_total) return pare_state_refuse(file->place, "has more passes than there are");
    PARE_TRY(pare_state_doubles(file, &f->losses, 1));
    PARE_TRY(pare_state_same(file, r->gradient != NULL));
    PARE_TRY(pass_stores(r->gradient, r->model, file));
    PARE_TRY(pass_stores(r->gradient ? r->squares : NULL, r->model, file));
    for (int i = 0; i < f->s->count; i++)
        PARE_TRY(pass_set(&f->s->sets[i], file));
    return PARE_OK;
}

pare_state_place pare_scoring_place(const pare_scoring *s) {
    return (pare_state_place){.path = s->request->state,
                              .what = "the sums of passes",
                              .anew = "make these passes anew",
                              .key = s->request->key};
}

pare_status pare_scoring_take_up(pare_scoring *s, double *losses) {
    const pare_state_place place = pare_scoring_place(s);
    score_file file = {.s = s};
    bool found = false;
    if (place.path) PARE_TRY(pare_state_load(&place, describe, &file, &found));
    s->passes_done = found ? file.done : 0;
    *losses = found ? file.losses : 0.0;
    return PARE_OK;
}

pare_status pare_scoring_keep(pare_scoring *s, uint64_t done, double losses) {
    const pare_state_place place = pare_scoring_place(s);
    score_file file = {.s = s, .done = done, .losses = losses};
    return place.path ? pare_state_save(&place, describe, &file) : PARE_OK;
}
