/* Matrix products through oneDNN. A primitive is made once per shape and kept: making one costs more than a small
 * product.
 *
 * Which of oneDNN's implementations runs is fixed by the shape, never by a timing, so that the same inputs give the
 * same bits: its packed GEMM ("gemm:jit") is the fastest for large single products (up to twice the default choice for
 * dX = dY W), its batched kernels for attention tiles, for products of a few rows (bench/bench_matmul.c) and for those
 * with low-rank matrices, where they are ten times as fast and more. */
#include "backend/cpu/cpu.h"
#include "support/memory.h"

#include <oneapi/dnnl/dnnl.h>
#include <string.h>

enum { CACHE_SLOTS = 512, FEW_ROWS = 4, MANY_ROWS = 48 };

typedef struct matmul_key {
    pare_matmul shape;
    pare_dtype operand;
} matmul_key;

typedef struct matmul_entry {
    bool used;
    matmul_key key;
    dnnl_primitive_t primitive;
    dnnl_memory_t a, b, c;
} matmul_entry;

struct pare_matmul_cache {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    matmul_entry entries[CACHE_SLOTS];
};

static pare_status dnnl_failed(dnnl_status_t status, const pare_matmul *s) {
    return pare_fail(status == dnnl_out_of_memory ? PARE_OUT_OF_MEMORY : PARE_CHECK_FAILED,
                     "oneDNN refused a matrix product of %lld x [%lld, %lld] x [%lld, %lld] (status %d)",
                     (long long)s->batch, (long long)s->m, (long long)s->k, (long long)s->k, (long long)s->n,
                     (int)status);
}

bool pare_cpu_has_bf16(void) {
    /* Implied by every instruction set of oneDNN from AVX512_CORE_BF16 on; AVX512_CORE_VNNI and below lack it. */
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    return isa != dnnl_cpu_isa_all &&
           (isa & (unsigned)dnnl_cpu_isa_avx512_core_bf16) == (unsigned)dnnl_cpu_isa_avx512_core_bf16;
}

pare_status pare_matmul_cache_new(pare_matmul_cache **out) {
    PARE_TRY(pare_alloc(out, 1, sizeof **out, "matrix product cache"));
    dnnl_status_t status = dnnl_engine_create(&(*out)->engine, dnnl_cpu, 0);
    if (status == dnnl_success) status = dnnl_stream_create(&(*out)->stream, (*out)->engine, dnnl_stream_default_flags);
    if (status == dnnl_success) return PARE_OK;
    pare_matmul_cache_free(*out);
    *out = NULL;
    return pare_fail(PARE_CHECK_FAILED, "oneDNN could not start (status %d)", (int)status);
}

static void entry_clear(matmul_entry *entry) {
    if (!entry->used) return;
    dnnl_memory_destroy(entry->a);
    dnnl_memory_destroy(entry->b);
    dnnl_memory_destroy(entry->c);
    dnnl_primitive_destroy(entry->primitive);
    *entry = (matmul_entry){0};
}

void pare_matmul_cache_free(pare_matmul_cache *cache) {
    if (!cache) return;
    for (int i = 0; i < CACHE_SLOTS; i++)
        entry_clear(&cache->entries[i]);
    dnnl_stream_destroy(cache->stream);
    dnnl_engine_destroy(cache->engine);
    pare_free(cache);
}

/* Memory descriptor of a [batch, rows, columns] operand that is stored as it is or transposed. */
static dnnl_status_t describe(dnnl_memory_desc_t *out, const pare_matmul *s, int64_t rows, int64_t columns,
                              bool transposed, int64_t ld, dnnl_data_type_t type) {
    int64_t stored_rows = transposed ? columns : rows;
    if (!ld) ld = transposed ? rows : columns;
    dnnl_dims_t dims = {s->batch, rows, columns};
    dnnl_dims_t strides = {stored_rows * ld, transposed ? 1 : ld, transposed ? ld : 1};
    int skip = s->batch == 1;
    return dnnl_memory_desc_init_by_strides(out, 3 - skip, dims + skip, type, strides + skip);
}

/* Walks oneDNN's implementations from its own favourite on to the one wanted for this shape. */
static dnnl_status_t choose(const pare_matmul *s, dnnl_engine_t engine, const dnnl_matmul_desc_t *desc,
                            const_dnnl_primitive_attr_t attributes, dnnl_primitive_desc_t *out) {
    bool packed = s->batch == 1 && !s->slim && (s->m <= FEW_ROWS || s->m >= MANY_ROWS);
    dnnl_primitive_desc_iterator_t iterator;
    dnnl_status_t status = dnnl_primitive_desc_iterator_create(&iterator, desc, attributes, engine, NULL);
    if (status != dnnl_success) return status;
    *out = dnnl_primitive_desc_iterator_fetch(iterator);
    while (packed && dnnl_primitive_desc_iterator_next(iterator) == dnnl_success) {
        dnnl_primitive_desc_t candidate = dnnl_primitive_desc_iterator_fetch(iterator);
        const char *name = "";
        dnnl_primitive_desc_query(candidate, dnnl_query_impl_info_str, 0, &name);
        if (strncmp(name, "gemm", 4) == 0) {
            dnnl_primitive_desc_destroy(*out);
            *out = candidate;
            break;
        }
        dnnl_primitive_desc_destroy(candidate);
    }
    dnnl_primitive_desc_iterator_destroy(iterator);
    return *out ? dnnl_success : dnnl_unimplemented;
}

static dnnl_status_t entry_make(const pare_matmul_cache *cache, matmul_entry *entry, const matmul_key *key) {
    const pare_matmul *s = &key->shape;
    dnnl_data_type_t type = key->operand == PARE_DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_memory_desc_t a, b, c;
    dnnl_matmul_desc_t desc;
    dnnl_primitive_desc_t primitive_desc = NULL;
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t sum = NULL;
    *entry = (matmul_entry){.used = true, .key = *key};

    dnnl_status_t status = describe(&a, s, s->m, s->k, s->transpose_a, s->lda, type);
    if (!status) status = describe(&b, s, s->k, s->n, s->transpose_b, s->ldb, type);
    if (!status) status = describe(&c, s, s->m, s->n, false, 0, dnnl_f32);
    if (!status) status = dnnl_matmul_desc_init(&desc, &a, &b, NULL, &c);
    if (!status) status = dnnl_primitive_attr_create(&attributes);
    if (!status && s->accumulate) {
        status = dnnl_post_ops_create(&sum);
        if (!status) status = dnnl_post_ops_append_sum(sum, 1.0f);
        if (!status) status = dnnl_primitive_attr_set_post_ops(attributes, sum);
    }
    if (!status) status = choose(s, cache->engine, &desc, attributes, &primitive_desc);
    if (!status) status = dnnl_primitive_create(&entry->primitive, primitive_desc);
    if (!status) status = dnnl_memory_create(&entry->a, &a, cache->engine, DNNL_MEMORY_NONE);
    if (!status) status = dnnl_memory_create(&entry->b, &b, cache->engine, DNNL_MEMORY_NONE);
    if (!status) status = dnnl_memory_create(&entry->c, &c, cache->engine, DNNL_MEMORY_NONE);
    if (sum) dnnl_post_ops_destroy(sum);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    if (primitive_desc) dnnl_primitive_desc_destroy(primitive_desc);
    if (status) entry_clear(entry);
    return status;
}

static uint64_t key_hash(const matmul_key *key) {
    const pare_matmul *s = &key->shape;
    const int64_t words[] = {s->batch,
                             s->m,
                             s->n,
                             s->k,
                             s->lda,
                             s->ldb,
                             s->transpose_a | s->transpose_b << 1 | s->accumulate << 2 | s->slim << 3,
                             (int64_t)key->operand};
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        hash = (hash ^ (uint64_t)words[i]) * 0xff51afd7ed558ccdu, hash ^= hash >> 29;
    return hash;
}

static bool key_equal(const matmul_key *x, const matmul_key *y) {
    const pare_matmul *s = &x->shape, *t = &y->shape;
    return x->operand == y->operand && s->batch == t->batch && s->m == t->m && s->n == t->n && s->k == t->k &&
           s->lda == t->lda && s->ldb == t->ldb && s->transpose_a == t->transpose_a &&
           s->transpose_b == t->transpose_b && s->accumulate == t->accumulate && s->slim == t->slim;
}

pare_status pare_cpu_matmul(const pare_backend *backend, const pare_matmul *shape, const void *a, const void *b,
                            float *c) {
    pare_matmul_cache *cache = backend->state;
    matmul_key key = {.shape = *shape, .operand = backend->operand};
    if (shape->batch == 0 || shape->m == 0 || shape->n == 0) return PARE_OK;
    if (shape->k == 0) {
        if (!shape->accumulate) memset(c, 0, (size_t)(shape->batch * shape->m * shape->n) * sizeof *c);
        return PARE_OK;
    }
    matmul_entry *entry = &cache->entries[key_hash(&key) % CACHE_SLOTS];
    dnnl_status_t status = dnnl_success;
    if (!entry->used || !key_equal(&entry->key, &key)) {
        entry_clear(entry);
        status = entry_make(cache, entry, &key);
    }
    if (!status) status = dnnl_memory_set_data_handle(entry->a, (void *)(uintptr_t)a);
    if (!status) status = dnnl_memory_set_data_handle(entry->b, (void *)(uintptr_t)b);
    if (!status) status = dnnl_memory_set_data_handle(entry->c, c);
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, entry->a}, {DNNL_ARG_WEIGHTS, entry->b}, {DNNL_ARG_DST, entry->c}};
    if (!status) status = dnnl_primitive_execute(entry->primitive, cache->stream, 3, arguments);
    if (!status) status = dnnl_stream_wait(cache->stream);
    return status ? dnnl_failed(status, shape) : PARE_OK;
}
