/* pare_evaluate: its options become a job, which runs. */
#include "evaluate/evaluate.h"
#include "support/runtime.h"

enum { WINDOW = 128 };

static pare_status resolve(const pare_evaluate_options *o, pare_evaluate_job *out) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_evaluate_options, o));
    *out = (pare_evaluate_job){.texts = o->texts,
                               .text_count = o->text_count,
                               .window = o->window ? o->window : WINDOW,
                               .max_windows = o->max_windows,
                               .against = o->against,
                               .seed = o->seed,
                               .adapter = o->adapter,
                               .tasks = o->tasks,
                               .items = o->items,
                               .continuations = o->continuations,
                               .harness = o->lm_eval_json};
    if (o->continuations && !o->text_count)
        return pare_fail(PARE_BAD_ARGUMENT, "--continuations goes on from texts: give --text FILE "
                                            "with it");
    if (o->text_count || o->tasks) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "there is no text and no task to evaluate on; name a file, or \"self\"");
}

pare_status pare_evaluate(const pare_model *model, const pare_evaluate_options *options, const pare_runtime *runtime,
                          char **report) {
    pare_evaluate_job job;
    *report = NULL;
    PARE_TRY(resolve(options, &job));
    PARE_TRY(pare_runtime_check(runtime));
    return pare_evaluate_job_run(model, &job, runtime, report);
}
