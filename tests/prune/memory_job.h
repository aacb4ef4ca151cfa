/* Pruning, training or merging from opening a model to freeing everything, and a look at what is left in a folder; for
 * memory_run of failing_memory.h. */
#ifndef PARE_TESTS_MEMORY_JOB_H
#define PARE_TESTS_MEMORY_JOB_H

#include "failing_memory.h"
#include "prune/prune_run.h"

typedef struct memory_job {
    const char *model, *folder, *output; /* folders; the second one holds the third, and whatever the test put there */
    char *before;                        /* prune_run_list of `folder`; owned by whoever puts it there */
    const pare_prune_options *prune;     /* one of the three is set: */
    const pare_recover_options *recover;
    const pare_merge_options *merge;
    pare_runtime runtime;
} memory_job;

static inline pare_status memory_job_call(const memory_job *job, pare_model *model, char **report) {
    if (job->prune) return pare_prune(model, job->prune, &job->runtime, report);
    if (job->recover) return pare_recover(model, job->recover, &job->runtime, report);
    return pare_merge(model, job->merge, &job->runtime, report);
}

/* A report where the call succeeded, and none where it failed. */
static inline pare_status memory_job_run(void *context) {
    const memory_job *job = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(job->model, &model);
    if (status == PARE_OK) status = memory_job_call(job, model, &report);
    assert_int_equal(report != NULL, status == PARE_OK);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

/* A model that opens where the call succeeded, and nothing where it failed. Removes it. */
static inline void memory_job_whole(void *context, pare_status status) {
    const memory_job *job = context;
    assert_int_equal(pare_file_exists(job->output), status == PARE_OK);
    if (status == PARE_OK) {
        pare_model *written;
        assert_int_equal(pare_model_open(job->output, &written), PARE_OK);
        pare_model_close(written);
        tiny_remove(job->output);
    }
    prune_run_assert_holds(job->folder, job->before);
}

#endif
