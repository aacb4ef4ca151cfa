/* A LLaMA-family model: its checkpoint, its configuration, and which tensor plays which role. */
#ifndef PARE_MODEL_MODEL_H
#define PARE_MODEL_MODEL_H

#include "checkpoint/checkpoint.h"
#include "model/config.h"

/* Roles inside a layer. Matrices first, in the order of the forward pass. */
typedef enum pare_role {
    PARE_ROLE_Q,
    PARE_ROLE_K,
    PARE_ROLE_V,
    PARE_ROLE_O,
    PARE_ROLE_GATE,
    PARE_ROLE_UP,
    PARE_ROLE_DOWN,
    PARE_MATRIX_ROLES,
    PARE_ROLE_INPUT_NORM = PARE_MATRIX_ROLES,
    PARE_ROLE_POST_NORM,
    PARE_LAYER_ROLES
} pare_role;

struct pare_model {
    pare_checkpoint *checkpoint;
    pare_config config;
    const pare_tensor **tensors; /* [tensor_count], by tensor id */
    size_t tensor_count;
    pare_tokenizer **tokenizer; /* one slot, filled on first use */
    uint64_t serial;            /* no two models that this program opens have the same: for results that are kept */
};

/* Tensor ids: the embedding, then PARE_LAYER_ROLES per layer, the final norm, and the LM head unless it is tied. */
size_t pare_tensor_id_embedding(void);
size_t pare_tensor_id(uint32_t layer, pare_role role);
size_t pare_tensor_id_final_norm(const pare_model *model);
/* The embedding's id where the head is tied. */
size_t pare_tensor_id_head(const pare_model *model);
/* True if `id` lies in a layer; then *layer and *role are set. */
bool pare_tensor_id_split(const pare_model *model, size_t id, uint32_t *layer, pare_role *role);

/* Stored shape as a matrix: rows x columns; a vector is one row. */
void pare_tensor_matrix(const pare_tensor *tensor, int64_t *rows, int64_t *columns);

/* The name of a role's tensor in layer `layer`, as Hugging Face spells it. */
void pare_role_name(uint32_t layer, pare_role role, char *name, size_t size);

/* Query heads per key/value head; the same in every layer that has heads. */
uint32_t pare_widths_shared(const pare_widths *widths);

/* The model's own tokenizer (owned by the model), opened on first use. */
pare_status pare_model_tokenizer(const pare_model *model, const pare_tokenizer **out);

/* Asks the kernel to read a layer ahead. Layers out of range are ignored. */
void pare_model_prefetch(const pare_model *model, int64_t layer);

/* cosines and sines of every position's angles: float [positions, head], head/2 cosines then head/2 sines (pare_free).
 */
pare_status pare_rotation_new(const pare_config *config, int64_t positions, float **out);

#endif
