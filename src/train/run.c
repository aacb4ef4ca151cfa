#include "train/run.h"
#include "checkpoint/state_file.h"
#include "support/progress.h"

#include <math.h>

static uint64_t steps_of(const pare_trainer *trainer) {
    return trainer->options->schedule.total;
}

static bool falls_on(uint64_t step, uint64_t every) {
    return every && step % every == 0;
}

/* A run that was stopped while it validated does it again. */
static bool is_validation_due(const pare_trainer *trainer) {
    uint64_t step = trainer->steps_done;
    return trainer->validated_step != step &&
           (step == 0 || step == steps_of(trainer) || falls_on(step, trainer->options->validate_every));
}

static pare_status save(const pare_trainer *trainer, const pare_training_run *run) {
    return run->state ? pare_trainer_save(trainer, run->state, run->key) : PARE_OK;
}

/* What there was when this run began. */
typedef struct beginning {
    double seconds;
    uint64_t tokens, steps;
} beginning;

static void tell(const pare_trainer *trainer, const beginning *start) {
    const pare_runtime *runtime = trainer->runtime;
    if (!runtime || !runtime->training || !trainer->curve.count) return;
    const pare_curve_point *last = &trainer->curve.list[trainer->curve.count - 1];
    double seconds = pare_trainer_seconds(trainer) - start->seconds;
    uint64_t steps = trainer->steps_done - start->steps, left = steps_of(trainer) - trainer->steps_done;
    pare_training_state state = {.step = trainer->steps_done,
                                 .steps = steps_of(trainer),
                                 .loss = last->loss,
                                 .validation = trainer->last_validation,
                                 .rate = last->rate,
                                 .tokens_per_second =
                                     seconds > 0.0 ? (double)(trainer->tokens - start->tokens) / seconds : 0.0,
                                 .seconds_left = steps ? seconds / (double)steps * (double)left : NAN};
    runtime->training(runtime->progress_user, &state);
}

static pare_status go_on(pare_trainer *trainer, const pare_training_run *run) {
    const beginning start = {pare_trainer_seconds(trainer), trainer->tokens, trainer->steps_done};
    uint64_t saved = trainer->steps_done;
    double validation;
    while (true) {
        if (is_validation_due(trainer)) PARE_TRY(pare_trainer_validate(trainer, &validation));
        if (saved != trainer->steps_done && falls_on(trainer->steps_done, run->save_every)) {
            PARE_TRY(save(trainer, run));
            saved = trainer->steps_done;
        }
        tell(trainer, &start);
        PARE_TRY(pare_progress_report(trainer->runtime, "training", trainer->steps_done, steps_of(trainer)));
        if (trainer->steps_done == steps_of(trainer)) return PARE_OK;
        PARE_TRY(pare_trainer_step(trainer));
    }
}

pare_status pare_training_run_steps(pare_trainer *trainer, const pare_training_run *run) {
    bool there = false;
    if (run->state) PARE_TRY(pare_state_there(run->state, &there));
    if (there) PARE_TRY(pare_trainer_load(trainer, run->state, run->key));
    pare_status status = go_on(trainer, run);
    if (status == PARE_INTERRUPTED && run->state) {
        PARE_TRY(save(trainer, run));
        return pare_fail(status,
                         "interrupted after step %llu of %llu; the progress is kept in %s: run the same command again "
                         "to go on",
                         (unsigned long long)trainer->steps_done, (unsigned long long)steps_of(trainer), run->state);
    }
    PARE_TRY(status);
    return pare_trainer_take_best(trainer);
}
