#include "model/roles.h"

#define MATRIX(role, path, side, over, under, input)                                                                   \
    [PARE_ROLE_##role] = {path,                                                                                        \
                          PARE_PART_##side,                                                                            \
                          PARE_SPAN_##over,                                                                            \
                          PARE_SPAN_##under,                                                                           \
                          PARE_INPUT_##input,                                                                          \
                          PARE_ROLE_##role##_BIAS,                                                                     \
                          PARE_ROLE_##role}
#define BIAS(role, side, over)                                                                                         \
    [PARE_ROLE_##role##_BIAS] = {NULL,           PARE_PART_##side, PARE_SPAN_ONE, PARE_SPAN_##over, PARE_INPUT_KINDS,  \
                                 PARE_ALL_ROLES, PARE_ROLE_##role}
#define NORM(role, path, side)                                                                                         \
    [PARE_ROLE_##role] = {path,                                                                                        \
                          PARE_PART_##side,                                                                            \
                          PARE_SPAN_ONE,                                                                               \
                          PARE_SPAN_HIDDEN,                                                                            \
                          PARE_INPUT_KINDS,                                                                            \
                          PARE_ROLE_##role##_BIAS,                                                                     \
                          PARE_ROLE_##role}
#define HEAD_NORM(role, path)                                                                                          \
    [PARE_ROLE_##role] = {path,                                                                                        \
                          PARE_PART_ATTENTION,                                                                         \
                          PARE_SPAN_ONE,                                                                               \
                          PARE_SPAN_HEAD,                                                                              \
                          PARE_INPUT_KINDS,                                                                            \
                          PARE_ROLE_##role##_BIAS,                                                                     \
                          PARE_ROLE_##role}

#include <stddef.h>

const pare_role_row pare_roles[PARE_ALL_ROLES] = {
    MATRIX(Q, "self_attn.q_proj", ATTENTION, HEADS, HIDDEN, QKV),
    MATRIX(K, "self_attn.k_proj", ATTENTION, KV_HEADS, HIDDEN, QKV),
    MATRIX(V, "self_attn.v_proj", ATTENTION, KV_HEADS, HIDDEN, QKV),
    MATRIX(O, "self_attn.o_proj", ATTENTION, HIDDEN, HEADS, O),
    MATRIX(GATE, "mlp.gate_proj", FFN, FFN, HIDDEN, GATE_UP),
    MATRIX(UP, "mlp.up_proj", FFN, FFN, HIDDEN, GATE_UP),
    MATRIX(DOWN, "mlp.down_proj", FFN, HIDDEN, FFN, DOWN),
    NORM(INPUT_NORM, "input_layernorm", ATTENTION),
    NORM(POST_NORM, "post_attention_layernorm", FFN),
    NORM(ATTENTION_OUT_NORM, "post_attention_layernorm", ATTENTION),
    NORM(FFN_OUT_NORM, "post_feedforward_layernorm", FFN),
    HEAD_NORM(Q_NORM, "self_attn.q_norm"),
    HEAD_NORM(K_NORM, "self_attn.k_norm"),
    BIAS(Q, ATTENTION, HEADS),
    BIAS(K, ATTENTION, KV_HEADS),
    BIAS(V, ATTENTION, KV_HEADS),
    BIAS(O, ATTENTION, HIDDEN),
    BIAS(GATE, FFN, FFN),
    BIAS(UP, FFN, FFN),
    BIAS(DOWN, FFN, HIDDEN),
    BIAS(INPUT_NORM, ATTENTION, HIDDEN),
    BIAS(POST_NORM, FFN, HIDDEN),
    BIAS(ATTENTION_OUT_NORM, ATTENTION, HIDDEN),
    BIAS(FFN_OUT_NORM, FFN, HIDDEN),
    BIAS(Q_NORM, ATTENTION, HEAD),
    BIAS(K_NORM, ATTENTION, HEAD),
    [PARE_ROLE_SINKS] = {"self_attn.sinks", PARE_PART_ATTENTION, PARE_SPAN_ONE, PARE_SPAN_HEAD_COUNT, PARE_INPUT_KINDS,
                         PARE_ALL_ROLES, PARE_ROLE_SINKS},
};
