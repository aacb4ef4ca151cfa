#include "model/config_rope.h"
#include "model/family.h"
#include "support/json.h"
#include "support/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POSITION_LIMIT = 1 << 30 };

static const double THETA_LIMIT = 1e15, FACTOR_LIMIT = 1e6, USUAL_THETA = 10000;
static const char original_key[] = "original_max_position_embeddings", rotated_key[] = "partial_rotary_factor";
static const char full_key[] = "full_attention", windowed_key[] = "sliding_attention";

static const char *const names[] = {
    [PARE_ROPE_PLAIN] = "default", [PARE_ROPE_LINEAR] = "linear", [PARE_ROPE_DYNAMIC] = "dynamic",
    [PARE_ROPE_LLAMA3] = "llama3", [PARE_ROPE_YARN] = "yarn",     [PARE_ROPE_LONGROPE] = "longrope"};

const char *pare_rope_name(pare_rope_kind kind) {
    return names[kind];
}

/* "su" is an older name of longrope, and a Phi-3's "yarn" is one, too, if it has a longrope's factors. */
static bool find_kind(const char *name, bool factors, pare_rope_kind *kind) {
    if (strcmp(name, "su") == 0 || (factors && strcmp(name, "yarn") == 0)) name = names[PARE_ROPE_LONGROPE];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0) {
            *kind = (pare_rope_kind)i;
            return true;
        }
    return false;
}

/* Of the file itself before that of the object. */
static pare_status read_original(pare_fields file, pare_fields scaling, const pare_config *config,
                                 pare_rope_config *rope) {
    pare_fields where = pare_field(file, original_key) ? file : scaling;
    return pare_field_positive(where, original_key, POSITION_LIMIT, config->stated_positions,
                               &rope->original_positions);
}

static pare_status read_llama3(pare_fields scaling, pare_rope_config *rope) {
    PARE_TRY(pare_field_positive(scaling, "low_freq_factor", FACTOR_LIMIT, -1, &rope->low_frequency_factor));
    PARE_TRY(pare_field_positive(scaling, "high_freq_factor", FACTOR_LIMIT, -1, &rope->high_frequency_factor));
    if (rope->high_frequency_factor > rope->low_frequency_factor) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, scaling, "high_freq_factor", "it must be above low_freq_factor");
}

/* Temperature of YaRN (Peng et al. 2023, eq. 22). */
static double yarn_scale(double factor, double multiplier) {
    return factor <= 1 ? 1 : 0.1 * multiplier * log(factor) + 1;
}

static pare_status read_yarn(pare_fields scaling, pare_rope_config *rope) {
    double scale, all;
    PARE_TRY(pare_field_positive(scaling, "beta_fast", FACTOR_LIMIT, 32, &rope->beta_fast));
    PARE_TRY(pare_field_positive(scaling, "beta_slow", FACTOR_LIMIT, 1, &rope->beta_slow));
    PARE_TRY(pare_field_flag_or(scaling, "truncate", true, &rope->truncate));
    PARE_TRY(pare_field_positive(scaling, "mscale", FACTOR_LIMIT, 0, &scale));
    PARE_TRY(pare_field_positive(scaling, "mscale_all_dim", FACTOR_LIMIT, 0, &all));
    double usual = scale > 0 && all > 0 ? yarn_scale(rope->factor, scale) / yarn_scale(rope->factor, all)
                                        : yarn_scale(rope->factor, 1);
    return pare_field_positive(scaling, "attention_factor", FACTOR_LIMIT, usual, &rope->attention_factor);
}

static pare_status read_factors(pare_fields scaling, const char *key, uint32_t count, double *out) {
    const json_t *list = pare_field(scaling, key);
    bool good = json_is_array(list) && json_array_size(list) == count;
    for (uint32_t i = 0; good && i < count; i++) {
        out[i] = json_number_value(json_array_get(list, i));
        good = out[i] > 0 && out[i] <= FACTOR_LIMIT;
    }
    if (good) return PARE_OK;
    char expected[96];
    snprintf(expected, sizeof expected, "it must be a list of %u numbers above 0, one for each pair that is turned",
             count);
    return pare_field_refuse(PARE_FORMAT_ERROR, scaling, key, expected);
}

static pare_status read_longrope(pare_fields scaling, const pare_config *config, pare_rope_config *rope) {
    uint32_t half = rope->rotated / 2;
    double ratio;
    PARE_TRY(pare_field_positive(scaling, "factor", FACTOR_LIMIT, config->stated_positions / rope->original_positions,
                                 &ratio));
    double usual = pare_longrope_attention(ratio, rope->original_positions);
    PARE_TRY(pare_alloc(&rope->factors, (size_t)half * 2, sizeof *rope->factors, "rotary factors"));
    PARE_TRY(read_factors(scaling, "short_factor", half, rope->factors));
    PARE_TRY(read_factors(scaling, "long_factor", half, rope->factors + half));
    return pare_field_positive(scaling, "attention_factor", FACTOR_LIMIT, usual, &rope->attention_factor);
}

/* A family that turns whole heads ignores what the file says of parts, except in the kinds that work out frequencies of
 * their own. */
static pare_status refuse_part(pare_fields fields, bool ignored) {
    double rotated;
    PARE_TRY(pare_field_positive(fields, rotated_key, 1, 1, &rotated));
    if (ignored || rotated >= 1) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, rotated_key, "this family turns whole heads");
}

static pare_status read_part(pare_fields file, pare_fields scaling, const pare_config *config, pare_rope_config *rope) {
    const pare_rope_rule *rule = &config->family->rope;
    uint32_t head = config->head_size;
    rope->share = 1;
    rope->rotated = head;
    if (rule->share <= 0) {
        PARE_TRY(refuse_part(file, rope->kind == PARE_ROPE_PLAIN));
        return refuse_part(scaling, rope->kind == PARE_ROPE_PLAIN);
    }
    if (rule->dimensions_key) {
        uint32_t usual = config->latent.keys ? config->latent.rotated : head;
        PARE_TRY(pare_field_whole(file, rule->dimensions_key, 2, head, usual, &rope->rotated));
    } else {
        double share = rule->share;
        const char *key = rule->share_key ? rule->share_key : rotated_key;
        PARE_TRY(pare_field_positive(file, key, 1, share, &share));
        PARE_TRY(pare_field_positive(scaling, rotated_key, 1, share, &rope->share));
        rope->rotated = (uint32_t)(head * rope->share);
    }
    if (rope->rotated >= 2 && rope->rotated % 2 == 0) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: %u of each head's %u dimensions would be turned; it must be an even number", file.path,
                     rope->rotated, head);
}

static pare_status read_kind(pare_fields file, pare_fields scaling, const pare_config *config, pare_rope_config *rope) {
    const char *key = pare_field(scaling, "rope_type") ? "rope_type" : "type", *name;
    PARE_TRY(pare_field_text(scaling, key, &name));
    if (name && strcmp(name, "none") != 0 && !find_kind(name, pare_field(scaling, "short_factor"), &rope->kind))
        return pare_field_refuse(PARE_UNSUPPORTED, scaling, key,
                                 "pare knows the RoPE kinds default, linear, dynamic, llama3, yarn and longrope");
    PARE_TRY(read_part(file, scaling, config, rope));
    if (rope->kind == PARE_ROPE_PLAIN) return PARE_OK;
    if (rope->kind != PARE_ROPE_LONGROPE)
        PARE_TRY(pare_field_positive(scaling, "factor", FACTOR_LIMIT, -1, &rope->factor));
    if (rope->kind == PARE_ROPE_LINEAR || rope->kind == PARE_ROPE_DYNAMIC) return PARE_OK;
    PARE_TRY(read_original(file, scaling, config, rope));
    if (rope->kind == PARE_ROPE_LLAMA3) return read_llama3(scaling, rope);
    return rope->kind == PARE_ROPE_YARN ? read_yarn(scaling, rope) : read_longrope(scaling, config, rope);
}

/* *object: NULL if absent or empty. */
static pare_status find_object(pare_fields fields, const char *key, const json_t **object) {
    *object = pare_field(fields, key);
    if (*object && !json_is_object(*object))
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, key, "it must be an object");
    if (!json_object_size(*object)) *object = NULL;
    return PARE_OK;
}

/* rope_scaling holds; what rope_parameters says beside it may not be something else. share: the family's part of a head
 * that is turned; 0: whole heads. */
static pare_status check_both(pare_fields fields, const json_t *parameters, const json_t *scaling, double theta,
                              double share) {
    pare_fields beside = {.path = fields.path, .object = parameters}, first = {.path = fields.path, .object = scaling};
    double other, here, there, usual = share > 0 ? share : 1;
    if (share > 0) PARE_TRY(pare_field_positive(fields, rotated_key, 1, usual, &usual));
    PARE_TRY(pare_field_positive(beside, "rope_theta", THETA_LIMIT, theta, &other));
    PARE_TRY(pare_field_positive(beside, rotated_key, 1, usual, &there));
    PARE_TRY(pare_field_positive(first, rotated_key, 1, usual, &here));
    if (other != theta)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s has rope_scaling and rope_parameters, and they contradict each other: by the first one "
                         "theta is %g, by the second %g; remove the wrong one",
                         fields.path, theta, other);
    if (here == there) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s has rope_scaling and rope_parameters, and they contradict each other: by the first one %g of "
                     "each head is rotated, by the second %g; remove the wrong one",
                     fields.path, here, there);
}

static pare_status read_theta(pare_fields fields, const pare_rope_rule *rule, double *theta) {
    *theta = rule->theta > 0 ? rule->theta : USUAL_THETA;
    return pare_field_positive(fields, rule->theta_key ? rule->theta_key : "rope_theta", THETA_LIMIT, *theta, theta);
}

/* One of several settings in rope_parameters, each under the name of the kind of layers that it is for. */
static pare_status read_typed(pare_fields fields, const json_t *parameters, const char *type, pare_config *config,
                              pare_rope_config *rope) {
    pare_fields all = {.path = fields.path, .object = parameters};
    const json_t *own;
    PARE_TRY(find_object(all, type, &own));
    pare_fields holds = {.path = fields.path, .object = own};
    PARE_TRY(pare_field_positive(holds, "rope_theta", THETA_LIMIT, rope->theta, &rope->theta));
    return read_kind(fields, holds, config, rope);
}

/* What rope_scaling says beside them is of the layers that see all tokens, and holds there, as in transformers. */
static pare_status read_typed_both(pare_fields fields, const json_t *parameters, const json_t *scaling,
                                   pare_config *config) {
    json_t *merged = json_object(), *full = json_object();
    const json_t *own = json_object_get(parameters, full_key);
    if (json_is_object(own)) pare_json_update(full, own);
    pare_json_update(full, scaling);
    pare_json_update(merged, parameters);
    if (scaling) pare_json_put(merged, full_key, pare_json_same(full));
    json_decref(full);
    pare_status status = pare_json_check(merged, "the merged settings of RoPE");
    if (status == PARE_OK) status = read_typed(fields, merged, full_key, config, &config->rope[0]);
    if (status == PARE_OK) status = read_typed(fields, merged, windowed_key, config, &config->rope[1]);
    json_decref(merged);
    return status;
}

/* Layers with a window, where the file has one setting for all: plain ones of their own theta, or, in most families, as
 * all others. */
static pare_status derive_windowed(bool own, pare_config *config) {
    pare_rope_config *windowed = &config->rope[1];
    size_t count = config->rope[0].rotated;
    double theta = windowed->theta;
    *windowed = config->rope[0];
    windowed->factors = NULL;
    if (own) {
        windowed->kind = PARE_ROPE_PLAIN;
        windowed->attention_factor = 1;
        windowed->theta = theta;
        return PARE_OK;
    }
    if (!config->rope[0].factors) return PARE_OK;
    PARE_TRY(pare_alloc(&windowed->factors, count, sizeof *windowed->factors, "rotary factors"));
    memcpy(windowed->factors, config->rope[0].factors, count * sizeof *windowed->factors);
    return PARE_OK;
}

static bool is_typed(const json_t *parameters) {
    return json_is_object(json_object_get(parameters, full_key)) ||
           json_is_object(json_object_get(parameters, windowed_key));
}

pare_status pare_config_read_rope(pare_fields fields, pare_config *config) {
    const pare_rope_rule *rule = &config->family->rope;
    const json_t *parameters, *scaling;
    pare_rope_config *rope = config->rope;
    for (int i = 0; i < PARE_ROPES; i++) {
        rope[i] = (pare_rope_config){.kind = PARE_ROPE_PLAIN, .share = 1, .attention_factor = 1};
        rope[i].rotated = config->head_size;
        PARE_TRY(read_theta(fields, rule, &rope[i].theta));
    }
    if (config->architecture.positions != PARE_POSITIONS_ROTARY) return PARE_OK;
    bool own = rule->window_theta_key || rule->window_plain;
    if (rule->window_plain) rope[1].theta = rule->theta;
    if (rule->window_theta_key)
        PARE_TRY(pare_field_positive(fields, rule->window_theta_key, THETA_LIMIT, rule->window_theta, &rope[1].theta));
    PARE_TRY(find_object(fields, "rope_parameters", &parameters));
    PARE_TRY(find_object(fields, "rope_scaling", &scaling));
    if (is_typed(parameters)) {
        if (!own)
            return pare_field_refuse(PARE_UNSUPPORTED, fields, "rope_parameters",
                                     "this family has one setting of RoPE for all layers");
        return read_typed_both(fields, parameters, scaling, config);
    }
    if (parameters && own)
        return pare_field_refuse(
            PARE_UNSUPPORTED, fields, "rope_parameters",
            "in this family it has full_attention and sliding_attention with settings of their own");
    pare_fields holds = {.path = fields.path, .object = scaling ? scaling : parameters};
    PARE_TRY(pare_field_positive(holds, "rope_theta", THETA_LIMIT, rope->theta, &rope->theta));
    if (parameters && scaling) PARE_TRY(check_both(fields, parameters, scaling, rope->theta, rule->share));
    PARE_TRY(read_kind(fields, holds, config, rope));
    return derive_windowed(own, config);
}

/* A whole number is written as one where transformers wants one. */
static json_t *number(double value) {
    return value == (double)(int64_t)value ? json_integer((json_int_t)value) : pare_json_real(value);
}

json_t *pare_config_rope_scaling(const pare_rope_config *rope) {
    json_t *json = pare_json_of({"rope_type", pare_json_string(names[rope->kind])});
    if (rope->kind != PARE_ROPE_PLAIN) pare_json_put(json, "factor", pare_json_real(rope->factor));
    if (rope->kind != PARE_ROPE_LLAMA3) return json;
    pare_json_put(json, "low_freq_factor", pare_json_real(rope->low_frequency_factor));
    pare_json_put(json, "high_freq_factor", pare_json_real(rope->high_frequency_factor));
    pare_json_put(json, "original_max_position_embeddings", number(rope->original_positions));
    return json;
}

/* The file's own rope_scaling, which may spell its kind as older engines want it; what is missing in it is said. */
static json_t *older_json(const pare_rope_config *rope, const json_t *config) {
    static const char original[] = "original_max_position_embeddings";
    json_t *own = json_object_get(config, "rope_scaling");
    if (rope->kind == PARE_ROPE_PLAIN) return json_null();
    if (!json_object_size(own)) return pare_config_rope_scaling(rope);
    json_t *json = json_copy(own);
    json_object_del(json, "partial_rotary_factor");
    if (rope->kind == PARE_ROPE_LLAMA3) pare_json_put(json, original, number(rope->original_positions));
    return json;
}

void pare_config_write_rope(const pare_rope_config *rope, json_t *config) {
    json_t *parameters = pare_config_rope_scaling(rope);
    pare_json_put(parameters, "rope_theta", pare_json_real(rope->theta));
    pare_json_put(config, "rope_parameters", parameters);
    pare_json_put(config, "rope_theta", pare_json_real(rope->theta));
    pare_json_put(config, "rope_scaling", older_json(rope, config));
    json_object_del(config, "partial_rotary_factor");
    json_object_del(config, "original_max_position_embeddings");
}

/* What a yarn or a longrope says of itself: as the file has it, and what its attention is scaled by where versions
 * differ in that. */
static json_t *own_scaling(const pare_config *config, const pare_rope_config *rope) {
    const json_t *scaling = json_object_get(config->text, "rope_scaling");
    if (!json_object_size(scaling)) scaling = json_object_get(config->text, "rope_parameters");
    const json_t *typed = json_object_get(scaling, rope == config->rope ? "full_attention" : "sliding_attention");
    json_t *own = json_deep_copy(typed ? typed : scaling);
    json_object_del(own, "rope_theta");
    json_object_del(own, "type");
    pare_json_put(own, "rope_type", pare_json_string(names[rope->kind]));
    if (rope->kind != PARE_ROPE_LONGROPE) return own;
    /* transformers 4 takes it from these positions, whatever the factor is. */
    double usual =
        pare_longrope_attention(config->stated_positions / rope->original_positions, rope->original_positions);
    if (fabs(rope->attention_factor - usual) > 1e-12)
        pare_json_put(own, "attention_factor", pare_json_real(rope->attention_factor));
    return own;
}

static json_t *parameters_json(const pare_config *config, const pare_rope_config *rope) {
    bool own = rope->kind == PARE_ROPE_YARN || rope->kind == PARE_ROPE_LONGROPE;
    json_t *json = own ? own_scaling(config, rope) : pare_config_rope_scaling(rope);
    pare_json_put(json, "rope_theta", pare_json_real(rope->theta));
    if (config->family->rope.share > 0 && !config->family->rope.dimensions_key)
        pare_json_put(json, rotated_key, pare_json_real(rope->share));
    return json;
}

/* What transformers 4 reads. */
static void put_older(const pare_config *config, json_t *json) {
    const pare_rope_rule *rule = &config->family->rope;
    const pare_rope_config *rope = &config->rope[0];
    json_t *scaling = parameters_json(config, rope);
    json_object_del(scaling, "rope_theta");
    json_object_del(scaling, rotated_key);
    if (rope->kind == PARE_ROPE_LONGROPE) {
        pare_json_put(json, original_key, json_integer((json_int_t)rope->original_positions));
        json_object_del(scaling, original_key);
        pare_json_put(scaling, "type", pare_json_string(names[rope->kind]));
        json_object_del(scaling, "rope_type");
    }
    if (rope->kind == PARE_ROPE_PLAIN) {
        json_decref(scaling);
        scaling = json_null();
    }
    pare_json_put(json, "rope_scaling", scaling);
    pare_json_put(json, rule->theta_key ? rule->theta_key : "rope_theta", pare_json_real(rope->theta));
    if (rule->share > 0)
        pare_json_put(json, rule->share_key ? rule->share_key : rotated_key, pare_json_real(rope->share));
    if (rule->window_theta_key) pare_json_put(json, rule->window_theta_key, pare_json_real(config->rope[1].theta));
}

static bool is_typed_family(const pare_config *config) {
    return config->family->rope.window_theta_key || config->family->rope.window_plain ||
           is_typed(json_object_get(config->text, "rope_parameters"));
}

/* A yarn that is the class's own default: the file says nothing, and need not. */
static bool is_unsaid(const pare_config *config) {
    bool said = json_object_size(json_object_get(config->text, "rope_scaling")) ||
                json_object_size(json_object_get(config->text, "rope_parameters"));
    return config->rope[0].kind == PARE_ROPE_YARN && !said;
}

void pare_config_write_ropes(const pare_config *config, json_t *json) {
    const pare_rope_rule *rule = &config->family->rope;
    bool usual = config->rope[0].kind <= PARE_ROPE_LLAMA3 && rule->share <= 0 && !is_typed_family(config);
    if (config->architecture.positions != PARE_POSITIONS_ROTARY || rule->dimensions_key) return;
    if (is_unsaid(config)) return;
    if (usual) {
        pare_config_write_rope(&config->rope[0], json);
        return;
    }
    json_t *parameters = parameters_json(config, &config->rope[0]);
    if (is_typed_family(config)) {
        json_t *typed = json_object();
        pare_json_put(typed, "full_attention", parameters);
        pare_json_put(typed, "sliding_attention", parameters_json(config, &config->rope[1]));
        parameters = typed;
    }
    put_older(config, json);
    pare_json_put(json, "rope_parameters", parameters);
}
