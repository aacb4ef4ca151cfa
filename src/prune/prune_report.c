#include "calibrate/pictures.h"
#include "prune/prune_job.h"
#include "report/pruning.h"
#include "report/report.h"

#include <math.h>

json_t *pare_prune_recipe_json(const pare_prune_job *job) {
    return pare_recipe_json(&job->asked->recipe);
}

const pare_selection *pare_prune_selection(const pare_prune_job *job) {
    return job->dropped ? &job->whole : &job->composed;
}

/* Bits of the roles of biases that the model got. */
static uint32_t added_biases(const pare_prune_job *job) {
    return job->model->config.architecture.roles & ~job->origin->config.architecture.roles;
}

pare_record pare_prune_record(const pare_prune_job *job, json_t *recipe) {
    const char *source = job->asked->calibration.of.source;
    const pare_recipe *asked = &job->asked->recipe;
    const pare_recipe *preset = pare_recipe_find(asked->effort == PARE_EFFORT_NORMAL ? asked->name : asked->preset);
    pare_record record = {.model = job->origin,
                          .method = job->asked->recipe.name,
                          .base = preset ? preset->name : NULL,
                          .repeatable = !job->asked->target.drops_alone && !job->asked->own_salience,
                          .recipe = recipe,
                          .seed = job->asked->seed,
                          .iterations = job->asked->target.rounds,
                          .scan = &job->scan,
                          .calibration = job->asked->calibration.needed ? (source ? source : "self") : NULL,
                          .sequences = job->norms.layers ? job->norms_chunks : job->windows.count,
                          .length = job->norms.layers ? job->norms_length : job->windows.length,
                          .imatrix = job->norms.layers > 0,
                          .calibration_digest = job->calibration_digest,
                          .parameters_after = pare_selection_parameters(job->model, &job->composed),
                          .selection = pare_prune_selection(job),
                          .dropped = job->asked->target.drop_count > 0,
                          .added_biases = added_biases(job),
                          .latency = job->latency.report,
                          .permutation = job->sparse.permutation,
                          .orders = job->sparse.orders};
    if (job->procedure->record) job->procedure->record(job, &record);
    return record;
}

/* Pictures without labels have none. */
static double calibration_loss(const pare_prune_job *job) {
    bool pictures = pare_reads_pictures(&job->model->config) && job->windows.count;
    return pictures && !pare_windows_predictions(job->model, &job->windows) ? NAN : job->result.loss;
}

/* Units that are chosen greedily have none, and nor do layers by name. */
static bool has_scores(const pare_prune_job *job) {
    return !job->procedure->zeroes && !job->procedure->recorded && job->asked->recipe.choice != PARE_CHOOSE_OBS &&
           job->result.scores.layers == job->current->config.layers;
}

pare_status pare_prune_report(const pare_prune_job *job, char **text) {
    const pare_job *o = job->asked;
    json_t *recipe = job->procedure->recipe(job);
    pare_record record = pare_prune_record(job, recipe);
    pare_pruning_results results = {.record = &record,
                                    .model = job->model,
                                    .became_other = job->model->config.family != job->origin->config.family,
                                    .target = &job->target,
                                    .goal = &job->goal,
                                    .composed = &job->composed,
                                    .ratios = o->target.ratios,
                                    .ratio_count = o->target.ratio_count,
                                    .calibration_loss = calibration_loss(job),
                                    .zeroes = job->procedure->zeroes,
                                    .keep = o->target.sparsity.keep,
                                    .of = o->target.sparsity.of,
                                    .output = o->outputs.dry ? NULL : o->outputs.folder,
                                    .archive = o->outputs.archive,
                                    .kind = job->kind,
                                    .files = &job->run.written,
                                    .ignored = o->ignored,
                                    .lacking = o->lacking,
                                    .traces = job->traces,
                                    .gates = job->result.factors,
                                    .repairs = job->repairs,
                                    .rebuilt = job->rebuilt,
                                    .search = job->search,
                                    .experts = job->experts,
                                    .part_name = job->procedure->member,
                                    .part = job->procedure->member ? job->procedure->report(job) : NULL,
                                    .scores = has_scores(job) ? &job->result.scores : NULL,
                                    .scored = job->current,
                                    .scored_selection = &job->selection,
                                    .plan = &job->plan.sizes,
                                    .texts = job->texts,
                                    .text_count = job->texts ? o->evaluation.text_count : 0,
                                    .times = job->run.times,
                                    .time_count = job->run.time_count,
                                    .ranks = job->ranks,
                                    .rank_count = job->rank_count};
    pare_status status = pare_report_text(PARE_REPORT_PRUNING, &results, text);
    json_decref(recipe);
    return status;
}
