/* The small matrix and inputs of spec 13, and random layers with correlated inputs. */
#ifndef PARE_TESTS_ELEMENT_VECTORS_H
#define PARE_TESTS_ELEMENT_VECTORS_H

#include "golden.h"
#include "select/element_mask.h"
#include "support/random.h"

#include <math.h>

enum { VECTOR_ROWS = 3, VECTOR_COLUMNS = 8, VECTOR_TOKENS = 12 };

static inline void vector_weights(float *weights) {
    for (int o = 0; o < VECTOR_ROWS; o++)
        for (int i = 0; i < VECTOR_COLUMNS; i++)
            weights[o * VECTOR_COLUMNS + i] = (float)((31 * o + 17 * i + 7) * 13 % 41 - 20) / 10.0f;
}

enum { VECTOR_SCALE = 81 }; /* inputs are ninths: of 9 times as large ones the Gram matrix is exact in fp32 */

static inline double vector_input(int t, int i) {
    return (double)((t * 19 + 23 * i + 5) * 29 % 37 - 18);
}

static inline void vector_inputs(float *x) {
    for (int t = 0; t < VECTOR_TOKENS; t++)
        for (int i = 0; i < VECTOR_COLUMNS; i++)
            x[t * VECTOR_COLUMNS + i] = (float)vector_input(t, i);
}

/* VECTOR_SCALE times the Gram matrix. */
static inline void vector_gram(float *gram) {
    for (int i = 0; i < VECTOR_COLUMNS; i++)
        for (int j = 0; j < VECTOR_COLUMNS; j++) {
            double sum = 0.0;
            for (int t = 0; t < VECTOR_TOKENS; t++)
                sum += vector_input(t, i) * vector_input(t, j);
            gram[i * VECTOR_COLUMNS + j] = (float)sum;
        }
}

/* What the layer's outputs change by, token after token: sum over tokens of |(after - before) x|^2, in double. */
static inline double measured_error(const float *before, const float *after, const float *x, int64_t tokens,
                                    int64_t rows, int64_t columns) {
    double sum = 0.0;
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t row = 0; row < rows; row++) {
            double y = 0.0;
            for (int64_t i = 0; i < columns; i++)
                y +=
                    ((double)after[row * columns + i] - (double)before[row * columns + i]) * (double)x[t * columns + i];
            sum += y * y;
        }
    return sum;
}

/* A layer whose inputs x, [tokens, columns], share a few common directions and differ in size; `dead` (or -1) is always
 * 0. The Gram matrix is rounded to fp32 once. inputs may be NULL. Free all that is given. */
static inline void random_layer(int64_t rows, int64_t columns, int64_t tokens, int64_t dead, uint64_t seed,
                                float **weights, float **gram, float **inputs) {
    size_t width = (size_t)columns, count = (size_t)tokens;
    float *x = malloc(count * width * sizeof *x), *common = malloc(count * sizeof *common);
    *weights = malloc((size_t)rows * width * sizeof **weights);
    *gram = malloc(width * width * sizeof **gram);
    pare_normal_fill(*weights, seed, 0, 0, 0, (size_t)rows * width);
    pare_normal_fill(x, seed, 0, 1, 0, count * width);
    pare_normal_fill(common, seed, 0, 2, 0, count);
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < columns; i++) {
            float *value = &x[t * columns + i];
            *value = i == dead ? 0.0f : (*value + 1.5f * common[(t + i % 3) % tokens]) * (1.0f + (float)(i % 7));
        }
    for (int64_t i = 0; i < columns; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0.0;
            for (int64_t t = 0; t < tokens; t++)
                sum += (double)x[t * columns + i] * (double)x[t * columns + j];
            (*gram)[i * columns + j] = (float)sum;
        }
    free(common);
    if (inputs)
        *inputs = x;
    else
        free(x);
}

#endif
