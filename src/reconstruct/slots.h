/* The tensors of a layer that are trained, one slot each: its roles, then the matrix of the queries' latent, its
 * router, the gate of what all tokens reach, and the matrices of its experts. Roles are trained as they are left,
 * matrices of experts as the model has them, with zeros where channels go, since experts that go are off and not away
 * (surgery/mask.h). What corrects the choice of experts, and biases of experts and routers, have no slot: they stay. */
#ifndef PARE_RECONSTRUCT_SLOTS_H
#define PARE_RECONSTRUCT_SLOTS_H

#include "model/roles.h"
#include "model/source.h"
#include "reconstruct/reconstruct.h"

enum { PARE_SLOT_QUERY_DOWN = PARE_ALL_ROLES, PARE_SLOT_EXPERTS };

size_t pare_slots(const pare_config *config);
size_t pare_slot_id(const pare_config *config, uint32_t layer, size_t slot);
/* False if the tensor has none in that layer. */
bool pare_slot_of(const pare_model *model, uint32_t layer, size_t id, size_t *slot);
static inline pare_part pare_slot_part(size_t slot) {
    if (slot == PARE_SLOT_QUERY_DOWN) return PARE_PART_ATTENTION;
    return slot < PARE_ALL_ROLES ? pare_roles[slot].part : PARE_PART_FFN;
}

/* True if some of the model's lie behind the roles: the block asks its source for these. */
bool pare_slots_behind_roles(const pare_config *config);

/* Rows and columns as it is trained; elements 0: the layer has it not, or it goes. */
size_t pare_slot_elements(const pare_reconstruction *asked, uint32_t layer, size_t slot, int64_t *rows,
                          int64_t *columns);
/* And as it is left. */
size_t pare_slot_left(const pare_reconstruction *asked, uint32_t layer, size_t slot, int64_t *rows, int64_t *columns);

/* Of a slot behind the roles: values [rows, columns] that the masked source has, zeros where channels go; from what is
 * left of them, in the tensor's dtype; and back. */
pare_status pare_slot_load(const pare_reconstruction *asked, const pare_source *masked, size_t id, float *values);
pare_status pare_slot_spread(const pare_reconstruction *asked, size_t id, const void *left, float *values);
pare_status pare_slot_gather(const pare_reconstruction *asked, size_t id, const float *values, void *left);

#endif
