/* pare_prune with a recovery behind it: the pruned model lives in the scratch folder only as long as it is trained, and
 * OUT is what came of both. */
#include "prune/prune_job.h"
#include "recover/recover_job.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct pair {
    pare_prune_options prune;
    pare_recover_options recover;
    char *folder;                /* in the scratch folder */
    pare_temporary_model pruned; /* in `folder` */
    pare_run files;              /* beside the model, of the pruning */
} pair;

/* The recovery takes from the pruning what both have, and keeps zeros that were just made. */
static pair pair_of(const pare_prune_options *options) {
    pair both = {.prune = *options, .recover = *options->recover};
    both.recover.output = options->output;
    both.recover.force = options->force;
    both.recover.seed = options->seed;
    both.recover.texts = options->texts;
    both.recover.text_count = options->text_count;
    both.recover.window = options->window;
    both.recover.max_windows = options->max_windows;
    both.recover.keep_sparsity |= options->sparsity.given;
    both.prune.recover = NULL;
    both.prune.force = false;
    return both;
}

static pare_status check_options(const pare_model *model, const pare_prune_options *o, const pair *both) {
    if (o->dry_run) return pare_fail(PARE_BAD_ARGUMENT, "--recover trains what was pruned: leave out --dry-run");
    if (!o->output) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    if (o->archive)
        return pare_fail(PARE_BAD_ARGUMENT, "--archive cannot be written after --recover: leave one of them out");
    if (o->resume || both->recover.resume)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--resume goes with one run only: call pare prune, then pare recover, each with --resume");
    if (both->recover.adapter)
        return pare_fail(PARE_BAD_ARGUMENT, "an adapter needs the pruned model beside it: call pare prune, then pare "
                                            "recover with --adapter");
    for (size_t i = 0; i < o->text_count; i++)
        if (strcmp(o->texts[i], "self") == 0)
            return pare_fail(PARE_BAD_ARGUMENT, "--text self is another text for every model: name a file");
    PARE_TRY(pare_prune_check(model, &both->prune));
    return pare_recover_check(model, &both->recover);
}

static pare_status make_folder(const pare_runtime *runtime, pair *both) {
    const char *scratch = pare_runtime_scratch(runtime);
    both->folder = pare_path_join(scratch, "pare-pruned-XXXXXX");
    if (!both->folder || !mkdtemp(both->folder)) {
        free(both->folder);
        both->folder = NULL;
        return pare_fail(PARE_FILE_ERROR, "cannot make a folder in %s: %s; name another one with --scratch", scratch,
                         strerror(errno));
    }
    both->pruned.folder = pare_path_join(both->folder, "pruned");
    both->prune.output = both->pruned.folder;
    return pare_whole();
}

static void end(pair *both) {
    pare_run_end(&both->files);
    pare_temporary_model_free(&both->pruned);
    if (both->folder) rmdir(both->folder);
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
    char *first, *joined;
} joining;

/* The report of the pruning, with the recovery's under "recovery", its output in place of the pruned model's, and its
 * perplexities beside those before and after the pruning. */
static pare_status join_reports(void *context, const char *second) {
    joining *j = context;
    json_t *prune = json_loads(j->first, 0, NULL), *recovery = json_loads(second, 0, NULL), *text;
    json_t *output = json_object_get(recovery, "output"), *texts = json_object_get(prune, "texts");
    json_object_set(output, "parameters", json_object_get(json_object_get(prune, "output"), "parameters"));
    json_object_set(prune, "output", output);
    json_object_set_new(json_object_get(prune, "seconds"), "recovery",
                        json_real(total(json_object_get(recovery, "seconds"))));
    size_t i;
    json_array_foreach(texts, i, text) {
        const json_t *measured = json_array_get(json_object_get(recovery, "texts"), i);
        json_object_set(text, "recovered", json_object_get(measured, "after"));
    }
    json_object_del(recovery, "output");
    json_t *warnings = json_object_get(recovery, "warnings"), *earlier = json_object_get(prune, "warnings");
    if (earlier)
        json_array_extend(earlier, warnings);
    else if (warnings)
        json_object_set(prune, "warnings", warnings);
    json_object_set_new(prune, "recovery", recovery);
    return pare_json_text(prune, &j->joined);
}

static pare_status run(const pare_model *model, const pare_runtime *runtime, pair *both, char **report) {
    joining j = {0};
    char *second = NULL;
    pare_recover_before before = {&both->files, join_reports, &j};
    pare_status status = make_folder(runtime, both);
    if (status == PARE_OK) status = pare_prune_for(&both->files, model, &both->prune, runtime, &j.first);
    if (status == PARE_OK) status = pare_temporary_model_open(&both->pruned);
    if (status == PARE_OK) status = pare_recover_passing(&before, both->pruned.model, &both->recover, runtime, &second);
    if (status == PARE_OK)
        *report = j.joined;
    else
        pare_text_free(j.joined);
    pare_text_free(j.first);
    pare_text_free(second);
    return status;
}

pare_status pare_prune_recovered(const pare_model *model, const pare_prune_options *options,
                                 const pare_runtime *runtime, char **report) {
    pair both = pair_of(options);
    *report = NULL;
    PARE_TRY(check_options(model, options, &both));
    PARE_TRY(pare_prune_check_output(model, options, runtime));
    pare_status status = run(model, runtime, &both, report);
    end(&both);
    return status;
}
