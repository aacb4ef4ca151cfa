#include "model/family.h"

const pare_family pare_family_phi = {
    .types = {"phi"},
    .class_name = "PhiForCausalLM",
    .title = "Phi-1, Phi-1.5, Phi-2",
    .ends = {[PARE_END_FINAL_NORM] = "final_layernorm", [PARE_END_FINAL_NORM_BIAS] = "final_layernorm"},
    .roles = {[PARE_ROLE_O] = "self_attn.dense",
              [PARE_ROLE_UP] = "mlp.fc1",
              [PARE_ROLE_DOWN] = "mlp.fc2",
              [PARE_ROLE_Q_NORM] = "self_attn.q_layernorm",
              [PARE_ROLE_K_NORM] = "self_attn.k_layernorm"},
    .keys = {[PARE_CONFIG_KEY_EPS] = "layer_norm_eps"},
    .fallback = {.positions = 2048, .eps = 1e-5, .activation = PARE_ACTIVATION_GELU_TANH},
    .architecture = {.roles = (PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES | PARE_ROLES_QKVO_BIAS |
                               PARE_ROLES_UP_DOWN_BIAS) &
                              ~(UINT32_C(1) << PARE_ROLE_POST_NORM | UINT32_C(1) << PARE_ROLE_POST_NORM_BIAS),
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS | UINT32_C(1) << PARE_END_HEAD_BIAS,
                     .slots = 1 << PARE_NORM_SLOT_INPUT,
                     .norm = PARE_NORM_LAYER,
                     .head_norm = PARE_HEAD_NORM_EACH,
                     .parallel = true,
                     .shared_norm = true,
                     .ungated = true},
    .options = {{"qk_layernorm", PARE_OPTION_NORMED, .roles = PARE_ROLES_HEAD_NORMS | PARE_ROLES_HEAD_NORM_BIASES}},
    .rope = {.share = 0.5},
    .derives_head_norm = true,
};
