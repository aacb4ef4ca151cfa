/* A job with a recovery behind it: the pruned model lives in the scratch folder only as long as it is trained, and
 * OUT is what came of both. */
#include "checkpoint/temporary.h"
#include "evaluate/imatrix.h"
#include "prune/prune_job.h"
#include "recover/recover_job.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"

#include <stdlib.h>
#include <unistd.h>

typedef struct pair {
    pare_job prune;              /* into `folder` */
    char *folder;                /* in the scratch folder */
    int lock;                    /* on it */
    pare_temporary_model pruned; /* in `folder` */
    pare_run files;              /* beside the model, of the pruning */
} pair;

static pare_status make_folder(const pare_runtime *runtime, pair *both) {
    PARE_TRY(pare_temporary_scratch(pare_runtime_scratch(runtime), "pare-pruned", &both->folder, &both->lock));
    both->pruned.folder = pare_path_join(both->folder, "pruned");
    both->prune.outputs.folder = both->pruned.folder;
    return pare_whole();
}

static void end(pair *both) {
    pare_run_end(&both->files);
    pare_temporary_model_free(&both->pruned);
    if (both->folder) pare_folder_remove(both->folder);
    if (both->lock >= 0) close(both->lock);
    free(both->folder);
}

static double total(json_t *seconds) {
    double sum = 0.0;
    const char *stage;
    json_t *value;
    json_object_foreach(seconds, stage, value) sum += json_number_value(value);
    return sum;
}

/* What the reports of both are joined with. */
typedef struct joining {
    const char *first;
    const pare_job *asked;
    pare_windows windows; /* calibration text, for an importance matrix */
} joining;

/* The report of the pruning, with the recovery's under "recovery", its output in place of the pruned model's, and its
 * perplexities beside those before and after the pruning. */
static pare_status join_reports(void *context, char **report) {
    joining *j = context;
    json_t *prune = json_loads(j->first, 0, NULL), *recovery = json_loads(*report, 0, NULL), *text;
    json_t *output = json_object_get(recovery, "output"), *texts = json_object_get(prune, "texts");
    pare_json_put(output, "parameters",
                  pare_json_same(json_object_get(json_object_get(prune, "output"), "parameters")));
    pare_json_put(prune, "output", pare_json_same(output));
    pare_json_put(json_object_get(prune, "seconds"), "recovery",
                  pare_json_real(total(json_object_get(recovery, "seconds"))));
    size_t i;
    json_array_foreach(texts, i, text) {
        const json_t *measured = json_array_get(json_object_get(recovery, "texts"), i);
        pare_json_put(text, "recovered", pare_json_same(json_object_get(measured, "after")));
    }
    json_t *images = json_object_get(prune, "images"), *later = json_object_get(recovery, "images");
    if (images) pare_json_put(images, "recovered", pare_json_same(json_object_get(later, "after")));
    json_object_del(recovery, "output");
    json_t *warnings = json_object_get(recovery, "warnings"), *earlier = json_object_get(prune, "warnings");
    if (earlier)
        pare_json_extend(earlier, warnings);
    else if (warnings)
        pare_json_put(prune, "warnings", pare_json_same(warnings));
    pare_json_put(prune, "recovery", recovery);
    pare_text_free(*report);
    *report = NULL;
    return pare_json_text(prune, report);
}

static pare_status write_imatrix(void *context) {
    pare_recover_job *job = context;
    const joining *j = job->before->context;
    pare_evaluation evaluation = {.model = job->written,
                                  .backend = job->backend,
                                  .runtime = job->runtime,
                                  .windows = &j->windows,
                                  .name = pare_prune_imatrix_source(j->asked)};
    return pare_imatrix_write(&evaluation, &job->run, j->asked->outputs.imatrix);
}

/* The importance matrix of what was trained, over the text that the pruning was calibrated on. */
static pare_status measure_written(void *context, pare_recover_job *job) {
    const joining *j = context;
    if (!j->asked->outputs.imatrix || pare_peer_rank()) return PARE_OK; /* the first alone has what was written */
    return pare_run_stage(&job->run, "importance matrix", write_imatrix, job);
}

static pare_status run(const pare_model *model, const pare_job *asked, const pare_runtime *runtime, pair *both,
                       char **report) {
    char *first = NULL;
    joining j = {.asked = asked};
    pare_prune_heir heir = {.run = &both->files, .windows = asked->outputs.imatrix ? &j.windows : NULL};
    pare_recover_before before = {&both->files, model, heir.digest, join_reports, measure_written, &j};
    pare_status status = make_folder(runtime, both);
    if (status == PARE_OK) status = pare_prune_for(&heir, model, &both->prune, runtime, &first);
    j.first = first;
    if (status == PARE_OK) status = pare_temporary_model_open(&both->pruned, model);
    if (status == PARE_OK)
        status = pare_recovery_run_passing(&before, both->pruned.model, asked->recovery, runtime, report);
    pare_windows_free(&j.windows);
    pare_text_free(first);
    return status;
}

pare_status pare_prune_recovered(const pare_model *model, const pare_job *asked, const pare_runtime *runtime,
                                 char **report) {
    pair both = {.prune = *asked, .lock = -1, .pruned.lock = -1};
    pare_recovery fitted = *asked->recovery;
    both.prune.recovery = NULL;
    both.prune.outputs.page = (pare_page_job){0};
    both.prune.outputs.card = (pare_card_job){0};
    both.prune.outputs.each = true; /* whoever trains it reads it there */
    both.prune.outputs.force = false;
    both.prune.outputs.remote_code = false;
    both.prune.outputs.type = NULL;
    both.prune.outputs.imatrix = NULL;
    PARE_TRY(pare_recovery_check(model, &fitted));
    PARE_TRY(pare_prune_check_output(model, asked, runtime));
    pare_status status = run(model, asked, runtime, &both, report);
    end(&both);
    return status;
}
