/* What the walk holds of experts, and getting it. */
#include "layerwise/experts.h"
#include "model/block_experts.h"
#include "model/expert_tensors.h"
#include "support/memory.h"

bool pare_layerwise_prunes_experts(const pare_layerwise_request *r, uint32_t layer) {
    const pare_config *config = &r->source->model->config;
    if (!r->pruned) return r->expert_inputs && config->widths[layer].experts;
    for (uint32_t expert = 0; r->pruned && expert < config->widths[layer].experts; expert++)
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++)
            if (r->pruned[pare_tensor_id_expert(config, layer, expert, part)]) return true;
    return false;
}

static bool prunes_any(const pare_layerwise_request *r) {
    for (uint32_t layer = 0; layer < r->source->model->config.layers; layer++)
        if (pare_layerwise_prunes_experts(r, layer)) return true;
    return false;
}

static bool looks_at(const pare_layerwise_request *r, pare_expert_input input) {
    return r->expert_inputs >> input & 1;
}

uint64_t pare_layerwise_experts_bytes(const pare_layerwise_request *r, int64_t micro_batch) {
    const pare_model *model = r->source->model;
    uint64_t tokens = (uint64_t)(micro_batch * r->length);
    if (!prunes_any(r)) return 0;
    return model->config.experts.count * sizeof(int64_t) + tokens * sizeof(int32_t);
}

uint64_t pare_layerwise_expert_bytes(const pare_layerwise_request *r) {
    const pare_config *config = &r->source->model->config;
    uint64_t d = config->hidden, f = config->experts.width;
    if (!prunes_any(r)) return 0;
    uint64_t sums = (3 * (d + f) + (r->needs.outputs ? 2 * f + d : 0)) * sizeof(double);
    uint64_t reads = looks_at(r, PARE_EXPERT_READS) ? d * d : 0;
    pare_shards shards = pare_shards_of(r->sequences, r->length);
    sums += r->needs.gram ? (reads + f * f) * sizeof(float) : 0;
    return sizeof(pare_expert_statistics) + sums + pare_shard_sums_bytes(&shards, sums);
}

static pare_status allocate(pare_layerwise *l, uint32_t together, struct pare_layer_experts *out) {
    size_t d = (size_t)l->hidden, f = l->model->config.experts.width;
    size_t tokens = (size_t)(l->micro_batch * l->asked.length);
    PARE_TRY(pare_alloc(&out->tokens, l->model->config.experts.count, sizeof *out->tokens, "experts"));
    PARE_TRY(pare_alloc_uninitialized(&out->everyone, tokens, sizeof *out->everyone, "experts"));
    for (size_t t = 0; t < tokens; t++)
        out->everyone[t] = (int32_t)(t * l->model->config.experts.chosen);
    PARE_TRY(pare_alloc(&out->of, together, sizeof *out->of, "experts"));
    out->together = together;
    for (uint32_t i = 0; i < together && l->asked.needs.gram; i++) {
        float **room = out->of[i].gram_room;
        if (looks_at(&l->asked, PARE_EXPERT_READS))
            PARE_TRY(pare_alloc_uninitialized(&room[PARE_EXPERT_READS], d * d, sizeof(float), "Gram matrix"));
        PARE_TRY(pare_alloc_uninitialized(&room[PARE_EXPERT_ACTIVATED], f * f, sizeof(float), "Gram matrix"));
    }
    return PARE_OK;
}

pare_status pare_layerwise_experts_new(pare_layerwise *l, uint32_t together) {
    if (!prunes_any(&l->asked)) return PARE_OK;
    PARE_TRY(pare_alloc(&l->experts, 1, sizeof *l->experts, "experts"));
    return allocate(l, together, l->experts);
}

void pare_layerwise_experts_free(pare_layerwise *l) {
    struct pare_layer_experts *e = l->experts;
    if (!e) return;
    pare_layerwise_experts_forget(l);
    for (uint32_t i = 0; e->of && i < e->together; i++)
        for (int input = 0; input < PARE_EXPERT_INPUTS; input++)
            pare_free(e->of[i].gram_room[input]);
    void *all[] = {e->tokens, e->everyone, e->of, e};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    l->experts = NULL;
}
