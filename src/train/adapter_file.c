/* adapter_model.safetensors of a PEFT LoRA: for every matrix with an adapter two tensors,
 *   base_model.model.model.layers.N.self_attn.q_proj.lora_A.weight   [r, in]
 *   base_model.model.model.layers.N.self_attn.q_proj.lora_B.weight   [out, r]
 * of dtype F32 (as pare writes them), F16 or BF16. */
#include "train/adapter_file.h"

#include <stdio.h>
#include <string.h>

bool pare_adapter_name(const pare_model *model, size_t id, char factor, char name[PARE_ADAPTER_NAME]) {
    static const char ending[] = ".weight";
    char stored[96];
    uint32_t layer;
    pare_role role;
    if (!pare_tensor_id_split(model, id, &layer, &role) || role >= PARE_MATRIX_ROLES) return false;
    pare_role_name(layer, role, stored, sizeof stored);
    stored[strlen(stored) - (sizeof ending - 1)] = 0;
    snprintf(name, PARE_ADAPTER_NAME, "base_model.model.%s.lora_%c.weight", stored, factor);
    return true;
}

const char *pare_adapter_module(pare_role role) {
    static const char *const names[PARE_MATRIX_ROLES] = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                         "gate_proj", "up_proj", "down_proj"};
    return names[role];
}

pare_factor pare_factor_of(const pare_lora_factors *factors, char which) {
    uint64_t rank = (uint64_t)factors->rank;
    if (which == 'A') return (pare_factor){.at = factors->a, .shape = {rank, (uint64_t)factors->columns}};
    return (pare_factor){.at = factors->b, .shape = {(uint64_t)factors->rows, rank}};
}
