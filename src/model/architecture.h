/* What a transformer computes, as switches of one block and of what surrounds it. All zero but the numbers that say
 * otherwise: a LLaMA.
 *
 *   x   = embedding_scale E[id] (+ P[position + position_offset]), through a norm and project_in where there are some
 *   h   = x + residual_scale p1(attention(n1(x)))
 *   out = h + residual_scale p2(ffn(n2(h)))                parallel: x + attention(n1(x)) + ffn(n2(x))
 *   logits = cap(logit_scale (head n(out) + bias))
 *
 * with norms n1, p1, n2, p2 where `slots` has them, as norm_after_add: of the sums instead. */
#ifndef PARE_MODEL_ARCHITECTURE_H
#define PARE_MODEL_ARCHITECTURE_H

#include "backend/backend.h"
#include "model/roles.h"

typedef enum pare_positions { PARE_POSITIONS_ROTARY, PARE_POSITIONS_LEARNED, PARE_POSITIONS_ALIBI } pare_positions;

/* Slopes of ALiBi where the number of heads is no power of two: two rules are in use. */
typedef enum pare_slopes {
    PARE_SLOPES_BLOOM,
    PARE_SLOPES_MPT,
    PARE_SLOPES_FALCON /* BLOOM's; what they add is in bf16 and scaled as products are */
} pare_slopes;

/* Norms of queries and keys: each head by itself or all of them as one vector; before the rotation or after it. */
typedef enum pare_head_norm {
    PARE_HEAD_NORM_NONE,
    PARE_HEAD_NORM_EACH,
    PARE_HEAD_NORM_ALL,
    PARE_HEAD_NORM_ROTATED
} pare_head_norm;

typedef enum pare_norm_slot {
    PARE_NORM_SLOT_INPUT,
    PARE_NORM_SLOT_POST,
    PARE_NORM_SLOT_ATTENTION_OUT,
    PARE_NORM_SLOT_FFN_OUT,
    PARE_NORM_SLOTS
} pare_norm_slot;

enum {
    PARE_NORMS_BEFORE = 1 << PARE_NORM_SLOT_INPUT | 1 << PARE_NORM_SLOT_POST,
    PARE_NORMS_BEHIND = 1 << PARE_NORM_SLOT_ATTENTION_OUT | 1 << PARE_NORM_SLOT_FFN_OUT
};

typedef struct pare_architecture {
    uint32_t roles; /* bits of the roles that a layer has tensors for */
    uint32_t ends;  /* bits of the tensors outside the layers; the head's also where it is tied */
    uint32_t slots; /* bits of the norms around attention and FFN */
    pare_norm_kind norm;
    bool norm_unit;      /* norms multiply by 1 + w */
    bool no_final_norm;  /* OPT-350m */
    bool norm_after_add; /* p1 and p2 are of the sums with the residual stream */
    bool parallel;       /* attention and FFN read the same input and add to it */
    bool shared_norm;    /* parallel, and n2 is n1 */
    pare_head_norm head_norm;
    bool head_norm_own;    /* every head has weights of its own */
    bool head_norm_turned; /* only in layers that rotate */
    bool ungated;          /* the FFN is Down act(Up x) */
    pare_activation activation;
    double gate_limit; /* of the clamped activation */
    pare_positions positions;
    pare_slopes slopes;
    uint32_t position_offset; /* rows of the learned positions before the first one's */
    bool interleaved;         /* rotation turns pairs (2i, 2i + 1), not (i, i + half) */
    bool bidirectional;       /* tokens see what comes after them */
    double attention_scale;   /* of scores; 0: head_dim^-1/2 */
    bool scale_by_layer;      /* scores of layer i are divided by i + 1 */
    double attention_cap;     /* tanh cap of scores; 0: none */
    double query_growth;      /* queries at position p are multiplied by 1 + growth ln(1 + floor((p + first) / step)) */
    double query_step;        /* 0: they are not */
    double query_first;
    bool query_unturned; /* only in layers that do not rotate */
    bool chunked;        /* layers with a window have chunks of that size (backend.h) */
    double qkv_clip;     /* queries, keys and values are clamped to [-clip, clip]; 0: not */
    bool embedding_root; /* embedding_scale is the root of the hidden size */
    double embedding_scale, residual_scale, logit_scale; /* 0: 1 */
    double logit_cap;                                    /* 0: none */
} pare_architecture;

static inline bool pare_has_role(const pare_architecture *a, pare_role role) {
    return (a->roles & pare_role_bit(role)) != 0;
}

static inline bool pare_has_end(const pare_architecture *a, pare_end end) {
    return (a->ends & pare_end_bit(end)) != 0;
}

static inline bool pare_has_norm(const pare_architecture *a, pare_norm_slot slot) {
    return (a->slots & (UINT32_C(1) << slot)) != 0;
}

static inline pare_gating pare_gating_of(const pare_architecture *a) {
    return (pare_gating){.activation = a->activation, .limit = (float)a->gate_limit};
}

static inline float pare_scale_or_one(double scale) {
    return scale > 0.0 ? (float)scale : 1.0f;
}

#endif
