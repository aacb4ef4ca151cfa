/* What latents show, in a run up to them. */
#include "layerwise/latents.h"
#include "model/block_latent.h"
#include "model/block_linear.h"
#include "support/memory.h"

static pare_status see(pare_layerwise *l, pare_latent_input input, int64_t tokens) {
    const pare_latent_room *room = &l->block.activations->latent;
    pare_input_statistics *to = &l->latents->inputs[input];
    const pare_inputs inputs = {.x = input == PARE_LATENT_QUERIES ? room->queries.normed : room->keys.normed,
                                .tokens = tokens,
                                .width = pare_layerwise_latent_width(&l->asked, l->block.layer, input)};
    pare_role role = pare_latent_role(input);
    if (!inputs.width) return PARE_OK;
    if (to->moments.width) PARE_TRY(pare_input_moments_add(l->backend, &inputs, l->asked.length, &to->moments));
    if (to->gram) PARE_TRY(pare_gram_add(l->backend, &inputs, !to->seen, to->gram));
    to->seen = true;
    if (!l->outputs[role]) return PARE_OK;
    int64_t rows = pare_linear_of(&l->block, role).out;
    return pare_output_norms_add(l->backend, &inputs, l->block.weights.matrix[role], rows, l->outputs[role]);
}

static pare_status see_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    (void)context;
    PARE_TRY(pare_layerwise_reach(l, PARE_STAGE_ATTENTION, first, tokens));
    PARE_TRY(pare_latent_project(&l->block));
    for (int input = 0; input < PARE_LATENT_INPUTS; input++)
        PARE_TRY(see(l, (pare_latent_input)input, tokens));
    return PARE_OK;
}

static pare_status begin(pare_layerwise *l, pare_latent_input input, const pare_element_needs *needs) {
    int64_t width = pare_layerwise_latent_width(&l->asked, l->block.layer, input);
    pare_input_statistics *to = &l->latents->inputs[input];
    pare_role role = pare_latent_role(input);
    if (!width) return PARE_OK;
    if (needs->norms) PARE_TRY(pare_input_moments_new(width, needs->variance, &to->moments));
    if (needs->gram) to->gram = l->latents->gram_room[input];
    size_t rows = (size_t)pare_linear_of(&l->block, role).out;
    if (needs->outputs) PARE_TRY(pare_alloc(&l->outputs[role], rows, sizeof(double), "output norms"));
    return pare_layerwise_sum_latent(l, input);
}

pare_status pare_layerwise_latents_watch(pare_layerwise *l, const pare_element_needs *needs) {
    for (int input = 0; input < PARE_LATENT_INPUTS; input++)
        PARE_TRY(begin(l, (pare_latent_input)input, needs));
    return pare_layerwise_batches(l, see_batch, NULL);
}
