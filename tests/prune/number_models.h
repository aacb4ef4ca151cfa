/* Tiny models whose numbers, sizes or ids lie at an edge, and what is to become of them. */
#ifndef PARE_TESTS_NUMBER_MODELS_H
#define PARE_TESTS_NUMBER_MODELS_H

#include "prune/prune_run.h"

#include <float.h>

typedef enum number_change {
    NUMBERS_AS_DRAWN,
    ONE_IS,    /* one element in the middle */
    ALL_ARE,   /* every element */
    ROW_IS,    /* the elements of the first row */
    ALL_TIMES, /* every element, times this */
} number_change;

typedef enum number_outcome {
    IS_PRUNED,  /* by every method */
    IS_REFUSED, /* by every method */
    IS_EITHER,  /* as the method goes: what is computed may leave the range of floats, which is told */
} number_outcome;

typedef struct number_model {
    const char *name;
    tiny_model shape;   /* zero: that of `usual` */
    const char *tensor; /* whose names end so are changed; "": all; NULL: none */
    number_change change;
    double value;
    const char *ids; /* text of the file; NULL: usual ones */
    number_outcome outcome;
    const char *said; /* in the sentence of a refusal */
} number_model;

#define NUMBERS_SHAPE .hidden = 8, .heads = 4, .kv_heads = 2, .ffn = 8, .vocabulary = 24, .layers = 2
#define DENORMAL 1e-40

/* clang-format off */
static const number_model number_models[] = {
    {"NaN in the embedding", {NUMBERS_SHAPE}, "embed_tokens.weight", ONE_IS, NAN, NULL, IS_REFUSED, "NaN"},
    {"NaN in a projection", {NUMBERS_SHAPE}, "up_proj.weight", ONE_IS, NAN, NULL, IS_REFUSED, "NaN"},
    {"NaN in a norm", {NUMBERS_SHAPE}, "model.norm.weight", ONE_IS, NAN, NULL, IS_REFUSED, "NaN"},
    {"NaN in the head", {NUMBERS_SHAPE}, "lm_head.weight", ONE_IS, NAN, NULL, IS_REFUSED, "NaN"},
    {"all NaN", {NUMBERS_SHAPE}, "", ALL_ARE, NAN, NULL, IS_REFUSED, "NaN"},
    {"NaN of bf16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_BF16}, "q_proj.weight", ONE_IS, NAN, NULL, IS_REFUSED, "NaN"},
    {"NaN of f16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_F16}, "q_proj.weight", ONE_IS, NAN, NULL, IS_REFUSED, "NaN"},
    {"infinity in a projection", {NUMBERS_SHAPE}, "down_proj.weight", ONE_IS, INFINITY, NULL, IS_REFUSED, "infinite"},
    {"-infinity in a projection", {NUMBERS_SHAPE}, "o_proj.weight", ONE_IS, -INFINITY, NULL, IS_REFUSED, "infinite"},
    {"infinity in a norm", {NUMBERS_SHAPE}, "input_layernorm.weight", ONE_IS, INFINITY, NULL, IS_REFUSED, "infinite"},
    {"infinity of bf16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_BF16}, "v_proj.weight", ONE_IS, INFINITY, NULL, IS_REFUSED, "infinite"},
    {"infinity of f16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_F16}, "v_proj.weight", ONE_IS, 70000, NULL, IS_REFUSED, "infinite"},
    {"denormal projections", {NUMBERS_SHAPE}, "_proj.weight", ALL_ARE, DENORMAL, NULL, IS_PRUNED, NULL},
    {"denormal embedding", {NUMBERS_SHAPE}, "embed_tokens.weight", ALL_ARE, DENORMAL, NULL, IS_PRUNED, NULL},
    {"denormal norms", {NUMBERS_SHAPE}, "norm.weight", ALL_ARE, DENORMAL, NULL, IS_PRUNED, NULL},
    {"all denormal", {NUMBERS_SHAPE}, "", ALL_ARE, DENORMAL, NULL, IS_PRUNED, NULL},
    {"the least denormal", {NUMBERS_SHAPE}, "up_proj.weight", ALL_ARE, 1.4e-45, NULL, IS_PRUNED, NULL},
    {"denormals of f16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_F16}, "_proj.weight", ALL_ARE, 6e-8, NULL, IS_PRUNED, NULL},
    {"all zero", {NUMBERS_SHAPE}, "", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero projections", {NUMBERS_SHAPE}, "_proj.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero embedding", {NUMBERS_SHAPE}, "embed_tokens.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero head", {NUMBERS_SHAPE}, "lm_head.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero norms", {NUMBERS_SHAPE}, "norm.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero gates", {NUMBERS_SHAPE}, "gate_proj.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero down", {NUMBERS_SHAPE}, "down_proj.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero values", {NUMBERS_SHAPE}, "v_proj.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"zero first layer", {NUMBERS_SHAPE}, "layers.0.mlp.up_proj.weight", ALL_ARE, 0, NULL, IS_PRUNED, NULL},
    {"minus zero", {NUMBERS_SHAPE}, "up_proj.weight", ALL_ARE, -0.0, NULL, IS_PRUNED, NULL},
    {"constant rows", {NUMBERS_SHAPE}, "_proj.weight", ROW_IS, 0.125, NULL, IS_PRUNED, NULL},
    {"constant projections", {NUMBERS_SHAPE}, "_proj.weight", ALL_ARE, 0.125, NULL, IS_PRUNED, NULL},
    {"constant embedding", {NUMBERS_SHAPE}, "embed_tokens.weight", ALL_ARE, 0.5, NULL, IS_PRUNED, NULL},
    {"zero rows", {NUMBERS_SHAPE}, "_proj.weight", ROW_IS, 0, NULL, IS_PRUNED, NULL},
    {"constant bf16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_BF16}, "_proj.weight", ALL_ARE, 0.125, NULL, IS_PRUNED, NULL},
    {"projections times 1e30", {NUMBERS_SHAPE}, "_proj.weight", ALL_TIMES, 1e30, NULL, IS_EITHER, NULL},
    {"embedding times 1e30", {NUMBERS_SHAPE}, "embed_tokens.weight", ALL_TIMES, 1e30, NULL, IS_PRUNED, NULL},
    {"head times 1e30", {NUMBERS_SHAPE}, "lm_head.weight", ALL_TIMES, 1e30, NULL, IS_EITHER, NULL},
    {"norms times 1e30", {NUMBERS_SHAPE}, "norm.weight", ALL_TIMES, 1e30, NULL, IS_EITHER, NULL},
    {"all times 1e30", {NUMBERS_SHAPE}, "", ALL_TIMES, 1e30, NULL, IS_EITHER, NULL},
    {"up times 1e30", {NUMBERS_SHAPE}, "up_proj.weight", ALL_TIMES, 1e30, NULL, IS_EITHER, NULL},
    {"1e30 of bf16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_BF16}, "_proj.weight", ALL_TIMES, 1e30, NULL, IS_EITHER, NULL},
    {"one weight of 1e30", {NUMBERS_SHAPE}, "down_proj.weight", ONE_IS, 1e30, NULL, IS_EITHER, NULL},
    {"the largest float", {NUMBERS_SHAPE}, "q_proj.weight", ONE_IS, FLT_MAX, NULL, IS_EITHER, NULL},
    {"the largest f16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_F16}, "_proj.weight", ALL_ARE, 65504, NULL, IS_EITHER, NULL},
    {"projections times 1e-30", {NUMBERS_SHAPE}, "_proj.weight", ALL_TIMES, 1e-30, NULL, IS_PRUNED, NULL},
    {"embedding times 1e-30", {NUMBERS_SHAPE}, "embed_tokens.weight", ALL_TIMES, 1e-30, NULL, IS_PRUNED, NULL},
    {"all times 1e-30", {NUMBERS_SHAPE}, "", ALL_TIMES, 1e-30, NULL, IS_PRUNED, NULL},
    {"1e-30 of bf16", {NUMBERS_SHAPE, .dtype = PARE_DTYPE_BF16}, "_proj.weight", ALL_TIMES, 1e-30, NULL, IS_PRUNED, NULL},
    {"one layer", {.hidden = 8, .heads = 4, .ffn = 8, .vocabulary = 24, .layers = 1}, NULL, NUMBERS_AS_DRAWN, 0, NULL, IS_EITHER, "layer"},
    {"one head, one channel", {.hidden = 8, .heads = 1, .ffn = 1, .vocabulary = 24}, NULL, NUMBERS_AS_DRAWN, 0, NULL, IS_EITHER, "ask for less"},
    {"hidden size of 2", {.hidden = 2, .heads = 1, .ffn = 2, .vocabulary = 24}, NULL, NUMBERS_AS_DRAWN, 0, NULL, IS_PRUNED, NULL},
    {"vocabulary of 1", {.hidden = 8, .heads = 4, .ffn = 8, .vocabulary = 1}, NULL, NUMBERS_AS_DRAWN, 0, NULL, IS_PRUNED, NULL},
    {"vocabulary of 2, tied", {.hidden = 8, .heads = 4, .ffn = 8, .vocabulary = 2, .tied = true}, NULL, NUMBERS_AS_DRAWN, 0, NULL, IS_PRUNED, NULL},
    {"vocabulary of 200,000", {.hidden = 2, .heads = 1, .ffn = 2, .layers = 1, .vocabulary = 200000, .tied = true}, NULL, NUMBERS_AS_DRAWN, 0, NULL, IS_EITHER, "layer"},
    {"one token", {NUMBERS_SHAPE}, NULL, NUMBERS_AS_DRAWN, 0, "[[3]]", IS_EITHER, NULL},
    {"two tokens", {NUMBERS_SHAPE}, NULL, NUMBERS_AS_DRAWN, 0, "[[3, 4]]", IS_PRUNED, NULL},
    {"the same token always", {NUMBERS_SHAPE}, NULL, NUMBERS_AS_DRAWN, 0, "[[3, 3, 3, 3, 3, 3, 3, 3, 3]]", IS_PRUNED, NULL},
    {"the last id", {NUMBERS_SHAPE}, NULL, NUMBERS_AS_DRAWN, 0, "[[23, 0, 23, 0, 1, 23, 22, 0, 23], [0, 0, 23, 23, 0, 1, 2, 3, 4]]", IS_PRUNED, NULL},
    {"an id too large", {NUMBERS_SHAPE}, NULL, NUMBERS_AS_DRAWN, 0, "[[1, 2, 24]]", IS_EITHER, "24"},
    {"an id of 2^32", {NUMBERS_SHAPE}, NULL, NUMBERS_AS_DRAWN, 0, "[[1, 2, 4294967296]]", IS_EITHER, "no list of token ids"},
    {"an id below 0", {NUMBERS_SHAPE}, NULL, NUMBERS_AS_DRAWN, 0, "[[1, 2, -1]]", IS_EITHER, "no list of token ids"},
};
/* clang-format on */
enum { NUMBER_MODELS = sizeof number_models / sizeof *number_models };

static inline bool number_ends(const char *name, const char *end) {
    size_t length = strlen(name), ending = strlen(end);
    return length >= ending && strcmp(name + length - ending, end) == 0;
}

static inline void number_change_values(const number_model *of, float *values, size_t count, size_t columns) {
    for (size_t i = 0; i < count; i++) {
        bool met = of->change == ONE_IS ? i == count / 2 : of->change == ROW_IS ? i < columns : true;
        if (met) values[i] = of->change == ALL_TIMES ? (float)(values[i] * of->value) : (float)of->value;
    }
}

/* In the model's one file. */
static inline void number_change_file(const number_model *of, const char *folder) {
    char *path = pare_path_join(folder, "model.safetensors");
    pare_mapping file;
    tiny_check(pare_mapping_open(path, &file) == PARE_OK, path);
    unsigned char *bytes = malloc(file.bytes);
    tiny_check(bytes != NULL, "malloc");
    memcpy(bytes, file.data, file.bytes);
    uint64_t length;
    memcpy(&length, bytes, sizeof length);
    json_t *header = json_loadb((const char *)bytes + 8, length, 0, NULL), *entry;
    const char *name;
    json_object_foreach(header, name, entry) {
        const json_t *shape = json_object_get(entry, "shape");
        if (!shape || !number_ends(name, of->tensor)) continue;
        size_t columns = (size_t)json_integer_value(json_array_get(shape, json_array_size(shape) - 1));
        json_int_t begin = json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 0)),
                   end = json_integer_value(json_array_get(json_object_get(entry, "data_offsets"), 1));
        size_t count = (size_t)(end - begin) / pare_dtype_size(of->shape.dtype);
        unsigned char *at = bytes + 8 + length + begin;
        float *values = malloc(count * sizeof *values + 1);
        pare_to_float(values, at, of->shape.dtype, count);
        number_change_values(of, values, count, columns);
        pare_from_float(at, of->shape.dtype, values, count);
        free(values);
    }
    tiny_write_file(folder, "model.safetensors", bytes, file.bytes);
    pare_mapping_close(&file);
    json_decref(header);
    free(bytes);
    free(path);
}

#endif
