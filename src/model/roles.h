/* The tensors of a model by the role they play. A role is a row of one table (roles.c), and what is true of some roles
 * only is a field of it: nothing compares roles by their order. */
#ifndef PARE_MODEL_ROLES_H
#define PARE_MODEL_ROLES_H

#include <stdbool.h>
#include <stdint.h>

/* Roles inside a layer: matrices in the order of the forward pass, the norms that every LLaMA has, and what only some
 * families have. */
typedef enum pare_role {
    PARE_ROLE_Q,
    PARE_ROLE_K,
    PARE_ROLE_V,
    PARE_ROLE_O,
    PARE_ROLE_GATE,
    PARE_ROLE_UP,
    PARE_ROLE_DOWN,
    PARE_MATRIX_ROLES,
    PARE_ROLE_INPUT_NORM = PARE_MATRIX_ROLES, /* before attention */
    PARE_ROLE_POST_NORM,                      /* before the FFN */
    PARE_LAYER_ROLES,
    PARE_ROLE_ATTENTION_OUT_NORM = PARE_LAYER_ROLES, /* of what attention adds to the residual stream */
    PARE_ROLE_FFN_OUT_NORM,                          /* of what the FFN adds */
    PARE_ROLE_Q_NORM,
    PARE_ROLE_K_NORM,
    PARE_ROLE_Q_BIAS,
    PARE_ROLE_K_BIAS,
    PARE_ROLE_V_BIAS,
    PARE_ROLE_O_BIAS,
    PARE_ROLE_GATE_BIAS,
    PARE_ROLE_UP_BIAS,
    PARE_ROLE_DOWN_BIAS,
    PARE_ROLE_INPUT_NORM_BIAS,
    PARE_ROLE_POST_NORM_BIAS,
    PARE_ROLE_ATTENTION_OUT_NORM_BIAS,
    PARE_ROLE_FFN_OUT_NORM_BIAS,
    PARE_ROLE_Q_NORM_BIAS,
    PARE_ROLE_K_NORM_BIAS,
    PARE_ROLE_SINKS, /* of attention: a score for each query head (backend.h) */
    PARE_ALL_ROLES
} pare_role;

/* The last roles have ids behind all others, which so do not depend on them: noise is drawn by id. Sinks come last. */
enum {
    PARE_LATE_ROLES = PARE_ROLE_SINKS - PARE_ROLE_Q_NORM_BIAS,
    PARE_EXTRA_ROLES = PARE_ROLE_Q_NORM_BIAS - PARE_LAYER_ROLES
};

/* Tensors outside the layers. */
typedef enum pare_end {
    PARE_END_EMBEDDING,
    PARE_END_FINAL_NORM,
    PARE_END_HEAD,
    PARE_END_POSITIONS, /* learned */
    PARE_END_EMBEDDING_NORM,
    PARE_END_EMBEDDING_NORM_BIAS,
    PARE_END_PROJECT_IN, /* of pictures: the convolution of their patches */
    PARE_END_PROJECT_OUT,
    PARE_END_FINAL_NORM_BIAS,
    PARE_END_HEAD_BIAS,
    PARE_END_PROJECT_IN_BIAS,
    PARE_END_CLASS_TOKEN,        /* in front of a picture's patches; the head reads it */
    PARE_END_DISTILLATION_TOKEN, /* behind that one */
    PARE_ENDS
} pare_end;

typedef enum pare_part { PARE_PART_ATTENTION, PARE_PART_FFN } pare_part;

/* The four distinct inputs of a block's linear layers. */
typedef enum pare_input_kind {
    PARE_INPUT_QKV,     /* normed hidden state, width d */
    PARE_INPUT_O,       /* attention's output, heads side by side, width H h */
    PARE_INPUT_GATE_UP, /* normed hidden state, width d */
    PARE_INPUT_DOWN,    /* activations, width F */
    PARE_INPUT_KINDS
} pare_input_kind;

/* What an axis of a tensor runs over. */
typedef enum pare_span {
    PARE_SPAN_ONE,          /* nothing: the only row of a vector */
    PARE_SPAN_HIDDEN,       /* channels of the hidden state */
    PARE_SPAN_HEADS,        /* query heads, head_dim each */
    PARE_SPAN_KV_HEADS,     /* key/value heads, head_dim each */
    PARE_SPAN_FFN,          /* FFN channels */
    PARE_SPAN_HEAD,         /* dimensions of one head */
    PARE_SPAN_HEAD_COUNT,   /* query heads, one number each */
    PARE_SPAN_QUERY_LATENT, /* of the latents (config.h) */
    PARE_SPAN_KEY_LATENT
} pare_span;

typedef struct pare_role_row {
    const char *name; /* as in LLaMA's tensors, behind the layer: "self_attn.q_proj" */
    pare_part part;
    pare_span rows, columns; /* a vector has one row */
    pare_input_kind reads;   /* matrices only */
    pare_role bias;          /* of its outputs (matrices) or beside its weight (norms); PARE_ALL_ROLES: none */
    pare_role of;            /* biases: what they belong to; itself for all others */
} pare_role_row;

extern const pare_role_row pare_roles[PARE_ALL_ROLES];

static inline bool pare_role_is_matrix(pare_role role) {
    return role < PARE_MATRIX_ROLES;
}

static inline bool pare_role_is_bias(pare_role role) {
    return pare_roles[role].of != role;
}

/* The weight of a norm. */
static inline bool pare_role_is_norm(pare_role role) {
    return !pare_role_is_matrix(role) && !pare_role_is_bias(role) && pare_roles[role].columns != PARE_SPAN_HEAD_COUNT;
}

/* Behind a role's name in files. */
static inline const char *pare_role_suffix(pare_role role) {
    if (pare_roles[role].columns == PARE_SPAN_HEAD_COUNT) return "";
    return pare_role_is_bias(role) ? ".bias" : ".weight";
}

/* Of the matrices of attention, or of the FFN. */
static inline bool pare_role_in(pare_role role, pare_part part) {
    return pare_roles[role].part == part;
}

/* Biases of Q, K, V, gate and up: their elements go with the units that they belong to. */
static inline bool pare_role_bears_units(pare_role role) {
    return pare_role_is_bias(role) && pare_roles[role].of < PARE_MATRIX_ROLES &&
           pare_roles[role].columns != PARE_SPAN_HIDDEN;
}

/* O and Down: what they make is added to the residual stream. */
static inline bool pare_role_writes(pare_role role) {
    return pare_role_is_matrix(role) && pare_roles[role].rows == PARE_SPAN_HIDDEN;
}

static inline uint32_t pare_role_bit(pare_role role) {
    return UINT32_C(1) << role;
}

static inline uint32_t pare_end_bit(pare_end end) {
    return UINT32_C(1) << end;
}

#endif
