#include "layerwise/experts.h"
#include "layerwise/latents.h"
#include "model/config_latent.h"
#include "support/memory.h"

#include <stdio.h>
#include <string.h>

bool pare_layerwise_concerns(const pare_layerwise *l, uint32_t layer, unsigned kinds) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        if (kinds >> pare_input_of((pare_role)role) & 1 &&
            (!l->asked.pruned || l->asked.pruned[pare_tensor_id(layer, (pare_role)role)]))
            return true;
    if (kinds >> PARE_INPUT_QKV & 1 && pare_layerwise_prunes_query_down(&l->asked, layer)) return true;
    return kinds >> PARE_INPUT_GATE_UP & 1 && pare_layerwise_prunes_experts(&l->asked, layer);
}

static bool wants(void *context, uint32_t layer, pare_input_kind kind) {
    const pare_layerwise *l = context;
    return l->watched >> kind & 1 && pare_layerwise_concerns(l, layer, 1u << kind);
}

static pare_status see_outputs(pare_layerwise *l, uint32_t layer, pare_input_kind kind, const pare_inputs *inputs) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        bool reads = pare_input_of((pare_role)role) == kind && !pare_reads_latent(&l->model->config, (pare_role)role);
        if (!reads || !l->outputs[role]) continue;
        int64_t rows, columns;
        pare_tensor_matrix(l->model->tensors[pare_tensor_id(layer, (pare_role)role)], &rows, &columns);
        PARE_TRY(pare_output_norms_add(l->backend, inputs, l->block.weights.matrix[role], rows, l->outputs[role]));
    }
    return PARE_OK;
}

static pare_status see(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                       int64_t width, bool by_feature) {
    pare_layerwise *l = context;
    pare_input_statistics *statistics = &l->statistics[kind];
    pare_inputs inputs = {x, tokens, width, by_feature};
    if (statistics->moments.width)
        PARE_TRY(pare_input_moments_add(l->backend, &inputs, l->asked.length, &statistics->moments));
    if (statistics->gram) PARE_TRY(pare_gram_add(l->backend, &inputs, !statistics->seen, statistics->gram));
    statistics->seen = true;
    if (kind == PARE_INPUT_GATE_UP) PARE_TRY(pare_layerwise_experts_count(l));
    if (kind == PARE_INPUT_QKV) PARE_TRY(pare_layerwise_query_down_see(l, &inputs));
    return see_outputs(l, layer, kind, &inputs);
}

pare_observer pare_layerwise_observer(pare_layerwise *l) {
    return (pare_observer){.wants = wants, .see = see, .context = l};
}

static pare_status watch_outputs(pare_layerwise *l, uint32_t layer, unsigned kinds) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(layer, (pare_role)role);
        bool asked = (!l->asked.pruned || l->asked.pruned[id]) && !pare_tensor_is_absent(l->model->tensors[id]);
        if (!(kinds >> pare_input_of((pare_role)role) & 1) || !asked) continue;
        if (pare_reads_latent(&l->model->config, (pare_role)role)) continue;
        int64_t rows, columns;
        pare_tensor_matrix(l->model->tensors[id], &rows, &columns);
        PARE_TRY(pare_alloc(&l->outputs[role], (size_t)rows, sizeof *l->outputs[role], "output norms"));
    }
    return kinds >> PARE_INPUT_QKV & 1 ? pare_layerwise_query_down_watch(l, layer) : PARE_OK;
}

pare_status pare_layerwise_watch(pare_layerwise *l, uint32_t layer, unsigned kinds, const pare_element_needs *needs) {
    l->watched = kinds;
    if (l->experts && kinds >> PARE_INPUT_GATE_UP & 1)
        memset(l->experts->tokens, 0, l->model->config.experts.count * sizeof *l->experts->tokens);
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
        pare_input_statistics *statistics = &l->statistics[kind];
        if (!(kinds >> kind & 1) || !pare_layerwise_concerns(l, layer, 1u << kind)) continue;
        int64_t width = pare_input_width(l->model, layer, (pare_input_kind)kind);
        if (needs->norms) PARE_TRY(pare_input_moments_new(width, needs->variance, &statistics->moments));
        if (needs->gram) statistics->gram = l->gram_room[kind];
    }
    return needs->outputs ? watch_outputs(l, layer, kinds) : PARE_OK;
}

void pare_layerwise_forget(pare_layerwise *l) {
    l->watched = 0;
    l->intercept.centered = false;
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
        pare_input_moments_free(&l->statistics[kind].moments);
        pare_inverse_factor_free(&l->statistics[kind].factor);
        l->statistics[kind] = (pare_input_statistics){0};
    }
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_free(l->outputs[role]);
        l->outputs[role] = NULL;
    }
    pare_layerwise_latents_forget(l);
}

const char *pare_input_name(uint32_t layer, pare_input_kind kind, char *name, size_t size) {
    static const char *const of[] = {"q, k and v projections", "output projection", "gate and up projections",
                                     "down projection"};
    snprintf(name, size, "the inputs of layer %u's %s", layer, of[kind]);
    return name;
}

pare_status pare_layerwise_factor(pare_layerwise *l, uint32_t layer, pare_input_kind kind, double damping,
                                  const pare_inverse_factor **out) {
    pare_input_statistics *statistics = &l->statistics[kind];
    char name[96];
    *out = &statistics->factor;
    if (statistics->factor.n) return PARE_OK;
    for (int other = 0; other < PARE_INPUT_KINDS; other++)
        pare_inverse_factor_free(&l->statistics[other].factor); /* matrices of one input follow each other */
    return pare_inverse_factor_new(statistics->gram, pare_input_width(l->model, layer, kind), damping,
                                   pare_input_name(layer, kind, name, sizeof name), &statistics->factor);
}
