/* Which biases are refitted with their matrices (intercept.c), and what is held for that. */
#include "layerwise/layerwise.h"
#include "support/memory.h"
#include "support/order.h"

static bool is_changed(const pare_layerwise_request *r, uint32_t layer, pare_role role) {
    size_t id = pare_tensor_id(layer, role);
    return !pare_tensor_is_absent(r->source->model->tensors[id]) && (!r->pruned || r->pruned[id]);
}

bool pare_layerwise_intercepts(const pare_layerwise_request *r, uint32_t layer, pare_input_kind kind) {
    bool any = false;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES && r->intercepts; role++) {
        if (pare_input_of(role) != kind || !is_changed(r, layer, role)) continue;
        if (!pare_has_role(&r->source->model->config.architecture, pare_roles[role].bias)) return false;
        any = true;
    }
    return any;
}

pare_element_needs pare_layerwise_needs(const pare_layerwise *l, uint32_t layer, unsigned kinds) {
    pare_element_needs needs = l->asked.needs;
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        if (kinds >> kind & 1 && pare_layerwise_intercepts(&l->asked, layer, (pare_input_kind)kind))
            needs.norms = needs.variance = true;
    return needs;
}

/* The widest bias that is refitted; 0: none is. */
static int64_t longest(const pare_layerwise_request *r, pare_role role) {
    const pare_config *config = &r->source->model->config;
    int64_t most = 0;
    for (uint32_t layer = 0; layer < config->layers && r->intercepts; layer++) {
        size_t id = pare_tensor_id_in(config, layer, pare_roles[role].bias);
        if (!pare_layerwise_intercepts(r, layer, pare_input_of(role)) || !is_changed(r, layer, role)) continue;
        most = pare_larger(most, pare_tensor_columns(r->source->model->tensors[id]));
    }
    return most;
}

static int64_t longest_of_all(const pare_layerwise_request *r) {
    int64_t most = 0;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        most = pare_larger(most, longest(r, role));
    return most;
}

uint64_t pare_layerwise_intercept_bytes(const pare_layerwise_request *r) {
    uint64_t d = r->source->model->config.hidden, most = (uint64_t)longest_of_all(r), total = 0;
    if (!most) return 0;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
        total += (uint64_t)longest(r, role) * sizeof(float);
    total +=
        most * (sizeof(double) + sizeof(float)) + (uint64_t)pare_layerwise_widest(r->source->model) * sizeof(double);
    return total + (r->two ? 3 * d * sizeof(double) : 0) + (r->held_out ? 2 * d * sizeof(double) : 0);
}

uint64_t pare_layerwise_bias_bytes(const pare_layerwise_request *r, uint32_t layer, pare_role role) {
    const pare_model *model = r->source->model;
    if (!is_changed(r, layer, role) || !pare_layerwise_intercepts(r, layer, pare_input_of(role))) return 0;
    size_t id = pare_tensor_id_in(&model->config, layer, pare_roles[role].bias);
    return pare_repaired_bytes(model, id, 1, (uint64_t)pare_tensor_columns(model->tensors[id]));
}

pare_status pare_layerwise_intercept_new(pare_layerwise *l) {
    pare_intercept *i = &l->intercept;
    size_t d = (size_t)l->hidden, most = (size_t)longest_of_all(&l->asked);
    if (!most) return PARE_OK;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t length = (size_t)longest(&l->asked, role);
        if (length) PARE_TRY(pare_alloc_uninitialized(&i->bias[role], length, sizeof(float), "biases"));
    }
    PARE_TRY(pare_alloc_uninitialized(&i->expected, most, sizeof(double), "means"));
    PARE_TRY(pare_alloc_uninitialized(&i->stored, most, sizeof(float), "biases"));
    PARE_TRY(pare_alloc_uninitialized(&i->mean, (size_t)pare_layerwise_widest(l->model), sizeof(double), "means"));
    if (l->asked.two) PARE_TRY(pare_input_moments_new(l->hidden, true, &i->reference));
    if (!l->asked.held_out) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&i->half_inputs, d, sizeof(double), "means"));
    return pare_alloc_uninitialized(&i->half_reference, d, sizeof(double), "means");
}

void pare_layerwise_intercept_free(pare_layerwise *l) {
    pare_intercept *i = &l->intercept;
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_free(i->bias[role]);
    void *all[] = {i->expected, i->stored, i->mean, i->half_inputs, i->half_reference};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        pare_free(all[k]);
    pare_input_moments_free(&i->reference);
    *i = (pare_intercept){0};
}
