/* bf16 products where the CPU has none. A bf16 number is the upper half of a float, so widening it is exact, and so is
 * the product of two in fp32: what differs from a native product is the order of the sums alone. Operands stay bf16 in
 * memory and are widened into tiles that the caches hold. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/matmul.h"
#include "backend/cpu/vector_math.h"

/* The most of k that a tile takes: the more, the fewer times C is added to, and the fewer rows fit beside it. */
enum { TILE_DEPTH = 1024 };

/* A stored matrix, and the part of it that is widened. */
typedef struct stored {
    const uint16_t *data;
    int64_t ld;
    bool transposed; /* stored [k, side] rather than [side, k] */
} stored;

PARE_VECTORIZE static void widen_row(const uint16_t *in, int64_t n, float *out) {
    for (int64_t i = 0; i < n; i++)
        out[i] = pare_bf16_to_float(in[i]);
}

/* Rows [first, first + rows) of the stored matrix, columns [left, left + columns): packed into out. */
static void widen(const stored *m, int64_t first, int64_t rows, int64_t left, int64_t columns, float *out) {
#pragma omp parallel for schedule(static) if (rows * columns >= PARE_PARALLEL_MINIMUM)
    for (int64_t row = 0; row < rows; row++)
        widen_row(m->data + (first + row) * m->ld + left, columns, out + row * columns);
}

static void widen_tile(const stored *m, int64_t side, int64_t sides, int64_t k, int64_t depth, float *out) {
    if (m->transposed)
        widen(m, k, depth, side, sides, out);
    else
        widen(m, side, sides, k, depth, out);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* One product, tile by tile. */
static pare_status run_single(pare_matmul_cache *cache, const pare_matmul *s, const uint16_t *a, const uint16_t *b,
                              float *c) {
    float *tiles[2];
    PARE_TRY(pare_matmul_tiles(cache, tiles));
    const stored left = {a, s->lda ? s->lda : s->transpose_a ? s->m : s->k, s->transpose_a};
    const stored right = {b, s->ldb ? s->ldb : s->transpose_b ? s->k : s->n, !s->transpose_b};
    int64_t depth = least(s->k, TILE_DEPTH), side = PARE_TILE_ELEMENTS / depth, stride = s->ldc ? s->ldc : s->n;
    for (int64_t row = 0; row < s->m; row += side)
        for (int64_t k = 0; k < s->k; k += depth) {
            pare_matmul tile = {.batch = 1,
                                .m = least(side, s->m - row),
                                .k = least(depth, s->k - k),
                                .transpose_a = s->transpose_a,
                                .transpose_b = s->transpose_b,
                                .accumulate = s->accumulate || k > 0,
                                .slim = s->slim};
            widen_tile(&left, row, tile.m, k, tile.k, tiles[0]);
            for (int64_t column = 0; column < s->n; column += side) {
                tile.n = least(side, s->n - column);
                widen_tile(&right, column, tile.n, k, tile.k, tiles[1]);
                PARE_TRY(pare_matmul_run(cache, &tile, PARE_DTYPE_F32, stride, tiles[0], tiles[1],
                                         c + row * stride + column));
            }
        }
    return PARE_OK;
}

/* As many whole products of a batch at a time as the tiles hold. */
static pare_status run_batch(pare_matmul_cache *cache, const pare_matmul *s, int64_t step, const uint16_t *a,
                             const uint16_t *b, float *c) {
    float *tiles[2];
    PARE_TRY(pare_matmul_tiles(cache, tiles));
    for (int64_t first = 0; first < s->batch; first += step) {
        pare_matmul part = *s;
        part.batch = least(step, s->batch - first);
        widen(&(stored){a + first * s->m * s->k, s->m * s->k, false}, 0, part.batch, 0, s->m * s->k, tiles[0]);
        widen(&(stored){b + first * s->k * s->n, s->k * s->n, false}, 0, part.batch, 0, s->k * s->n, tiles[1]);
        PARE_TRY(pare_matmul_run(cache, &part, PARE_DTYPE_F32, 0, tiles[0], tiles[1], c + first * s->m * s->n));
    }
    return PARE_OK;
}

pare_status pare_matmul_run_widened(pare_matmul_cache *cache, const pare_matmul *shape, const uint16_t *a,
                                    const uint16_t *b, float *c) {
    const pare_matmul *s = shape;
    if (s->batch == 1) return run_single(cache, s, a, b, c);
    int64_t largest = s->m * s->k > s->k * s->n ? s->m * s->k : s->k * s->n;
    if (largest <= PARE_TILE_ELEMENTS) return run_batch(cache, s, PARE_TILE_ELEMENTS / largest, a, b, c);
    pare_matmul one = *s;
    one.batch = 1;
    for (int64_t i = 0; i < s->batch; i++)
        PARE_TRY(run_single(cache, &one, a + i * s->m * s->k, b + i * s->k * s->n, c + i * s->m * s->n));
    return PARE_OK;
}
