/* Layers with experts in GGUF files: each part of all experts of a layer is one tensor of three axes, [experts, rows,
 * columns]. What a file says beside their sizes differs by architecture: how many dense layers come first, how many
 * experts are for all tokens or how wide that one is, what their shares are. All of it follows from the row of the
 * family (pare_expert_rule) and that of the architecture. */
#ifndef PARE_MODEL_GGUF_EXPERTS_H
#define PARE_MODEL_GGUF_EXPERTS_H

#include "model/expert_tensors.h"
#include "model/gguf_architecture.h"

/* As llama.cpp numbers them. */
enum { PARE_GGUF_GATING_SOFTMAX = 1, PARE_GGUF_GATING_SIGMOID = 2 };

/* "blk.3.ffn_gate_inp.weight"; of experts' own the tensor of all of them, "blk.3.ffn_up_exps.weight". */
void pare_gguf_expert_name(uint32_t layer, pare_expert_tensor what, pare_expert_part part,
                           char name[PARE_GGUF_NAME_BYTES]);

/* The key of what all tokens reach: its width, or how many times as wide as an expert it is; NULL: there is none. */
const char *pare_gguf_shared_key(const pare_expert_rule *rule);

/* What the architecture has where this model's routers or layers have something else, for "it has %s"; NULL: it holds
 * them. */
const char *pare_gguf_experts_misfit(const pare_config *config, const pare_gguf_architecture *row);

/* FFN channels of its dense layers; where it has none, what config.json says, or those of an expert. */
uint32_t pare_gguf_dense_width(const pare_config *config);

#endif
