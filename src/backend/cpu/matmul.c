/* Matrix products through oneDNN. A primitive is made once per shape and kept: making one costs more than a small
 * product.
 *
 * Which of oneDNN's implementations runs is fixed by the shape, never by a timing, so that the same inputs give the
 * same bits: its packed GEMM ("gemm:jit") is the fastest for large single products (up to twice the default choice for
 * dX = dY W), its own choice for attention tiles, for shallow products, which the GEMM packs longer than it multiplies
 * (up to two and a half times as fast with AMX), for products of up to 64 rows (bench/bench_matmul.c; all of them round
 * a row alike, which text that is written in step relies on) and for those with low-rank matrices, where it is ten
 * times as fast and more. */
#include "backend/cpu/matmul.h"
#include "backend/cpu/cpu.h"
#include "support/memory.h"

#include <string.h>

/* A shape is kept in one of WAYS slots, and the one that came first makes room. */
enum { CACHE_SETS = 128, WAYS = 4, FEW_ROWS = 4, MANY_ROWS = 65 };
/* Products that are no deeper; where a is transposed, as it is in dW, copying it costs more. */
enum { SHALLOW = 1280, SHALLOW_TRANSPOSED = 768 };

typedef struct matmul_entry {
    pare_onednn_shape shape;
    pare_onednn_product *product; /* NULL: free */
} matmul_entry;

typedef struct matmul_set {
    matmul_entry entries[WAYS];
    int next; /* the one that makes room */
} matmul_set;

struct pare_matmul_cache {
    pare_onednn *onednn;
    bool native_bf16;
    float *tiles;
    matmul_set sets[CACHE_SETS];
};

static pare_status cache_open(pare_matmul_cache *cache, bool widened) {
    float *tiles[2];
    PARE_TRY(pare_onednn_new(&cache->onednn));
    cache->native_bf16 = pare_onednn_has_bf16(cache->onednn);
    return widened && !cache->native_bf16 ? pare_matmul_tiles(cache, tiles) : PARE_OK;
}

pare_status pare_matmul_cache_new(bool widened, pare_matmul_cache **out) {
    PARE_TRY(pare_alloc(out, 1, sizeof **out, "matrix product cache"));
    pare_status status = cache_open(*out, widened);
    if (status == PARE_OK) return PARE_OK;
    pare_matmul_cache_free(*out);
    *out = NULL;
    return status;
}

void pare_matmul_cache_free(pare_matmul_cache *cache) {
    if (!cache) return;
    for (int i = 0; i < CACHE_SETS; i++)
        for (int way = 0; way < WAYS; way++)
            pare_onednn_product_free(cache->sets[i].entries[way].product);
    pare_onednn_free(cache->onednn);
    pare_free(cache->tiles);
    pare_free(cache);
}

bool pare_matmul_native_bf16(const pare_matmul_cache *cache) {
    return cache->native_bf16;
}

pare_status pare_matmul_tiles(pare_matmul_cache *cache, float *tiles[2]) {
    if (!cache->tiles)
        PARE_TRY(pare_alloc_uninitialized(&cache->tiles, 2 * (size_t)PARE_TILE_ELEMENTS, sizeof(float), "tiles"));
    tiles[0] = cache->tiles;
    tiles[1] = cache->tiles + PARE_TILE_ELEMENTS;
    return PARE_OK;
}

static uint64_t shape_hash(const pare_onednn_shape *shape) {
    const pare_matmul *s = &shape->matmul;
    const int64_t words[] = {s->batch,
                             s->m,
                             s->n,
                             s->k,
                             s->lda,
                             s->ldb,
                             shape->ldc,
                             s->transpose_a | s->transpose_b << 1 | s->accumulate << 2 | shape->packed_gemm << 3,
                             (int64_t)shape->operand};
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        hash = (hash ^ (uint64_t)words[i]) * 0xff51afd7ed558ccdu, hash ^= hash >> 29;
    return hash;
}

static bool shape_equal(const pare_onednn_shape *x, const pare_onednn_shape *y) {
    const pare_matmul *s = &x->matmul, *t = &y->matmul;
    return x->operand == y->operand && x->ldc == y->ldc && x->packed_gemm == y->packed_gemm && s->batch == t->batch &&
           s->m == t->m && s->n == t->n && s->k == t->k && s->lda == t->lda && s->ldb == t->ldb &&
           s->transpose_a == t->transpose_a && s->transpose_b == t->transpose_b && s->accumulate == t->accumulate;
}

static pare_status find(pare_matmul_cache *cache, const pare_onednn_shape *shape, const pare_onednn_product **out) {
    matmul_set *set = &cache->sets[shape_hash(shape) % CACHE_SETS];
    for (int way = 0; way < WAYS; way++)
        if (set->entries[way].product && shape_equal(&set->entries[way].shape, shape)) {
            *out = set->entries[way].product;
            return PARE_OK;
        }
    matmul_entry *entry = &set->entries[set->next];
    pare_onednn_product *product;
    PARE_TRY(pare_onednn_product_new(cache->onednn, shape, &product));
    pare_onednn_product_free(entry->product);
    *entry = (matmul_entry){.shape = *shape, .product = product};
    set->next = (set->next + 1) % WAYS;
    *out = product;
    return PARE_OK;
}

static bool wants_packed_gemm(const pare_matmul *s) {
    if (s->batch != 1 || s->slim) return false;
    bool shallow = s->k <= (s->transpose_a ? SHALLOW_TRANSPOSED : SHALLOW);
    return s->m <= FEW_ROWS || (s->m >= MANY_ROWS && !shallow);
}

pare_status pare_matmul_run(pare_matmul_cache *cache, const pare_matmul *shape, pare_dtype operand, int64_t ldc,
                            const void *a, const void *b, float *c) {
    const pare_onednn_product *product;
    pare_onednn_shape key = {.matmul = *shape, .ldc = ldc, .operand = operand, .packed_gemm = wants_packed_gemm(shape)};
    PARE_TRY(find(cache, &key, &product));
    return pare_onednn_product_run(cache->onednn, product, a, b, c);
}

static void clear(const pare_matmul *shape, float *c) {
    int64_t stride = shape->ldc ? shape->ldc : shape->n;
    for (int64_t row = 0; row < shape->batch * shape->m; row++)
        memset(c + row * stride, 0, (size_t)shape->n * sizeof *c);
}

pare_status pare_cpu_matmul(const pare_backend *backend, const pare_matmul *shape, const void *a, const void *b,
                            float *c) {
    pare_matmul_cache *cache = backend->state;
    if (shape->batch == 0 || shape->m == 0 || shape->n == 0) return PARE_OK;
    if (shape->k == 0) {
        if (!shape->accumulate) clear(shape, c);
        return PARE_OK;
    }
    if (backend->operand == PARE_DTYPE_BF16 && !cache->native_bf16)
        return pare_matmul_run_widened(cache, shape, a, b, c);
    return pare_matmul_run(cache, shape, backend->operand, shape->ldc, a, b, c);
}
