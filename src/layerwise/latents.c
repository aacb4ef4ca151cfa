#include "layerwise/latents.h"
#include "model/block.h"
#include "model/config_latent.h"
#include "model/latent_tensors.h"
#include "support/memory.h"

#include <stdio.h>

const char *pare_latent_input_name(uint32_t layer, pare_latent_input input, char *name, size_t size) {
    static const char *const of[] = {"queries", "keys and values"};
    snprintf(name, size, "the latent of layer %u's %s", layer, of[input]);
    return name;
}

static const pare_config *config_of(const pare_layerwise_request *r) {
    return &r->source->model->config;
}

int64_t pare_layerwise_latent_width(const pare_layerwise_request *r, uint32_t layer, pare_latent_input input) {
    const pare_config *config = config_of(r);
    pare_role role = pare_latent_role(input);
    if (!pare_reads_latent(config, role) || !r->pruned) return 0;
    if (!r->pruned[pare_tensor_id(layer, role)]) return 0;
    return input == PARE_LATENT_QUERIES ? config->latent.queries : config->latent.keys;
}

bool pare_layerwise_prunes_query_down(const pare_layerwise_request *r, uint32_t layer) {
    const pare_config *config = config_of(r);
    return r->pruned && pare_latent_tensors(config) && r->pruned[pare_tensor_id_query_down(config, layer)];
}

bool pare_layerwise_prunes_latents(const pare_layerwise_request *r, uint32_t layer) {
    return pare_layerwise_latent_width(r, layer, PARE_LATENT_QUERIES) ||
           pare_layerwise_latent_width(r, layer, PARE_LATENT_KEYS) || pare_layerwise_prunes_query_down(r, layer);
}

static int64_t widest_of(const pare_layerwise_request *r, pare_latent_input input) {
    int64_t widest = 0;
    for (uint32_t layer = 0; layer < config_of(r)->layers; layer++)
        widest = pare_layerwise_latent_width(r, layer, input) > widest ? pare_layerwise_latent_width(r, layer, input)
                                                                       : widest;
    return widest;
}

static bool prunes_any(const pare_layerwise_request *r) {
    for (uint32_t layer = 0; layer < config_of(r)->layers; layer++)
        if (pare_layerwise_prunes_latents(r, layer)) return true;
    return false;
}

uint64_t pare_layerwise_latents_bytes(const pare_layerwise_request *r) {
    const pare_config *config = config_of(r);
    uint64_t rows = (uint64_t)config->head_size + config->latent.plain + config->latent.value, sums = 0, widest = 0;
    if (!prunes_any(r)) return 0;
    for (uint32_t layer = 0; layer < config->layers; layer++)
        widest = config->widths[layer].heads > widest ? config->widths[layer].heads : widest;
    for (int input = 0; input < PARE_LATENT_INPUTS; input++) {
        uint64_t width = (uint64_t)widest_of(r, (pare_latent_input)input);
        sums += 3 * width * sizeof(double) + (r->needs.gram ? width * width * sizeof(float) : 0);
    }
    if (r->needs.outputs) sums += (widest * rows + config->latent.queries) * sizeof(double);
    pare_shards shards = pare_shards_of(r->sequences, r->length);
    return sums + pare_shard_sums_bytes(&shards, sums);
}

pare_status pare_layerwise_latents_new(pare_layerwise *l) {
    if (!prunes_any(&l->asked)) return PARE_OK;
    PARE_TRY(pare_alloc(&l->latents, 1, sizeof *l->latents, "latents"));
    for (int input = 0; input < PARE_LATENT_INPUTS && l->asked.needs.gram; input++) {
        size_t width = (size_t)widest_of(&l->asked, (pare_latent_input)input);
        PARE_TRY(pare_alloc_uninitialized(&l->latents->gram_room[input], width * width, sizeof(float), "Gram matrix"));
    }
    return PARE_OK;
}

void pare_layerwise_latents_forget(pare_layerwise *l) {
    for (int input = 0; l->latents && input < PARE_LATENT_INPUTS; input++) {
        pare_input_moments_free(&l->latents->inputs[input].moments);
        pare_inverse_factor_free(&l->latents->inputs[input].factor);
        l->latents->inputs[input] = (pare_input_statistics){0};
    }
    if (!l->latents) return;
    pare_free(l->latents->down_outputs);
    l->latents->down_outputs = NULL;
}

void pare_layerwise_latents_free(pare_layerwise *l) {
    if (!l->latents) return;
    pare_layerwise_latents_forget(l);
    for (int input = 0; input < PARE_LATENT_INPUTS; input++)
        pare_free(l->latents->gram_room[input]);
    pare_free(l->latents);
    l->latents = NULL;
}

pare_status pare_layerwise_query_down_watch(pare_layerwise *l, uint32_t layer) {
    if (!pare_layerwise_prunes_query_down(&l->asked, layer)) return PARE_OK;
    return pare_alloc(&l->latents->down_outputs, l->model->config.latent.queries, sizeof(double), "output norms");
}

pare_status pare_layerwise_query_down_see(pare_layerwise *l, const pare_inputs *inputs) {
    const pare_block *block = &l->block;
    if (!l->latents || !l->latents->down_outputs) return PARE_OK;
    size_t id = pare_tensor_id_query_down(block->config, block->layer);
    const void *weight = pare_source_operand(block->source, id, block->activations->latent.query_down);
    return pare_output_norms_add(l->backend, inputs, weight, block->config->latent.queries, l->latents->down_outputs);
}
