#include "checkpoint/ggml_types.h"
#include "checkpoint/ggml_decode.h"
#include "checkpoint/ggml_encode.h"

#define PLAIN(number, upper, lower)                                                                                    \
    {                                                                                                                  \
        .id = number, .name = #upper, .elements = 1,                                                                   \
        .bytes = sizeof(uint16_t) << (PARE_DTYPE_##upper == PARE_DTYPE_F32), .decode = pare_ggml_decode_##lower,       \
        .encode = pare_ggml_encode_##lower, .plain = true, .dtype = PARE_DTYPE_##upper                                 \
    }
#define PACKED(number, upper, lower, count, size)                                                                      \
    {                                                                                                                  \
        .id = number, .name = #upper, .elements = count, .bytes = size, .decode = pare_ggml_decode_##lower,            \
        .dtype = PARE_DTYPE_BF16                                                                                       \
    }
#define WRITTEN(number, upper, lower, count, size)                                                                     \
    {                                                                                                                  \
        .id = number, .name = #upper, .elements = count, .bytes = size, .decode = pare_ggml_decode_##lower,            \
        .encode = pare_ggml_encode_##lower, .dtype = PARE_DTYPE_BF16                                                   \
    }
#define WEIGHED(number, upper, lower, count, size)                                                                     \
    {                                                                                                                  \
        .id = number, .name = #upper, .elements = count, .bytes = size, .decode = pare_ggml_decode_##lower,            \
        .encode = pare_ggml_encode_##lower, .weighed = pare_ggml_weighed_##lower, .dtype = PARE_DTYPE_BF16             \
    }
#define UNREAD(number, upper, count, size)                                                                             \
    { .id = number, .name = #upper, .elements = count, .bytes = size }

/* The size of a block is the sum of its fields, in their order in the block: `h` are the bytes of an fp16 number. */
enum { h = 2 };

static const pare_ggml_type types[] = {
    PLAIN(0, F32, f32),
    PLAIN(1, F16, f16),
    WEIGHED(2, Q4_0, q4_0, 32, h + 16),
    WEIGHED(3, Q4_1, q4_1, 32, h + h + 16),
    WEIGHED(6, Q5_0, q5_0, 32, h + 4 + 16),
    WEIGHED(7, Q5_1, q5_1, 32, h + h + 4 + 16),
    WRITTEN(8, Q8_0, q8_0, 32, h + 32),
    UNREAD(9, Q8_1, 32, h + h + 32),
    PACKED(10, Q2_K, q2_k, 256, 16 + 64 + h + h),
    PACKED(11, Q3_K, q3_k, 256, 32 + 64 + 12 + h),
    WEIGHED(12, Q4_K, q4_k, 256, h + h + 12 + 128),
    WEIGHED(13, Q5_K, q5_k, 256, h + h + 12 + 32 + 128),
    WEIGHED(14, Q6_K, q6_k, 256, 128 + 64 + 16 + h),
    UNREAD(15, Q8_K, 256, 4 + 256 + 32),
    PACKED(16, IQ2_XXS, iq2_xxs, 256, h + 64),
    PACKED(17, IQ2_XS, iq2_xs, 256, h + 64 + 8),
    PACKED(18, IQ3_XXS, iq3_xxs, 256, h + 64 + 32),
    PACKED(19, IQ1_S, iq1_s, 256, h + 32 + 16),
    PACKED(20, IQ4_NL, iq4_nl, 32, h + 16),
    PACKED(21, IQ3_S, iq3_s, 256, h + 64 + 8 + 32 + 4),
    PACKED(22, IQ2_S, iq2_s, 256, h + 32 + 32 + 8 + 8),
    PACKED(23, IQ4_XS, iq4_xs, 256, h + 2 + 4 + 128),
    UNREAD(24, I8, 1, 1),
    UNREAD(25, I16, 1, 2),
    UNREAD(26, I32, 1, 4),
    UNREAD(27, I64, 1, 8),
    UNREAD(28, F64, 1, 8),
    PACKED(29, IQ1_M, iq1_m, 256, 32 + 16 + 8),
    PLAIN(30, BF16, bf16),
    PACKED(34, TQ1_0, tq1_0, 256, 48 + 4 + h),
    PACKED(35, TQ2_0, tq2_0, 256, 64 + h),
    PACKED(39, MXFP4, mxfp4, 32, 1 + 16),
    PACKED(40, NVFP4, nvfp4, 64, 4 + 32),
};

enum { TYPES = sizeof types / sizeof *types };

const pare_ggml_type *pare_ggml_type_find(uint32_t id) {
    for (size_t i = 0; i < TYPES; i++)
        if (types[i].id == id) return &types[i];
    return NULL;
}

const pare_ggml_type *pare_ggml_type_named(const char *name) {
    for (size_t i = 0; i < TYPES; i++)
        if (strcmp(types[i].name, name) == 0) return &types[i];
    return NULL;
}

const pare_ggml_type *pare_ggml_type_at(size_t index) {
    return index < TYPES ? &types[index] : NULL;
}

void pare_ggml_values(const pare_ggml_type *type, const void *data, uint64_t first, uint64_t count, float *out) {
    enum { LARGEST = 256 };
    uint64_t size = type->elements;
    while (count) {
        const unsigned char *block = (const unsigned char *)data + first / size * type->bytes;
        uint64_t inside = first % size, take = count < size - inside ? count : size - inside;
        if (!inside && count >= size) {
            take = count / size * size;
            type->decode(block, take / size, out);
        } else {
            float whole[LARGEST];
            type->decode(block, 1, whole);
            memcpy(out, whole + inside, take * sizeof *out);
        }
        first += take;
        count -= take;
        out += take;
    }
}
