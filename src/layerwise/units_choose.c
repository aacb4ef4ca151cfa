/* The units that stay, by optimal brain surgeon on the moments in hand. */
#include "layerwise/units_internal.h"
#include "select/obs.h"
#include "support/memory.h"

#include <math.h>

static pare_status keep_heads(const pare_unit_walk *u, const uint32_t *columns, int64_t count, uint32_t groups) {
    uint32_t h = u->l.model->config.head_size, shared = pare_widths_shared(&u->l.dense_block.widths);
    uint32_t heads = (uint32_t)(count / h), *list;
    PARE_TRY(pare_alloc(&list, 2 * (size_t)heads + 1, sizeof *list, "kept heads"));
    for (uint32_t i = 0; i < heads; i++)
        list[i] = columns[i * h] / h;
    for (uint32_t i = 0; i < groups; i++)
        list[heads + i] = list[i * (heads / groups)] / shared;
    pare_status status = pare_kept_set_groups(u->l.model, u->run.layer, list + heads, groups, u->run.kept);
    if (status == PARE_OK && heads < groups * shared) status = pare_kept_set_heads(list, heads, u->run.kept);
    pare_free(list);
    return status;
}

static pare_status remove_heads(const pare_unit_walk *u, pare_obs *obs, double *curve) {
    const pare_widths *before = &u->l.dense_block.widths, *after = &u->job->options.widths[u->run.layer];
    int64_t h = u->l.model->config.head_size, shared = pare_widths_shared(before), count;
    int64_t each = after->kv_heads ? after->heads / after->kv_heads : 0;
    pare_obs_step groups = {.unit = shared * h, .count = before->kv_heads - after->kv_heads, .curve = curve};
    PARE_TRY(pare_obs_remove(obs, &groups));
    pare_obs_step heads = {.unit = h, .count = (shared - each) * after->kv_heads, .groups = after->kv_heads};
    if (heads.count > 0) PARE_TRY(pare_obs_remove(obs, &heads));
    if (u->job->options.probe) return PARE_OK;
    const uint32_t *columns = pare_obs_columns(obs, &count);
    return keep_heads(u, columns, count, after->kv_heads);
}

static pare_status keep_channels(const pare_unit_walk *u, const uint32_t *columns, int64_t count) {
    return pare_kept_set_channels(columns, (uint32_t)count, u->run.kept);
}

static pare_status remove_channels(const pare_unit_walk *u, pare_obs *obs, double *curve) {
    int64_t count;
    pare_obs_step step = {.unit = 1,
                          .count = u->run.width - u->job->options.widths[u->run.layer].ffn,
                          .fraction = u->job->options.fraction,
                          .curve = curve};
    PARE_TRY(pare_obs_remove(obs, &step));
    if (u->job->options.probe) return PARE_OK;
    const uint32_t *columns = pare_obs_columns(obs, &count);
    return keep_channels(u, columns, count);
}

/* Down through all levels of the half; what stays is that of the width to choose. */
static pare_status pass_levels(const pare_unit_walk *u, pare_obs *obs) {
    const pare_repair_options *o = &u->job->options;
    const pare_widths *before = &u->l.dense_block.widths, *after = &o->widths[u->run.layer];
    const pare_level_part *part = &o->levels->part[u->run.layer][u->run.stage];
    bool heads = u->run.stage == PARE_STAGE_ATTENTION;
    uint32_t left = heads ? before->kv_heads : before->ffn, goal = heads ? after->kv_heads : after->ffn;
    int64_t unit = heads ? (int64_t)pare_widths_shared(before) * u->l.model->config.head_size : 1, count;
    for (uint32_t i = 0; i < part->count; i++) {
        pare_obs_step step = {.unit = unit, .count = left - part->width[i], .fraction = heads ? 0.0 : o->fraction};
        PARE_TRY(pare_obs_remove(obs, &step));
        PARE_TRY(pare_unit_levels_keep(o->levels, u->run.layer, u->run.stage, i, obs));
        left = part->width[i];
        const uint32_t *columns = pare_obs_columns(obs, &count);
        if (left == goal) PARE_TRY(heads ? keep_heads(u, columns, count, goal) : keep_channels(u, columns, count));
    }
    return PARE_OK;
}

bool pare_units_has_levels(const pare_unit_walk *u) {
    const pare_unit_levels *levels = u->job->options.levels;
    return levels && levels->part[u->run.layer][u->run.stage].count;
}

static pare_obs_problem problem_of(const pare_unit_walk *u, const float *gram, const float *cross) {
    return (pare_obs_problem){.rows = u->l.hidden,
                              .width = u->run.width,
                              .weights = u->weights,
                              .gram = gram,
                              .cross = cross,
                              .metric = u->run.signal->metric,
                              .damping = u->job->options.damping,
                              .what = u->run.what,
                              .shared = true};
}

/* With levels it has gone on to others. */
static bool is_the_fit(const pare_unit_walk *u, const pare_obs *obs) {
    return !u->job->options.probe && !pare_units_has_levels(u) && !pare_obs_damping(obs).raised;
}

pare_status pare_units_choose(pare_unit_walk *u, const float *gram, const float *cross) {
    const pare_repair_options *o = &u->job->options;
    const pare_obs_problem problem = problem_of(u, gram, cross);
    double *curve = o->curves ? o->curves[u->run.layer][u->run.stage] : NULL;
    pare_obs *obs;
    PARE_TRY(pare_obs_new(&problem, &obs));
    pare_status status = pare_units_has_levels(u)               ? pass_levels(u, obs)
                         : u->run.stage == PARE_STAGE_ATTENTION ? remove_heads(u, obs, curve)
                                                                : remove_channels(u, obs, curve);
    if (status == PARE_OK && is_the_fit(u, obs))
        u->run.chosen = obs;
    else
        pare_obs_free(obs);
    return status;
}

pare_status pare_units_take_fit(pare_unit_walk *u, const float *gram, const float *cross, double energy) {
    const pare_obs_problem problem = problem_of(u, gram, cross);
    pare_obs_fitted fitted;
    PARE_TRY(pare_obs_fit(u->run.chosen, &problem, energy, u->weights, &fitted));
    u->run.fit.output = (pare_fit){fitted.before, fitted.after, fitted.damping};
    return PARE_OK;
}

pare_status pare_units_choose_all(const pare_unit_walk *u) {
    const pare_widths *all = &u->l.dense_block.widths;
    return u->run.stage == PARE_STAGE_ATTENTION
               ? pare_kept_set_groups(u->l.model, u->run.layer, NULL, all->kv_heads, u->run.kept)
               : pare_kept_set_channels(NULL, all->ffn, u->run.kept);
}
