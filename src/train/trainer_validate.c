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

static void add_taught(pare_taught *sums, pare_taught part) {
    sums->ce += part.ce;
    sums->kl += part.kl;
    sums->same += part.same;
    sums->known += part.known;
}

/* *taught: means as well. */
static pare_status mean_loss(pare_trainer *trainer, double *loss, pare_taught *taught) {
    const pare_source *source = &trainer->trained->source;
    uint64_t total = pare_batches_validation(trainer->batches), predictions = 0;
    double sum = 0.0;
    *taught = (pare_taught){0};
    for (uint64_t first = 0; first < total;) {
        pare_batch batch;
        double part;
        PARE_TRY(pare_progress_report(trainer->runtime, "validating", first, total));
        PARE_TRY(take_held_out(trainer, first, &batch));
        pare_trainer_arrange(trainer, &batch);
        PARE_TRY(pare_pass_forward(trainer->pass, source, batch.ids, batch.sequences));
        PARE_TRY(pare_pass_loss(trainer->pass, source, NULL, &part));
        sum += part;
        add_taught(taught, pare_pass_taught(trainer->pass));
        predictions += batch.predictions;
        first += (uint64_t)batch.sequences;
    }
    double n = predictions ? (double)predictions : (double)NAN;
    *loss = sum / n;
    *taught = (pare_taught){.ce = taught->known > 0.0 ? taught->ce / taught->known : (double)NAN,
                            .kl = taught->kl / n,
                            .same = taught->same / n,
                            .known = taught->known};
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
