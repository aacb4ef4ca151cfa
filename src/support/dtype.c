#include "support/dtype.h"
#include "support/vectorize.h"

size_t pare_dtype_size(pare_dtype dtype) {
    return dtype == PARE_DTYPE_F32 ? 4 : 2;
}

const char *pare_dtype_name(pare_dtype dtype) {
    static const char *const names[] = {[PARE_DTYPE_F32] = "F32", [PARE_DTYPE_F16] = "F16", [PARE_DTYPE_BF16] = "BF16"};
    return names[dtype];
}

const char *pare_dtype_torch_name(pare_dtype dtype) {
    static const char *const names[] = {
        [PARE_DTYPE_F32] = "float32", [PARE_DTYPE_F16] = "float16", [PARE_DTYPE_BF16] = "bfloat16"};
    return names[dtype];
}

/* Float to IEEE half, to nearest even. Normal results round on the bits; subnormal results round in the float adder. */
PARE_INLINE uint16_t float_to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7fffffffu;
    uint32_t normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - 0x38000000u) >> 13;
    float absolute, shifted;
    memcpy(&absolute, &magnitude, sizeof absolute);
    shifted = absolute + 0.5f;
    uint32_t subnormal;
    memcpy(&subnormal, &shifted, sizeof subnormal);
    subnormal -= 0x3f000000u;
    uint32_t result = magnitude < 0x38800000u ? subnormal : normal;
    if (magnitude >= 0x477ff000u) result = 0x7c00u;
    if (magnitude > 0x7f800000u) result = 0x7e00u;
    return (uint16_t)(result | sign);
}

PARE_VECTORIZE_RANGES static void bf16_to_float(float *restrict out, const unsigned char *restrict in, size_t n) {
    PARE_RANGE(out, n * sizeof *out);
    PARE_RANGE(in, 2 * n);
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, in + 2 * i, 2);
        out[i] = pare_bf16_to_float(bits);
    }
}

PARE_VECTORIZE_RANGES static void f16_to_float(float *restrict out, const unsigned char *restrict in, size_t n) {
    PARE_RANGE(out, n * sizeof *out);
    PARE_RANGE(in, 2 * n);
    for (size_t i = 0; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, in + 2 * i, 2);
        out[i] = pare_f16_to_float(bits);
    }
}

PARE_VECTORIZE_RANGES static void float_to_bf16(unsigned char *restrict out, const float *restrict in, size_t n) {
    PARE_RANGE(out, 2 * n);
    PARE_RANGE(in, n * sizeof *in);
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = pare_float_to_bf16(in[i]);
        memcpy(out + 2 * i, &bits, 2);
    }
}

PARE_VECTORIZE_RANGES static void float_to_f16(unsigned char *restrict out, const float *restrict in, size_t n) {
    PARE_RANGE(out, 2 * n);
    PARE_RANGE(in, n * sizeof *in);
    for (size_t i = 0; i < n; i++) {
        uint16_t bits = float_to_half(in[i]);
        memcpy(out + 2 * i, &bits, 2);
    }
}

void pare_to_float(float *out, const void *in, pare_dtype dtype, size_t n) {
    if (dtype == PARE_DTYPE_F32)
        memcpy(out, in, n * sizeof *out);
    else if (dtype == PARE_DTYPE_BF16)
        bf16_to_float(out, in, n);
    else
        f16_to_float(out, in, n);
}

void pare_from_float(void *out, pare_dtype dtype, const float *in, size_t n) {
    if (dtype == PARE_DTYPE_F32)
        memcpy(out, in, n * sizeof *in);
    else if (dtype == PARE_DTYPE_BF16)
        float_to_bf16(out, in, n);
    else
        float_to_f16(out, in, n);
}
