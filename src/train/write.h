/* What a run of training leaves: the model with what was learnt merged into its weights, or a PEFT adapter folder. */
#ifndef PARE_TRAIN_WRITE_H
#define PARE_TRAIN_WRITE_H

#include "train/trainer.h"

/* Weights of the model with what was learnt, into the existing folder `directory` (model.safetensors or shards): tensor
 * by tensor, some rows at a time, each rounded once to the tensor's own dtype. Tensors that training did not touch are
 * the input's bytes, those that a LLaMA does not use included; an LM head that is stored although it is tied is written
 * as the embedding is. Zeros of a model trained with them kept stay zeros. PARE_NUMERIC_ERROR, naming the tensor, if a
 * weight is not finite, or too large for its dtype. */
pare_status pare_trained_write(const pare_trained *trained, const char *directory, const pare_runtime *runtime);
/* At most so many bytes will that take on the disk. */
pare_status pare_trained_write_bytes(const pare_trained *trained, uint64_t *bytes);

/* adapter_config.json and adapter_model.safetensors as PEFT writes and loads them (base_model.model.model.layers.0.
 * self_attn.q_proj.lora_A.weight, float32), into the existing folder, modules as the family names and fuses them
 * (adapter_module.h). base: the name of the base model in the config; a snapshot of the Hub's cache is
 * called ORG/NAME there, with its commit as the revision.
 * A LoRA that keeps zeros is refused: an adapter cannot. */
pare_status pare_lora_write_adapter(const pare_trained *lora, const pare_lora_options *options, const char *base,
                                    const char *directory);

/* The factors of a PEFT LoRA adapter folder for this model, into a new trained LoRA, with adapters exactly where the
 * file has them; refuses what it cannot do exactly (dora, bias, ranks that differ, other kinds; rslora is fine), naming
 * it. *options: as read, with alpha such that alpha / rank is the scale, the targets of any layer, and seed 0.
 */
pare_status pare_lora_read_adapter(const pare_model *model, const pare_backend *backend, const char *directory,
                                   pare_lora_options *options, pare_trained **out);

#endif
