#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "train/trainer_internal.h"

#include <math.h>
#include <string.h>

/* As many held-out sequences from `first` on as the pass takes at a time. */
static pare_status take_held_out(pare_trainer *trainer, uint64_t first, pare_batch *out) {
    uint64_t left = pare_batches_validation(trainer->batches) - first;
    PARE_TRY(pare_batches_held_out(trainer->batches, first, 1, out));
    int64_t count = pare_trainer_fitting(trainer, out->lengths[0], (int64_t)left);
    return pare_batches_held_out(trainer->batches, first, (uint64_t)count, out);
}

/* Sums over the held-out sequences that are in the pass at a time; each is one rank's. */
typedef struct held_part {
    double loss, ce, kl, same, known;
} held_part;

enum { PART_VALUES = sizeof(held_part) / sizeof(double) };

static pare_status measure_part(pare_trainer *trainer, const pare_batch *batch, held_part *out) {
    const pare_source *source = &trainer->trained->source;
    pare_trainer_arrange(trainer, batch);
    PARE_TRY(pare_pass_forward(trainer->pass, source, batch->ids, batch->sequences));
    PARE_TRY(pare_pass_loss(trainer->pass, source, NULL, &out->loss));
    pare_taught taught = pare_pass_taught(trainer->pass);
    *out = (held_part){out->loss, taught.ce, taught.kl, taught.same, taught.known};
    return PARE_OK;
}

/* parts: [total] at most; those of other ranks are negative zeros. */
static pare_status measure_parts(pare_trainer *trainer, uint64_t total, held_part *parts, size_t *count,
                                 uint64_t *predictions) {
    *count = 0;
    for (uint64_t first = 0; first < total; ++*count) {
        pare_batch batch;
        held_part *part = &parts[*count];
        PARE_TRY(pare_progress_report(trainer->runtime, "validating", first, total));
        PARE_TRY(take_held_out(trainer, first, &batch));
        *part = (held_part){-0.0, -0.0, -0.0, -0.0, -0.0};
        if (*count % (size_t)pare_peer_count() == (size_t)pare_peer_rank())
            PARE_TRY(measure_part(trainer, &batch, part));
        *predictions += batch.predictions;
        first += (uint64_t)batch.sequences;
    }
    return pare_peer_reduce((double *)parts, *count * PART_VALUES);
}

/* *taught: means as well. */
static pare_status mean_loss(pare_trainer *trainer, double *loss, pare_taught *taught) {
    uint64_t total = pare_batches_validation(trainer->batches), predictions = 0;
    held_part *parts, sum = {0};
    size_t count;
    PARE_TRY(pare_alloc(&parts, total, sizeof *parts, "losses of held-out examples"));
    pare_status status = measure_parts(trainer, total, parts, &count, &predictions);
    for (size_t i = 0; status == PARE_OK && i < count; i++) {
        sum.loss += parts[i].loss;
        sum.ce += parts[i].ce;
        sum.kl += parts[i].kl;
        sum.same += parts[i].same;
        sum.known += parts[i].known;
    }
    pare_free(parts);
    PARE_TRY(status);
    double n = predictions ? (double)predictions : (double)NAN;
    *loss = sum.loss / n;
    *taught = (pare_taught){.ce = sum.known > 0.0 ? sum.ce / sum.known : (double)NAN,
                            .kl = sum.kl / n,
                            .same = sum.same / n,
                            .known = sum.known};
    return pare_progress_report(trainer->runtime, "validating", total, total);
}

static pare_status measure(pare_trainer *trainer, double *loss, pare_taught *taught) {
    pare_adapters *adapters = trainer->trained->adapters;
    float dropout = adapters ? adapters->dropout : 0.0f;
    if (adapters) adapters->dropout = 0.0f;
    pare_status status = mean_loss(trainer, loss, taught);
    if (adapters) adapters->dropout = dropout;
    return status;
}

/* On the line of the step, or one of its own before the first. */
static pare_status note_validation(pare_trainer *trainer, double loss) {
    pare_curve *curve = &trainer->curve;
    if (!curve->count) {
        PARE_TRY(pare_curve_room(curve, 1));
        curve->list[curve->count++] =
            (pare_curve_point){.loss = NAN, .rate = NAN, .norm = NAN, .seconds = pare_trainer_seconds(trainer)};
    }
    curve->list[curve->count - 1].validation = loss;
    return PARE_OK;
}

pare_status pare_trainer_validate(pare_trainer *trainer, double *loss) {
    pare_taught taught;
    *loss = NAN;
    if (!pare_batches_validation(trainer->batches)) return PARE_OK;
    PARE_TRY(measure(trainer, loss, &taught));
    if (!isfinite(*loss) && !trainer->steps_done)
        return pare_fail(PARE_NUMERIC_ERROR,
                         "the loss of the held-out examples is no number before the first step: the model's weights "
                         "are too large to compute with, so train another one");
    if (!isfinite(*loss))
        return pare_fail(PARE_NUMERIC_ERROR,
                         "the loss of the held-out examples is %f after step %llu: give a lower --rate, or a longer "
                         "--warmup",
                         *loss, (unsigned long long)trainer->steps_done);
    PARE_TRY(note_validation(trainer, *loss));
    trainer->validated_step = trainer->steps_done;
    trainer->last_validation = *loss;
    if (isnan(trainer->first_validation)) {
        trainer->first_validation = *loss;
        trainer->first_taught = taught;
    }
    if (!isnan(trainer->best_validation) && *loss >= trainer->best_validation) return PARE_OK;
    trainer->best_validation = *loss;
    trainer->best_taught = taught;
    trainer->best_step = trainer->steps_done;
    memcpy(trainer->best, trainer->trained->value, trainer->trained->count * sizeof(float));
    return PARE_OK;
}

pare_status pare_trainer_take_best(pare_trainer *trainer) {
    pare_trained *trained = trainer->trained;
    if (trainer->best_step == UINT64_MAX) return PARE_OK;
    memcpy(trained->value, trainer->best, trained->count * sizeof(float));
    return trained->refresh(trained);
}
