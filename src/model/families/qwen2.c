#include "model/config_layers.h"
#include "model/family.h"

/* Seed-OSS has the same biases and states its head_dim, which vLLM and llama.cpp do not read of a Qwen2. */
static bool has_no_window(const pare_config *config) {
    return !pare_config_window(config);
}

const pare_family pare_family_qwen2 = {
    .types = {"qwen2"},
    .class_name = "Qwen2ForCausalLM",
    .title = "Qwen1.5, Qwen2, Qwen2.5, DeepSeek-R1-Distill-Qwen",
    .fallback = {.positions = 32768, .eps = 1e-6, .kv_heads = 32},
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_ATTENTION_BIAS,
                     .ends = PARE_ENDS_LLAMA,
                     .slots = PARE_NORMS_BEFORE},
    .layers = {.window = PARE_WINDOW_FLAGGED, .first_window = 28, .window_fallback = 4096},
    .prefers_other = true,
    .others = {{&pare_family_seed_oss, has_no_window}},
};
