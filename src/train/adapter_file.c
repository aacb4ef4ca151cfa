/* adapter_model.safetensors of a PEFT LoRA: for every module with an adapter two tensors, named as the family names it,
 *   base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight   [r, in]
 *   base_model.model.model.layers.N.self_attn.q_proj.lora_B.weight   [out, r]
 * of dtype F32 (as pare writes them), F16 or BF16. Where a module holds several matrices, r is that of all together
 * (adapter_module.h), which rank_pattern and alpha_pattern of adapter_config.json say. */
#include "train/adapter_file.h"

const char *pare_adapter_role(pare_role role) {
    static const char *const names[PARE_MATRIX_ROLES] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                         "gate_proj", "up_proj", "down_proj"};
    return names[role];
}
