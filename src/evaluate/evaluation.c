#include "evaluate/evaluation.h"
#include "evaluate/group.h"
#include "support/runtime.h"

#include <math.h>

typedef struct sides {
    pare_evaluated of[2];             /* in the order in which they see a group: the dense model, if any, first */
    const pare_adapters *adapters[2]; /* or NULL */
    int count;
    int64_t group; /* windows */
} sides;

/* Each pass gets the same part of what `beside` leaves. */
static pare_status open_sides(const pare_evaluation *e, uint64_t beside, sides *s) {
    pare_pass_shape shapes[2];
    uint64_t limit = pare_limit_beside(pare_runtime_limit(e->runtime), beside), part = limit / (uint64_t)s->count;
    if (part) limit = part;
    for (int i = 0; i < s->count; i++) {
        const pare_source *source = &s->of[i].source;
        int64_t rank = s->adapters[i] ? s->adapters[i]->rank : 0;
        PARE_TRY(pare_group_shape(source->model, e->backend, e->windows, pare_source_is_composed(source), rank, limit,
                                  &shapes[i]));
        if (i == 0 || shapes[i].sequences < s->group) s->group = shapes[i].sequences;
    }
    for (int i = 0; i < s->count; i++) {
        shapes[i].sequences = s->group;
        if (shapes[i].micro_batch > s->group) shapes[i].micro_batch = s->group;
        PARE_TRY(pare_pass_new(s->of[i].source.model, e->backend, &shapes[i], &s->of[i].pass));
        if (s->adapters[i]) pare_pass_adapt(s->of[i].pass, s->adapters[i]);
    }
    return PARE_OK;
}

static pare_status forward(const sides *s, pare_group_progress *progress, const uint32_t *ids, int64_t count) {
    for (int i = 0; i < s->count; i++) {
        pare_pass_on_step(s->of[i].pass, pare_group_step, progress);
        PARE_TRY(pare_pass_forward(s->of[i].pass, &s->of[i].source, ids, count));
        progress->before += s->of[i].source.model->config.layers;
    }
    return PARE_OK;
}

static pare_status see_groups(const pare_evaluation *e, const sides *s, pare_evaluation_see see, void *context) {
    int64_t count = e->windows->count, groups = (count + s->group - 1) / s->group;
    pare_group_progress progress = {.runtime = e->runtime,
                                    .stage = e->stage        ? e->stage
                                             : s->count == 2 ? "comparing"
                                                             : "evaluating"};
    for (int i = 0; i < s->count; i++)
        progress.total += (uint64_t)groups * s->of[i].source.model->config.layers;
    pare_evaluation_group group = {.model = &s->of[s->count - 1], .dense = s->count == 2 ? &s->of[0] : NULL};
    for (; group.first < count; group.first += s->group) {
        group.count = count - group.first < s->group ? count - group.first : s->group;
        PARE_TRY(forward(s, &progress, e->windows->ids + group.first * e->windows->length, group.count));
        PARE_TRY(see(context, &group));
    }
    return PARE_OK;
}

pare_status pare_evaluation_groups(const pare_evaluation *e, const pare_model *dense, uint64_t beside,
                                   pare_evaluation_see see, void *context) {
    sides s = {.count = dense ? 2 : 1};
    pare_evaluated *model = &s.of[s.count - 1];
    if (dense) s.of[0].source = (pare_source){.model = dense, .backend = e->backend};
    model->source = e->source ? *e->source : (pare_source){.model = e->model, .backend = e->backend};
    s.adapters[s.count - 1] = e->adapters;
    pare_status status = open_sides(e, beside, &s);
    if (status == PARE_OK) pare_pass_observe(model->pass, e->observer);
    if (status == PARE_OK) status = see_groups(e, &s, see, context);
    for (int i = 0; i < s.count; i++)
        pare_pass_free(s.of[i].pass);
    return status;
}

pare_status pare_evaluation_check(const pare_evaluation *e, const char *what, double value) {
    if (isfinite(value)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the %s of %s on %s is %f: its weights are not finite, or too large to compute with", what,
                     pare_checkpoint_directory(e->model->checkpoint), e->name, value);
}
