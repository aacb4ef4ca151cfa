/* A model: its checkpoint, its configuration, and which tensor plays which role. */
#ifndef PARE_MODEL_MODEL_H
#define PARE_MODEL_MODEL_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/view.h"
#include "model/config.h"
#include "model/roles.h"

typedef struct pare_album pare_album;

struct pare_model {
    pare_checkpoint *checkpoint;
    pare_config config;
    const pare_tensor **tensors; /* [tensor_count], by tensor id; those that the family has not are 0 x 0 */
    size_t tensor_count;
    struct pare_stored_part *parts; /* [part_count] tensors that are stored as parts of others */
    size_t part_count;
    struct pare_expert_slice *slices; /* [slice_count] experts that are stored in one tensor (expert_tensors.h) */
    size_t slice_count;
    pare_tensor flat[PARE_ENDS]; /* tensors at the ends that are stored with more axes, as matrices or vectors */
    pare_album **album;          /* one slot: the pictures that ids stand for (pictures.h), filled on first use */
    pare_tokenizer **tokenizer;  /* one slot, filled on first use */
    struct pare_companions
        *companions; /* one slot: a folder that was made for the files beside the weights (companions.h) */
    uint64_t serial; /* no two models that this program opens have the same: for results that are kept */
};

/* Tensor ids: the embedding, then PARE_LAYER_ROLES per layer, the final norm, and the LM head unless it is tied: all of
 * a LLaMA. What only other families have comes behind these. */
size_t pare_tensor_id_embedding(void);
/* Of the roles that every LLaMA has. */
size_t pare_tensor_id(uint32_t layer, pare_role role);
/* Of any role. */
size_t pare_tensor_id_in(const pare_config *config, uint32_t layer, pare_role role);
size_t pare_tensor_id_final_norm(const pare_model *model);
/* The embedding's id where the head is tied. */
size_t pare_tensor_id_head(const pare_model *model);
/* Of any tensor outside the layers; tensor_count if the model has none. */
size_t pare_tensor_id_end(const pare_model *model, pare_end end);
/* Of the first tensor of routers and experts (expert_tensors.h), which come last. */
size_t pare_tensor_id_first_expert(const pare_config *config);
/* True if `id` is that of a role in a layer; then *layer and *role are set. */
bool pare_tensor_id_split(const pare_model *model, size_t id, uint32_t *layer, pare_role *role);

/* The tensor of a role; 0 x 0 if there is none. */
const pare_tensor *pare_model_tensor(const pare_model *model, uint32_t layer, pare_role role);

/* True if the tensor is none of the checkpoint's, because the family has not this role. */
bool pare_tensor_is_absent(const pare_tensor *tensor);

/* Shape as a matrix: rows x columns; a vector is one row. */
void pare_tensor_matrix(const pare_tensor *tensor, int64_t *rows, int64_t *columns);
/* The other way round: shape, count and bytes of a tensor of rank 1 or 2 as it stands. */
void pare_tensor_resize(pare_tensor *tensor, int64_t rows, int64_t columns);

/* The name of a role's tensor in layer `layer`, as a LLaMA has it. */
void pare_role_name(uint32_t layer, pare_role role, char *name, size_t size);

/* Query heads per key/value head; the same in every layer that has heads. */
uint32_t pare_widths_shared(const pare_widths *widths);

/* The model's own tokenizer (owned by the model), opened on first use. */
pare_status pare_model_tokenizer(const pare_model *model, const pare_tokenizer **out);

#endif
