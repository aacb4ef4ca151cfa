/* config.json of a Nemotron-NAS model, whose layers differ in width: model_type "nemotron-nas", class
 * DeciLMForCausalLM, which vLLM has, a LLaMA with one list for all of it:
 *
 *   "num_attention_heads": 32,             query heads, of every layer
 *   "block_configs": [                     one entry for each layer
 *     {"attention": {"n_heads_in_group": 4,    query heads that share one key and value
 *                    "no_op": false,         true: the layer has no attention, no tensors of it, no norm before it
 *                    "replace_with_linear": false},
 *      "ffn": {"ffn_mult": 2.5,                its width: 2/3 ffn_mult hidden_size, cut to a whole number and rounded
 *                                              up to a multiple of 256; or
 *              "intermediate_size": 1500,      the width itself (vLLM since its pull request 30795)
 *              "no_op": false, "replace_with_linear": false}}, ...] */
#ifndef PARE_MODEL_CONFIG_BLOCKS_H
#define PARE_MODEL_CONFIG_BLOCKS_H

#include "model/config.h"
#include "model/config_fields.h"

/* Turns the file's object, if it is one of these, into that of a LLaMA with lists of widths (config_write.h). Refused:
 * layers that hold something else, and entries that are not of that form. A part
 * that is absent (no_op) is one of no width. */
pare_status pare_config_from_blocks(pare_fields fields, json_t *json);

/* *why: what keeps a model whose layers differ out of that class, freed with free(); NULL: nothing. */
pare_status pare_config_blocks_refusal(const pare_config *config, char **why);
/* The other way; nothing may keep the model out. Returns whether all widths are multiples of 256. */
bool pare_config_to_blocks(const pare_config *config, json_t *json);

#endif
