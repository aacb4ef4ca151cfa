/* What a run of training leaves: the model with what was learnt merged into its weights, or a PEFT adapter folder, and
 * the loss curve. */
#ifndef PARE_RECOVER_WRITE_H
#define PARE_RECOVER_WRITE_H

#include "recover/trainer.h"

/* Weights of the model with what was learnt, into the existing folder `directory` (model.safetensors or shards): tensor
 * by tensor, some rows at a time, each rounded once to the tensor's own dtype. Tensors that training did not touch are
 * the input's bytes; zeros of a model trained with them kept stay zeros. */
pare_status pare_trained_write(const pare_trained *trained, const char *directory, const pare_runtime *runtime);

/* adapter_config.json and adapter_model.safetensors as PEFT writes and loads them (base_model.model.model.layers.0.
 * self_attn.q_proj.lora_A.weight, float32), into the existing folder. base: the name of the base model in the config.
 */
pare_status pare_lora_write_adapter(const pare_trained *lora, const pare_lora_options *options, const char *base,
                                    const char *directory);

/* The factors of a PEFT LoRA adapter folder for this model, into a new trained LoRA; refuses what it cannot do exactly
 * (dora, rslora is fine, bias, other kinds), naming it. *options: as read. */
pare_status pare_lora_read_adapter(const pare_model *model, const pare_backend *backend, const char *directory,
                                   pare_lora_options *options, pare_trained **out);

/* step,loss,validation,rate,norm,tokens,seconds; and a drawing of both losses over the steps. *text: freed with free().
 * NULL without memory. */
char *pare_curve_csv(const pare_curve *curve);
char *pare_curve_svg(const pare_curve *curve, const char *title);

#endif
