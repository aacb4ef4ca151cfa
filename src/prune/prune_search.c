/* Widths by what the whole model feels (search/unit_widths.h): walks that leave every half of a layer at several
 * widths, and a search over their combinations on calibration sequences that these walks have not seen. */
#include "calibrate/pictures.h"
#include "prune/prune_job.h"
#include "report/pruning.h"
#include "support/path.h"

#include <stdlib.h>
#include <string.h>

enum { HELD_OUT = 4 }; /* one in so many sequences is searched by */

static bool is_uniform(const pare_prune_job *job) {
    return job->target.ranking == PARE_RANK_UNIFORM;
}

static uint64_t budget_of(const pare_prune_job *job) {
    return pare_target_budget(job->current, &job->target, &job->goal);
}

int64_t pare_prune_held_out(int64_t sequences) {
    return sequences < 2 * HELD_OUT ? 1 : sequences / HELD_OUT;
}

pare_status pare_prune_check_held_out(int64_t sequences) {
    if (sequences > 1) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--allocate search measures on a quarter of the calibration sequences what the others have led "
                     "to: give at least 2 with --samples, not %lld",
                     (long long)sequences);
}

pare_candidate_windows pare_prune_search_windows(const pare_prune_job *job, const uint32_t *ids, int64_t sequences,
                                                 int64_t length, uint64_t limit) {
    bool pictures = pare_reads_pictures(&job->model->config);
    int64_t held = pare_prune_held_out(sequences);
    return (pare_candidate_windows){.ids = ids ? ids + (sequences - held) * length : NULL,
                                    .sequences = held,
                                    .length = length,
                                    .predictions = pictures ? held : held * (length - 1),
                                    .limit = limit};
}

static pare_status choose_levels(const pare_prune_job *job, const pare_widths *widths, uint64_t budget, uint32_t round,
                                 pare_unit_levels *levels) {
    if (is_uniform(job)) return pare_uniform_levels(job->current, &job->target, &widths[0], budget, levels);
    return pare_width_levels(job->current, &job->target, widths, 1u << round, levels);
}

/* Outputs alone are refitted: readers and norms are what the last walk makes of the widths that are found. */
static pare_repair_job walk_of(const pare_repair_job *repair, const pare_widths *widths, pare_unit_levels *levels) {
    pare_repair_job walk = *repair;
    walk.sequences = repair->sequences - pare_prune_held_out(repair->sequences);
    walk.options.beta = 0.0;
    walk.options.held_out = walk.options.biases = walk.options.final_norm = walk.options.head = false;
    walk.options.widths = widths;
    walk.options.levels = levels;
    walk.options.curves = NULL;
    return walk;
}

static pare_status fill_levels(const pare_prune_job *job, const pare_repair_job *walk, uint32_t round) {
    pare_selection all = {0};
    pare_repaired repaired = {0};
    PARE_TRY(pare_unit_levels_open(walk->options.levels, walk->scratch));
    PARE_TRY(pare_selection_all(job->current, &all));
    char *name = pare_format("walk-search-%u.", round);
    pare_repair_walk kept = {*walk, &all, &repaired, NULL};
    pare_status status = name ? pare_prune_repair_walk(job, name, &kept) : pare_whole();
    free(name);
    pare_selection_free(&all);
    pare_repaired_free(&repaired);
    return status;
}

static pare_width_search search_of(const pare_prune_job *job, const pare_repair_job *repair, uint64_t budget,
                                   const pare_unit_levels *levels) {
    return (pare_width_search){
        .levels = levels,
        .backend = job->backend,
        .runtime = job->runtime,
        .windows = pare_prune_search_windows(job, repair->ids, repair->sequences, repair->length, repair->limit),
        .costs = job->target.costs,
        .budget = budget,
        .steps = (uint32_t)job->asked->recipe.search_steps,
        .seed = job->asked->seed,
        .random = job->asked->recipe.search_random,
        .uniform = is_uniform(job)};
}

void pare_prune_found(pare_prune_job *job, const pare_search_found *found, int64_t sequences) {
    if (!job->search) job->search = json_array();
    pare_json_append(job->search,
                     pare_json_of({"start", pare_json_real(found->start)}, {"program", pare_json_real(found->program)},
                                  {"end", pare_json_real(found->end)}, {"measurements", json_integer(found->steps)},
                                  {"rounds", json_integer(found->rounds)}, {"moves", json_integer(found->moves)},
                                  {"sequences", json_integer(sequences)}));
}

static pare_status search_round(pare_prune_job *job, const pare_repair_job *repair, uint64_t budget, uint32_t round,
                                pare_widths *widths) {
    pare_unit_levels levels;
    pare_search_found found;
    PARE_TRY(choose_levels(job, widths, budget, round, &levels));
    pare_width_search search = search_of(job, repair, budget, &levels);
    if (is_uniform(job)) pare_uniform_start(&levels, widths);
    const pare_repair_job walk = walk_of(repair, widths, &levels);
    pare_status status = fill_levels(job, &walk, round);
    if (status == PARE_OK) status = pare_width_search_run(&search, widths, &found);
    if (status == PARE_OK) pare_prune_found(job, &found, search.windows.sequences);
    pare_unit_levels_free(&levels);
    return status;
}

/* Widths of as many parameters as the goal's may take more time than it: then it begins with these. */
static void begin_within(const pare_prune_job *job, pare_widths *widths) {
    const pare_model *model = job->current;
    pare_width_fit(model, &job->target, budget_of(job), widths);
    if (pare_width_cost(job->target.costs, model, widths) <= budget_of(job)) return;
    memcpy(widths, job->goal.widths, model->config.layers * sizeof *widths);
    pare_width_fit(model, &job->target, budget_of(job), widths);
}

pare_status pare_prune_search(pare_prune_job *job, const pare_repair_job *repair, pare_widths *widths) {
    uint32_t rounds = is_uniform(job) ? 1 : (uint32_t)job->asked->recipe.search_rounds;
    PARE_TRY(pare_prune_check_held_out(repair->sequences));
    json_decref(job->search);
    job->search = NULL;
    if (!is_uniform(job)) begin_within(job, widths);
    for (uint32_t round = 0; round < rounds; round++)
        PARE_TRY(search_round(job, repair, budget_of(job), round, widths));
    if (!is_uniform(job)) pare_width_fit(job->current, &job->target, budget_of(job), widths);
    return pare_prune_judge_latency(job, widths);
}

/* Of the blocks' operations, in a model of the goal's widths. */
static double left_of(const pare_prune_job *job) {
    const pare_model *model = job->current;
    double all = 0.0, left = 0.0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        const pare_widths *before = &model->config.widths[layer], *after = &job->goal.widths[layer];
        pare_block_operations o = pare_block_operations_of(model, layer, 1, 1);
        double attention = pare_attention_operations(&o), ffn = pare_ffn_operations(&o);
        all += attention + ffn;
        left += before->heads ? attention * after->heads / before->heads : 0.0;
        left += before->ffn ? ffn * after->ffn / before->ffn : ffn;
    }
    return all > 0.0 ? left / all : 1.0;
}

/* A walk that makes the levels, and measurements, in every round. */
static pare_status plan_work(pare_prune_job *job, const pare_repair_job *walk, const pare_width_search *search,
                             const pare_selection *sizes) {
    double rounds = is_uniform(job) ? 1.0 : (double)job->asked->recipe.search_rounds;
    pare_work levels = pare_repair_work(walk, sizes, pare_recipe_feels_outputs(&job->asked->recipe));
    pare_work candidates;
    PARE_TRY(pare_width_search_work(search, left_of(job), &candidates));
    pare_prune_plan_work(job, "searching", &levels, rounds * job->asked->target.rounds);
    pare_prune_plan_work(job, "searching", &candidates, rounds * job->asked->target.rounds);
    return PARE_OK;
}

pare_status pare_prune_search_plan(pare_prune_job *job, const pare_repair_job *repair, const pare_selection *sizes) {
    pare_unit_levels levels;
    uint64_t bytes;
    PARE_TRY(choose_levels(job, job->goal.widths, budget_of(job), 0, &levels));
    const pare_width_search search = search_of(job, repair, budget_of(job), &levels);
    pare_status status = pare_width_search_measure(&search, &bytes);
    if (status == PARE_OK) pare_prune_plan_stage(job, bytes, 0);
    const pare_repair_job walk = walk_of(repair, job->goal.widths, &levels);
    if (status == PARE_OK) status = plan_work(job, &walk, &search, sizes);
    pare_prune_plan_file(job, pare_unit_levels_bytes(&levels));
    pare_unit_levels_free(&levels);
    return status;
}
