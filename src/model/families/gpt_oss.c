#include "model/family.h"

#include <math.h>

/* Where the file says nothing of them, the class turns positions by a yarn of its own. */
static pare_status read(pare_fields fields, pare_config *config) {
    static const char parameters[] = "rope_parameters", alpha[] = "swiglu_alpha", limit[] = "swiglu_limit";
    double steep = 0;
    if (!pare_field(fields, "rope_scaling") && !pare_field(fields, parameters))
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, parameters,
                                 "models of this family must say how positions turn, under it or rope_scaling");
    if (config->architecture.gate_limit <= 0)
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, limit,
                                 "it must be the number above 0 that gates are clamped at; the published models have "
                                 "7.0");
    if (!pare_field(fields, alpha)) return PARE_OK;
    PARE_TRY(pare_field_positive(fields, alpha, 100, 0, &steep));
    if (fabs(steep - 1.702) < 1e-9) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, alpha, "pare knows 1.702, as the published models have it");
}

const pare_family pare_family_gpt_oss = {
    .types = {"gpt_oss"},
    .class_name = "GptOssForCausalLM",
    .title = "gpt-oss-20b, gpt-oss-120b",
    .mxfp4 = true,
    .fallback =
        {.head_dim = 64, .kv_heads = 8, .positions = 131072, .eps = 1e-5, .activation = PARE_ACTIVATION_CLAMPED},
    .fixed_activation = true,
    .architecture = {.roles = PARE_ROLES_LLAMA | PARE_ROLES_SINKS, .ends = PARE_ENDS_LLAMA, .slots = PARE_NORMS_BEFORE},
    .options = {{"attention_bias", PARE_OPTION_ROLES, .fallback = 1, .roles = PARE_ROLES_QKVO_BIAS},
                {"swiglu_limit", PARE_OPTION_NUMBER, .fallback = 7, .field = PARE_FIELD(gate_limit)}},
    .layers = {.window = PARE_WINDOW_TYPES, .window_fallback = 128, .period = 2},
    .rope = {.theta = 150000},
    .experts = {.router = "mlp.router",
                .fused = {"mlp.experts.gate_up_proj", "mlp.experts.down_proj"},
                .bare = true,
                .interleaved = true,
                .turned = true,
                .biased = true,
                .count_key = "num_local_experts",
                .fallback = {.count = 128, .chosen = 4, .width = 2880}},
    .read = read,
};
