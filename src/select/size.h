/* How many parameters a model of other widths has. */
#ifndef PARE_SELECT_SIZE_H
#define PARE_SELECT_SIZE_H

#include "model/model.h"

/* Elements of a tensor in a layer of these widths; 0 where the family has none, and of a norm before a half that is not
 * there. */
uint64_t pare_role_parameters(const pare_config *config, const pare_widths *widths, uint32_t hidden, pare_role role);

/* Of all tensors of such a layer. */
uint64_t pare_layer_parameters(const pare_config *config, const pare_widths *widths, uint32_t hidden);

/* Of a tensor outside the layers. */
uint64_t pare_end_parameters(const pare_model *model, size_t id, uint32_t hidden);

/* Of all of these; of a model without tensors those of a LLaMA. */
uint64_t pare_outer_parameters(const pare_model *model, uint32_t hidden);

/* What goes with one FFN channel, with one key/value head and its query heads, and with one query head of each
 * key/value head. */
uint64_t pare_channel_parameters(const pare_config *config, const pare_widths *widths);
uint64_t pare_group_parameters(const pare_config *config, const pare_widths *widths);
uint64_t pare_query_parameters(const pare_config *config, const pare_widths *widths);

#endif
