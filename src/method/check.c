/* Choices that contradict each other: one row each. */
#include "method/recipe.h"
#include "support/file.h"

#include <stdlib.h>

static bool needs(const pare_recipe *r, unsigned what) {
    return r->salience && (r->salience->needs & what);
}

static bool has_gradient(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_GRADIENT);
}

static bool element_signal_elsewhere(const pare_recipe *r) {
    return !pare_recipe_is_element(r) && pare_signal_has(r->signal, PARE_TRAIT_ELEMENTS);
}

static bool element_salience_elsewhere(const pare_recipe *r) {
    bool both = needs(r, PARE_NEEDS_GRADIENT) && needs(r, PARE_NEEDS_INPUTS);
    return !pare_recipe_is_element(r) &&
           (both || needs(r, PARE_NEEDS_OUTPUTS | PARE_NEEDS_INVERSE | PARE_NEEDS_MOMENTS));
}

static bool element_repair_elsewhere(const pare_recipe *r) {
    return !pare_recipe_is_element(r) && pare_compensation_has(r->compensation, PARE_TRAIT_ALONE);
}

static bool stages_on_dense(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_element_walks(r) && r->element.sequential && r->element.dense_propagation;
}

static bool target_in_one_stage(const pare_recipe *r) {
    return pare_recipe_is_element(r) && r->dense > 0.0 && !r->element.sequential;
}

static bool fits_norm_alone(const pare_recipe *r) {
    return pare_recipe_is_element(r) && r->final_norm && r->dense <= 0.0;
}

static bool regions_in_stages(const pare_recipe *r) {
    return pare_recipe_is_element(r) && pare_signal_has(r->signal, PARE_TRAIT_REGIONAL) && r->element.sequential;
}

static bool regions_or_inverse_globally(const pare_recipe *r) {
    bool local = pare_signal_has(r->signal, PARE_TRAIT_REGIONAL) || needs(r, PARE_NEEDS_INVERSE);
    return pare_recipe_is_element(r) && r->element.compare == PARE_COMPARE_GLOBAL && local;
}

static bool rounds_without_regions(const pare_recipe *r) {
    return pare_recipe_is_element(r) && r->element.region_rounds && !pare_signal_has(r->signal, PARE_TRAIT_REGIONAL);
}

static bool rounds_on_dense(const pare_recipe *r) {
    return pare_recipe_is_element(r) && r->element.region_rounds && r->element.dense_propagation;
}

static bool trains_elsewhere(const pare_recipe *r) {
    return pare_recipe_trains(r) && r->mode != PARE_MODE_BLOCK;
}

static bool trains_by_other_ranks(const pare_recipe *r) {
    return pare_recipe_trains(r) && (r->ranking != PARE_RANK_LOCAL || r->query_heads);
}

static bool trains_by_other_scores(const pare_recipe *r) {
    return pare_recipe_trains(r) && r->salience;
}

static bool trains_and_repairs(const pare_recipe *r) {
    bool repairs = r->choice != PARE_CHOOSE_SCORES || r->compensation;
    return pare_recipe_trains(r) && repairs;
}

static bool trains_and_reconstructs(const pare_recipe *r) {
    return pare_recipe_trains(r) && r->reconstruct;
}

static bool gates_elsewhere(const pare_recipe *r) {
    return pare_recipe_gates(r) && r->mode != PARE_MODE_BLOCK;
}

static bool gates_by_other_scores(const pare_recipe *r) {
    return pare_recipe_gates(r) && r->salience;
}

static bool gates_not_chosen_by(const pare_recipe *r) {
    return pare_recipe_gates(r) && r->choice != PARE_CHOOSE_SCORES;
}

static bool gates_by_raw_ranks(const pare_recipe *r) {
    bool raw = r->ranking == PARE_RANK_GLOBAL_RAW || r->ranking == PARE_RANK_GLOBAL_SCORE;
    return pare_recipe_gates(r) && raw;
}

static bool channels_reconstructed(const pare_recipe *r) {
    return r->mode == PARE_MODE_CHANNEL && r->reconstruct;
}

static bool never_prunes(const pare_recipe *r) {
    return pare_recipe_trains(r) && r->lora.warmup + r->lora.cooldown >= 1.0;
}

static bool layer_signal_elsewhere(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_LAYERS) && r->mode != PARE_MODE_LAYER;
}

static bool layer_signal_with_salience(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_LAYERS) && r->salience;
}

static bool expert_signal_elsewhere(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_EXPERTS) && r->mode != PARE_MODE_EXPERT;
}

/* Their own scores, random ones, or what all weights come to: by passes over displaced or noisy weights, or none. */
static bool experts_by_other_scores(const pare_recipe *r) {
    bool own = !r->signal || pare_signal_has(r->signal, PARE_TRAIT_EXPERTS);
    bool weighed = !r->signal || pare_signal_has(r->signal, PARE_TRAIT_STEPS | PARE_TRAIT_NOISE);
    bool other = r->salience ? !weighed : !own;
    return r->mode == PARE_MODE_EXPERT && (other || r->choice == PARE_CHOOSE_OBS);
}

static bool experts_by_other_repairs(const pare_recipe *r) {
    bool other = r->compensation && !pare_compensation_has(r->compensation, PARE_TRAIT_SOLVES);
    return r->mode == PARE_MODE_EXPERT && other;
}

static bool gradient_is_missing(const pare_recipe *r) {
    return needs(r, PARE_NEEDS_GRADIENT) && !has_gradient(r);
}

static bool samples_are_missing(const pare_recipe *r) {
    return needs(r, PARE_NEEDS_SQUARES) && !pare_signal_has(r->signal, PARE_TRAIT_SQUARES);
}

static bool inputs_are_missing(const pare_recipe *r) {
    return !pare_recipe_is_element(r) && needs(r, PARE_NEEDS_INPUTS) && !pare_signal_has(r->signal, PARE_TRAIT_INPUTS);
}

static bool signal_is_not_read(const pare_recipe *r) {
    if (pare_recipe_is_element(r)) return has_gradient(r) && !needs(r, PARE_NEEDS_GRADIENT | PARE_NEEDS_SQUARES);
    return r->salience && !r->salience->needs && r->signal;
}

static bool hidden_without_signal(const pare_recipe *r) {
    return r->mode == PARE_MODE_CHANNEL && needs(r, PARE_NEEDS_SQUARES | PARE_NEEDS_INPUTS);
}

static bool obs_elsewhere(const pare_recipe *r) {
    return r->choice == PARE_CHOOSE_OBS && r->mode != PARE_MODE_BLOCK;
}

static bool obs_by_raw_ranks(const pare_recipe *r) {
    bool raw = r->ranking == PARE_RANK_GLOBAL_RAW || r->ranking == PARE_RANK_GLOBAL_SCORE;
    return r->choice == PARE_CHOOSE_OBS && raw;
}

static bool standard_elsewhere(const pare_recipe *r) {
    bool units = r->mode == PARE_MODE_BLOCK || pare_recipe_is_element(r);
    return r->salience && r->reduction == PARE_REDUCE_STANDARD && !units;
}

static bool raw_ranks_of_queries(const pare_recipe *r) {
    return r->query_heads && r->ranking == PARE_RANK_GLOBAL_RAW;
}

static bool curves_of_queries(const pare_recipe *r) {
    bool by_cost = r->ranking == PARE_RANK_UNIFORM || r->ranking == PARE_RANK_GLOBAL;
    return r->choice == PARE_CHOOSE_OBS && r->query_heads && by_cost;
}

static bool searches_elsewhere(const pare_recipe *r) {
    return pare_recipe_searches(r) && !pare_recipe_is_element(r) && r->choice != PARE_CHOOSE_OBS;
}

static bool spreads_units(const pare_recipe *r) {
    bool spreads = pare_allocation_has(r->element.allocation, PARE_TRAIT_OUTLIERS | PARE_TRAIT_COSTS);
    return spreads && !pare_recipe_is_element(r) && r->choice == PARE_CHOOSE_OBS;
}

static bool searches_other_ranks(const pare_recipe *r) {
    bool searched = r->ranking <= PARE_RANK_GLOBAL;
    return pare_recipe_searches(r) && !pare_recipe_is_element(r) && !searched;
}

static bool searches_masks(const pare_recipe *r) {
    return pare_recipe_searches(r) && pare_recipe_is_element(r) && !pare_element_walks(r);
}

static bool searches_nowhere(const pare_recipe *r) {
    return pare_recipe_searches(r) && pare_recipe_is_element(r) && !(r->element.spread > 0.0);
}

static bool trains_under_residual(const pare_recipe *r) {
    return pare_recipe_is_element(r) && r->element.residual_rank > 0 && r->reconstruct > 0;
}

static bool searches_queries(const pare_recipe *r) {
    return pare_recipe_searches(r) && !pare_recipe_is_element(r) && r->query_heads;
}

static bool drops_halves_of_all(const pare_recipe *r) {
    return r->drop_halves && pare_recipe_searches(r) && r->ranking == PARE_RANK_UNIFORM;
}

static bool keeps_and_drops(const pare_recipe *r) {
    return r->drop_halves && pare_recipe_searches(r) && r->keep_min > 0.0;
}

static bool layers_refitted(const pare_recipe *r) {
    return r->compensation && r->mode == PARE_MODE_LAYER;
}

static bool biases_elsewhere(const pare_recipe *r) {
    bool units = r->mode == PARE_MODE_BLOCK || pare_recipe_is_element(r);
    return pare_compensation_has(r->compensation, PARE_TRAIT_MEANS) && !units;
}

static bool overshoots(const pare_recipe *r) {
    return pare_signal_has(r->signal, PARE_TRAIT_STEPS) && r->moreau.prox != PARE_PROX_RELEASED &&
           r->moreau.gamma > r->moreau.rho;
}

typedef struct contradiction {
    const char *keys[3]; /* of which one is to be changed, the likeliest first */
    bool (*holds)(const pare_recipe *recipe);
    const char *message;
} contradiction;

static const contradiction all[] = {
    {{"mode", "signal"},
     trains_elsewhere,
     "the signal lora (LoRAPrune) removes KV groups and FFN channels of blocks while it trains: give --ratio, and "
     "leave out --sparsity, --pattern and --mode"},
    {{"select", "gqa"},
     trains_by_other_ranks,
     "the signal lora (LoRAPrune) ranks the KV groups, and the channels, of each layer: it needs --select local and "
     "--gqa kv"},
    {{"salience", "signal"},
     trains_by_other_scores,
     "the signal lora (LoRAPrune) has a score of its own (--lora-score): leave out the salience"},
    {{"compensate", "choose"},
     trains_and_repairs,
     "the signal lora (LoRAPrune) repairs what is left by training: leave out --choose and --compensate"},
    {{"warmup_share", "cooldown_share"},
     never_prunes,
     "--warmup-share and --cooldown-share leave no step in between for pruning: give shares that add up to less than "
     "1"},
    {{"mode", "signal"},
     gates_elsewhere,
     "the signal gates (DDP) learns which KV groups and FFN channels of blocks go: give --ratio, --params or --bytes, "
     "and leave out --sparsity, --pattern and --mode"},
    {{"salience", "signal"},
     gates_by_other_scores,
     "the signal gates (DDP) scores units by their gates: leave out the salience"},
    {{"choose", "signal"},
     gates_not_chosen_by,
     "--choose obs finds the units by itself, and the signal gates (DDP) learns which they are: leave one of them out"},
    {{"select", "signal"},
     gates_by_raw_ranks,
     "a gate (the signal gates, DDP) is a price per parameter, which --select global-raw and global-score do not know: "
     "take --select global, uniform, local or rising"},
    {{"mode", "signal"}, layer_signal_elsewhere, "this method scores whole layers: it needs --mode layer"},
    {{"mode", "signal"}, expert_signal_elsewhere, "this method scores whole experts: it needs --mode expert"},
    {{"mode", "signal"},
     experts_by_other_scores,
     "--mode expert removes whole experts by scores of their own or by those of all their weights: it needs "
     "best-experts, reap, expert-frequency, expert-gates, expert-obs, expert-taylor, expert-moreau, expert-moreau-gs, "
     "another Moreau gradient, smoothgrad, taylor-rownorm, magnitude-l1, magnitude-l2 or random"},
    {{"mode", "compensate"},
     experts_by_other_repairs,
     "what is left of whole experts (--mode expert) is repaired by --compensate ls, --router fit, --experts merge and "
     "--reconstruct: leave out other repairs"},
    {{"salience", "signal"},
     layer_signal_with_salience,
     "the signals depth, influence and removal score layers by themselves: leave out the salience"},
    {{"salience", "signal"},
     gradient_is_missing,
     "the salience needs a gradient: choose the signal gradient, moreau, smooth, smooth-rows or entropy (for single "
     "weights samples or regional, too)"},
    {{"mode", "signal"},
     element_signal_elsewhere,
     "the signals samples and regional are for single weights: give --sparsity or --pattern"},
    {{"mode", "salience"},
     element_salience_elsewhere,
     "the salience is for single weights, where all it reads is at hand at once: give --sparsity or --pattern"},
    {{"compensate", "mode"},
     element_repair_elsewhere,
     "--compensate obs and admm repair what is left of single weights: give --sparsity or --pattern, or take "
     "--compensate ls"},
    {{"true_sequential", "dense_propagation"},
     stages_on_dense,
     "--true-sequential looks at blocks that are pruned in part, --dense-propagation at dense ones: give one of them"},
    {{"true_sequential", "dense"},
     target_in_one_stage,
     "--dense leans on the dense model stage by stage: single weights need --true-sequential with it"},
    {{"final_norm", "dense"},
     fits_norm_alone,
     "--final-norm yes compares with the dense model: for single weights it needs --dense above 0"},
    {{"true_sequential", "signal"},
     regions_in_stages,
     "regional gradients are those of a dense block: leave out --true-sequential"},
    {{"compare", "salience"},
     regions_or_inverse_globally,
     "--compare global scores the whole model at once, but this score is made block by block: compare by row or "
     "matrix"},
    {{"region_rounds", "signal"},
     rounds_without_regions,
     "--region-rounds refits blocks by regional scores: it needs the signal regional, as wanda++ has"},
    {{"region_rounds", "dense_propagation"},
     rounds_on_dense,
     "--region-rounds changes blocks before they are observed, --dense-propagation looks at dense ones: give one of "
     "them"},
    {{"salience", "signal"},
     samples_are_missing,
     "the salience needs the gradient of every sample: choose the signal gradient"},
    {{"salience", "signal"}, inputs_are_missing, "the salience needs input norms: choose the signal inputs"},
    {{"salience", "signal"}, signal_is_not_read, "the salience reads no signal: choose the signal none"},
    {{"mode", "salience"},
     hidden_without_signal,
     "--mode channel also scores norms and the embedding, for which the salience has no signal: choose param_first, "
     "vectorize, l1 or l2"},
    {{"choose", "mode"}, obs_elsewhere, "--choose obs removes heads and FFN channels: it needs --mode block"},
    {{"select", "choose"},
     obs_by_raw_ranks,
     "--choose obs takes its widths from --select local, uniform, global or rising, not global-raw or global-score"},
    {{"reduction", "mode"},
     standard_elsewhere,
     "--grouping standard compares heads and FFN channels: it needs --mode block"},
    {{"allocate", "choose"},
     searches_elsewhere,
     "--allocate search takes its widths from one greedy removal of units: it needs --choose obs, as obs and best "
     "have"},
    {{"allocate", "mode"},
     spreads_units,
     "--allocate owl and cost spread single weights over matrices: of units, --select global goes by costs, and "
     "--allocate search by the whole model"},
    {{"allocate", "select"},
     searches_other_ranks,
     "--allocate search begins with the widths of --select local or global, or looks for one width for all layers with "
     "--select uniform"},
    {{"allocate", "salience"},
     searches_masks,
     "--allocate search measures by calibration text, and this method reads none: take one that does, such as wanda"},
    {{"reach", "allocate"},
     searches_nowhere,
     "--reach 0 leaves a search no other shares than where it begins: raise it, or leave out --allocate search"},
    {{"drop_halves", "select"},
     drops_halves_of_all,
     "--drop-halves takes whole halves of some layers, and --select uniform makes all layers alike: leave one of them "
     "out"},
    {{"drop_halves", "keep_min"}, keeps_and_drops, "--keep-min keeps a share of every half: leave out --drop-halves"},
    {{"gqa", "allocate"}, searches_queries, "--allocate search removes whole KV groups: it needs --gqa kv"},
    {{"gqa", "select"}, raw_ranks_of_queries, "--select global-raw ranks whole KV groups: it needs --gqa kv"},
    {{"gqa", "select"},
     curves_of_queries,
     "--choose obs knows the error curves of KV groups, not of query heads: --gqa query needs --select local or "
     "rising"},
    {{"reconstruct", "signal"},
     trains_and_reconstructs,
     "the signal lora (LoRAPrune) trains the whole model already: leave out --reconstruct"},
    {{"residual_rank", "reconstruct"},
     trains_under_residual,
     "--residual-rank is for what the pruned weights have lost, and --reconstruct trains these afterwards: leave one "
     "of them out"},
    {{"reconstruct", "mode"},
     channels_reconstructed,
     "--reconstruct compares hidden states channel by channel, of which --mode channel removes some: leave out one of "
     "them"},
    {{"compensate", "mode"},
     biases_elsewhere,
     "--compensate bias makes up for heads, FFN channels and single weights: it needs --mode block, --sparsity or "
     "--pattern"},
    {{"compensate", "mode"},
     layers_refitted,
     "--compensate ls refits the readers of removed units; --mode layer leaves none: take --compensate none"},
};

static pare_status refuse(const pare_recipe *recipe, const contradiction *c, const char *file) {
    bool names_salience = recipe->salience && pare_key_find(c->keys[0])->kind == PARE_KEY_SALIENCE;
    char *subject = names_salience ? pare_format("%s (%s): ", recipe->salience->name, recipe->salience->formula)
                                   : pare_format("%s", "");
    int line = file ? pare_recipe_line(file, c->keys) : 0;
    pare_status status = line ? pare_fail(PARE_BAD_ARGUMENT, "%s, line %d: %s%s", file, line, subject, c->message)
                              : pare_fail(PARE_BAD_ARGUMENT, "%s%s", subject, c->message);
    free(subject);
    return status;
}

pare_status pare_recipe_check(const pare_recipe *recipe, const char *file) {
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].holds(recipe)) return refuse(recipe, &all[i], file);
    if (overshoots(recipe))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--gamma %g is larger than --rho %g: the proximal step would overshoot; give at most rho",
                         recipe->moreau.gamma, recipe->moreau.rho);
    return PARE_OK;
}
