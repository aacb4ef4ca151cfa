/* Names of tensors in a model's checkpoint, as its family spells them. */
#ifndef PARE_MODEL_NAMES_H
#define PARE_MODEL_NAMES_H

#include "checkpoint/checkpoint.h"
#include "model/config.h"
#include "model/family.h"

enum { PARE_NAME_BYTES = 160 };

/* Sets config->root and head_root to what the names in this checkpoint begin with: those of a wrapper, or of a model
 * that was saved without its head, or else what the family's row says first. */
void pare_names_find_root(const pare_checkpoint *checkpoint, pare_config *config);

/* What the family's row says first. */
void pare_names_usual_root(pare_config *config);

/* The stored tensor that holds a role's, whole or as a part: "model.layers.3.self_attn.q_proj.weight". */
void pare_layer_tensor_name(const pare_config *config, uint32_t layer, pare_role role, char name[PARE_NAME_BYTES]);
/* Where norms are stored head by head (family.h): that of one head. */
void pare_head_tensor_name(const pare_config *config, uint32_t layer, pare_role role, uint32_t head,
                           char name[PARE_NAME_BYTES]);
/* True if the role's tensor is stored so. */
bool pare_role_is_by_head(const pare_config *config, pare_role role);
/* Of the matrix that makes the latent of the queries (latent_tensors.h). */
void pare_query_down_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]);
void pare_end_tensor_name(const pare_config *config, pare_end end, char name[PARE_NAME_BYTES]);

/* The name of a tensor that is none of the model's own, as it is written; freed with free(). */
char *pare_carried_name(const pare_config *config, const char *name);

/* What predicts further tokens stands behind the last layer as more layers (num_nextn_predict_layers), and is no part
 * of what transformers computes: true for its tensors, which are not carried on. */
extern const char pare_predicting_key[];
bool pare_name_predicts(const pare_config *config, const char *name);

/* "model.layers." */
void pare_layer_prefix(const pare_config *config, char prefix[PARE_NAME_BYTES]);

/* The fused tensor that holds the role (a bias: that of its matrix); NULL: the role has a tensor of its own. */
const pare_fused *pare_family_fused(const pare_family *family, pare_role role);

#endif
