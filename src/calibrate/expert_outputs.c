#include "calibrate/expert_outputs.h"
#include "model/block_experts.h"
#include "model/expert_tensors.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/vectorize.h"

#include <string.h>

enum { LANES = 8 };

typedef struct looking {
    const pare_model *model;
    const pare_source *source;
    pare_expert_parts load;
    pare_expert_outputs_fn shown;
    void *context;
    pare_scratch memory;
    pare_expert_outputs outputs; /* of the layer in hand */
    float *made;                 /* [experts, slice, d] */
    int64_t slice, room, stride; /* tokens of a slice, and of all that there is room for; every stride-th is taken */
    int64_t slices;              /* of the layer, that came by, those of the ranks before among them */
    int64_t seen, total;         /* tokens of the layer, and of this rank's sequences */
    int64_t taken;               /* of all tokens of the batch */
    bool several;                /* ranks have a part of these each */
    int64_t first_slice, first;  /* slices of the ranks before, and the tokens that are taken of them */
    float *correction;           /* [experts] where this rank sees no token */
} looking;

static int64_t token_bytes(const pare_model *model) {
    int64_t experts = model->config.experts.count;
    return (experts + pare_expert_pairs(experts)) * (int64_t)sizeof(float);
}

static int64_t slice_of(const pare_model *model, int64_t tokens) {
    int64_t row = (int64_t)model->config.experts.count * model->config.hidden * (int64_t)sizeof(float);
    int64_t slice = PARE_EXPERT_SLICE_BYTES / row;
    slice = slice > 1 ? slice : 1;
    return slice < tokens ? slice : tokens;
}

int64_t pare_expert_outputs_tokens(const pare_model *model, int64_t tokens) {
    int64_t fit = PARE_EXPERT_OUTPUTS_BYTES / token_bytes(model), slice = slice_of(model, tokens);
    fit = fit > slice ? fit : slice;
    return fit < tokens ? fit : tokens;
}

uint64_t pare_expert_outputs_bytes(const pare_model *model, int64_t tokens) {
    const pare_config *c = &model->config;
    uint64_t made = (uint64_t)slice_of(model, tokens) * c->experts.count * c->hidden * sizeof(float);
    return made + (uint64_t)(pare_expert_outputs_tokens(model, tokens) * token_bytes(model));
}

pare_work pare_expert_outputs_work(const pare_model *model, int64_t tokens) {
    const pare_config *c = &model->config;
    double n = (double)pare_expert_outputs_tokens(model, tokens), experts = c->experts.count, layers = 0.0;
    pare_work work = {{0}};
    for (uint32_t layer = 0; layer < c->layers; layer++)
        layers += c->widths[layer].experts > 0;
    work.amount[PARE_WORK_BLOCKS] = layers * n * experts * 2.0 * PARE_EXPERT_PARTS * c->experts.width * c->hidden;
    work.amount[PARE_WORK_SINGLE] = layers * n * experts * (experts + 1.0) * c->hidden;
    return work;
}

PARE_VECTORIZE static float inner(const float *restrict a, const float *restrict b, int64_t d) {
    float sums[LANES] = {0};
    int64_t whole = d - d % LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int64_t j = 0; j < LANES; j++)
            sums[j] += a[i + j] * b[i + j];
    for (int64_t i = whole; i < d; i++)
        sums[0] += a[i] * b[i];
    for (int j = 1; j < LANES; j++)
        sums[0] += sums[j];
    return sums[0];
}

static void multiply(const looking *at, int64_t count, int64_t hidden) {
    const pare_expert_outputs *o = &at->outputs;
    int64_t pairs = pare_expert_pairs(o->experts);
#pragma omp parallel for schedule(static) if (count * pairs * hidden > 8192)
    for (int64_t t = 0; t < count; t++)
        for (int64_t e = 0; e < o->experts; e++)
            for (int64_t f = 0; f <= e; f++)
                o->gram[(o->tokens + t) * pairs + pare_expert_pair(e, f)] =
                    inner(at->made + (e * at->slice + t) * hidden, at->made + (f * at->slice + t) * hidden, hidden);
}

/* `count` tokens of the micro-batch from `first` on. */
static pare_status take(looking *at, const pare_block *block, int64_t first, int64_t count) {
    pare_expert_outputs *o = &at->outputs;
    int64_t d = block->hidden, experts = o->experts;
    const float *logits = block->activations->experts.routing.probability + first * experts;
    for (uint32_t expert = 0; expert < o->experts; expert++)
        PARE_TRY(pare_block_expert_outputs(block, expert, first, count, at->made + expert * at->slice * d));
    memcpy(o->logits + o->tokens * experts, logits, (size_t)(count * experts) * sizeof *logits);
    multiply(at, count, d);
    o->tokens += count;
    return PARE_OK;
}

static void enter_layer(looking *at, uint32_t layer) {
    pare_expert_outputs *o = &at->outputs;
    o->layer = layer;
    o->experts = at->model->config.widths[layer].experts;
    o->tokens = at->first;
    at->slices = at->first_slice;
    o->gram = o->logits + at->room * o->experts;
}

/* What each rank has taken, to all. */
static pare_status share(looking *at) {
    pare_expert_outputs *o = &at->outputs;
    int64_t pairs = pare_expert_pairs(o->experts);
    for (int rank = 0; rank < pare_peer_count() && at->several; rank++) {
        int64_t part[] = {at->first, o->tokens};
        PARE_TRY(pare_peer_broadcast(part, sizeof part, rank));
        size_t count = (size_t)(part[1] - part[0]);
        if (!count) continue;
        PARE_TRY(pare_peer_broadcast(o->logits + part[0] * o->experts, count * o->experts * sizeof(float), rank));
        PARE_TRY(pare_peer_broadcast(o->gram + part[0] * pairs, count * (size_t)pairs * sizeof(float), rank));
    }
    if (at->several) o->tokens = at->taken;
    return at->shown(at->context, o);
}

static pare_status see_logits(void *context, const pare_block *block) {
    looking *at = context;
    pare_expert_outputs *o = &at->outputs;
    int64_t tokens = block->batch * block->length;
    if (!at->seen) enter_layer(at, block->layer);
    o->correction = block->activations->experts.routing.correction;
    for (int64_t first = 0; first < tokens; first += at->slice) {
        int64_t count = tokens - first < at->slice ? tokens - first : at->slice;
        int64_t left = at->room - o->tokens;
        if (at->slices++ % at->stride) continue;
        PARE_TRY(take(at, block, first, count < left ? count : left));
    }
    at->seen += tokens;
    if (at->seen < at->total) return PARE_OK;
    at->seen = 0;
    return share(at);
}

static pare_status see_expert(void *context, const pare_expert_seen *seen) {
    looking *at = context;
    pare_expert_load_add(pare_expert_parts_in_hand(&at->load), at->model->config.hidden, seen);
    return PARE_OK;
}

static bool wants_no_input(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return false;
}

/* A rank that sees no token. */
static pare_status follow(looking *at) {
    const pare_config *config = &at->model->config;
    bool corrected = config->experts.corrected;
    if (corrected)
        PARE_TRY(pare_alloc(&at->correction, config->experts.count, sizeof *at->correction, "experts' outputs"));
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        if (!config->widths[layer].experts) continue;
        enter_layer(at, layer);
        at->outputs.correction = at->correction;
        if (corrected) pare_source_rows(at->source, pare_tensor_id_correction(config, layer), 0, 1, at->correction);
        PARE_TRY(share(at));
    }
    return PARE_OK;
}

static pare_status see(looking *at, pare_pass *pass, const pare_source *source, const pare_layer_batch *batch) {
    pare_observer observer = {
        .wants = wants_no_input, .see_expert = see_expert, .see_logits = see_logits, .context = at};
    pare_pass_observe(pass, &observer);
    pare_pass_on_step(pass, batch->step, batch->step_context);
    pare_status status = pare_pass_forward(pass, source, batch->ids, batch->sequences);
    pare_pass_observe(pass, NULL);
    pare_pass_on_step(pass, NULL, NULL);
    return status == PARE_OK && !at->total ? follow(at) : status;
}

/* Slices, and what is taken of them, of the micro-batches of shards [first, last), behind those before. */
static void pass_by(looking *at, const pare_shards *shards, const pare_pass_shape *shape, int first, int last) {
    for (int shard = first; shard < last; shard++)
        for (int64_t s = pare_shard_begin(shards, shard), n; s < pare_shard_begin(shards, shard + 1); s += n) {
            int64_t left = pare_shard_begin(shards, shard + 1) - s;
            n = left < shape->micro_batch ? left : shape->micro_batch;
            for (int64_t t = 0; t < n * shape->length; t += at->slice) {
                int64_t count = n * shape->length - t < at->slice ? n * shape->length - t : at->slice;
                if (at->slices++ % at->stride) continue;
                at->taken += count < at->room - at->taken ? count : at->room - at->taken;
            }
        }
}

/* Where this rank's tokens lie among all that are taken. */
static void find_place(looking *at, const pare_pass *pass) {
    const pare_shards shards = pare_pass_shards(pass);
    const pare_pass_shape *shape = pare_pass_shape_of(pass);
    at->several = pare_shards_own(&shards) < shards.sequences;
    pass_by(at, &shards, shape, 0, shards.first);
    at->first_slice = at->slices;
    at->first = at->taken;
    pass_by(at, &shards, shape, shards.first, shards.count);
    at->total = pare_shards_own(&shards) * shape->length;
}

pare_status pare_expert_outputs_see(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                    const char *scratch, pare_expert_load *load, pare_expert_outputs_fn shown,
                                    void *context) {
    const pare_model *model = source->model;
    const pare_experts *experts = &model->config.experts;
    int64_t tokens = pare_pass_shards(pass).sequences * pare_pass_shape_of(pass)->length;
    looking at = {.model = model, .source = source, .shown = shown, .context = context};
    at.slice = slice_of(model, tokens);
    at.room = pare_expert_outputs_tokens(model, tokens);
    at.stride = (tokens + at.room - 1) / at.room;
    find_place(&at, pass);
    at.outputs = (pare_expert_outputs){.chosen = experts->chosen, .rule = experts};
    size_t made = (size_t)at.slice * experts->count * model->config.hidden;
    PARE_TRY(pare_scratch_open(&at.memory, (uint64_t)(at.room * token_bytes(model)), scratch, "the experts' outputs"));
    at.outputs.logits = at.memory.data;
    pare_status status = pare_alloc_uninitialized(&at.made, made, sizeof *at.made, "experts' outputs");
    if (status == PARE_OK) {
        status = pare_expert_parts_begin(pass, model, &at.load);
        if (status == PARE_OK) status = see(&at, pass, source, batch);
        status = pare_expert_parts_finish(&at.load, status, load);
    }
    pare_free(at.correction);
    pare_free(at.made);
    pare_scratch_close(&at.memory);
    return status;
}
