/* Matrices of experts as PEFT's ParamWrapper has them (target_parameters), which transformers 5 holds as two parameters
 * of a layer: gate_up_proj [E, 2 F, d] and down_proj [E, d, F], gpt-oss's the other way round. For E experts and the
 * rank R of the parameter's factors
 *
 *   lora_A [E R, in]: rows e R + k are expert e's      lora_B [out, R E]: columns k E + e are expert e's
 *
 * so that W_e += scale B_e A_e. R is the LoRA's rank, and twice it where gate and up have factors of their own: A's lie
 * one below the other, B's are blocks (adapter_module.h). Wrappers of two parameters of one module stand one in the
 * other, gate_up_proj's within: "experts.base_layer.lora_A.weight". */
#ifndef PARE_TRAIN_ADAPTER_EXPERTS_H
#define PARE_TRAIN_ADAPTER_EXPERTS_H

#include "model/expert_tensors.h"
#include "train/adapter_module.h"

/* The parameter that begins with the first expert's matrix `id`; false if none does. */
bool pare_adapter_experts_of(const pare_model *model, size_t id, pare_adapter_module *out);
size_t pare_adapter_experts_id(const pare_model *model, const pare_adapter_module *module, uint32_t expert, int part);

/* outermost: no adapter of another parameter stands around it. */
void pare_adapter_experts_name(const pare_config *config, const pare_adapter_module *module, bool outermost,
                               char name[PARE_NAME_BYTES]);
void pare_adapter_experts_target(const pare_config *config, const pare_adapter_module *module,
                                 char target[PARE_NAME_BYTES]);

/* As the functions of adapter_module.h. */
void pare_adapter_experts_join(const pare_trained *lora, const pare_adapter_module *module, int64_t rank, char factor,
                               float *out);
void pare_adapter_experts_split(pare_trained *lora, const pare_adapter_module *module, bool blocks, char factor,
                                const float *values);
bool pare_adapter_experts_blocks(const pare_adapter_module *module, int64_t rank, const float *a, const float *b,
                                 bool has[PARE_COMPOSITE_PARTS]);

#endif
