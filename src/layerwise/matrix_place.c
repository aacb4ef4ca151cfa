/* Which matrix is in hand, and what it has been shown. */
#include "layerwise/latents.h"
#include "layerwise/weights_internal.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"

pare_matrix_place pare_matrix_place_of(pare_weight_walk *w, uint32_t layer, pare_role role) {
    bool latent = pare_reads_latent(&w->l.model->config, role);
    pare_input_statistics *inputs = &w->l.statistics[pare_input_of(role)];
    if (latent && w->l.latents) inputs = &w->l.latents->inputs[pare_latent_input_of(role)];
    return (pare_matrix_place){.layer = layer,
                               .role = role,
                               .id = pare_tensor_id(layer, role),
                               .expert = -1,
                               .inputs = inputs,
                               .outputs = w->l.outputs[role],
                               .latent = latent};
}

pare_matrix_place pare_matrix_place_of_query_down(pare_weight_walk *w, uint32_t layer) {
    return (pare_matrix_place){.layer = layer,
                               .role = PARE_ROLE_Q,
                               .id = pare_tensor_id_query_down(&w->l.model->config, layer),
                               .expert = -1,
                               .inputs = &w->l.statistics[PARE_INPUT_QKV],
                               .outputs = w->l.latents ? w->l.latents->down_outputs : NULL,
                               .other = true};
}

pare_matrix_place pare_matrix_place_of_expert(pare_weight_walk *w, uint32_t layer, uint32_t expert,
                                              pare_expert_part part, pare_expert_statistics *s) {
    pare_expert_input input = pare_expert_input_of(part);
    return (pare_matrix_place){.layer = layer,
                               .role = pare_expert_role(part),
                               .id = pare_tensor_id_expert(&w->l.model->config, layer, expert, part),
                               .expert = expert,
                               .inputs = s ? &s->inputs[input] : &w->l.statistics[PARE_INPUT_GATE_UP],
                               .outputs = s ? s->outputs[part] : NULL,
                               .borrowed = s && s->borrowed[input],
                               .other = true};
}

const char *pare_matrix_inputs(const pare_matrix_place *place, char *name, size_t size) {
    pare_expert_input input = pare_role_writes(place->role) ? PARE_EXPERT_ACTIVATED : PARE_EXPERT_READS;
    if (place->latent) return pare_latent_input_name(place->layer, pare_latent_input_of(place->role), name, size);
    if (place->expert < 0) return pare_input_name(place->layer, pare_input_of(place->role), name, size);
    return pare_expert_input_name(place->layer, (uint32_t)place->expert, input, name, size);
}

pare_status pare_matrix_factor(pare_weight_walk *w, const pare_matrix_place *place, const pare_inverse_factor **out) {
    double damping = w->job->recipe->damping;
    int64_t rows, columns;
    char name[96];
    if (place->expert < 0 && !place->latent)
        return pare_layerwise_factor(&w->l, place->layer, pare_input_of(place->role), damping, out);
    *out = &place->inputs->factor;
    if (place->inputs->factor.n) return PARE_OK;
    pare_tensor_matrix(w->l.model->tensors[place->id], &rows, &columns);
    return pare_inverse_factor_new(place->inputs->gram, columns, damping, pare_matrix_inputs(place, name, sizeof name),
                                   &place->inputs->factor);
}
