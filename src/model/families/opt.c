#include "model/config_write.h"
#include "model/family.h"
#include "support/json_build.h"

/* 350m: norms of the sums, none at the end, and narrower embeddings. */
static pare_status read_layout(pare_fields fields, pare_config *config) {
    pare_architecture *a = &config->architecture;
    bool before = true, stripped, weighted;
    PARE_TRY(pare_field_flag_or(fields, "layer_norm_elementwise_affine", true, &weighted));
    if (!weighted)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "layer_norm_elementwise_affine",
                                 "pare knows norms with weights and biases in this family only");
    if (pare_field(fields, "do_layer_norm_before")) PARE_TRY(pare_field_flag(fields, "do_layer_norm_before", &before));
    PARE_TRY(pare_field_flag(fields, "_remove_final_layer_norm", &stripped));
    PARE_TRY(pare_field_whole(fields, "word_embed_proj_dim", 1, 1 << 24, config->hidden, &config->embedding_width));
    config->head_width = config->embedding_width;
    if (config->embedding_width != config->hidden)
        a->ends |= pare_end_bit(PARE_END_PROJECT_IN) | pare_end_bit(PARE_END_PROJECT_OUT);
    if (!before || stripped) {
        a->no_final_norm = true;
        a->ends &= ~(pare_end_bit(PARE_END_FINAL_NORM) | pare_end_bit(PARE_END_FINAL_NORM_BIAS));
    }
    if (before) return PARE_OK;
    a->norm_after_add = true;
    a->slots = PARE_NORMS_BEHIND;
    a->roles &= ~(PARE_ROLES_NORMS | PARE_ROLES_NORM_BIASES);
    a->roles |= PARE_ROLES_OUT_NORMS | PARE_ROLES_OUT_NORM_BIASES;
    return PARE_OK;
}

/* Embeddings that nothing projects are as wide as the stream, and the file may say so. */
static void write_width(const pare_config *original, const pare_config_sizes *sizes, json_t *json) {
    static const char key[] = "word_embed_proj_dim";
    if (json_object_get(json, key) && !pare_has_end(&original->architecture, PARE_END_PROJECT_IN))
        pare_json_put(json, key, json_integer(sizes->hidden));
}

const pare_family pare_family_opt = {
    .types = {"opt"},
    .class_name = "OPTForCausalLM",
    .title = "OPT, Galactica",
    .roots = {"model.decoder.", "decoder."},
    .ends = {[PARE_END_EMBEDDING] = "embed_tokens",
             [PARE_END_POSITIONS] = "embed_positions",
             [PARE_END_PROJECT_IN] = "project_in",
             [PARE_END_PROJECT_OUT] = "project_out",
             [PARE_END_FINAL_NORM] = "final_layer_norm",
             [PARE_END_FINAL_NORM_BIAS] = "final_layer_norm"},
    .roles = {[PARE_ROLE_O] = "self_attn.out_proj",
              [PARE_ROLE_UP] = "fc1",
              [PARE_ROLE_DOWN] = "fc2",
              [PARE_ROLE_INPUT_NORM] = "self_attn_layer_norm",
              [PARE_ROLE_POST_NORM] = "final_layer_norm",
              [PARE_ROLE_ATTENTION_OUT_NORM] = "self_attn_layer_norm",
              [PARE_ROLE_FFN_OUT_NORM] = "final_layer_norm"},
    .keys = {[PARE_CONFIG_KEY_FFN] = "ffn_dim", [PARE_CONFIG_KEY_ACTIVATION] = "activation_function"},
    .fallback = {.positions = 2048, .tied = true, .activation = PARE_ACTIVATION_RELU},
    .fixed_eps = 1e-5,
    .architecture = {.roles = PARE_ROLES_UNGATED | PARE_ROLES_NORM_BIASES,
                     .ends = PARE_ENDS_LLAMA | PARE_ENDS_FINAL_BIAS | PARE_ENDS_POSITIONS,
                     .slots = PARE_NORMS_BEFORE,
                     .norm = PARE_NORM_LAYER,
                     .ungated = true,
                     .positions = PARE_POSITIONS_LEARNED,
                     .position_offset = 2},
    .options = {{"enable_bias", PARE_OPTION_ROLES, .fallback = 1,
                 .roles = PARE_ROLES_QKVO_BIAS | PARE_ROLES_UP_DOWN_BIAS}},
    .read = read_layout,
    .write_sizes = write_width,
    .heads = PARE_HEADS_TIED,
};
