/* Channels inside experts: of each the ones that stay, by optimal brain surgeon on what its own tokens show of its
 * activations (experts.h), or as given, and its down projection fitted to what it put out with all of them; then, where
 * targets have a share of the dense model, to what the layer lacks (expert_fit.h). */
#include "layerwise/experts.h"
#include "layerwise/units_internal.h"
#include "model/expert_tensors.h"
#include "select/obs.h"
#include "support/memory.h"
#include "support/peer.h"

#include <string.h>

/* Of the layer, when it was narrowed. */
static uint32_t width_left(const pare_repair_job *job, const pare_selection *selection, uint32_t layer) {
    return pare_repair_widths(job, selection, layer).expert_ffn;
}

bool pare_units_narrow_experts(const pare_repair_job *job, const pare_selection *selection, uint32_t layer) {
    const pare_widths *w = &job->source->model->config.widths[layer];
    bool stays = !selection->layer[layer].dropped;
    return stays && w->experts && width_left(job, selection, layer) < w->expert_ffn;
}

bool pare_units_fit_jointly(const pare_repair_job *job, const pare_selection *selection) {
    bool any = false;
    for (uint32_t layer = 0; layer < selection->layers; layer++)
        any |= pare_units_narrow_experts(job, selection, layer);
    return any && job->options.alpha > 0.0 && !job->options.probe;
}

/* The expert in hand. */
typedef struct one_expert {
    pare_expert_statistics *statistics;
    size_t down;    /* id */
    int64_t width;  /* before */
    uint32_t *kept; /* [left] */
    uint32_t left;
    pare_fit fit;
    char what[96];
} one_expert;

/* What stays, and its fit, but where the damping had to be raised: of what stays it may not have to be. */
static pare_status choose(pare_unit_walk *u, one_expert *x, bool *fitted) {
    const pare_repair_options *o = &u->job->options;
    const pare_obs_problem problem = {.rows = u->l.hidden,
                                      .width = x->width,
                                      .weights = u->weights,
                                      .gram = x->statistics->inputs[PARE_EXPERT_ACTIVATED].gram,
                                      .damping = o->damping,
                                      .what = x->what};
    const pare_obs_step step = {.unit = 1, .count = x->width - x->left, .fraction = o->fraction};
    int64_t count;
    pare_obs *obs;
    pare_obs_fitted found;
    PARE_TRY(pare_obs_new(&problem, &obs));
    *fitted = !pare_obs_damping(obs).raised;
    pare_status status = pare_obs_remove(obs, &step);
    if (status == PARE_OK) memcpy(x->kept, pare_obs_columns(obs, &count), x->left * sizeof *x->kept);
    if (status == PARE_OK && *fitted) {
        status = pare_obs_fit(obs, &problem, 0.0, u->weights, &found);
        x->fit = (pare_fit){found.before, found.after, found.damping};
    }
    pare_obs_free(obs);
    return status;
}

static pare_status fit(pare_unit_walk *u, one_expert *x) {
    const pare_least_squares problem = {.rows = u->l.hidden,
                                        .columns = {.gram = x->statistics->inputs[PARE_EXPERT_ACTIVATED].gram,
                                                    .width = x->width,
                                                    .kept = x->kept,
                                                    .count = x->left,
                                                    .damping = u->job->options.damping,
                                                    .what = x->what}};
    return pare_least_squares_solve(&problem, u->weights, &x->fit);
}

/* to [rows, left] <- these columns of from [rows, width]; to may be from. */
static void gather_channels(const float *from, int64_t rows, int64_t width, const uint32_t *kept, int64_t left,
                            float *to) {
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < left; i++)
            to[row * left + i] = from[row * width + kept[i]];
}

/* The channels that stay, of the fitted matrix. Not through the slots: the one of the output is in the block where all
 * tokens reach an expert besides. */
static void keep(const pare_unit_walk *u, const one_expert *x) {
    gather_channels(u->weights, u->l.hidden, x->width, x->kept, x->left, u->weights);
    pare_from_float(u->l.repaired->matrix[x->down], u->l.model->tensors[x->down]->dtype, u->weights,
                    (size_t)(u->l.hidden * x->left));
}

static void note_starved(pare_unit_walk *u, const pare_expert_statistics *s) {
    pare_starved *starved = &u->run.fit.starved;
    if (!s->borrowed[PARE_EXPERT_ACTIVATED]) return;
    if (!starved->experts++) starved->first = s->expert;
    starved->unreached += s->tokens == 0;
}

/* With room for what will be left of its down projection. */
static pare_status begin(pare_unit_walk *u, pare_expert_statistics *s, one_expert *x) {
    pare_kept *kept = u->run.kept;
    const pare_config *config = &u->l.model->config;
    void *out;
    *x = (one_expert){.statistics = s,
                      .down = pare_tensor_id_expert(config, u->run.layer, s->expert, PARE_EXPERT_DOWN),
                      .width = config->experts.width,
                      .kept = kept->expert_channel + (size_t)s->expert * kept->expert_ffn,
                      .left = kept->expert_ffn};
    note_starved(u, s);
    return pare_repaired_add(u->l.repaired, u->l.model, x->down, (uint64_t)u->l.hidden, x->left, &out);
}

static pare_status narrow(pare_unit_walk *u, one_expert *x) {
    pare_expert_input_name(u->run.layer, x->statistics->expert, PARE_EXPERT_ACTIVATED, x->what, sizeof x->what);
    pare_source_rows(u->l.asked.source, x->down, 0, u->l.hidden, u->weights);
    bool fitted = false;
    if (u->job->options.choose[PARE_STAGE_FFN]) PARE_TRY(choose(u, x, &fitted));
    if (!fitted) PARE_TRY(fit(u, x));
    keep(u, x);
    return PARE_OK;
}

/* What one rank has found, for all. */
static pare_status share(const pare_unit_walk *u, one_expert *x, int owner) {
    size_t elements = (size_t)u->l.hidden * x->left;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_peer_broadcast(&x->fit, sizeof x->fit, owner));
    PARE_TRY(pare_peer_broadcast(x->kept, x->left * sizeof *x->kept, owner));
    return pare_peer_broadcast(u->l.repaired->matrix[x->down],
                               elements * pare_dtype_size(u->l.model->tensors[x->down]->dtype), owner);
}

static void take(pare_unit_walk *u, const one_expert *x) {
    pare_stage_fit *all = &u->run.fit;
    const pare_index_list channels = {x->kept, x->left};
    if (!all->fitted) all->output.damping = x->fit.damping;
    all->fitted = true;
    all->output.before += x->fit.before;
    all->output.after += x->fit.after;
    pare_layerwise_install_narrow(&u->l, x->down, &channels, u->l.repaired->matrix[x->down]);
}

static int owner_of(const one_expert *x) {
    return (int)(x->statistics->expert % (uint32_t)pare_peer_count());
}

/* Those that are watched, each by one rank. */
static pare_status narrow_all(pare_unit_walk *u, uint32_t count, one_expert *list) {
    for (uint32_t i = 0; i < count; i++)
        PARE_TRY(begin(u, &u->l.experts->of[i], &list[i]));
    for (uint32_t i = 0; i < count; i++)
        if (owner_of(&list[i]) == pare_peer_rank()) PARE_TRY(narrow(u, &list[i]));
    for (uint32_t i = 0; i < count; i++) {
        PARE_TRY(share(u, &list[i], owner_of(&list[i])));
        take(u, &list[i]);
    }
    return PARE_OK;
}

static pare_status narrow_group(pare_unit_walk *u, uint32_t count) {
    one_expert *list;
    PARE_TRY(pare_alloc(&list, count, sizeof *list, "experts"));
    pare_status status = narrow_all(u, count, list);
    pare_free(list);
    return status;
}

/* What stays of the matrix, in place of what `keep` has put there. */
static pare_status put_again(void *context, size_t id, float *values) {
    pare_unit_walk *u = context;
    const uint32_t *kept = u->joint.kept;
    int64_t width = u->l.model->config.experts.width, left = u->joint.kept_count;
    size_t count = (size_t)(u->l.hidden * left);
    pare_dtype dtype = u->l.model->tensors[id]->dtype;
    gather_channels(values, u->l.hidden, width, kept, left, u->weights);
    pare_from_float(u->l.repaired->matrix[id], dtype, u->weights, count);
    pare_to_float(u->weights, u->l.repaired->matrix[id], dtype, count);
    for (int64_t row = 0; row < u->l.hidden; row++)
        for (int64_t i = 0; i < left; i++)
            values[row * width + kept[i]] = u->weights[row * left + i];
    return PARE_OK;
}

/* To what the dense layer puts out, all of them together. */
static pare_status fit_jointly(pare_unit_walk *u) {
    if (!pare_units_fit_jointly(u->job, u->selection)) return PARE_OK;
    u->joint.dense = u->job->options.alpha;
    u->joint.damping = u->job->options.damping;
    u->joint.behind = true;
    u->joint.put = put_again;
    u->joint.context = u;
    return pare_expert_fit_layer(&u->joint, u->run.layer, u->run.kept, &u->run.fit.output);
}

/* Room for the channels of each, where they are to be chosen. */
static pare_status make_room(pare_unit_walk *u) {
    pare_kept *kept = u->run.kept;
    uint32_t left = width_left(u->job, u->selection, u->run.layer), *none;
    if (!u->job->options.choose[PARE_STAGE_FFN]) return PARE_OK;
    PARE_TRY(pare_alloc(&none, (size_t)kept->experts * left, sizeof *none, "kept units"));
    pare_status status = pare_kept_set_expert_channels(none, left, kept);
    pare_free(none);
    return status;
}

/* How many tokens reach each. */
static pare_status count_tokens(pare_unit_walk *u) {
    static const pare_element_needs none = {0};
    PARE_TRY(pare_layerwise_watch(&u->l, u->run.layer, 1u << PARE_INPUT_GATE_UP, &none));
    PARE_TRY(pare_layerwise_observe(&u->l, false));
    pare_layerwise_forget(&u->l);
    return PARE_OK;
}

uint64_t pare_units_expert_runs(const pare_unit_walk *u) {
    uint32_t experts = u->l.model->config.experts.count, together = u->l.experts ? u->l.experts->together : 0;
    uint64_t joint = pare_units_fit_jointly(u->job, u->selection) ? pare_expert_fit_runs(experts) : 0;
    return together ? 1 + (experts + together - 1) / together + joint : 0;
}

pare_status pare_units_experts(pare_unit_walk *u) {
    static const pare_element_needs gram = {.gram = true};
    uint32_t experts = u->l.model->config.widths[u->run.layer].experts;
    if (!pare_units_narrow_experts(u->job, u->selection, u->run.layer)) return PARE_OK;
    PARE_TRY(make_room(u));
    PARE_TRY(count_tokens(u));
    for (uint32_t first = 0; first < experts; first += u->l.experts->together) {
        uint32_t left = experts - first, count = left < u->l.experts->together ? left : u->l.experts->together;
        PARE_TRY(pare_layerwise_experts_watch(&u->l, first, count, 1u << PARE_EXPERT_ACTIVATED, &gram));
        PARE_TRY(narrow_group(u, count));
        pare_layerwise_experts_forget(&u->l);
    }
    u->l.apart = true;
    return fit_jointly(u);
}
