#include "report/describe_block.h"
#include "model/config_options.h"
#include "model/family.h"
#include "support/json_build.h"

#include <string.h>

json_t *pare_describe_family(const pare_family *family) {
    return pare_json_of({"name", pare_json_string(family->types[0])}, {"class", pare_json_string(family->class_name)},
                        {"models", pare_json_string(family->title)});
}

static const char *norm_name(const pare_architecture *a) {
    if (a->norm == PARE_NORM_LAYER) return a->norm_unit ? "layer, 1 + w" : "layer";
    return a->norm_unit ? "rms, 1 + w" : "rms";
}

static json_t *norm_places(const pare_architecture *a) {
    static const char *const places[PARE_NORM_SLOTS] = {
        [PARE_NORM_SLOT_INPUT] = "before attention",
        [PARE_NORM_SLOT_ATTENTION_OUT] = "after attention",
        [PARE_NORM_SLOT_POST] = "before the FFN",
        [PARE_NORM_SLOT_FFN_OUT] = "after the FFN",
    };
    static const pare_norm_slot order[] = {PARE_NORM_SLOT_INPUT, PARE_NORM_SLOT_ATTENTION_OUT, PARE_NORM_SLOT_POST,
                                           PARE_NORM_SLOT_FFN_OUT};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (pare_has_norm(a, order[i])) pare_json_append(list, pare_json_string(places[order[i]]));
    return list;
}

static const char *head_norm_name(const pare_architecture *a) {
    static const char *const names[] = {[PARE_HEAD_NORM_NONE] = "none",
                                        [PARE_HEAD_NORM_EACH] = "each head",
                                        [PARE_HEAD_NORM_ALL] = "all heads together",
                                        [PARE_HEAD_NORM_ROTATED] = "each head, after the rotation"};
    return a->head_norm_own ? "each head, with weights of its own" : names[a->head_norm];
}

static const char *positions_name(const pare_architecture *a) {
    if (a->positions == PARE_POSITIONS_ROTARY) return a->interleaved ? "rotary, interleaved" : "rotary";
    return a->positions == PARE_POSITIONS_LEARNED ? "learned" : "ALiBi";
}

/* Matrices with biases, by the last part of their names: "q_proj". */
static json_t *biases_json(const pare_config *config) {
    json_t *list = json_array();
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        const char *name = pare_roles[role].name, *dot = strrchr(name, '.');
        if (pare_has_role(&config->architecture, pare_roles[role].bias))
            pare_json_append(list, pare_json_string(dot ? dot + 1 : name));
    }
    return list;
}

json_t *pare_describe_block(const pare_config *config) {
    const pare_architecture *a = &config->architecture;
    json_t *json = pare_json_of({"norm", pare_json_string(norm_name(a))}, {"norms", norm_places(a)});
    if (a->head_norm != PARE_HEAD_NORM_NONE) pare_json_put(json, "head_norm", pare_json_string(head_norm_name(a)));
    pare_json_put(json, "activation", pare_json_string(pare_activation_name(a->activation)));
    pare_json_put(json, "gated", json_boolean(!a->ungated));
    pare_json_put(json, "parallel", json_boolean(a->parallel));
    pare_json_put(json, "positions", pare_json_string(positions_name(a)));
    pare_json_put(json, "biases", biases_json(config));
    if (pare_has_role(a, PARE_ROLE_SINKS)) pare_json_put(json, "sinks", json_true());
    return json;
}

json_t *pare_describe_experts(const pare_config *config) {
    const pare_experts *e = &config->experts;
    return pare_json_of(
        {"count", json_integer(e->count)}, {"chosen", json_integer(e->chosen)}, {"width", json_integer(e->width)},
        {"shared", json_integer(e->shared)}, {"normalised", json_boolean(e->normalised)},
        {"scores", pare_json_string(e->jitter > 0.0 ? "sparsemixer"
                                    : e->sigmoid    ? "sigmoid"
                                                    : "softmax")},
        {"scale", pare_json_real(e->scale)}, {"groups", json_integer(e->groups)},
        {"groups_chosen", json_integer(e->groups_chosen)}, {"shares_inputs", json_boolean(e->shares_inputs)});
}

json_t *pare_describe_latents(const pare_config *config) {
    const pare_latent *l = &config->latent;
    return pare_json_of({"queries", json_integer(l->queries)}, {"keys", json_integer(l->keys)},
                        {"rotated", json_integer(l->rotated)}, {"plain", json_integer(l->plain)},
                        {"value", json_integer(l->value)});
}

static bool alike(const pare_layer_plan *a, const pare_layer_plan *b) {
    return a->window == b->window && a->rotation == b->rotation;
}

json_t *pare_describe_attention(const pare_config *config) {
    json_t *list = json_array();
    for (uint32_t first = 0, next; first < config->layers; first = next) {
        const pare_layer_plan *plan = &config->plan[first];
        for (next = first + 1; next < config->layers && alike(plan, &config->plan[next]);)
            next++;
        json_t *json = pare_json_of({"first", json_integer(first)}, {"last", json_integer(next - 1)});
        if (plan->window) pare_json_put(json, "window", json_integer(plan->window));
        if (plan->window && config->architecture.chunked) pare_json_put(json, "chunked", json_true());
        if (plan->rotation >= 0) pare_json_put(json, "rope", json_integer(plan->rotation));
        pare_json_append(list, json);
    }
    return list;
}
