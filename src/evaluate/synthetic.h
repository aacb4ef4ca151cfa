/* A checkpoint of a well-known shape without its weights, to measure speed and memory on: the embedding and the first
 * layer hold small random numbers, the rest is a hole in a sparse file. bench/bench_synthetic_model.c writes whole ones
 * of the same shapes. */
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
} pare_synthetic_shape;

/* NULL: there is none of that name. */
const pare_synthetic_shape *pare_synthetic_find(const char *name);
/* config.json of a LLaMA of the shape. */
void pare_synthetic_config(FILE *file, const pare_synthetic_shape *shape, uint32_t layers, uint32_t vocabulary);
/* The shape of a layer's tensor in the role (model/roles.h, below PARE_LAYER_ROLES); 0 rows: a vector. */
void pare_synthetic_matrix(const pare_synthetic_shape *shape, int role, uint64_t *rows, uint64_t *columns);

/* Makes a folder in `parent` and opens it as a model. The vocabulary is cut to 1024, so that the blocks are what is
 * measured. The folder's files are removed before this returns; the mapping keeps them alive. */
pare_status pare_synthetic_open(const char *shape, uint32_t layers, const char *parent, pare_model **out);

#endif
