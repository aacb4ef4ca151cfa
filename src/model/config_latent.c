#include "model/config_latent.h"
#include "model/family.h"

#include <math.h>

enum { RANK_LIMIT = 1 << 20, SIZE_LIMIT = 1024 };

static pare_status read_sizes(pare_fields fields, const pare_latent *usual, pare_latent *l) {
    bool straight = json_object_get(fields.object, "q_lora_rank") && !pare_field(fields, "q_lora_rank");
    PARE_TRY(pare_field_whole(fields, "q_lora_rank", 1, RANK_LIMIT, straight ? 0 : usual->queries, &l->queries));
    PARE_TRY(pare_field_whole(fields, "kv_lora_rank", 1, RANK_LIMIT, usual->keys, &l->keys));
    PARE_TRY(pare_field_whole(fields, "qk_rope_head_dim", 2, SIZE_LIMIT / 2, usual->rotated, &l->rotated));
    PARE_TRY(pare_field_whole(fields, "qk_nope_head_dim", 1, SIZE_LIMIT / 2, usual->plain, &l->plain));
    return pare_field_whole(fields, "v_head_dim", 1, SIZE_LIMIT, usual->value, &l->value);
}

pare_status pare_config_read_latent(pare_fields fields, pare_config *config) {
    pare_latent *l = &config->latent;
    uint32_t heads, kv_heads;
    if (!config->family->latent.usual.keys) return PARE_OK;
    PARE_TRY(read_sizes(fields, &config->family->latent.usual, l));
    config->head_size = l->rotated + l->plain;
    if (l->rotated % 2)
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, "qk_rope_head_dim", "it must be even to be turned");
    if (l->value > config->head_size)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "v_head_dim",
                                 "pare knows values that are no wider than keys (qk_nope_head_dim + qk_rope_head_dim)");
    if (!l->queries) config->architecture.roles &= ~pare_role_bit(PARE_ROLE_Q_NORM);
    PARE_TRY(pare_field_whole(fields, "num_attention_heads", 1, RANK_LIMIT, -1, &heads));
    PARE_TRY(pare_field_whole(fields, "num_key_value_heads", 1, RANK_LIMIT, heads, &kv_heads));
    if (kv_heads == heads) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, "num_key_value_heads",
                             "every head has keys of its own here; it must be num_attention_heads");
}

/* transformers' yarn_apply_mscale. */
pare_status pare_config_read_latent_scale(pare_fields fields, pare_config *config) {
    const json_t *scaling = pare_field(fields, "rope_scaling");
    const pare_fields rope = {.path = fields.path,
                              .object = json_object_size(scaling) ? scaling : pare_field(fields, "rope_parameters")};
    double all, scale = 1.0;
    if (!config->latent.keys) return PARE_OK;
    config->architecture.attention_scale = 1.0 / sqrt((double)config->head_size);
    if (config->rope[0].kind == PARE_ROPE_PLAIN || !pare_field(rope, "mscale_all_dim")) return PARE_OK;
    if (fpclassify(json_number_value(pare_field(rope, "mscale_all_dim"))) == FP_ZERO) return PARE_OK;
    PARE_TRY(pare_field_positive(rope, "mscale_all_dim", 1e6, 0, &all));
    if (config->rope[0].factor > 1.0) scale = 0.1 * all * log(config->rope[0].factor) + 1.0;
    config->architecture.attention_scale *= scale * scale;
    return PARE_OK;
}

bool pare_config_latent_shape(const pare_config *config, const pare_widths *widths, pare_role role, int64_t *rows,
                              int64_t *columns) {
    const pare_latent *l = &config->latent;
    int64_t heads = widths->heads;
    if (!l->keys) return false;
    switch (role) {
    case PARE_ROLE_Q:
        *rows = heads * config->head_size;
        *columns = l->queries ? l->queries : config->hidden;
        return true;
    case PARE_ROLE_K:
        *rows = l->keys + l->rotated;
        *columns = config->hidden;
        return true;
    case PARE_ROLE_V:
        *rows = heads * (l->plain + l->value);
        *columns = l->keys;
        return true;
    case PARE_ROLE_O:
        *rows = config->hidden;
        *columns = heads * l->value;
        return true;
    default:
        return false;
    }
}

bool pare_reads_latent(const pare_config *config, pare_role role) {
    return (role == PARE_ROLE_Q && config->latent.queries) || (role == PARE_ROLE_V && config->latent.keys);
}
