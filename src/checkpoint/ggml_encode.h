/* Numbers as blocks of ggml's types: what the rows of ggml_types.c have as `encode`. */
#ifndef PARE_CHECKPOINT_GGML_ENCODE_H
#define PARE_CHECKPOINT_GGML_ENCODE_H

#include "checkpoint/ggml_types.h"

/* ggml_legacy_encode.c */
pare_ggml_encode_fn pare_ggml_encode_f32, pare_ggml_encode_f16, pare_ggml_encode_bf16;
pare_ggml_encode_fn pare_ggml_encode_q4_0, pare_ggml_encode_q4_1, pare_ggml_encode_q5_0, pare_ggml_encode_q5_1,
    pare_ggml_encode_q8_0;
/* ggml_k_encode.c */
pare_ggml_encode_fn pare_ggml_encode_q4_k, pare_ggml_encode_q5_k, pare_ggml_encode_q6_k;
pare_ggml_weighed_fn pare_ggml_weighed_q4_k, pare_ggml_weighed_q5_k, pare_ggml_weighed_q6_k;
/* ggml_legacy_weighed.c */
pare_ggml_weighed_fn pare_ggml_weighed_q4_0, pare_ggml_weighed_q4_1, pare_ggml_weighed_q5_0, pare_ggml_weighed_q5_1;

/* Levels [32] of 4 or 5 bits as blocks of 32 have them (ggml_legacy_encode.c): the low bits to out[0 .. 15], the fifth
 * ones to out[0 .. 3]. */
void pare_ggml_put_low(const int *levels, unsigned char *out);
void pare_ggml_put_fifth(const int *levels, unsigned char *out);

/* The number as fp16 at `out`; returns what is read there again. */
static inline float pare_ggml_put_half(unsigned char *out, float value) {
    uint16_t half;
    pare_from_float(&half, PARE_DTYPE_F16, &value, 1);
    out[0] = (unsigned char)(half & 0xff);
    out[1] = (unsigned char)(half >> 8);
    return pare_f16_to_float(half);
}

#endif
