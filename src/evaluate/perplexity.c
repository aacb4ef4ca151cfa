#include "evaluate/perplexity.h"
#include "calibrate/pictures.h"
#include "evaluate/group.h"
#include "support/runtime.h"

#include <math.h>

pare_status pare_evaluation_check(const pare_evaluation *e, const char *what, double value) {
    if (isfinite(value)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR, "the %s of %s on %s is %f: its weights hold NaN or infinity", what,
                     pare_checkpoint_directory(e->model->checkpoint), e->name, value);
}

static pare_status add_groups(const pare_evaluation *e, const pare_source *source, pare_pass *pass, int64_t group,
                              double *total) {
    const pare_windows *windows = e->windows;
    uint64_t layers = e->model->config.layers, groups = (windows->count + (uint64_t)group - 1) / (uint64_t)group;
    pare_group_progress progress = {
        .runtime = e->runtime, .stage = e->stage ? e->stage : "evaluating", .total = groups * layers};
    pare_pass_on_step(pass, pare_group_step, &progress);
    *total = 0.0;
    for (int64_t first = 0; first < (int64_t)windows->count; first += group, progress.before += layers) {
        int64_t left = (int64_t)windows->count - first;
        double sum;
        PARE_TRY(pare_pass_forward(pass, source, windows->ids + first * windows->length, left < group ? left : group));
        PARE_TRY(pare_pass_loss(pass, source, NULL, &sum));
        *total += sum;
    }
    return PARE_OK;
}

pare_status pare_perplexity(const pare_evaluation *e, double *nll) {
    pare_source plain = {.model = e->model, .backend = e->backend};
    const pare_source *source = e->source ? e->source : &plain;
    bool composed = pare_source_is_composed(source);
    pare_pass_shape shape;
    pare_pass *pass;
    double total;
    int64_t rank = e->adapters ? e->adapters->rank : 0;
    PARE_TRY(
        pare_group_shape(e->model, e->backend, e->windows, composed, rank, pare_runtime_limit(e->runtime), &shape));
    PARE_TRY(pare_pass_new(e->model, e->backend, &shape, &pass));
    if (e->adapters) pare_pass_adapt(pass, e->adapters);
    pare_status status = add_groups(e, source, pass, shape.sequences, &total);
    pare_pass_free(pass);
    PARE_TRY(status);
    uint64_t predictions = pare_windows_predictions(e->model, e->windows);
    if (!predictions)
        return pare_fail(PARE_BAD_ARGUMENT, "the pictures of %s have no labels: put them into one folder per class",
                         e->name);
    *nll = total / (double)predictions;
    return pare_evaluation_check(e, "loss", *nll);
}
