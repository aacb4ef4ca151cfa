#include "model/gguf_architecture.h"

#include <stdio.h>
#include <string.h>

#define GRANITE_KEYS                                                                                                   \
    {.gguf = "embedding_scale", .config = "embedding_multiplier"},                                                     \
        {.gguf = "residual_scale", .config = "residual_multiplier"},                                                   \
        {.gguf = "attention.scale", .config = "attention_multiplier"}, {                                               \
        .gguf = "logit_scale", .config = "logits_scaling"                                                              \
    }

/* V is stored as two tensors (gguf_latent.h). */
#define LATENT_ROLES                                                                                                   \
    [PARE_ROLE_Q] = "attn_q_b", [PARE_ROLE_K] = "attn_kv_a_mqa", [PARE_ROLE_V] = "",                                   \
    [PARE_ROLE_Q_NORM] = "attn_q_a_norm", [PARE_ROLE_K_NORM] = "attn_kv_a_norm"

static const pare_gguf_architecture rows[] = {
    {.name = "llama", .family = &pare_family_llama, .paired = true, .biases = true},
    {.name = "deci", .family = &pare_family_llama, .paired = true, .layered = true},
    {.name = "qwen2", .family = &pare_family_qwen2, .tied_heads = true},
    {.name = "qwen3", .family = &pare_family_qwen3},
    {.name = "gemma", .family = &pare_family_gemma},
    {.name = "gemma2",
     .family = &pare_family_gemma2,
     .pre_scaled = true,
     .window_period = 2,
     .largest = 46,
     .keys = {{.gguf = "attn_logit_softcapping", .config = "attn_logit_softcapping"},
              {.gguf = "final_logit_softcapping", .config = "final_logit_softcapping"},
              {"attention.sliding_window", "sliding_window", true}}},
    {.name = "gemma3",
     .family = &pare_family_gemma3,
     .pre_scaled = true,
     .largest = 62,
     .keys = {{.gguf = "final_logit_softcapping", .config = "final_logit_softcapping"},
              {"attention.sliding_window", "sliding_window", true},
              {"attention.sliding_window_pattern", "sliding_window_pattern", true},
              {.gguf = "rope.freq_base_swa", .config = "rope_local_base_freq"}}},
    {.name = "phi3",
     .family = &pare_family_phi3,
     .tied_heads = true,
     .roles = {[PARE_ROLE_Q] = "attn_qkv", [PARE_ROLE_K] = "", [PARE_ROLE_V] = "", [PARE_ROLE_GATE] = ""},
     .keys = {{"attention.sliding_window", "sliding_window", true}}},
    {.name = "granite", .family = &pare_family_granite, .paired = true, .biases = true, .keys = {GRANITE_KEYS}},
    {.name = "smollm3", .family = &pare_family_smollm3, .paired = true},
    {.name = "olmo2", .family = &pare_family_olmo2, .tied_heads = true},
    {.name = "stablelm",
     .family = &pare_family_stablelm,
     .tied_heads = true,
     .keys = {{.gguf = "use_parallel_residual", .config = "use_parallel_residual"}}},
    {.name = "starcoder2", .family = &pare_family_starcoder2, .biases = true, .tied_heads = true},
    {.name = "nemotron", .family = &pare_family_nemotron, .tied_heads = true},
    {.name = "command-r",
     .family = &pare_family_cohere,
     .tied_heads = true,
     .keys = {{.gguf = "logit_scale", .config = "logit_scale"}}},
    {.name = "llama", .family = &pare_family_mixtral, .experts = true, .paired = true},
    {.name = "qwen2moe",
     .family = &pare_family_qwen2_moe,
     .experts = true,
     .raw_shares = true,
     .biases = true,
     .tied_heads = true,
     .own_head = true},
    {.name = "qwen3moe", .family = &pare_family_qwen3_moe, .experts = true},
    {.name = "olmoe",
     .family = &pare_family_olmoe,
     .experts = true,
     .raw_shares = true,
     .tied_heads = true,
     .own_head = true,
     .own_keys = true},
    {.name = "granitemoe", .family = &pare_family_granitemoe, .experts = true, .paired = true, .keys = {GRANITE_KEYS}},
    {.name = "glm4moe",
     .family = &pare_family_glm4_moe,
     .experts = true,
     .biases = true,
     .roles = {[PARE_ROLE_POST_NORM] = "post_attention_norm"}},
    {.name = "dots1", .family = &pare_family_dots1, .experts = true, .own_keys = true},
    {.name = "deepseek2", .family = &pare_family_deepseek_v2, .experts = true, .roles = {LATENT_ROLES}},
    {.name = "deepseek2",
     .family = &pare_family_deepseek_v3,
     .also = &pare_family_glm4_moe_lite,
     .experts = true,
     .roles = {LATENT_ROLES}},
    {.name = "llama4", .family = &pare_family_llama4, .experts = true, .llama4 = true, .raw_shares = true},
};

enum { ROWS = sizeof rows / sizeof *rows };

const pare_gguf_architecture *pare_gguf_architecture_at(size_t index) {
    return index < ROWS ? &rows[index] : NULL;
}

const pare_gguf_size pare_gguf_sizes[] = {
    {"embedding_length", PARE_CONFIG_KEY_HIDDEN},       {"block_count", PARE_CONFIG_KEY_LAYERS},
    {"attention.head_count", PARE_CONFIG_KEY_HEADS},    {"attention.head_count_kv", PARE_CONFIG_KEY_KV_HEADS},
    {"feed_forward_length", PARE_CONFIG_KEY_FFN},       {"context_length", PARE_CONFIG_KEY_POSITIONS},
    {"attention.key_length", PARE_CONFIG_KEY_HEAD_DIM},
};
const size_t pare_gguf_size_count = sizeof pare_gguf_sizes / sizeof *pare_gguf_sizes;

void pare_gguf_key_name(const pare_gguf_architecture *architecture, const char *key, char name[PARE_GGUF_NAME_BYTES]) {
    snprintf(name, PARE_GGUF_NAME_BYTES, "%s.%s", architecture->name, key);
}

pare_gguf_layer pare_gguf_layer_of(const pare_config *config, uint32_t layer) {
    return (pare_gguf_layer){.number = layer,
                             .routed = config->plan[layer].routed,
                             .straight = config->latent.keys && !config->latent.queries};
}

/* Of an FFN that all tokens reach beside the experts. */
static const char *shared_name(pare_role of) {
    return of == PARE_ROLE_GATE   ? "ffn_gate_shexp"
           : of == PARE_ROLE_UP   ? "ffn_up_shexp"
           : of == PARE_ROLE_DOWN ? "ffn_down_shexp"
                                  : NULL;
}

bool pare_gguf_role_name(const pare_gguf_architecture *architecture, pare_gguf_layer layer, pare_role role,
                         char name[PARE_GGUF_NAME_BYTES]) {
    static const char *const usual[PARE_ALL_ROLES] = {
        [PARE_ROLE_Q] = "attn_q",
        [PARE_ROLE_K] = "attn_k",
        [PARE_ROLE_V] = "attn_v",
        [PARE_ROLE_O] = "attn_output",
        [PARE_ROLE_GATE] = "ffn_gate",
        [PARE_ROLE_UP] = "ffn_up",
        [PARE_ROLE_DOWN] = "ffn_down",
        [PARE_ROLE_INPUT_NORM] = "attn_norm",
        [PARE_ROLE_POST_NORM] = "ffn_norm",
        [PARE_ROLE_ATTENTION_OUT_NORM] = "post_attention_norm",
        [PARE_ROLE_FFN_OUT_NORM] = "post_ffw_norm",
        [PARE_ROLE_Q_NORM] = "attn_q_norm",
        [PARE_ROLE_K_NORM] = "attn_k_norm",
        [PARE_ROLE_SINKS] = "attn_sinks",
    };
    pare_role of = pare_roles[role].of;
    const char *found = architecture->roles[of] ? architecture->roles[of] : usual[of];
    if (layer.straight && of == PARE_ROLE_Q) found = usual[of];
    if (layer.routed && shared_name(of)) found = shared_name(of);
    snprintf(name, PARE_GGUF_NAME_BYTES, "blk.%u.%s.%s", layer.number, found, of == role ? "weight" : "bias");
    return *found != '\0';
}

bool pare_gguf_end_name(pare_end end, char name[PARE_GGUF_NAME_BYTES]) {
    static const char *const names[PARE_ENDS] = {
        [PARE_END_EMBEDDING] = "token_embd.weight",
        [PARE_END_FINAL_NORM] = "output_norm.weight",
        [PARE_END_FINAL_NORM_BIAS] = "output_norm.bias",
        [PARE_END_HEAD] = "output.weight",
        [PARE_END_HEAD_BIAS] = "output.bias",
    };
    if (!names[end]) return false;
    snprintf(name, PARE_GGUF_NAME_BYTES, "%s", names[end]);
    return true;
}
