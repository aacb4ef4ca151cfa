/* pare_merge: its options become a job, which runs. */
#include "recover/merge.h"
#include "options/resolve.h"
#include "support/runtime.h"

static pare_status resolve(const pare_merge_options *o, pare_merge_job *out) {
    PARE_TRY(PARE_OPTIONS_CHECK(pare_merge_options, o));
    *out = (pare_merge_job){
        .adapter = o->adapter, .output = o->output, .type = o->type, .force = o->force, .remote_code = o->remote_code};
    if (!o->adapter) return pare_fail(PARE_BAD_ARGUMENT, "--adapter DIR is missing: the adapter to merge");
    if (!o->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    return pare_card_resolve(o->card, o->output, &out->card);
}

pare_status pare_merge(const pare_model *model, const pare_merge_options *options, const pare_runtime *runtime,
                       char **report) {
    pare_merge_job job;
    *report = NULL;
    PARE_TRY(resolve(options, &job));
    PARE_TRY(pare_runtime_check(runtime));
    return pare_merge_job_run(model, &job, runtime, report);
}
