#include "model/block_linear.h"

enum { MANY_TOKENS = 64 };

bool pare_linear_ffn_by_feature(int64_t tokens) {
    return tokens >= MANY_TOKENS;
}

typedef struct linear {
    int64_t tokens, out, in;
    bool x_by_feature, y_by_feature;
} linear;

static linear linear_of(const pare_block *block, pare_role role) {
    int64_t d = block->hidden, f = block->widths.ffn, tokens = block->batch * block->length;
    int64_t query = (int64_t)block->widths.heads * block->head, key = (int64_t)block->widths.kv_heads * block->head;
    bool many = pare_linear_ffn_by_feature(tokens);
    switch (role) {
    case PARE_ROLE_Q:
        return (linear){tokens, query, d, false, false};
    case PARE_ROLE_K:
    case PARE_ROLE_V:
        return (linear){tokens, key, d, false, false};
    case PARE_ROLE_O:
        return (linear){tokens, d, query, false, false};
    case PARE_ROLE_DOWN:
        return (linear){tokens, d, f, many, false};
    default:
        return (linear){tokens, f, d, false, many};
    }
}

static pare_status multiply(const pare_block *block, const pare_matmul *shape, const void *a, const void *b, float *c) {
    return block->backend->operations->matmul(block->backend, shape, a, b, c);
}

pare_status pare_linear_forward(const pare_block *block, pare_role role, const void *x, bool accumulate, float *y) {
    linear l = linear_of(block, role);
    const void *weight = block->weights.matrix[role];
    pare_matmul shape = {.batch = 1, .k = l.in, .transpose_b = true, .accumulate = accumulate};
    if (l.y_by_feature) {
        shape.m = l.out;
        shape.n = l.tokens;
        return multiply(block, &shape, weight, x, y);
    }
    shape.m = l.tokens;
    shape.n = l.out;
    shape.transpose_a = l.x_by_feature;
    return multiply(block, &shape, x, weight, y);
}

pare_status pare_linear_input_gradient(const pare_block *block, pare_role role, const void *dy, bool accumulate,
                                       float *dx) {
    linear l = linear_of(block, role);
    const void *weight = block->weights.matrix[role];
    pare_matmul shape = {.batch = 1, .k = l.out, .accumulate = accumulate};
    if (l.x_by_feature) {
        shape.m = l.in;
        shape.n = l.tokens;
        shape.transpose_a = shape.transpose_b = true;
        return multiply(block, &shape, weight, dy, dx);
    }
    shape.m = l.tokens;
    shape.n = l.in;
    shape.transpose_a = l.y_by_feature;
    return multiply(block, &shape, dy, weight, dx);
}

pare_status pare_linear_weight_gradient(const pare_block *block, const pare_block_gradients *g, pare_role role,
                                        const void *dy, const void *x) {
    linear l = linear_of(block, role);
    size_t id = pare_tensor_id(block->layer, role);
    if (!l.out || !l.in || !g->sink->wants(g->sink->context, id)) return PARE_OK;
    pare_matmul shape = {.batch = 1,
                         .m = l.out,
                         .n = l.in,
                         .k = l.tokens,
                         .transpose_a = !l.y_by_feature,
                         .transpose_b = l.x_by_feature,
                         .lda = l.y_by_feature ? l.tokens : l.out};
    if (g->sums[role]) {
        shape.accumulate = !g->first;
        PARE_TRY(multiply(block, &shape, dy, x, g->sums[role]));
        return g->last ? g->sink->rows(g->sink->context, id, 0, l.out, l.in, g->sums[role]) : PARE_OK;
    }
    int64_t step = g->chunk_elements / l.in, stride = l.y_by_feature ? l.tokens : 1;
    for (int64_t first = 0; first < l.out; first += step) {
        shape.m = l.out - first < step ? l.out - first : step;
        PARE_TRY(multiply(block, &shape, pare_operand_at(block->backend, dy, first * stride), x, g->chunk));
        PARE_TRY(g->sink->rows(g->sink->context, id, first, shape.m, l.in, g->chunk));
    }
    return PARE_OK;
}
