#include "model/family.h"

/* No published model has biases. */
#define LATENT_NAMES                                                                                                   \
    .roles = {[PARE_ROLE_Q] = "self_attn.q_b_proj",                                                                    \
              [PARE_ROLE_K] = "self_attn.kv_a_proj_with_mqa",                                                          \
              [PARE_ROLE_V] = "self_attn.kv_b_proj",                                                                   \
              [PARE_ROLE_Q_NORM] = "self_attn.q_a_layernorm",                                                          \
              [PARE_ROLE_K_NORM] = "self_attn.kv_a_layernorm"},                                                        \
    .keys = {[PARE_CONFIG_KEY_HEAD_DIM] = ""}
#define LATENT_MATRICES .query_down = "self_attn.q_a_proj", .straight = "self_attn.q_proj"
#define DEEPSEEK_LATENTS                                                                                               \
    .latent = {LATENT_MATRICES, .usual = {.queries = 1536, .keys = 512, .rotated = 64, .plain = 128, .value = 128}}
#define ARCHITECTURE                                                                                                   \
    .roles = PARE_ROLES_LLAMA | PARE_ROLES_HEAD_NORMS, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE,            \
    .interleaved = true
#define EXPERTS                                                                                                        \
    .router = "mlp.gate", .each = "mlp.experts.", .parts = {".gate_proj", ".up_proj", ".down_proj"},                   \
    .shared = "mlp.shared_experts.", .count_key = "n_routed_experts", .width_key = "moe_intermediate_size",            \
    .shared_count_key = "n_shared_experts", .first_dense = true, .scale_key = "routed_scaling_factor"

/* Its class ignores norm_topk_prob: shares are always those of the softmax over all experts. */
const pare_family pare_family_deepseek_v2 = {
    .types = {"deepseek_v2"},
    .class_name = "DeepseekV2ForCausalLM",
    .title = "DeepSeek-V2, V2-Lite, V2.5, DeepSeek-Coder-V2",
    LATENT_NAMES,
    DEEPSEEK_LATENTS,
    .fallback = {.positions = 2048, .eps = 1e-6, .head_dim = 192},
    .architecture = {ARCHITECTURE},
    .options = {{.key = "attention_bias", .kind = PARE_OPTION_REFUSED},
                {.key = "mlp_bias", .kind = PARE_OPTION_REFUSED}},
    .rope = {.share = 1, .dimensions_key = "qk_rope_head_dim"},
    .experts = {EXPERTS, .method_key = "topk_method",
                .fallback = {.count = 64, .width = 1407, .shared = 2, .scale = 1.0, .unnormalised = true}},
    .heads = PARE_HEADS_DIVIDE,
};

const pare_family pare_family_deepseek_v3 = {
    .types = {"deepseek_v3"},
    .class_name = "DeepseekV3ForCausalLM",
    .title = "DeepSeek-V3, R1, V3.1, Kimi-K2, Moonlight (bf16)",
    LATENT_NAMES,
    DEEPSEEK_LATENTS,
    .fallback = {.positions = 4096, .eps = 1e-6, .head_dim = 192},
    .architecture = {ARCHITECTURE},
    .options = {{.key = "attention_bias", .kind = PARE_OPTION_REFUSED},
                {"rope_interleave", PARE_OPTION_FLAG, .fallback = 1, .field = PARE_FIELD(interleaved)}},
    .rope = {.share = 1, .dimensions_key = "qk_rope_head_dim"},
    .experts = {EXPERTS, .correction = "mlp.gate.e_score_correction_bias", .sigmoid = true, .groups_by_two = true,
                .normalised_key = "norm_topk_prob",
                .fallback = {.count = 256,
                             .chosen = 8,
                             .width = 2048,
                             .shared = 1,
                             .first_dense = 3,
                             .groups = 8,
                             .groups_chosen = 4,
                             .scale = 2.5,
                             .normalised = true}},
};

static pare_status turn_whole_parts(pare_fields fields, pare_config *config) {
    static const char key[] = "partial_rotary_factor";
    const json_t *parameters = pare_field(fields, "rope_parameters");
    const pare_fields places[] = {fields, {.path = fields.path, .object = parameters}};
    (void)config;
    for (int i = 0; i < 2; i++)
        if (pare_field(places[i], key) && json_number_value(pare_field(places[i], key)) < 1.0)
            return pare_field_refuse(PARE_UNSUPPORTED, places[i], key,
                                     "pare knows models of this family without it only");
    return PARE_OK;
}

const pare_family pare_family_glm4_moe_lite = {
    .types = {"glm4_moe_lite"},
    .class_name = "Glm4MoeLiteForCausalLM",
    .title = "GLM-4.7-Flash",
    LATENT_NAMES,
    .latent = {LATENT_MATRICES, .usual = {.queries = 768, .keys = 512, .rotated = 64, .plain = 192, .value = 256}},
    .fallback = {.positions = 202752, .eps = 1e-5, .head_dim = 256},
    .architecture = {ARCHITECTURE},
    .options = {{.key = "attention_bias", .kind = PARE_OPTION_REFUSED},
                {"rope_interleave", PARE_OPTION_FLAG, .fallback = 1, .field = PARE_FIELD(interleaved)}},
    .rope = {.share = 1, .dimensions_key = "qk_rope_head_dim"},
    .experts = {.router = "mlp.gate",
                .each = "mlp.experts.",
                .parts = {".gate_proj", ".up_proj", ".down_proj"},
                .shared = "mlp.shared_experts.",
                .correction = "mlp.gate.e_score_correction_bias",
                .sigmoid = true,
                .groups_by_two = true,
                .count_key = "n_routed_experts",
                .width_key = "moe_intermediate_size",
                .shared_count_key = "n_shared_experts",
                .normalised_key = "norm_topk_prob",
                .scale_key = "routed_scaling_factor",
                .types_key = "mlp_layer_types",
                .fallback = {.count = 64,
                             .chosen = 4,
                             .width = 1536,
                             .shared = 1,
                             .first_dense = 1,
                             .groups = 1,
                             .groups_chosen = 1,
                             .scale = 1.8,
                             .normalised = true}},
    .read = turn_whole_parts,
};
