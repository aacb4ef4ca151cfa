/* What a model computes, for whoever wants to see it: its family, norms, activation, attention by layers. */
#ifndef PARE_REPORT_DESCRIBE_BLOCK_H
#define PARE_REPORT_DESCRIBE_BLOCK_H

#include "model/model.h"

#include <jansson.h>

/* {"name", "class", "models"} */
json_t *pare_describe_family(const pare_family *family);
/* {"norm", "norms": [places], "head_norm"?, "activation", "gated", "parallel", "positions", "biases": [matrices],
 * "sinks"?: true} */
json_t *pare_describe_block(const pare_config *config);
/* Stretches of layers that are alike: [{"first", "last", "window"?, "rope"?}], rope: which of "ropes". */
json_t *pare_describe_attention(const pare_config *config);

/* {"count", "chosen", "width", "shared", "normalised"} of a model that has experts. */
/* Ranks of the latents that attention goes over, and the parts of a head. */
json_t *pare_describe_latents(const pare_config *config);
json_t *pare_describe_experts(const pare_config *config);

#endif
