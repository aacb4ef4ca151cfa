#include "model/family.h"

static bool turns_whole_heads(const pare_config *config) {
    return config->rope[0].rotated == config->head_size;
}

/* As its class generates; those of other families with such positions keep the keys that they have. */
static pare_status renew_keys(pare_fields fields, pare_config *config) {
    (void)fields;
    for (int i = 0; i < PARE_ROPES; i++)
        config->rope[i].renews_keys = true;
    return PARE_OK;
}

/* Its own class derives the length of a longrope's factors from the hidden size, and other engines the heads. */
const pare_family pare_family_phi3 = {
    .types = {"phi3"},
    .class_name = "Phi3ForCausalLM",
    .title = "Phi-3, Phi-3.5, Phi-4, Phi-4-mini",
    .fused = {{"self_attn.qkv_proj", PARE_FUSION_ROWS, 3, {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V}},
              {"mlp.gate_up_proj", PARE_FUSION_ROWS, 2, {PARE_ROLE_GATE, PARE_ROLE_UP}}},
    .fallback = {.positions = 4096, .eps = 1e-5},
    .architecture = {.roles = PARE_ROLES_LLAMA, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .layers = {.window = PARE_WINDOW_ALL},
    .rope = {.share = 1},
    .prefers_other = true,
    .others = {{&pare_family_mistral, turns_whole_heads}, {&pare_family_glm, NULL}},
    .read = renew_keys,
};
