#include "model/gguf_items.h"
#include "model/gguf_experts.h"
#include "model/gguf_latent.h"
#include "model/latent_tensors.h"

/* Routers and what goes with them are too small to be worth a block, and decide too much. */
static pare_status add_exact(pare_gguf_plan *plan, uint32_t layer, pare_expert_tensor what, size_t id) {
    pare_gguf_item *item = &plan->items[plan->count];
    pare_gguf_place place = {
        .layered = what == PARE_EXPERT_ROUTER, .role = PARE_ROLE_GATE, .layer = layer, .layers = plan->config.layers};
    const pare_tensor *tensor = plan->model->tensors[id];
    bool matrix = what == PARE_EXPERT_ROUTER;
    pare_gguf_shape shape = {.rank = matrix ? 2 : 1, .exact = true, .size = {tensor->count}};
    *item = (pare_gguf_item){.parts = 1, .tensor = {tensor}};
    if (matrix) {
        shape.size[0] = tensor->shape[0];
        shape.size[1] = tensor->shape[1];
    }
    pare_gguf_expert_name(layer, what, 0, item->name);
    return pare_gguf_plan_declare(plan, shape, &place);
}

static pare_status add_part(pare_gguf_plan *plan, uint32_t layer, pare_expert_part part) {
    static const pare_role roles[PARE_EXPERT_PARTS] = {PARE_ROLE_GATE, PARE_ROLE_UP, PARE_ROLE_DOWN};
    const pare_config *config = &plan->config;
    const uint32_t count = config->experts.count;
    pare_gguf_item *item = &plan->items[plan->count];
    pare_gguf_place place = {.layered = true, .role = roles[part], .layer = layer, .layers = config->layers};
    const pare_tensor **list = plan->experts + ((size_t)layer * PARE_EXPERT_PARTS + (size_t)part) * count;
    int64_t rows, columns;
    for (uint32_t expert = 0; expert < count; expert++)
        list[expert] = plan->model->tensors[pare_tensor_id_expert(&plan->model->config, layer, expert, part)];
    *item = (pare_gguf_item){.parts = count, .experts = list};
    pare_gguf_expert_name(layer, PARE_EXPERT_OWN, part, item->name);
    pare_expert_shape(config, part, &rows, &columns);
    const pare_gguf_shape shape = {.rank = 3, .size = {count, (uint64_t)rows, (uint64_t)columns}};
    return pare_gguf_plan_declare(plan, shape, &place);
}

pare_status pare_gguf_plan_add_experts(pare_gguf_plan *plan, uint32_t layer) {
    const pare_config *config = &plan->model->config;
    if (!plan->config.plan[layer].routed) return PARE_OK;
    PARE_TRY(add_exact(plan, layer, PARE_EXPERT_ROUTER, pare_tensor_id_router(config, layer)));
    if (config->experts.shared_gated)
        PARE_TRY(add_exact(plan, layer, PARE_EXPERT_SHARED_GATE, pare_tensor_id_shared_gate(config, layer)));
    if (config->experts.corrected)
        PARE_TRY(add_exact(plan, layer, PARE_EXPERT_CORRECTION, pare_tensor_id_correction(config, layer)));
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++)
        PARE_TRY(add_part(plan, layer, part));
    return PARE_OK;
}

/* Rows [first, first + rows) of every head. */
static pare_status add_half(pare_gguf_plan *plan, uint32_t layer, pare_gguf_latent_part part) {
    const pare_latent *l = &plan->config.latent;
    const uint32_t heads = plan->config.widths[layer].heads;
    bool keys = part == PARE_GGUF_KEYS_UP;
    pare_gguf_item *item = &plan->items[plan->count];
    pare_gguf_place place = {
        .layered = true, .role = PARE_ROLE_V, .latent = true, .layer = layer, .layers = plan->config.layers};
    *item = (pare_gguf_item){.parts = 1,
                             .tensor = {pare_model_tensor(plan->model, layer, PARE_ROLE_V)},
                             .block = l->plain + l->value,
                             .first = keys ? 0 : l->plain,
                             .rows = keys ? l->plain : l->value,
                             .turned = keys};
    const pare_gguf_shape shape = {.rank = 3, .size = {heads, keys ? l->keys : l->value, keys ? l->plain : l->keys}};
    pare_gguf_latent_name(layer, part, item->name);
    return pare_gguf_plan_declare(plan, shape, &place);
}

pare_status pare_gguf_plan_add_latent(pare_gguf_plan *plan, uint32_t layer) {
    const pare_latent *l = &plan->config.latent;
    PARE_TRY(add_half(plan, layer, PARE_GGUF_KEYS_UP));
    PARE_TRY(add_half(plan, layer, PARE_GGUF_VALUES_UP));
    if (!l->queries) return PARE_OK;
    pare_gguf_item *item = &plan->items[plan->count];
    pare_gguf_place place = {
        .layered = true, .role = PARE_ROLE_Q, .latent = true, .layer = layer, .layers = plan->config.layers};
    const pare_gguf_shape shape = {.rank = 2, .size = {l->queries, plan->config.hidden}};
    *item = (pare_gguf_item){.parts = 1,
                             .tensor = {plan->model->tensors[pare_tensor_id_query_down(&plan->model->config, layer)]}};
    pare_gguf_latent_name(layer, PARE_GGUF_QUERY_DOWN, item->name);
    return pare_gguf_plan_declare(plan, shape, &place);
}
