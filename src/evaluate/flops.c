#include "evaluate/flops.h"

/* Attention works on tiles: the keys beyond the diagonal of the last tile of a row of tiles are never touched. */
enum { TILE = 128 };

typedef struct block_products {
    double down, other, attention; /* multiply-adds of one forward */
} block_products;

static block_products products_of(const pare_model *model, uint32_t layer, int64_t sequences, int64_t length) {
    const pare_widths *w = &model->config.widths[layer];
    double n = (double)(sequences * length), d = model->config.hidden, h = model->config.head_size, pairs = 0.0;
    double up = pare_has_role(&model->config.architecture, PARE_ROLE_GATE) ? 2.0 : 1.0;
    for (int64_t query = 0; query < length; query += TILE) {
        int64_t end = query + TILE < length ? query + TILE : length;
        bool all = model->config.architecture.bidirectional;
        pairs += (double)(end - query) * (double)(all ? length : end);
    }
    return (block_products){.down = n * d * w->ffn,
                            .other = n * d * (up * w->ffn + 2.0 * h * (w->heads + w->kv_heads)),
                            .attention = (double)sequences * pairs * h * w->heads};
}

double pare_flops_forward(const pare_model *model, int64_t sequences, int64_t length) {
    double total = (double)(sequences * length) * model->config.vocabulary * model->config.hidden;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        block_products p = products_of(model, layer, sequences, length);
        total += p.down + p.other + 2.0 * p.attention;
    }
    return 2.0 * total;
}

double pare_flops_gradient(const pare_model *model, int64_t sequences, int64_t length, bool micro_batched) {
    double head = (double)(sequences * length) * model->config.vocabulary * model->config.hidden;
    /* Logits once for the loss and once for the gradient, dfinal, dW; a tied head makes logits and dW at the end. */
    double total = head * (model->config.tied ? 5.0 : 4.0);
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        block_products p = products_of(model, layer, sequences, length);
        bool resident = layer + 1 == model->config.layers && !micro_batched;
        total += p.down + p.other + 2.0 * p.attention;
        if (!resident) total += p.other + 2.0 * p.attention;
        total += 2.0 * (p.down + p.other) + 5.0 * p.attention;
    }
    return 2.0 * total;
}
