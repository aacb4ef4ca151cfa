/* Blocks of ggml's types as numbers: what the rows of ggml_types.c have as `decode`. */
#ifndef PARE_CHECKPOINT_GGML_DECODE_H
#define PARE_CHECKPOINT_GGML_DECODE_H

#include "checkpoint/ggml_types.h"

/* ggml_legacy.c */
pare_ggml_decode_fn pare_ggml_decode_f32, pare_ggml_decode_f16, pare_ggml_decode_bf16;
pare_ggml_decode_fn pare_ggml_decode_q4_0, pare_ggml_decode_q4_1, pare_ggml_decode_q5_0, pare_ggml_decode_q5_1,
    pare_ggml_decode_q8_0;
/* ggml_k.c */
pare_ggml_decode_fn pare_ggml_decode_q2_k, pare_ggml_decode_q3_k, pare_ggml_decode_q4_k, pare_ggml_decode_q5_k,
    pare_ggml_decode_q6_k;
/* ggml_levels.c */
pare_ggml_decode_fn pare_ggml_decode_iq4_nl, pare_ggml_decode_iq4_xs, pare_ggml_decode_mxfp4, pare_ggml_decode_nvfp4,
    pare_ggml_decode_tq1_0, pare_ggml_decode_tq2_0;
/* Numbers [first, first + count) of MXFP4 whose exponents lie apart, two neighbours in a byte, the first in its low
 * half.
 */
void pare_mxfp4_values(const unsigned char *blocks, const unsigned char *exponents, uint64_t first, uint64_t count,
                       float *out);
/* ggml_grid.c */
pare_ggml_decode_fn pare_ggml_decode_iq1_s, pare_ggml_decode_iq1_m, pare_ggml_decode_iq2_xxs, pare_ggml_decode_iq2_xs,
    pare_ggml_decode_iq2_s, pare_ggml_decode_iq3_xxs, pare_ggml_decode_iq3_s;

/* Points of lattices in 8 dimensions, 2 bits each (the first in the lowest bits), and in 4 dimensions, 4 bits each. */
extern const uint16_t pare_ggml_grid_iq2_xxs[256], pare_ggml_grid_iq2_xs[512], pare_ggml_grid_iq2_s[1024];
extern const uint16_t pare_ggml_grid_iq3_xxs[256], pare_ggml_grid_iq3_s[512];
extern const uint16_t pare_ggml_grid_iq1[2048];

/* Little-endian numbers at any address. */
static inline uint16_t pare_ggml_u16(const unsigned char *at) {
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t pare_ggml_u32(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline float pare_ggml_half(const unsigned char *at) {
    return pare_f16_to_float(pare_ggml_u16(at));
}

#endif
