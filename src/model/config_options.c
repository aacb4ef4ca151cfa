#include "model/config_options.h"
#include "model/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double NUMBER_LIMIT = 1e9;

/* The first spelling of each is the one that is written. */
static const struct {
    const char *name;
    pare_activation activation;
} activations[] = {
    {"silu", PARE_ACTIVATION_SILU},
    {"swish", PARE_ACTIVATION_SILU},
    {"gelu", PARE_ACTIVATION_GELU},
    {"gelu_python", PARE_ACTIVATION_GELU},
    {"gelu_pytorch_tanh", PARE_ACTIVATION_GELU_TANH},
    {"gelu_new", PARE_ACTIVATION_GELU_TANH},
    {"gelu_fast", PARE_ACTIVATION_GELU_TANH},
    {"gelu_accurate", PARE_ACTIVATION_GELU_TANH},
    {"relu", PARE_ACTIVATION_RELU},
    {"relu2", PARE_ACTIVATION_RELU2},
};

enum { ACTIVATIONS = sizeof activations / sizeof *activations };

const char *pare_activation_name(pare_activation activation) {
    size_t i = 0;
    if (activation == PARE_ACTIVATION_CLAMPED) return "clamped swish"; /* a class's own, that no file names */
    while (activations[i].activation != activation)
        i++;
    return activations[i].name;
}

bool pare_activation_find(const char *name, pare_activation *out) {
    size_t i = 0;
    while (i < ACTIVATIONS && strcmp(activations[i].name, name) != 0)
        i++;
    if (i < ACTIVATIONS) *out = activations[i].activation;
    return i < ACTIVATIONS;
}

static pare_status read_activation(pare_fields fields, pare_config *config) {
    const pare_family *family = config->family;
    const char *key = pare_family_key(family, PARE_CONFIG_KEY_ACTIVATION), *name;
    config->architecture.activation = family->fallback.activation;
    if (family->fixed_activation) return PARE_OK;
    PARE_TRY(pare_field_text(fields, key, &name));
    if (!name) return PARE_OK;
    if (pare_activation_find(name, &config->architecture.activation)) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, key,
                             "pare knows silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu and relu2");
}

/* "object.key": *fields become the object's, and *key the key in them. An absent object has no keys. */
static pare_status enter(pare_fields *fields, const char **key) {
    const char *dot = strchr(*key, '.');
    char name[64];
    if (!dot) return PARE_OK;
    snprintf(name, sizeof name, "%.*s", (int)(dot - *key), *key);
    const json_t *object = pare_field(*fields, name);
    if (object && !json_is_object(object))
        return pare_field_refuse(PARE_FORMAT_ERROR, *fields, name, "it must be an object");
    fields->object = object;
    *key = dot + 1;
    return PARE_OK;
}

static pare_status read_number(pare_fields fields, const char *key, double fallback, double *number) {
    if (!pare_field(fields, key)) {
        *number = fallback;
        return PARE_OK;
    }
    return pare_field_positive(fields, key, NUMBER_LIMIT, fallback, number);
}

static pare_status refuse_set(pare_fields fields, const char *key) {
    const json_t *value = pare_field(fields, key);
    if (!value || json_is_false(value)) return PARE_OK;
    if (json_is_number(value) && fpclassify(json_number_value(value)) == FP_ZERO) return PARE_OK;
    return pare_field_refuse(PARE_UNSUPPORTED, fields, key, "pare knows models of this family without it only");
}

static pare_status read_option(pare_fields fields, const pare_option *option, pare_architecture *a) {
    const char *key = option->key;
    void *field = (char *)a + option->field;
    bool flag, set = option->fallback > 0;
    double number;
    PARE_TRY(enter(&fields, &key));
    switch (option->kind) {
    case PARE_OPTION_ROLES:
    case PARE_OPTION_NORMED:
    case PARE_OPTION_FLAG:
    case PARE_OPTION_NOT:
    case PARE_OPTION_ALIBI:
        PARE_TRY(pare_field_flag_or(fields, key, set, &flag));
        if (option->kind == PARE_OPTION_ROLES || option->kind == PARE_OPTION_NORMED)
            a->roles |= flag ? option->roles : 0;
        else if (option->kind == PARE_OPTION_ALIBI)
            a->positions = flag ? PARE_POSITIONS_ALIBI : a->positions;
        else
            *(bool *)field = flag == (option->kind == PARE_OPTION_FLAG);
        return PARE_OK;
    case PARE_OPTION_NUMBER:
    case PARE_OPTION_INVERSE:
    case PARE_OPTION_ROOT:
        /* A switch that is null is off, whatever holds where it is absent. */
        set = option->kind != PARE_OPTION_NUMBER || !json_is_null(json_object_get(fields.object, key));
        PARE_TRY(read_number(fields, key, set ? option->fallback : 0, &number));
        if (option->kind == PARE_OPTION_INVERSE) number = 1 / number;
        if (option->kind == PARE_OPTION_ROOT) number = 1 / sqrt(number);
        *(double *)field = number;
        return PARE_OK;
    case PARE_OPTION_REFUSED:
        return refuse_set(fields, key);
    }
    return PARE_OK;
}

pare_status pare_config_read_options(pare_fields fields, pare_config *config) {
    PARE_TRY(read_activation(fields, config));
    for (int i = 0; i < PARE_OPTIONS && config->family->options[i].key; i++)
        PARE_TRY(read_option(fields, &config->family->options[i], &config->architecture));
    if (pare_has_role(&config->architecture, PARE_ROLE_Q_NORM)) return PARE_OK;
    config->architecture.head_norm = PARE_HEAD_NORM_NONE;
    config->architecture.head_norm_own = false;
    return PARE_OK;
}
