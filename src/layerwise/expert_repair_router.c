/* The router of the experts that stay, fitted by least squares: to the dense model's logits, or where experts were
 * merged to the logarithm of the sum of their members' exponentials, so that a merged expert is as likely as its
 * members were together. */
#include "layerwise/expert_repair_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct looking {
    pare_expert_walk *walk;
    float *logits; /* of the micro-batch */
} looking;

static pare_status take_logits(void *context, const pare_block *block) {
    const looking *at = context;
    const pare_routing *r = &block->activations->experts.routing;
    memcpy(at->logits, r->probability, (size_t)(r->tokens * r->experts) * sizeof *at->logits);
    return PARE_OK;
}

static bool wants_no_input(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return false;
}

/* Logits of a block for these states, into `logits`. */
static pare_status logits_of(pare_expert_walk *w, const pare_block *of, const float *states, float *logits) {
    looking at = {.walk = w, .logits = logits};
    const pare_observer observer = {.wants = wants_no_input, .see_logits = take_logits, .context = &at};
    pare_block block = *of;
    block.observer = &observer;
    PARE_TRY(pare_block_ffn_input(&block, states));
    return pare_block_route(&block);
}

/* What a kept expert's logit is to be for a token. */
static float wanted(const pare_expert_walk *w, const float *logits, uint32_t expert) {
    const pare_expert_groups *g = w->job->groups;
    uint32_t experts = w->l.model->config.widths[w->layer].experts;
    double sum = 0.0;
    if (!g) return logits[expert];
    const uint32_t *into = g->into + (size_t)w->layer * g->experts;
    for (uint32_t e = 0; e < experts; e++)
        if (into[e] == expert) sum += exp((double)logits[e] - (double)logits[expert]);
    return logits[expert] + (float)log(sum);
}

/* The kept rows with the pruned model's states: before the fit, the dense router's. */
static pare_status compare(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_expert_walk *w = context;
    const pare_kept *kept = &w->job->selection->layer[w->layer];
    int64_t all = l->model->config.widths[w->layer].experts, left = kept->experts;
    float *own = w->logits + tokens * all, *lack = own;
    PARE_TRY(logits_of(w, &l->dense_block, pare_layer_load(&l->dense, first, tokens), w->logits));
    PARE_TRY(logits_of(w, &l->block, pare_layer_load(&l->pruned, first, tokens), own));
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < left; i++) /* in place: a token's are read before they are written */
            lack[t * left + i] = wanted(w, w->logits + t * all, kept->expert[i]) - own[t * all + kept->expert[i]];
    l->backend->operations->to_operand(l->backend, lack, tokens * left, w->wanted);
    pare_inputs inputs = {.x = l->block.activations->normed2, .tokens = tokens, .width = l->hidden};
    PARE_TRY(pare_gram_add(l->backend, &inputs, !w->seen, w->router_gram));
    PARE_TRY(pare_cross_add(l->backend, &inputs, w->wanted, left, !w->seen, w->router_cross));
    w->seen = true;
    return PARE_OK;
}

pare_status pare_expert_fit_router(pare_expert_walk *w) {
    pare_layerwise *l = &w->l;
    const pare_kept *kept = &w->job->selection->layer[w->layer];
    size_t id = pare_tensor_id_router(&l->model->config, w->layer);
    int64_t d = l->hidden;
    char what[64];
    pare_fit fit;
    w->seen = false;
    PARE_TRY(pare_layerwise_sum_matrix(l, w->router_gram, d * d, &w->seen));
    PARE_TRY(pare_layerwise_sum_matrix(l, w->router_cross, kept->experts * d, &w->seen));
    PARE_TRY(pare_layerwise_batches(l, compare, w));
    snprintf(what, sizeof what, "the inputs of layer %u's router", w->layer);
    const pare_least_squares problem = {
        .rows = kept->experts,
        .columns = {.gram = w->router_gram, .width = d, .count = d, .damping = w->job->damping, .what = what},
        .cross = w->router_cross,
        .shared = true};
    for (uint32_t i = 0; i < kept->experts; i++)
        pare_source_rows(&w->pruned, id, kept->expert[i], 1, w->rows + i * d);
    PARE_TRY(pare_least_squares_solve(&problem, w->rows, &fit));
    return pare_expert_walk_put(w, id, kept->experts, d, kept->expert, w->rows);
}
