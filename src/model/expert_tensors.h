/* Tensors of layers with experts: the router's [experts, d], the gate of the expert that all tokens reach [1, d], what
 * is added to the scores by which experts are chosen [experts], gate, up [width, d] and down [d, width] of each expert,
 * and in some families the router's bias [experts] and those of gate, up [width] and down [d]. They are no roles: their
 * ids come behind all others, layer by layer. Files store experts one by one, or all of them in two tensors of three
 * axes, of which each is a slice. */
#ifndef PARE_MODEL_EXPERT_TENSORS_H
#define PARE_MODEL_EXPERT_TENSORS_H

#include "model/config_experts.h"
#include "model/expert_names.h"
#include "model/model.h"

/* One expert's part of a tensor that holds those of all. */
typedef struct pare_expert_slice {
    pare_tensor tensor;
    pare_view view; /* of the tensor, where it is no run of the file */
    const pare_tensor *whole;
    size_t id;
    char name[PARE_NAME_BYTES]; /* "model.layers.0.block_sparse_moe.input_linear.weight[3].up" */
} pare_expert_slice;

/* Where an expert's part lies in its share of a tensor that holds those of all, as files have it; of a bias, elements
 * count as rows. */
typedef struct pare_expert_share {
    uint64_t elements; /* of each expert's share */
    bool run;          /* the part's are a run of them, from view.first on */
    pare_view view;
} pare_expert_share;

pare_expert_share pare_expert_share_of(const pare_config *config, pare_expert_part part, bool bias);

/* In the order of their ids. */
typedef enum pare_expert_tensor {
    PARE_EXPERT_ROUTER,
    PARE_EXPERT_SHARED_GATE,
    PARE_EXPERT_CORRECTION,
    PARE_EXPERT_OWN,
    PARE_EXPERT_ROUTER_BIAS,
    PARE_EXPERT_BIAS
} pare_expert_tensor;

/* Ids of a layer: whatever its widths, as many as config.json says. */
static inline size_t pare_expert_tensors(const pare_config *config) {
    size_t own = (size_t)config->experts.count * PARE_EXPERT_PARTS;
    return PARE_EXPERT_OWN + own + (config->experts.biased ? 1 + own : 0);
}

size_t pare_tensor_id_router(const pare_config *config, uint32_t layer);
size_t pare_tensor_id_shared_gate(const pare_config *config, uint32_t layer);
size_t pare_tensor_id_correction(const pare_config *config, uint32_t layer);
size_t pare_tensor_id_expert(const pare_config *config, uint32_t layer, uint32_t expert, pare_expert_part part);
size_t pare_tensor_id_router_bias(const pare_config *config, uint32_t layer);
size_t pare_tensor_id_expert_bias(const pare_config *config, uint32_t layer, uint32_t expert, pare_expert_part part);

/* What an id behind all others is of. */
typedef struct pare_expert_place {
    uint32_t layer;
    pare_expert_tensor what;
    uint32_t expert; /* where it is an expert's own, or one of its biases */
    pare_expert_part part;
} pare_expert_place;

/* False if the id is not one of these. */
bool pare_tensor_id_split_expert(const pare_model *model, size_t id, pare_expert_place *place);

/* All that a layer can have: what its roles name, its router and experts, and what makes the latent of its queries; `i`
 * counts through them. */
size_t pare_layer_tensors(const pare_config *config);
size_t pare_layer_tensor(const pare_config *config, uint32_t layer, size_t i);

/* Finds the tensors, which pare_config_fit has checked. */
pare_status pare_experts_bind(pare_model *model);

/* The id of the first expert's part in a tensor that holds those of all; tensor_count for any other tensor. */
size_t pare_experts_first_in(const pare_model *model, const pare_tensor *whole);

/* Fails if the model has experts, naming `what` cannot be done with such a model and what can. */
pare_status pare_experts_refuse(const pare_model *model, const char *what);

#endif
