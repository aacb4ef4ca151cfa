/* From version 3 on, descriptors are allocated, a primitive descriptor is made without an operation descriptor, and is
 * its own iterator over implementations. */
#include "backend/cpu/onednn.h"
#include "support/memory.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdlib.h>
#include <string.h>

/* Products that need room while they run share it. It is ours, because oneDNN's own belongs to the thread that made a
 * primitive, and threads may end before their primitives do. */
struct pare_onednn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    void *room;
    size_t room_bytes;
};

struct pare_onednn_product {
    pare_onednn_shape shape;
    dnnl_primitive_t primitive;
    dnnl_memory_t a, b, c;
    dnnl_memory_t room; /* NULL: needs none */
};

typedef dnnl_memory_desc_t layout;

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t layout_new(layout *out, int count, const dnnl_dims_t dims, dnnl_data_type_t type,
                                const dnnl_dims_t strides) {
    return dnnl_memory_desc_create_with_strides(out, count, dims, type, strides);
}

static void layout_free(layout *it) {
    if (*it) dnnl_memory_desc_destroy(*it);
}

static dnnl_status_t memory_new(dnnl_memory_t *out, const layout *it, dnnl_engine_t engine) {
    return dnnl_memory_create(out, *it, engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef);
}

typedef const_dnnl_memory_desc_t layout_view;

typedef struct implementations {
    dnnl_primitive_desc_t current;
} implementations;

static dnnl_status_t implementations_begin(implementations *it, dnnl_engine_t engine, const layout *a, const layout *b,
                                           const layout *c, const_dnnl_primitive_attr_t attributes) {
    return dnnl_matmul_primitive_desc_create(&it->current, engine, *a, *b, NULL, *c, attributes);
}

static bool implementations_next(implementations *it) {
    return dnnl_primitive_desc_next_impl(it->current) == dnnl_success;
}

static void implementations_end(implementations *it) {
    if (it->current) dnnl_primitive_desc_destroy(it->current);
}

#else

static dnnl_status_t layout_new(layout *out, int count, const dnnl_dims_t dims, dnnl_data_type_t type,
                                const dnnl_dims_t strides) {
    return dnnl_memory_desc_init_by_strides(out, count, dims, type, strides);
}

static void layout_free(layout *it) {
    (void)it;
}

static dnnl_status_t memory_new(dnnl_memory_t *out, const layout *it, dnnl_engine_t engine) {
    return dnnl_memory_create(out, it, engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations) {
    return dnnl_post_ops_append_sum(operations, 1.0f);
}

typedef const dnnl_memory_desc_t *layout_view;

typedef struct implementations {
    dnnl_primitive_desc_iterator_t iterator;
    dnnl_primitive_desc_t current;
} implementations;

static dnnl_status_t implementations_begin(implementations *it, dnnl_engine_t engine, const layout *a, const layout *b,
                                           const layout *c, const_dnnl_primitive_attr_t attributes) {
    dnnl_matmul_desc_t operation;
    dnnl_status_t status = dnnl_matmul_desc_init(&operation, a, b, NULL, c);
    if (!status) status = dnnl_primitive_desc_iterator_create(&it->iterator, &operation, attributes, engine, NULL);
    if (!status) it->current = dnnl_primitive_desc_iterator_fetch(it->iterator);
    return !status && !it->current ? dnnl_unimplemented : status;
}

static bool implementations_next(implementations *it) {
    if (dnnl_primitive_desc_iterator_next(it->iterator) != dnnl_success) return false;
    dnnl_primitive_desc_t next = dnnl_primitive_desc_iterator_fetch(it->iterator);
    if (!next) return false;
    dnnl_primitive_desc_destroy(it->current);
    it->current = next;
    return true;
}

static void implementations_end(implementations *it) {
    if (it->current) dnnl_primitive_desc_destroy(it->current);
    if (it->iterator) dnnl_primitive_desc_iterator_destroy(it->iterator);
}

#endif

static pare_status refused(dnnl_status_t status, const pare_onednn_shape *shape) {
    const pare_matmul *s = &shape->matmul;
    return pare_fail(status == dnnl_out_of_memory ? PARE_OUT_OF_MEMORY : PARE_CHECK_FAILED,
                     "oneDNN %d.%d refused a %s product of %lld x [%lld, %lld] x [%lld, %lld] (status %d)",
                     DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, pare_dtype_name(shape->operand), (long long)s->batch,
                     (long long)s->m, (long long)s->k, (long long)s->k, (long long)s->n, (int)status);
}

pare_status pare_onednn_new(pare_onednn **out) {
    PARE_TRY(pare_alloc(out, 1, sizeof **out, "oneDNN"));
    dnnl_status_t status = dnnl_engine_create(&(*out)->engine, dnnl_cpu, 0);
    if (!status) status = dnnl_stream_create(&(*out)->stream, (*out)->engine, dnnl_stream_default_flags);
    if (!status) return PARE_OK;
    pare_onednn_free(*out);
    *out = NULL;
    return pare_fail(PARE_CHECK_FAILED, "oneDNN could not start (status %d)", (int)status);
}

void pare_onednn_free(pare_onednn *onednn) {
    if (!onednn) return;
    if (onednn->stream) dnnl_stream_destroy(onednn->stream);
    if (onednn->engine) dnnl_engine_destroy(onednn->engine);
    free(onednn->room);
    pare_free(onednn);
}

/* Layout of a [batch, rows, columns] matrix that is stored as it is or transposed. */
static dnnl_status_t matrix_layout(layout *out, int64_t batch, int64_t rows, int64_t columns, bool transposed,
                                   int64_t ld, pare_dtype dtype) {
    int64_t stored_rows = transposed ? columns : rows;
    if (!ld) ld = transposed ? rows : columns;
    int64_t row_stride = transposed ? 1 : ld, column_stride = transposed ? ld : 1;
    dnnl_data_type_t type = dtype == PARE_DTYPE_BF16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dims_t plane = {rows, columns}, plane_strides = {row_stride, column_stride};
    if (batch == 1) return layout_new(out, 2, plane, type, plane_strides);
    dnnl_dims_t dims = {batch, rows, columns}, strides = {stored_rows * ld, row_stride, column_stride};
    return layout_new(out, 3, dims, type, strides);
}

static const char *implementation_name(const implementations *it) {
    const char *name = "";
    dnnl_primitive_desc_query(it->current, dnnl_query_impl_info_str, 0, &name);
    return name;
}

static dnnl_status_t attributes_new(bool accumulate, dnnl_primitive_attr_t *out) {
    dnnl_post_ops_t operations = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (!status) status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status || !accumulate) return status;
    status = dnnl_post_ops_create(&operations);
    if (!status) status = append_sum(operations);
    if (!status) status = dnnl_primitive_attr_set_post_ops(*out, operations);
    if (operations) dnnl_post_ops_destroy(operations);
    return status;
}

/* Room for what the implementation needs while it runs. */
static dnnl_status_t room_new(pare_onednn *onednn, const implementations *it, dnnl_memory_t *out) {
    enum { LINE = 64 };
    layout_view needed = dnnl_primitive_desc_query_md(it->current, dnnl_query_scratchpad_md, 0);
    size_t bytes = needed ? dnnl_memory_desc_get_size(needed) : 0;
    if (!bytes) return dnnl_success;
    if (bytes > onednn->room_bytes) {
        size_t rounded = (bytes + LINE - 1) / LINE * LINE;
        void *room = aligned_alloc(LINE, rounded);
        if (!room) return dnnl_out_of_memory;
        free(onednn->room);
        onednn->room = room;
        onednn->room_bytes = rounded;
    }
    return dnnl_memory_create(out, needed, onednn->engine, DNNL_MEMORY_NONE);
}

/* From oneDNN's own favourite on to the one wanted for this shape; without one the favourite is made after all. */
static dnnl_status_t primitive_new(pare_onednn *onednn, const layout matrices[3], pare_onednn_product *out) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_status_t status = attributes_new(out->shape.matmul.accumulate, &attributes);
    for (bool wanted = out->shape.packed_gemm, done = false; !status && !done; wanted = false) {
        implementations it = {0};
        status = implementations_begin(&it, onednn->engine, &matrices[0], &matrices[1], &matrices[2], attributes);
        done = !status && !wanted;
        while (!status && !done) {
            done = strncmp(implementation_name(&it), "gemm", 4) == 0;
            if (!done && !implementations_next(&it)) break;
        }
        if (done) status = dnnl_primitive_create(&out->primitive, it.current);
        if (done && !status) status = room_new(onednn, &it, &out->room);
        implementations_end(&it);
    }
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    return status;
}

pare_status pare_onednn_product_new(pare_onednn *onednn, const pare_onednn_shape *shape, pare_onednn_product **out) {
    const pare_matmul *s = &shape->matmul;
    layout matrices[3];
    memset(matrices, 0, sizeof matrices);
    /* Not counted, as oneDNN's own memory is not: a pass holds what its plan says, whichever shapes it met. */
    pare_onednn_product *p = *out = calloc(1, sizeof *p);
    if (!p) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a matrix product");
    p->shape = *shape;
    dnnl_status_t status = matrix_layout(&matrices[0], s->batch, s->m, s->k, s->transpose_a, s->lda, shape->operand);
    if (!status) status = matrix_layout(&matrices[1], s->batch, s->k, s->n, s->transpose_b, s->ldb, shape->operand);
    if (!status) status = matrix_layout(&matrices[2], s->batch, s->m, s->n, false, shape->ldc, PARE_DTYPE_F32);
    if (!status) status = primitive_new(onednn, matrices, p);
    if (!status) status = memory_new(&p->a, &matrices[0], onednn->engine);
    if (!status) status = memory_new(&p->b, &matrices[1], onednn->engine);
    if (!status) status = memory_new(&p->c, &matrices[2], onednn->engine);
    for (int i = 0; i < 3; i++)
        layout_free(&matrices[i]);
    if (!status) return PARE_OK;
    pare_onednn_product_free(p);
    *out = NULL;
    return refused(status, shape);
}

void pare_onednn_product_free(pare_onednn_product *product) {
    if (!product) return;
    if (product->a) dnnl_memory_destroy(product->a);
    if (product->b) dnnl_memory_destroy(product->b);
    if (product->c) dnnl_memory_destroy(product->c);
    if (product->room) dnnl_memory_destroy(product->room);
    if (product->primitive) dnnl_primitive_destroy(product->primitive);
    free(product);
}

pare_status pare_onednn_product_run(const pare_onednn *onednn, const pare_onednn_product *product, const void *a,
                                    const void *b, float *c) {
    dnnl_status_t status = dnnl_memory_set_data_handle(product->a, (void *)(uintptr_t)a);
    if (!status) status = dnnl_memory_set_data_handle(product->b, (void *)(uintptr_t)b);
    if (!status) status = dnnl_memory_set_data_handle(product->c, c);
    if (!status && product->room) status = dnnl_memory_set_data_handle(product->room, onednn->room);
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_SRC, product->a},
                                   {DNNL_ARG_WEIGHTS, product->b},
                                   {DNNL_ARG_DST, product->c},
                                   {DNNL_ARG_SCRATCHPAD, product->room}};
    if (!status) status = dnnl_primitive_execute(product->primitive, onednn->stream, product->room ? 4 : 3, arguments);
    if (!status) status = dnnl_stream_wait(onednn->stream);
    return status ? refused(status, &product->shape) : PARE_OK;
}

unsigned pare_onednn_instructions(void) {
    return (unsigned)dnnl_get_effective_cpu_isa();
}

#if defined(__x86_64__)
bool pare_onednn_has_bf16(const pare_onednn *onednn) {
    (void)onednn;
    /* Implied by every instruction set of oneDNN from AVX512_CORE_BF16 on; AVX512_CORE_VNNI and below lack it, and
     * would imitate it. */
    unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();
    return (isa & (unsigned)dnnl_cpu_isa_avx512_core_bf16) == (unsigned)dnnl_cpu_isa_avx512_core_bf16;
}
#else
bool pare_onednn_has_bf16(const pare_onednn *onednn) {
    /* Elsewhere it is native if a large product gets anything but the plain loops. */
    const pare_matmul shape = {.batch = 1, .m = 256, .n = 256, .k = 256, .transpose_b = true};
    layout a, b, c;
    memset(&a, 0, sizeof a), memset(&b, 0, sizeof b), memset(&c, 0, sizeof c);
    implementations it = {0};
    dnnl_status_t status = matrix_layout(&a, 1, shape.m, shape.k, false, 0, PARE_DTYPE_BF16);
    if (!status) status = matrix_layout(&b, 1, shape.k, shape.n, true, 0, PARE_DTYPE_BF16);
    if (!status) status = matrix_layout(&c, 1, shape.m, shape.n, false, 0, PARE_DTYPE_F32);
    if (!status) status = implementations_begin(&it, onednn->engine, &a, &b, &c, NULL);
    bool native = !status && !strstr(implementation_name(&it), "ref");
    implementations_end(&it);
    layout_free(&a), layout_free(&b), layout_free(&c);
    return native;
}
#endif
