#include "layerwise/experts.h"
#include "model/block_experts.h"
#include "model/expert_tensors.h"
#include "support/memory.h"

#include <stdio.h>

const char *pare_expert_input_name(uint32_t layer, uint32_t expert, pare_expert_input input, char *name, size_t size) {
    static const char *const of[] = {"gate and up projections", "down projection"};
    snprintf(name, size, "the inputs of the %s of layer %u's expert %u", of[input], layer, expert);
    return name;
}

pare_status pare_layerwise_experts_count(pare_layerwise *l) {
    const pare_routing *r = &l->block.activations->experts.routing;
    if (!l->experts || !pare_block_has_experts(&l->block)) return PARE_OK;
    PARE_TRY(pare_block_route(&l->block));
    for (int64_t expert = 0; expert < r->experts; expert++)
        l->experts->tokens[expert] += r->first[expert + 1] - r->first[expert];
    return PARE_OK;
}

void pare_layerwise_install_narrow(pare_layerwise *l, size_t id, const pare_index_list *channels, const void *stored) {
    l->replacement[id] = (pare_replacement){
        .matrix = stored, .columns = channels->index, .row_count = l->hidden, .column_count = channels->count};
}

void pare_layerwise_experts_forget(pare_layerwise *l) {
    for (uint32_t i = 0; l->experts && l->experts->of && i < l->experts->together; i++) {
        pare_expert_statistics *s = &l->experts->of[i];
        for (int input = 0; input < PARE_EXPERT_INPUTS; input++) {
            pare_input_moments_free(&s->inputs[input].moments);
            pare_inverse_factor_free(&s->inputs[input].factor);
            s->inputs[input] = (pare_input_statistics){0};
            s->borrowed[input] = false;
        }
        for (int part = 0; part < PARE_EXPERT_PARTS; part++) {
            pare_free(s->outputs[part]);
            s->outputs[part] = NULL;
        }
    }
}
