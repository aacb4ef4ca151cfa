#include "model/block_adapter.h"
#include "model/adapter_room.h"
#include "model/dropout.h"
#include "support/vectorize.h"

/* Stretches of dx' are at most this many floats, to stay in the cache until they are added to dx. */
enum { STRETCH = 1 << 18 };

const pare_adapter *pare_block_adapter(const pare_block *block, pare_role role) {
    return block->adapters ? &block->adapters->list[pare_tensor_id(block->layer, role)] : NULL;
}

static int64_t rank_of(const pare_block *block, pare_role role) {
    const pare_adapter *adapter = pare_block_adapter(block, role);
    return adapter ? adapter->rank : 0;
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

static pare_dropout dropout_of(const pare_block *block, pare_role role) {
    const pare_adapters *adapters = block->adapters;
    return (pare_dropout){.threshold = pare_dropout_threshold(adapters->dropout),
                          .seed = adapters->seed,
                          .draw = adapters->draw,
                          .first_sequence = adapters->first_sequence + (uint64_t)block->first_sequence,
                          .tensor = (uint32_t)pare_tensor_id(block->layer, role)};
}

static pare_dropout_shape input_shape(const pare_block *block, const pare_linear *l) {
    return (pare_dropout_shape){
        .sequences = block->batch, .length = block->length, .width = l->in, .by_feature = l->x_by_feature};
}

/* x': x itself where nothing is dropped. */
static const void *adapter_input(const pare_block *block, pare_role role, const pare_linear *l, const void *x) {
    pare_dropout dropout = dropout_of(block, role);
    if (!dropout.threshold) return x;
    pare_dropout_shape shape = input_shape(block, l);
    pare_dropout_apply(block->backend, &dropout, &shape, x, block->adapter_room->dropped);
    return block->adapter_room->dropped;
}

static pare_status make_low(const pare_block *block, pare_role role, const pare_linear *l, const void *input) {
    const pare_adapter *adapter = pare_block_adapter(block, role);
    pare_matmul shape = {.m = adapter->rank, .n = l->tokens, .k = l->in, .transpose_b = !l->x_by_feature};
    PARE_TRY(multiply(block, shape, adapter->a, input, block->adapter_room->product));
    scale_product(block, adapter->rank * l->tokens, block->adapter_room->low[role]);
    return PARE_OK;
}

static pare_status make_dlow(const pare_block *block, pare_role role, const pare_linear *l, const void *dy) {
    const pare_adapter *adapter = pare_block_adapter(block, role);
    pare_matmul shape = {
        .m = adapter->rank, .n = l->tokens, .k = l->out, .transpose_a = true, .transpose_b = !l->y_by_feature};
    PARE_TRY(multiply(block, shape, adapter->b, dy, block->adapter_room->product));
    scale_product(block, adapter->rank * l->tokens, block->adapter_room->dlow[role]);
    return PARE_OK;
}

pare_status pare_block_adapter_forward(const pare_block *block, pare_role role, const void *x, float *y) {
    int64_t rank = rank_of(block, role);
    if (!rank) return PARE_OK;
    pare_linear l = pare_linear_of(block, role);
    const void *low = block->adapter_room->low[role], *b = pare_block_adapter(block, role)->b;
    PARE_TRY(make_low(block, role, &l, adapter_input(block, role, &l, x)));
    pare_matmul shape = {.k = rank, .accumulate = true};
    if (l.y_by_feature) {
        shape.m = l.out;
        shape.n = l.tokens;
        return multiply(block, shape, b, low, y);
    }
    shape.m = l.tokens;
    shape.n = l.out;
    shape.transpose_a = shape.transpose_b = true;
    return multiply(block, shape, low, b, y);
}

pare_status pare_block_adapter_gradient(const pare_block *block, pare_role role, const void *dy, const void *x) {
    const pare_adapter *adapter = pare_block_adapter(block, role);
    if (!rank_of(block, role)) return PARE_OK;
    pare_linear l = pare_linear_of(block, role);
    const pare_adapter_room *room = block->adapter_room;
    PARE_TRY(make_dlow(block, role, &l, dy));
    if (!adapter->da && !adapter->db) return PARE_OK;
    /* A block that runs again for its backward stops before Down. */
    bool low_missing = role == PARE_ROLE_DOWN && adapter->db;
    const void *input = adapter->da || low_missing ? adapter_input(block, role, &l, x) : NULL;
    if (low_missing) PARE_TRY(make_low(block, role, &l, input));
    pare_matmul shape = {.n = adapter->rank, .m = l.out, .k = l.tokens, .accumulate = true};
    shape.transpose_a = !l.y_by_feature;
    shape.transpose_b = true;
    if (adapter->db) PARE_TRY(multiply(block, shape, dy, room->low[role], adapter->db));
    if (!adapter->da) return PARE_OK;
    shape =
        (pare_matmul){.m = adapter->rank, .n = l.in, .k = l.tokens, .accumulate = true, .transpose_b = l.x_by_feature};
    return multiply(block, shape, room->dlow[role], input, adapter->da);
}

/* Rows [first, first + rows) of dlow^T A as dx lies, into `to`. */
static pare_status input_rows(const pare_block *block, pare_role role, const pare_linear *l, int64_t first,
                              int64_t rows, bool accumulate, float *to) {
    const pare_backend *backend = block->backend;
    const pare_adapter *adapter = pare_block_adapter(block, role);
    const void *dlow = block->adapter_room->dlow[role];
    pare_matmul shape = {.m = rows, .k = adapter->rank, .transpose_a = true, .accumulate = accumulate};
    if (l->x_by_feature) {
        shape.n = l->tokens;
        shape.lda = l->in;
        return multiply(block, shape, pare_operand_at(backend, adapter->a, first), dlow, to);
    }
    shape.n = l->in;
    shape.lda = l->tokens;
    return multiply(block, shape, pare_operand_at(backend, dlow, first), adapter->a, to);
}

pare_status pare_block_adapter_input_gradient(const pare_block *block, pare_role role, float *dx) {
    if (!rank_of(block, role)) return PARE_OK;
    pare_linear l = pare_linear_of(block, role);
    pare_dropout dropout = dropout_of(block, role);
    int64_t rows = l.x_by_feature ? l.in : l.tokens, columns = l.x_by_feature ? l.tokens : l.in;
    if (!dropout.threshold || !columns) return input_rows(block, role, &l, 0, rows, true, dx);
    pare_dropout_shape shape = input_shape(block, &l);
    int64_t room = block->adapter_room->dropped_floats, floats = room < STRETCH ? room : STRETCH;
    int64_t step = columns < floats ? floats / columns : 1;
    for (int64_t first = 0; first < rows; first += step) {
        int64_t count = rows - first < step ? rows - first : step;
        PARE_TRY(input_rows(block, role, &l, first, count, false, block->adapter_room->dropped));
        pare_dropout_add(&dropout, &shape, first, count, block->adapter_room->dropped, dx);
    }
    return PARE_OK;
}
