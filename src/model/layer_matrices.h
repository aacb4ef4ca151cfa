/* All matrices of a layer that linear layers multiply by: those of its roles, of its experts, and of the queries'
 * latent. */
#ifndef PARE_MODEL_LAYER_MATRICES_H
#define PARE_MODEL_LAYER_MATRICES_H

#include "model/model.h"

size_t pare_layer_matrices(const pare_config *config);
/* The id of the i-th; the tensor may be absent. */
size_t pare_layer_matrix(const pare_config *config, uint32_t layer, size_t i);

/* The role by whose name people call a matrix: its own, an expert's of its part, queries' of the matrix that makes
 * their latent. False if the id is no matrix of a layer. */
bool pare_matrix_goes_by(const pare_model *model, size_t id, pare_role *role);

#endif
