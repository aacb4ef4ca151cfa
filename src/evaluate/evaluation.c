#include "evaluate/evaluation.h"
#include "evaluate/group.h"
#include "support/memory.h"
#include "support/peer.h"
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

/* The groups of a round are seen at the same time, each by one of `ranks`. */
typedef struct rounds {
    const pare_evaluation *evaluation;
    const sides *sides;
    const pare_evaluation_view *view;
    int64_t ranks, rank;
    double *record; /* of the largest group, or NULL */
    pare_group_progress progress;
} rounds;

static pare_evaluation_group group_at(const rounds *r, int64_t index) {
    const sides *s = r->sides;
    int64_t first = index * s->group, left = r->evaluation->windows->count - first;
    return (pare_evaluation_group){.model = &s->of[s->count - 1],
                                   .dense = s->count == 2 ? &s->of[0] : NULL,
                                   .first = first,
                                   .count = left < s->group ? left : s->group};
}

static size_t numbers_of(const pare_evaluation_view *view, int64_t windows) {
    return view->take ? view->numbers + view->of_window * (size_t)windows : 0;
}

/* The records go round in the order of groups. */
static pare_status take_round(const rounds *r, double *other, int64_t first, int64_t groups) {
    for (int64_t rank = 0; rank < r->ranks && first + rank < groups; rank++) {
        pare_evaluation_group group = group_at(r, first + rank);
        double *record = rank == r->rank ? r->record : other;
        if (r->ranks > 1)
            PARE_TRY(pare_peer_broadcast(record, numbers_of(r->view, group.count) * sizeof *record, (int)rank));
        r->view->take(r->view->context, &group, record);
    }
    return PARE_OK;
}

static pare_status see_rounds(rounds *r, double *other, int64_t groups) {
    const uint32_t *ids = r->evaluation->windows->ids;
    for (int64_t first = 0; first < groups; first += r->ranks) {
        if (first + r->rank < groups) {
            pare_evaluation_group group = group_at(r, first + r->rank);
            PARE_TRY(forward(r->sides, &r->progress, ids + group.first * r->evaluation->windows->length, group.count));
            PARE_TRY(r->view->see(r->view->context, &group, r->record));
        }
        if (r->view->take) PARE_TRY(take_round(r, other, first, groups));
    }
    return PARE_OK;
}

static pare_status see_groups(const pare_evaluation *e, const sides *s, const pare_evaluation_view *view) {
    int64_t groups = (e->windows->count + s->group - 1) / s->group;
    rounds r = {.evaluation = e, .sides = s, .view = view, .ranks = view->take ? pare_peer_count() : 1};
    size_t numbers = numbers_of(view, s->group);
    if (r.ranks > 1) r.rank = pare_peer_rank();
    r.progress = (pare_group_progress){.runtime = e->runtime,
                                       .stage = e->stage        ? e->stage
                                                : s->count == 2 ? "comparing"
                                                                : "evaluating"};
    for (int i = 0; i < s->count; i++)
        r.progress.total +=
            (uint64_t)((groups - r.rank + r.ranks - 1) / r.ranks) * s->of[i].source.model->config.layers;
    if (numbers)
        PARE_TRY(pare_alloc_uninitialized(&r.record, numbers * (r.ranks > 1 ? 2 : 1), sizeof *r.record, "records"));
    pare_status status = see_rounds(&r, numbers ? r.record + numbers : NULL, groups);
    pare_free(r.record);
    return status;
}

pare_status pare_evaluation_groups(const pare_evaluation *e, const pare_model *dense,
                                   const pare_evaluation_view *view) {
    sides s = {.count = dense ? 2 : 1};
    pare_evaluated *model = &s.of[s.count - 1];
    if (dense) s.of[0].source = (pare_source){.model = dense, .backend = e->backend};
    model->source = e->source ? *e->source : (pare_source){.model = e->model, .backend = e->backend};
    s.adapters[s.count - 1] = e->adapters;
    pare_status status = open_sides(e, view->beside, &s);
    if (status == PARE_OK) pare_pass_observe(model->pass, e->observer);
    if (status == PARE_OK) status = see_groups(e, &s, view);
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
