#include "layerwise/experts.h"
#include "support/progress.h"

#include <math.h>
#include <string.h>

pare_status pare_layerwise_step(pare_layerwise *l) {
    if (l->done < l->total) l->done++;
    return pare_progress_report(l->asked.runtime, l->asked.stage, l->done, l->total);
}

/* The sequences of a shard, among this rank's. */
static int64_t begin_of(const pare_layerwise *l, int shard) {
    return pare_shard_begin(&l->shards, shard) - pare_shard_begin(&l->shards, l->shards.first);
}

uint64_t pare_layerwise_batch_count(const pare_layerwise *l) {
    return (uint64_t)pare_shards_batches(&l->shards, l->shards.first, l->shards.last, l->micro_batch);
}

static pare_status run_shard(pare_layerwise *l, int shard, pare_batch_fn visit, void *context) {
    int64_t end = begin_of(l, shard + 1);
    PARE_TRY(pare_shard_sums_enter(&l->sums, &l->shards, shard));
    for (int64_t s = begin_of(l, shard); s < end; s += l->micro_batch) {
        l->block.batch = l->dense_block.batch = end - s < l->micro_batch ? end - s : l->micro_batch;
        PARE_TRY(visit(l, s * l->asked.length, l->block.batch * l->asked.length, context));
        PARE_TRY(pare_layerwise_step(l));
    }
    pare_shard_sums_leave(&l->sums, &l->shards, shard);
    return PARE_OK;
}

pare_status pare_layerwise_batches(pare_layerwise *l, pare_batch_fn visit, void *context) {
    l->resident = false;
    for (int shard = l->shards.first; shard < l->shards.last; shard++)
        PARE_TRY(run_shard(l, shard, visit, context));
    PARE_TRY(pare_shard_sums_finish(&l->sums, &l->shards));
    pare_shard_sums_clear(&l->sums);
    return PARE_OK;
}

float *pare_layer_load(pare_layer_states *side, int64_t first, int64_t tokens) {
    return pare_stream_load(&side->now, first, tokens, side->room);
}

/* What the FFN reads: the states between the stages, or what entered the layer. */
static const float *ffn_reads(const pare_layerwise *l, pare_layer_states *side, const pare_block *block, int64_t first,
                              const float *states) {
    if (!pare_layerwise_parallel(&l->asked)) return states;
    const float *input = pare_stream_load(&side->input, first, block->batch * block->length, side->input_room);
    return pare_block_ffn_reads(block, input, states);
}

/* Before attention adds to them. */
static void keep_input(const pare_layerwise *l, pare_layer_states *side, const pare_block *block, int64_t first,
                       const float *states) {
    int64_t tokens = block->batch * block->length;
    if (!pare_layerwise_parallel(&l->asked)) return;
    float *kept = pare_stream_load(&side->input, first, tokens, side->input_room);
    memcpy(kept, states, (size_t)(tokens * l->hidden) * sizeof *kept);
    pare_stream_store(&side->input, first, tokens, kept);
}

pare_status pare_layer_readers(const pare_layerwise *l, pare_layer_states *side, const pare_block *block,
                               pare_stage stage, int64_t first, const float *states) {
    if (stage == PARE_STAGE_ATTENTION) return pare_block_attention_input(block, states);
    return pare_block_ffn_input(block, ffn_reads(l, side, block, first, states));
}

pare_status pare_layer_inner(const pare_layerwise *l, pare_layer_states *side, const pare_block *block,
                             pare_stage stage, int64_t first, const float *states) {
    if (stage == PARE_STAGE_ATTENTION) return pare_block_attend(block, states);
    return pare_block_activate(block, ffn_reads(l, side, block, first, states));
}

pare_status pare_layer_leave(const pare_layerwise *l, pare_layer_states *side, const pare_block *block,
                             pare_stage stage, int64_t first, float *states) {
    if (stage == PARE_STAGE_ATTENTION) keep_input(l, side, block, first, states);
    PARE_TRY(stage == PARE_STAGE_ATTENTION ? pare_block_attention_output(block, states, states)
                                           : pare_block_ffn_output(block, states, states));
    pare_stream_store(&side->now, first, block->batch * block->length, states);
    return PARE_OK;
}

/* Channels that the pruned model does not have are nothing there. */
static void cut_channels(const pare_layerwise *l, int64_t tokens, float *x) {
    const pare_index_list *channels = &l->asked.channels;
    for (int64_t t = 0; t < tokens && channels->index; t++)
        for (int64_t i = 0, k = 0; i < l->hidden; i++) {
            bool kept = k < channels->count && channels->index[k] == i;
            k += kept;
            if (!kept) x[t * l->hidden + i] = 0.0f;
        }
}

static pare_status embed_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_layer_states *side = context;
    float *x = pare_layer_load(side, first, tokens);
    PARE_TRY(pare_walk_embed(&l->walk, l->asked.ids + first, tokens, x));
    if (side == &l->pruned) cut_channels(l, tokens, x);
    pare_stream_store(&side->now, first, tokens, x);
    return PARE_OK;
}

pare_status pare_layerwise_embed(pare_layerwise *l) {
    l->at_middle = false;
    l->apart = l->asked.channels.index != NULL;
    PARE_TRY(pare_layerwise_batches(l, embed_batch, &l->pruned));
    return l->asked.two ? pare_layerwise_batches(l, embed_batch, &l->dense) : PARE_OK;
}

/* Norms run over the channels that are left. */
static void mark_channels(pare_layerwise *l) {
    float *kept = l->channels;
    for (int64_t i = 0; i < l->hidden; i++)
        kept[i] = 1.0f;
    cut_channels(l, 1, kept);
    l->block.hidden_kept = kept;
    l->block.hidden_count = l->asked.channels.count;
}

/* Biases of what adds to the hidden state. */
static void cut_biases(pare_layerwise *l) {
    static const pare_role roles[] = {PARE_ROLE_O_BIAS, PARE_ROLE_DOWN_BIAS};
    for (int i = 0; i < 2; i++) {
        const float *dense = l->dense_block.weights.vector[roles[i]];
        float *cut = l->channels + (1 + i) * l->hidden;
        if (!dense) continue;
        memcpy(cut, dense, (size_t)l->hidden * sizeof *cut);
        cut_channels(l, 1, cut);
        l->block.weights.vector[roles[i]] = cut;
    }
}

void pare_layerwise_enter(pare_layerwise *l, uint32_t layer) {
    pare_residency_leave(&l->residency, l->asked.source, (int64_t)layer - 1, false);
    pare_residency_want(&l->residency, l->asked.source, (int64_t)layer + 1);
    l->block = l->dense_block = pare_walk_block(&l->walk, layer);
    l->at_middle = l->resident = false;
    if (l->replacement) l->block.source = &l->others;
    if (!l->asked.channels.index) return;
    mark_channels(l);
    cut_biases(l);
}

/* How far a run over the block goes: the inputs of readers, those of an output, or out of a stage. */
typedef enum point { TO_READERS, TO_OUTPUT, PAST_OUTPUT } point;
typedef struct run {
    pare_stage stage;
    point to;
} run;

/* From in front of the layer on. */
static pare_status run_layer_batch(pare_layerwise *l, run r, int64_t first, int64_t tokens, float *x) {
    bool in_place = r.to == PAST_OUTPUT && !pare_layerwise_parallel(&l->asked);
    float *middle = in_place ? x : l->block.activations->middle;
    if (r.stage == PARE_STAGE_ATTENTION) {
        if (r.to == TO_READERS) return pare_block_attention_input(&l->block, x);
        PARE_TRY(pare_block_attend(&l->block, x));
        return r.to == TO_OUTPUT ? PARE_OK : pare_layer_leave(l, &l->pruned, &l->block, PARE_STAGE_ATTENTION, first, x);
    }
    PARE_TRY(pare_block_attend(&l->block, x));
    PARE_TRY(pare_block_attention_output(&l->block, x, middle));
    const float *reads = pare_block_ffn_reads(&l->block, x, middle);
    if (r.to == TO_READERS) return pare_block_ffn_input(&l->block, reads);
    PARE_TRY(pare_block_activate(&l->block, reads));
    if (r.to == TO_OUTPUT) return PARE_OK;
    PARE_TRY(pare_block_ffn_output(&l->block, middle, x));
    pare_stream_store(&l->pruned.now, first, tokens, x);
    return PARE_OK;
}

static pare_status run_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    run r = *(const run *)context;
    float *x = pare_layer_load(&l->pruned, first, tokens);
    if (!l->at_middle) return run_layer_batch(l, r, first, tokens, x);
    if (r.to == TO_READERS) return pare_layer_readers(l, &l->pruned, &l->block, r.stage, first, x);
    PARE_TRY(pare_layer_inner(l, &l->pruned, &l->block, r.stage, first, x));
    return r.to == TO_OUTPUT ? PARE_OK : pare_layer_leave(l, &l->pruned, &l->block, r.stage, first, x);
}

pare_status pare_layerwise_reach(pare_layerwise *l, pare_stage stage, int64_t first, int64_t tokens) {
    run r = {stage, TO_READERS};
    return run_batch(l, first, tokens, &r);
}

static pare_status run_block(pare_layerwise *l, pare_stage stage, point to) {
    run r = {stage, to};
    bool alone = stage == PARE_STAGE_ATTENTION || l->at_middle;
    PARE_TRY(pare_layerwise_batches(l, run_batch, &r));
    if (to == PAST_OUTPUT) l->at_middle = stage == PARE_STAGE_ATTENTION;
    l->resident = to == TO_OUTPUT && alone && pare_layerwise_batch_count(l) == 1;
    return PARE_OK;
}

/* The shortest run that shows all watched inputs. */
static run run_of(unsigned watched) {
    if (watched >> PARE_INPUT_DOWN & 1) return (run){PARE_STAGE_FFN, TO_OUTPUT};
    if (watched >> PARE_INPUT_GATE_UP & 1)
        return (run){PARE_STAGE_FFN, watched == 1 << PARE_INPUT_GATE_UP ? TO_READERS : TO_OUTPUT};
    return (run){PARE_STAGE_ATTENTION, watched >> PARE_INPUT_O & 1 ? TO_OUTPUT : TO_READERS};
}

pare_status pare_layerwise_observe(pare_layerwise *l, bool through) {
    run r = through ? (run){PARE_STAGE_FFN, PAST_OUTPUT} : run_of(l->watched);
    PARE_TRY(pare_layerwise_sum_inputs(l));
    l->block.observer = &l->observer;
    pare_status status = run_block(l, r.stage, r.to);
    l->block.observer = NULL;
    return status;
}

/* The inputs of the output are there: nothing else need be run again. */
static pare_status leave_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    float *x = pare_layer_load(&l->pruned, first, tokens);
    return pare_layer_leave(l, &l->pruned, &l->block, *(const pare_stage *)context, first, x);
}

pare_status pare_layerwise_pass(pare_layerwise *l, pare_stage stage) {
    if (!l->resident) return run_block(l, stage, PAST_OUTPUT);
    PARE_TRY(pare_layerwise_batches(l, leave_batch, &stage));
    l->at_middle = stage == PARE_STAGE_ATTENTION;
    return PARE_OK;
}

static pare_status pass_dense_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    pare_stage stage = *(const pare_stage *)context;
    float *x = pare_layer_load(&l->dense, first, tokens);
    PARE_TRY(pare_layer_inner(l, &l->dense, &l->dense_block, stage, first, x));
    return pare_layer_leave(l, &l->dense, &l->dense_block, stage, first, x);
}

pare_status pare_layerwise_pass_dense(pare_layerwise *l, pare_stage stage) {
    return pare_layerwise_batches(l, pass_dense_batch, &stage);
}

void pare_layerwise_install(pare_layerwise *l, uint32_t layer, pare_role role, float *values, void *stored) {
    const pare_tensor *tensor = l->model->tensors[pare_tensor_id(layer, role)];
    size_t count = (size_t)tensor->count;
    pare_from_float(stored, tensor->dtype, values, count);
    pare_to_float(values, stored, tensor->dtype, count);
    l->block.weights.matrix[role] = stored;
    if (tensor->dtype == l->backend->operand) return;
    l->backend->operations->to_operand(l->backend, values, (int64_t)count, l->operands[role]);
    l->block.weights.matrix[role] = l->operands[role];
}

void pare_layerwise_install_other(pare_layerwise *l, size_t id, float *values, void *stored) {
    const pare_tensor *tensor = l->model->tensors[id];
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    pare_from_float(stored, tensor->dtype, values, (size_t)tensor->count);
    pare_to_float(values, stored, tensor->dtype, (size_t)tensor->count);
    if (l->replacement)
        l->replacement[id] = (pare_replacement){.matrix = stored, .row_count = rows, .column_count = columns};
}

/* A layer that the pruned model does not have. */
static pare_status skip_layer(pare_layerwise *l) {
    l->apart = true;
    for (int stage = 0; stage < PARE_STAGES && l->asked.two; stage++)
        PARE_TRY(pare_layerwise_pass_dense(l, (pare_stage)stage));
    return PARE_OK;
}

/* Visits that take the stream along also make the next block's inputs. */
static pare_status walk_layer(pare_layerwise *l, const pare_layer_visitor *v, uint32_t layer) {
    bool last = layer == v->last;
    for (const unsigned *kinds = v->stages; *kinds; kinds++) {
        PARE_TRY(v->visit(v->context, layer, *kinds, last));
        if (pare_stage_ends(PARE_STAGE_ATTENTION, *kinds)) PARE_TRY(pare_layerwise_pass(l, PARE_STAGE_ATTENTION));
    }
    return v->through || (last && !v->beyond) ? PARE_OK : pare_layerwise_pass(l, PARE_STAGE_FFN);
}

pare_status pare_layerwise_walk(pare_layerwise *l, const pare_layer_visitor *v) {
    uint32_t next;
    PARE_TRY(pare_layerwise_begin(l, &v->keeper, l->layer_steps, &next));
    if (next > v->last) pare_layerwise_enter(l, v->last);
    for (uint32_t layer = next; layer <= v->last; layer++) {
        uint64_t end = l->done + l->layer_steps;
        pare_layer_fate fate = v->fate ? v->fate(v->context, layer) : PARE_LAYER_STAYS;
        pare_layerwise_enter(l, layer);
        if (fate == PARE_LAYER_GOES) PARE_TRY(skip_layer(l));
        if (fate == PARE_LAYER_STAYS) PARE_TRY(walk_layer(l, v, layer));
        l->done = end;
        PARE_TRY(pare_layerwise_keep(l, &v->keeper, layer));
    }
    return PARE_OK;
}
