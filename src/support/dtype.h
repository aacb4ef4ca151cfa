/* Element types of stored tensors and of matrix operands, and conversions between them and float. */
#ifndef PARE_SUPPORT_DTYPE_H
#define PARE_SUPPORT_DTYPE_H

#include "support/vectorize.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum pare_dtype { PARE_DTYPE_F32, PARE_DTYPE_F16, PARE_DTYPE_BF16 } pare_dtype;

size_t pare_dtype_size(pare_dtype dtype);
/* "F32", "F16", "BF16": as safetensors spells them. */
const char *pare_dtype_name(pare_dtype dtype);
/* "float32", "float16", "bfloat16": as torch spells them, and config.json. */
const char *pare_dtype_torch_name(pare_dtype dtype);

/* n elements; the stored side may have any alignment; rounding is to nearest, ties to even. */
void pare_to_float(float *out, const void *in, pare_dtype dtype, size_t n);
void pare_from_float(void *out, pare_dtype dtype, const float *in, size_t n);

PARE_INLINE float pare_bf16_to_float(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

/* IEEE half to float without tables: shift the fields into place, scale by 2^112 to mend the exponent bias (this also
 * normalises subnormals), and force the exponent of infinities and NaNs. */
PARE_INLINE float pare_f16_to_float(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, magnitude = (uint32_t)(half & 0x7fffu) << 13;
    float scaled;
    memcpy(&scaled, &magnitude, sizeof scaled);
    scaled *= 0x1p112f;
    uint32_t bits;
    memcpy(&bits, &scaled, sizeof bits);
    bits = ((half & 0x7c00u) == 0x7c00u ? magnitude | 0x7f800000u : bits) | sign;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Round to nearest even; a NaN stays a NaN. */
PARE_INLINE uint16_t pare_float_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    uint32_t quiet = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

#endif
