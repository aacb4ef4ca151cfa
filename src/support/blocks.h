/* A symmetric matrix that is zero but for `count` blocks of `size` rows along its diagonal: [count, size, size], each
 * block row-major. One block is any symmetric matrix. */
#ifndef PARE_SUPPORT_BLOCKS_H
#define PARE_SUPPORT_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct pare_blocks {
    int64_t count, size;
} pare_blocks;

/* Of `rows` rows in all, `size` in each block (0, or no divisor of rows: all in one). */
static inline pare_blocks pare_blocks_of(int64_t rows, int64_t size) {
    bool whole = size < 1 || rows % size;
    return (pare_blocks){whole ? 1 : rows / size, whole ? rows : size};
}

static inline int64_t pare_blocks_rows(pare_blocks b) {
    return b.count * b.size;
}

static inline int64_t pare_blocks_elements(pare_blocks b) {
    return b.count * b.size * b.size;
}

/* Where block i begins. */
static inline int64_t pare_blocks_begin(pare_blocks b, int64_t i) {
    return i * b.size * b.size;
}

/* Where row i begins, with the first column of its block; and its diagonal element. */
static inline int64_t pare_blocks_row(pare_blocks b, int64_t i) {
    return i * b.size;
}

static inline int64_t pare_blocks_diagonal(pare_blocks b, int64_t i) {
    return i * b.size + i % b.size;
}

/* The first row of row i's block. */
static inline int64_t pare_blocks_first(pare_blocks b, int64_t i) {
    return i - i % b.size;
}

#endif
