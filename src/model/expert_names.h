/* Names and shapes of the tensors of layers with experts, as the family's row spells them (family.h). */
#ifndef PARE_MODEL_EXPERT_NAMES_H
#define PARE_MODEL_EXPERT_NAMES_H

#include "model/names.h"

typedef enum pare_expert_part {
    PARE_EXPERT_GATE,
    PARE_EXPERT_UP,
    PARE_EXPERT_DOWN,
    PARE_EXPERT_PARTS
} pare_expert_part;

/* Rows and columns of a part. */
void pare_expert_shape(const pare_config *config, pare_expert_part part, int64_t *rows, int64_t *columns);

/* Names in the file, with suffix: that of the router, of its bias, of the shared expert's gate, or of what corrects the
 * choice; of a part of one expert where each has its own tensors; and else of the tensor that holds it for all. */
void pare_router_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]);
void pare_router_bias_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]);
void pare_shared_gate_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]);
void pare_correction_name(const pare_config *config, uint32_t layer, char name[PARE_NAME_BYTES]);
void pare_expert_name(const pare_config *config, uint32_t layer, uint32_t expert, pare_expert_part part,
                      char name[PARE_NAME_BYTES]);
/* Of the tensor that holds a part's biases of all experts. */
void pare_expert_bias_name(const pare_config *config, uint32_t layer, pare_expert_part part,
                           char name[PARE_NAME_BYTES]);
bool pare_experts_are_fused(const pare_config *config);

#endif
