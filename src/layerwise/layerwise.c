#include "layerwise/layerwise_internal.h"
#include "support/memory.h"
#include "support/progress.h"

#include <string.h>

/* What is pruned together: the matrices that read these kinds of input. */
static const unsigned together[] = {PARE_ALL_INPUTS, 0};
static const unsigned one_by_one[] = {1 << PARE_INPUT_QKV, 1 << PARE_INPUT_O, 1 << PARE_INPUT_GATE_UP,
                                      1 << PARE_INPUT_DOWN, 0};

enum { ATTENTION = 1 << PARE_INPUT_QKV | 1 << PARE_INPUT_O };

bool pare_layerwise_prunes(const pare_layerwise *l, uint32_t layer, unsigned kinds) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (kinds >> pare_input_of((pare_role)role) & 1 && l->job->pruned[pare_tensor_id(layer, (pare_role)role)])
            return true;
    return false;
}

/* Runs over the block that a layer takes at most. */
static uint64_t runs_of(const pare_layerwise *l) {
    if (!pare_element_walks(l->job->recipe)) return 0;
    return l->recipe->sequential ? 6 : l->recipe->dense_propagation ? 1 : 2;
}

static uint64_t batches_of(const pare_layerwise *l) {
    return (uint64_t)((l->job->sequences + l->micro_batch - 1) / l->micro_batch);
}

/* Micro-batches of all runs, and matrices, of one layer. */
static uint64_t steps_of(const pare_layerwise *l) {
    return runs_of(l) * batches_of(l) + pare_layerwise_regional_steps(l->job) + PARE_MATRIX_ROLES;
}

/* Micro-batches that are embedded, and those of a walk over the dense model before. */
static uint64_t steps_of_embedding(const pare_layerwise *l) {
    return pare_element_walks(l->job->recipe) ? (l->two ? 2 : 1) * batches_of(l) : 0;
}

static uint64_t steps_of_settling(const pare_layerwise *l) {
    bool looks = pare_layerwise_allocates(l) && pare_element_walks(l->job->recipe);
    return looks ? steps_of_embedding(l) + l->model->config.layers * batches_of(l) : 0;
}

pare_status pare_layerwise_step(pare_layerwise *l) {
    if (l->done < l->total) l->done++;
    return pare_progress_report(l->job->runtime, l->job->scores_only ? "scoring" : "pruning", l->done, l->total);
}

pare_status pare_layerwise_batches(pare_layerwise *l, pare_batch_fn visit, void *context) {
    for (int64_t s = 0; s < l->job->sequences; s += l->micro_batch) {
        int64_t left = l->job->sequences - s;
        l->block.batch = l->dense_block.batch = left < l->micro_batch ? left : l->micro_batch;
        PARE_TRY(visit(l, s * l->job->length, l->block.batch * l->job->length, context));
        PARE_TRY(pare_layerwise_step(l));
    }
    return PARE_OK;
}

static pare_status embed_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_stream *stream = context;
    float *x = pare_stream_load(stream, first, tokens, l->states);
    pare_walk_embed(&l->walk, l->job->ids + first, tokens, x);
    pare_stream_store(stream, first, tokens, x);
    return PARE_OK;
}

pare_status pare_layerwise_embed(pare_layerwise *l) {
    l->at_middle = l->apart = false;
    PARE_TRY(pare_layerwise_batches(l, embed_batch, &l->stream));
    return l->two ? pare_layerwise_batches(l, embed_batch, &l->dense_stream) : PARE_OK;
}

/* How far a run over the block goes. */
typedef enum reach { TO_NORMED1, TO_MERGED, TO_MIDDLE, TO_NORMED2, TO_ACTIVATED, TO_OUTPUT } reach;

/* x: hidden states of one micro-batch; become those at the middle or the output where the run goes so far. */
static pare_status run_batch(pare_layerwise *l, reach to, float *x) {
    const pare_block *block = &l->block;
    float *middle = x;
    if (!l->at_middle) {
        if (to == TO_NORMED1) return pare_block_attention_input(block, x);
        PARE_TRY(pare_block_attend(block, x));
        if (to == TO_MERGED) return PARE_OK;
        if (to == TO_ACTIVATED) middle = block->activations->middle;
        PARE_TRY(pare_block_attention_output(block, x, middle));
        if (to == TO_MIDDLE) return PARE_OK;
    }
    if (to == TO_NORMED2) return pare_block_ffn_input(block, middle);
    PARE_TRY(pare_block_activate(block, middle));
    return to == TO_OUTPUT ? pare_block_ffn_output(block, middle, x) : PARE_OK;
}

static pare_status visit_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    reach to = *(const reach *)context;
    float *x = pare_stream_load(&l->stream, first, tokens, l->states);
    PARE_TRY(run_batch(l, to, x));
    if (to == TO_MIDDLE || to == TO_OUTPUT) pare_stream_store(&l->stream, first, tokens, x);
    return PARE_OK;
}

static pare_status run_block(pare_layerwise *l, reach to) {
    PARE_TRY(pare_layerwise_batches(l, visit_batch, &to));
    if (to == TO_MIDDLE || to == TO_OUTPUT) l->at_middle = to == TO_MIDDLE;
    return PARE_OK;
}

/* The shortest run that shows all watched inputs. */
static reach reach_of(unsigned watched) {
    if (watched >> PARE_INPUT_DOWN & 1) return TO_ACTIVATED;
    if (watched >> PARE_INPUT_GATE_UP & 1) return watched == 1 << PARE_INPUT_GATE_UP ? TO_NORMED2 : TO_ACTIVATED;
    return watched >> PARE_INPUT_O & 1 ? TO_MERGED : TO_NORMED1;
}

pare_status pare_layerwise_observe(pare_layerwise *l) {
    l->block.observer = &l->observer;
    pare_status status = run_block(l, TO_OUTPUT);
    l->block.observer = NULL;
    return status;
}

pare_status pare_layerwise_look(pare_layerwise *l, bool pass) {
    l->block.observer = &l->observer;
    pare_status status =
        l->two ? pare_layerwise_observe_both(l) : run_block(l, pass ? TO_OUTPUT : reach_of(l->watched));
    l->block.observer = NULL;
    return status;
}

/* *apart becomes true if the matrix loses weights. */
static pare_status prune(pare_layerwise *l, uint32_t layer, pare_role role, bool *apart) {
    const pare_matrix_result *result = &l->results[pare_tensor_id(layer, role)];
    PARE_TRY(pare_layerwise_prune(l, layer, role));
    *apart = *apart || result->kept < result->rows * result->columns;
    return pare_layerwise_step(l);
}

/* Observes what the stage's matrices read, and prunes them. */
static pare_status run_stage(pare_layerwise *l, uint32_t layer, unsigned kinds, bool pass) {
    bool prunes = pare_layerwise_prunes(l, layer, kinds), apart = l->apart;
    if (!prunes && !l->two) return pass ? run_block(l, TO_OUTPUT) : PARE_OK;
    PARE_TRY(pare_layerwise_regional(l, layer));
    PARE_TRY(pare_layerwise_watch(l, layer, kinds));
    PARE_TRY(pare_layerwise_look(l, pass));
    if (prunes && l->two) PARE_TRY(pare_layerwise_set_target(l, layer, kinds));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        bool here = kinds >> pare_input_of((pare_role)role) & 1;
        if (here && l->job->pruned[pare_tensor_id(layer, (pare_role)role)])
            PARE_TRY(prune(l, layer, (pare_role)role, &apart));
    }
    l->apart = apart;
    pare_layerwise_forget(l);
    return PARE_OK;
}

/* With dense propagation the run that is observed also makes the next block's inputs: they do not depend on masks. */
static pare_status run_layer(pare_layerwise *l, uint32_t layer, bool last) {
    bool dense = l->recipe->dense_propagation;
    const unsigned *stages = l->recipe->sequential ? one_by_one : together;
    pare_model_prefetch(l->model, (int64_t)layer + 1);
    l->block = l->dense_block = pare_walk_block(&l->walk, layer);
    for (; *stages; stages++) {
        PARE_TRY(run_stage(l, layer, *stages, dense && !last));
        if (*stages == 1 << PARE_INPUT_O) PARE_TRY(run_block(l, TO_MIDDLE));
    }
    return (last && !l->two) || dense ? PARE_OK : run_block(l, TO_OUTPUT);
}

/* Nothing is observed: matrices are pruned as they stand in the file. */
static pare_status prune_only(pare_layerwise *l) {
    bool apart = false;
    for (uint32_t layer = 0; layer < l->model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            if (l->job->pruned[pare_tensor_id(layer, (pare_role)role)])
                PARE_TRY(prune(l, layer, (pare_role)role, &apart));
    return PARE_OK;
}

/* With two streams all blocks are run: the final norm is fitted behind the last. */
static uint32_t last_pruned(const pare_layerwise *l) {
    uint32_t last = l->two ? l->model->config.layers - 1 : 0;
    for (uint32_t layer = 0; layer < l->model->config.layers; layer++)
        if (pare_layerwise_prunes(l, layer, PARE_ALL_INPUTS)) last = layer;
    return last;
}

static pare_status run_layers(pare_layerwise *l, uint32_t last) {
    uint64_t begun = l->done + steps_of_embedding(l);
    if (!pare_element_walks(l->job->recipe)) return prune_only(l);
    PARE_TRY(pare_layerwise_embed(l));
    for (uint32_t layer = 0; layer <= last; layer++) {
        PARE_TRY(run_layer(l, layer, layer == last));
        l->done = begun + ((uint64_t)layer + 1) * steps_of(l);
    }
    return l->two && l->job->recipe->final_norm ? pare_layerwise_fit_norm(l) : PARE_OK;
}

/* A layer may take fewer steps than were counted on, never more. */
static pare_status run(pare_layerwise *l) {
    uint32_t last = last_pruned(l);
    uint64_t norm = l->two && l->job->recipe->final_norm ? batches_of(l) : 0;
    l->total = steps_of_settling(l) + steps_of_embedding(l) + ((uint64_t)last + 1) * steps_of(l) + norm;
    PARE_TRY(pare_layerwise_allocate(l));
    l->done = steps_of_settling(l);
    PARE_TRY(run_layers(l, last));
    l->done = l->total - 1;
    return pare_layerwise_step(l);
}

pare_status pare_layerwise_run(const pare_layerwise_job *job, pare_repaired *repaired, pare_matrix_result *results,
                               double *sparsity) {
    pare_layerwise l;
    *repaired = (pare_repaired){0};
    PARE_TRY(pare_layerwise_set_up(job, repaired, &l));
    l.results = results;
    l.sparsity = sparsity;
    memcpy(sparsity, job->sparsity, l.model->tensor_count * sizeof *sparsity);
    pare_status status = run(&l);
    pare_layerwise_clear(&l);
    if (status != PARE_OK) pare_repaired_free(repaired);
    return status;
}
