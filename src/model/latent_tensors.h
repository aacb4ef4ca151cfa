/* The matrix that makes the latent of the queries [rank, d]: no role; the ids of all layers' come behind all others. */
#ifndef PARE_MODEL_LATENT_TENSORS_H
#define PARE_MODEL_LATENT_TENSORS_H

#include "model/model.h"

/* Ids of such tensors: one a layer, or none. */
static inline size_t pare_latent_tensors(const pare_config *config) {
    return config->latent.queries ? config->layers : 0;
}

size_t pare_tensor_id_query_down(const pare_config *config, uint32_t layer);
/* False if the id is none of these. */
bool pare_tensor_id_split_latent(const pare_model *model, size_t id, uint32_t *layer);

/* Finds the tensors, which pare_config_fit has checked. */
void pare_latents_bind(pare_model *model);

/* Fails if the model has latents, naming `what` cannot be done with such a model and what can. */
pare_status pare_latents_refuse(const pare_model *model, const char *what);

#endif
