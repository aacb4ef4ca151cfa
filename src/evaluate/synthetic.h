/* A checkpoint of a well-known shape without its weights, to measure speed and memory on: the embedding and the first
 * layer, and all routers, hold small random numbers, the rest is a hole in a sparse file. bench/bench_synthetic_model.c
 * writes whole ones of the same shapes. */
#ifndef PARE_EVALUATE_SYNTHETIC_H
#define PARE_EVALUATE_SYNTHETIC_H

#include "support/status.h"

#include <stdint.h>
#include <stdio.h>

typedef struct pare_synthetic_shape {
    const char *name;
    uint32_t hidden, heads, kv_heads, ffn, layers,
        vocabulary; /* the last two: of the model that is known by the name */
    double theta;
    uint32_t head_dim;        /* 0: what the heads share of hidden */
    uint32_t experts, chosen; /* of a layer, each `ffn` wide, and of a token; 0: the FFN is none */
} pare_synthetic_shape;

typedef struct pare_synthetic_tensor {
    char name[96];
    uint64_t rows, columns; /* no rows: a vector */
    int64_t layer;          /* -1: of none */
    bool adds;              /* its product is added to the residual stream */
    bool routes;            /* it chooses experts */
} pare_synthetic_tensor;

typedef void pare_synthetic_fn(void *context, const pare_synthetic_tensor *tensor);

/* NULL: there is none of that name. */
const pare_synthetic_shape *pare_synthetic_find(const char *name);
/* config.json of a LLaMA of the shape, or of a Qwen3-MoE where it has experts. */
void pare_synthetic_config(FILE *file, const pare_synthetic_shape *shape, uint32_t layers, uint32_t vocabulary);
/* All its tensors, in the order in which they are written. */
void pare_synthetic_list(const pare_synthetic_shape *shape, uint32_t layers, uint32_t vocabulary,
                         pare_synthetic_fn *see, void *context);
/* Whether it holds numbers where the other layers are holes: what tokens reach without them, and what sends tokens to
 * as many experts as in a whole model. */
bool pare_synthetic_filled(const pare_synthetic_tensor *tensor);

/* Makes a folder in `parent` and opens it as a model. The vocabulary is cut to 1024, so that the blocks are what is
 * measured. The folder's files are removed before this returns; the mapping keeps them alive. */
pare_status pare_synthetic_open(const char *shape, uint32_t layers, const char *parent, pare_model **out);

#endif
