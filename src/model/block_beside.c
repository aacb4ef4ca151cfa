#include "model/block_beside.h"
#include "model/dropout.h"
#include "support/vectorize.h"

/* Stretches of dx' are at most this many floats, to stay in the cache until they are added to dx. */
enum { STRETCH = 1 << 18 };

static int64_t rank_of(const pare_beside *beside) {
    return beside->adapter ? beside->adapter->rank : 0;
}

pare_beside pare_block_beside(const pare_block *block, size_t id, pare_linear linear, bool dropped) {
    const pare_adapter *adapter = block->adapters ? &block->adapters->list[id] : NULL;
    pare_beside beside = {.adapter = adapter, .id = id, .l = linear, .dropped = dropped, .remade = true};
    if (!rank_of(&beside)) return beside;
    beside.low = block->adapter_room->other[0];
    beside.dlow = block->adapter_room->other[1];
    return beside;
}

static pare_status multiply(const pare_block *block, pare_matmul shape, const void *a, const void *b, float *c) {
    shape.batch = 1;
    shape.slim = true;
    return block->backend->operations->matmul(block->backend, &shape, a, b, c);
}

PARE_VECTORIZE static void multiply_by(float *restrict x, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] *= factor;
}

/* The room's product, scaled, as an operand. */
static void scale_product(const pare_block *block, int64_t n, void *out) {
    float *product = block->adapter_room->product;
    multiply_by(product, block->adapters->scale, n);
    block->backend->operations->to_operand(block->backend, product, n, out);
}

static pare_dropout dropout_of(const pare_block *block, const pare_beside *beside) {
    const pare_adapters *adapters = block->adapters;
    return (pare_dropout){.threshold = beside->dropped ? pare_dropout_threshold(adapters->dropout) : 0,
                          .seed = adapters->seed,
                          .draw = adapters->draw,
                          .first_sequence = adapters->first_sequence + (uint64_t)block->first_sequence,
                          .tensor = (uint32_t)beside->id};
}

static pare_dropout_shape input_shape(const pare_block *block, const pare_linear *l) {
    return (pare_dropout_shape){
        .sequences = block->batch, .length = block->length, .width = l->in, .by_feature = l->x_by_feature};
}

/* x': x itself where nothing is dropped. */
static const void *adapter_input(const pare_block *block, const pare_beside *beside, const void *x) {
    pare_dropout dropout = dropout_of(block, beside);
    if (!dropout.threshold) return x;
    pare_dropout_shape shape = input_shape(block, &beside->l);
    pare_dropout_apply(block->backend, &dropout, &shape, x, block->adapter_room->dropped);
    return block->adapter_room->dropped;
}

static pare_status make_low(const pare_block *block, const pare_beside *beside, const void *input) {
    const pare_linear *l = &beside->l;
    pare_matmul shape = {.m = rank_of(beside), .n = l->tokens, .k = l->in, .transpose_b = !l->x_by_feature};
    PARE_TRY(multiply(block, shape, beside->adapter->a, input, block->adapter_room->product));
    scale_product(block, rank_of(beside) * l->tokens, beside->low);
    return PARE_OK;
}

static pare_status make_dlow(const pare_block *block, const pare_beside *beside, const void *dy) {
    const pare_linear *l = &beside->l;
    pare_matmul shape = {
        .m = rank_of(beside), .n = l->tokens, .k = l->out, .transpose_a = true, .transpose_b = !l->y_by_feature};
    PARE_TRY(multiply(block, shape, beside->adapter->b, dy, block->adapter_room->product));
    scale_product(block, rank_of(beside) * l->tokens, beside->dlow);
    return PARE_OK;
}

pare_status pare_beside_forward(const pare_block *block, const pare_beside *beside, const void *x, float *y) {
    const pare_linear *l = &beside->l;
    if (!rank_of(beside)) return PARE_OK;
    PARE_TRY(make_low(block, beside, adapter_input(block, beside, x)));
    pare_matmul shape = {.k = rank_of(beside), .accumulate = true};
    if (l->y_by_feature) {
        shape.m = l->out;
        shape.n = l->tokens;
        return multiply(block, shape, beside->adapter->b, beside->low, y);
    }
    shape.m = l->tokens;
    shape.n = l->out;
    shape.transpose_a = shape.transpose_b = true;
    return multiply(block, shape, beside->low, beside->adapter->b, y);
}

pare_status pare_beside_gradient(const pare_block *block, const pare_beside *beside, const void *dy, const void *x) {
    const pare_adapter *adapter = beside->adapter;
    const pare_linear *l = &beside->l;
    if (!rank_of(beside)) return PARE_OK;
    PARE_TRY(make_dlow(block, beside, dy));
    if (!adapter->da && !adapter->db) return PARE_OK;
    bool low_missing = beside->remade && adapter->db;
    const void *input = adapter->da || low_missing ? adapter_input(block, beside, x) : NULL;
    if (low_missing) PARE_TRY(make_low(block, beside, input));
    pare_matmul shape = {.n = adapter->rank, .m = l->out, .k = l->tokens, .accumulate = true};
    shape.transpose_a = !l->y_by_feature;
    shape.transpose_b = true;
    if (adapter->db) PARE_TRY(multiply(block, shape, dy, beside->low, adapter->db));
    if (!adapter->da) return PARE_OK;
    shape = (pare_matmul){
        .m = adapter->rank, .n = l->in, .k = l->tokens, .accumulate = true, .transpose_b = l->x_by_feature};
    return multiply(block, shape, beside->dlow, input, adapter->da);
}

/* Rows [first, first + rows) of dlow^T A as dx lies, into `to`. */
static pare_status input_rows(const pare_block *block, const pare_beside *beside, int64_t first, int64_t rows,
                              bool accumulate, float *to) {
    const pare_backend *backend = block->backend;
    const pare_adapter *adapter = beside->adapter;
    const pare_linear *l = &beside->l;
    pare_matmul shape = {.m = rows, .k = adapter->rank, .transpose_a = true, .accumulate = accumulate};
    if (l->x_by_feature) {
        shape.n = l->tokens;
        shape.lda = l->in;
        return multiply(block, shape, pare_operand_at(backend, adapter->a, first), beside->dlow, to);
    }
    shape.n = l->in;
    shape.lda = l->tokens;
    return multiply(block, shape, pare_operand_at(backend, beside->dlow, first), adapter->a, to);
}

pare_status pare_beside_input_gradient(const pare_block *block, const pare_beside *beside, float *dx) {
    const pare_linear *l = &beside->l;
    if (!rank_of(beside)) return PARE_OK;
    pare_dropout dropout = dropout_of(block, beside);
    int64_t rows = l->x_by_feature ? l->in : l->tokens, columns = l->x_by_feature ? l->tokens : l->in;
    if (!dropout.threshold || !columns) return input_rows(block, beside, 0, rows, true, dx);
    pare_dropout_shape shape = input_shape(block, l);
    int64_t room = block->adapter_room->dropped_floats, floats = room < STRETCH ? room : STRETCH;
    int64_t step = columns < floats ? floats / columns : 1;
    for (int64_t first = 0; first < rows; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        PARE_TRY(input_rows(block, beside, first, count, false, block->adapter_room->dropped));
        pare_dropout_add(&dropout, &shape, first, count, block->adapter_room->dropped, dx);
    }
    return PARE_OK;
}
