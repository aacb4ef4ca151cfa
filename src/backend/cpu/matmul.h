/* Products through primitives that are kept, and what is built on them. */
#ifndef PARE_BACKEND_CPU_MATMUL_H
#define PARE_BACKEND_CPU_MATMUL_H

#include "backend/cpu/onednn.h"

typedef struct pare_matmul_cache pare_matmul_cache;

/* widened: products of bf16 operands are to come, and tiles for them are made where the CPU lacks those. */
pare_status pare_matmul_cache_new(bool widened, pare_matmul_cache **out);
void pare_matmul_cache_free(pare_matmul_cache *cache);
bool pare_matmul_native_bf16(const pare_matmul_cache *cache);

/* One product of fp32 operands, or of bf16 ones where those are native; sizes are positive. ldc: elements between rows
 * of C, 0: packed. */
pare_status pare_matmul_run(pare_matmul_cache *cache, const pare_matmul *shape, pare_dtype operand, int64_t ldc,
                            const void *a, const void *b, float *c);

/* The same product of bf16 operands on any CPU: they are widened tile by tile and multiplied as fp32, which is exact
 * but for the order of the sums. */
pare_status pare_matmul_run_widened(pare_matmul_cache *cache, const pare_matmul *shape, const uint16_t *a,
                                    const uint16_t *b, float *c);
/* Room for the tiles of A and of B, PARE_TILE_ELEMENTS each. */
enum { PARE_TILE_ELEMENTS = 1 << 18 };
pare_status pare_matmul_tiles(pare_matmul_cache *cache, float *tiles[2]);

#endif
