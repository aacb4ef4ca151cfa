/* What the stages have to do that are the same whatever prunes, and how long all of them will take. */
#include "calibrate/calibration.h"
#include "calibrate/self.h"
#include "evaluate/pair.h"
#include "prune/prune_job.h"
#include "support/runtime.h"

void pare_prune_plan_work(pare_prune_job *job, const char *stage, const pare_work *work, double times) {
    if (!job->expected.known) pare_expected_add(&job->expected, stage, work, times);
}

static void plan_evaluation(pare_prune_job *job) {
    const pare_job_evaluation *o = &job->asked->evaluation;
    bool pictures = pare_reads_pictures(&job->origin->config);
    for (size_t i = 0; i < o->text_count; i++) {
        int64_t windows = pare_calibration_windows(job->origin, o->texts[i], o->window, o->max_windows);
        pare_work pair = pare_pair_work(job->origin, windows, o->window, o->continuations);
        pare_self_request written = {.sequences = (uint32_t)windows, .length = o->window};
        pare_work text = pare_self_work(job->origin, &written);
        pare_prune_plan_work(job, "evaluation", &pair, 1.0);
        if (pictures || !pare_calibration_is_self(o->texts[i])) continue;
        pare_prune_plan_work(job, "evaluation", &text, 1.0);
        if (!job->expected.written) job->expected.written = pare_self_rows(written.sequences);
    }
}

static void plan_writing(pare_prune_job *job) {
    pare_work writing = pare_work_writing(job->goal.bytes), checking = pare_work_forward(job->model, 2, 128);
    pare_work reading = pare_work_checking(job->goal.bytes);
    pare_prune_plan_work(job, "shrinking", &writing, job->asked->target.rounds - 1.0);
    if (!job->run.output) return;
    pare_work_add(&checking, &reading, 1.0);
    pare_prune_plan_work(job, "writing", &writing, 1.0);
    pare_prune_plan_work(job, "checking the result", &checking, 1.0);
}

static void plan_imatrix(pare_prune_job *job) {
    if (!job->plan.sizes.imatrix) return;
    pare_windows windows = pare_prune_imatrix_shape(job);
    pare_work pass = pare_work_blocks(job->model, windows.count, windows.length);
    pare_prune_plan_work(job, "importance matrix", &pass, 1.0);
}

/* Whoever sees no plan has no use for the measurement. */
pare_status pare_prune_plan_times(pare_prune_job *job) {
    const pare_plan *plan = &job->plan.sizes;
    if (job->expected.known || !job->runtime || !job->runtime->plan) return PARE_OK;
    plan_evaluation(job);
    plan_writing(job);
    plan_imatrix(job);
    return pare_expected_measure(&job->expected, job->model, job->backend, plan->length ? (int64_t)plan->length : 128,
                                 plan->limit);
}
