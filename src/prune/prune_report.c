#include "prune/prune_job.h"
#include "report/pruning.h"
#include "report/report.h"

pare_record pare_prune_record(const pare_prune_job *job, json_t *recipe) {
    const char *source = job->options->calibration.source;
    pare_record record = {.model = job->origin,
                          .method = job->recipe.name,
                          .recipe = recipe,
                          .seed = job->options->seed,
                          .iterations = job->rounds,
                          .scan = &job->scan,
                          .calibration = job->calibrated ? (source ? source : "self") : NULL,
                          .sequences = job->windows.count,
                          .length = job->windows.length,
                          .calibration_digest = job->calibration_digest,
                          .parameters_after = pare_selection_parameters(job->origin, pare_prune_selection(job)),
                          .selection = pare_prune_selection(job),
                          .dropped = job->options->drop_count > 0,
                          .permutation = job->sparse.permutation,
                          .orders = job->sparse.orders};
    if (job->procedure->record) job->procedure->record(job, &record);
    return record;
}

pare_status pare_prune_report(const pare_prune_job *job, char **text) {
    enum { MOST_IGNORED = 256 };
    const pare_prune_options *o = job->options;
    const char *ignored[MOST_IGNORED + 1] = {NULL};
    for (size_t i = 0; i < MOST_IGNORED && (ignored[i] = pare_recipe_ignored(o, &job->recipe, i)); i++)
        ;
    json_t *recipe = job->procedure->recipe(job);
    pare_record record = pare_prune_record(job, recipe);
    pare_pruning_results results = {.record = &record,
                                    .model = job->model,
                                    .target = &job->target,
                                    .goal = &job->goal,
                                    .composed = &job->composed,
                                    .ratios = o->ratios,
                                    .ratio_count = o->ratio_count,
                                    .calibration_loss = job->result.loss,
                                    .zeroes = job->procedure->zeroes,
                                    .keep = o->sparsity.keep,
                                    .of = o->sparsity.of,
                                    .output = o->dry_run ? NULL : o->output,
                                    .archive = o->archive,
                                    .kind = job->kind,
                                    .files = &job->run.written,
                                    .ignored = ignored,
                                    .traces = job->traces,
                                    .repairs = job->repairs,
                                    .part_name = job->procedure->member,
                                    .part = job->procedure->member ? job->procedure->report(job) : NULL,
                                    .texts = job->texts,
                                    .text_count = job->texts ? o->text_count : 0,
                                    .times = job->run.times,
                                    .time_count = job->run.time_count};
    pare_status status = pare_report_text(PARE_REPORT_PRUNING, &results, text);
    json_decref(recipe);
    return status;
}
