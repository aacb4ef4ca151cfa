#include "layerwise/dense_statistics.h"
#include "layerwise/latents.h"
#include "support/memory.h"
#include "support/peer.h"

/* Runs over the block that a layer takes at most. */
static uint64_t runs_of(const pare_weight_walk *w) {
    if (!pare_weights_walks(w->job)) return 0;
    return w->recipe->sequential ? 6 : w->recipe->dense_propagation ? 1 : 2;
}

/* Micro-batches of all runs, and matrices, of one layer. */
static uint64_t steps_of(const pare_weight_walk *w) {
    return runs_of(w) * pare_layerwise_batch_count(&w->l) + pare_weights_regional_steps(w->job) + PARE_MATRIX_ROLES +
           pare_weights_experts_steps(w) + pare_weights_latents_steps(w);
}

/* Micro-batches that are embedded, and those of a walk over the dense model before. */
static uint64_t steps_of_embedding(const pare_weight_walk *w) {
    return pare_weights_walks(w->job) ? (w->l.asked.two ? 2 : 1) * pare_layerwise_batch_count(&w->l) : 0;
}

static uint64_t steps_of_allocation(const pare_weight_walk *w) {
    bool looks = pare_weights_allocates(w) && pare_weights_walks(w->job);
    return looks ? steps_of_embedding(w) + w->l.model->config.layers * pare_layerwise_batch_count(&w->l) : 0;
}

static pare_status prune(pare_weight_walk *w, uint32_t layer, pare_role role) {
    pare_matrix_place place = pare_matrix_place_of(w, layer, role);
    return pare_matrix_prune(w, &place);
}

/* A matrix that was pruned, by this rank or another; *apart becomes true if it has lost weights. */
static pare_status take(pare_weight_walk *w, uint32_t layer, pare_role role, int owner, bool *apart) {
    const pare_matrix_result *result = &w->results[pare_tensor_id(layer, role)];
    PARE_TRY(pare_weights_share(w, layer, role, owner));
    *apart = *apart || result->kept < result->rows * result->columns;
    return pare_layerwise_step(&w->l);
}

/* The matrices of the layer that read these kinds of input. */
static pare_status prune_readers(pare_weight_walk *w, uint32_t layer, unsigned kinds, bool *apart) {
    int owner[PARE_MATRIX_ROLES];
    PARE_TRY(pare_weights_owners(w, layer, kinds, owner));
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        if (pare_weights_prunes(w, layer, role, kinds) && owner[role] == pare_peer_rank())
            PARE_TRY(prune(w, layer, role));
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        if (pare_weights_prunes(w, layer, role, kinds)) PARE_TRY(take(w, layer, role, owner[role], apart));
    return PARE_OK;
}

/* Where targets of readers have a share of the dense model: one map for all of them. */
static pare_status fit_map(pare_weight_walk *w, uint32_t layer, pare_input_kind kind) {
    char name[96];
    pare_fit fit;
    if (!pare_stage_reads(kind) || !pare_layerwise_has_target(&w->l, kind)) return PARE_OK;
    return pare_layerwise_fit_map(&w->l, kind, w->l.statistics[kind].gram,
                                  pare_input_name(layer, kind, name, sizeof name), 0.0, &fit);
}

static pare_status observe_alone(pare_weight_walk *w, unsigned kinds, bool through) {
    PARE_TRY(pare_layerwise_observe(&w->l, through));
    for (int i = 0; i < PARE_INPUT_KINDS; i++)
        if (kinds >> i & 1) pare_layerwise_center(&w->l, (pare_input_kind)i, NULL);
    return PARE_OK;
}

/* Observes what the matrices read. */
static pare_status observe(pare_weight_walk *w, uint32_t layer, unsigned kinds, bool through) {
    pare_input_kind kind = (pare_input_kind)__builtin_ctz(kinds);
    PARE_TRY(pare_weights_regional(w, layer));
    pare_element_needs needs = pare_layerwise_needs(&w->l, layer, kinds);
    PARE_TRY(pare_layerwise_watch(&w->l, layer, kinds, &needs));
    if (!w->l.asked.two) return observe_alone(w, kinds, through);
    PARE_TRY(pare_layerwise_compare(&w->l, kind, NULL));
    return pare_layerwise_concerns(&w->l, layer, kinds) ? fit_map(w, layer, kind) : PARE_OK;
}

static bool looks_at_latents(const pare_weight_walk *w, uint32_t layer, unsigned kinds) {
    return kinds >> PARE_INPUT_QKV & 1 && pare_layerwise_prunes_latents(&w->l.asked, layer);
}

static bool looks_at_experts(const pare_weight_walk *w, uint32_t layer, unsigned kinds) {
    return kinds >> PARE_INPUT_GATE_UP & 1 && pare_layerwise_prunes_experts(&w->l.asked, layer);
}

/* What the layer has beside its roles: latents are looked at, and experts go, before the roles' matrices, which are in
 * the block until then: the stream still stands in front of it. */
static pare_status prune_others(pare_weight_walk *w, uint32_t layer, unsigned kinds, bool through, bool *apart) {
    if (looks_at_latents(w, layer, kinds) && !w->recipe->sequential)
        PARE_TRY(pare_layerwise_latents_watch(&w->l, &w->l.asked.needs));
    if (looks_at_experts(w, layer, kinds)) PARE_TRY(pare_weights_experts(w, layer, apart));
    if (!through) return PARE_OK;
    w->l.block.source = w->l.asked.source;
    return pare_layerwise_pass(&w->l, PARE_STAGE_FFN);
}

/* With dense propagation the run that is observed also makes the next block's inputs: they do not depend on masks. */
static pare_status visit(void *context, uint32_t layer, unsigned kinds, bool last) {
    pare_weight_walk *w = context;
    bool through = w->recipe->dense_propagation && !last, apart = w->l.apart;
    bool others = looks_at_latents(w, layer, kinds) || looks_at_experts(w, layer, kinds);
    if (!pare_layerwise_concerns(&w->l, layer, kinds) && !w->l.asked.two)
        return through ? pare_layerwise_pass(&w->l, PARE_STAGE_FFN) : PARE_OK;
    PARE_TRY(observe(w, layer, kinds, through && !others));
    if (others) PARE_TRY(prune_others(w, layer, kinds, through, &apart));
    PARE_TRY(prune_readers(w, layer, kinds, &apart));
    if (looks_at_latents(w, layer, kinds)) PARE_TRY(pare_weights_latents(w, layer, &apart));
    w->l.apart = apart;
    pare_layerwise_forget(&w->l);
    return PARE_OK;
}

/* Nothing is observed: matrices are pruned as they stand in the file. */
static pare_status prune_only(pare_weight_walk *w) {
    bool apart = false;
    for (uint32_t layer = 0; layer < w->l.model->config.layers; layer++) {
        PARE_TRY(prune_readers(w, layer, PARE_ALL_INPUTS, &apart));
        PARE_TRY(pare_weights_latents(w, layer, &apart));
        PARE_TRY(pare_weights_experts(w, layer, &apart));
    }
    return PARE_OK;
}

static pare_status prune_seen(pare_weight_walk *w, const pare_dense_statistics *s, uint32_t layer, pare_role role,
                              void *context) {
    (void)s;
    PARE_TRY(prune(w, layer, role));
    return take(w, layer, role, pare_peer_rank(), context);
}

/* What inputs of the dense model show is known: matrices are pruned by that. */
static pare_status prune_by_norms(pare_weight_walk *w) {
    bool apart = false;
    pare_dense_statistics s;
    pare_status status = pare_dense_statistics_gather(w, &w->l.asked.needs, &s);
    if (status == PARE_OK) status = pare_dense_statistics_visit(w, &s, prune_seen, &apart);
    pare_dense_statistics_free(&s, w->l.model->config.layers);
    return status;
}

/* With two streams all blocks are run: the final norm is fitted behind the last. */
static uint32_t last_layer(const pare_weight_walk *w) {
    uint32_t last = w->l.asked.two ? w->l.model->config.layers - 1 : 0;
    for (uint32_t layer = 0; layer < w->l.model->config.layers; layer++)
        if (pare_layerwise_concerns(&w->l, layer, PARE_ALL_INPUTS)) last = layer;
    return last;
}

static pare_status run_layers(pare_weight_walk *w, uint32_t last) {
    pare_layer_visitor visitor = {.stages = w->recipe->sequential ? pare_layerwise_one_by_one : pare_layerwise_together,
                                  .visit = visit,
                                  .through = w->recipe->dense_propagation,
                                  .last = last,
                                  .beyond = w->l.asked.two,
                                  .context = w,
                                  .keeper = {"", pare_weights_describe, w, last + 1 + w->l.asked.two}};
    if (w->job->norms) return prune_by_norms(w);
    if (!pare_weights_walks(w->job)) return prune_only(w);
    PARE_TRY(pare_layerwise_walk(&w->l, &visitor));
    return pare_layerwise_finish(&w->l, w->job->recipe->final_norm, false);
}

/* A layer may take fewer steps than were counted on, never more. */
static pare_status run(pare_weight_walk *w) {
    uint32_t last = last_layer(w);
    uint64_t norm = w->l.asked.two && w->job->recipe->final_norm ? pare_layerwise_batch_count(&w->l) : 0;
    w->l.layer_steps = steps_of(w);
    w->l.total = steps_of_allocation(w) + steps_of_embedding(w) + ((uint64_t)last + 1) * steps_of(w) + norm;
    PARE_TRY(pare_weights_allocate(w));
    w->l.done = steps_of_allocation(w);
    PARE_TRY(run_layers(w, last));
    w->l.done = w->l.total - 1;
    return pare_layerwise_step(&w->l);
}

pare_status pare_weights_run(const pare_weights_job *job, pare_repaired *repaired, pare_matrix_result *results,
                             double *sparsity) {
    pare_weight_walk w;
    *repaired = (pare_repaired){0};
    PARE_TRY(pare_weights_set_up(job, repaired, &w));
    w.results = results;
    w.sparsity = sparsity;
    memcpy(sparsity, job->sparsity, w.l.model->tensor_count * sizeof *sparsity);
    pare_status status = run(&w);
    pare_weights_clear(&w);
    if (status != PARE_OK) pare_repaired_free(repaired);
    return status;
}
