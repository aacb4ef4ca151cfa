#include "model/work.h"

/* Attention works on tiles: the keys beyond the diagonal of the last tile of a row of tiles are never touched. */
enum { TILE = 128 };

/* Bytes that the softmax of a logit moves: it is written, and read for the largest and for the sum. */
enum { LOGIT_BYTES = 3 * sizeof(float) };

/* Of what makes queries, keys and values: `usual`, but over latents. tokens2: twice the tokens. */
static double heads_operations(const pare_config *config, const pare_widths *w, double tokens2, double usual) {
    static const pare_role roles[] = {PARE_ROLE_Q, PARE_ROLE_K, PARE_ROLE_V};
    double elements = (double)config->latent.queries * config->hidden;
    if (!config->latent.keys) return usual;
    for (int i = 0; i < 3; i++) {
        int64_t rows, columns;
        pare_config_role_shape(config, w, roles[i], &rows, &columns);
        elements += (double)rows * (double)columns;
    }
    return tokens2 * elements;
}

pare_block_operations pare_block_operations_of(const pare_model *model, uint32_t layer, int64_t sequences,
                                               int64_t length) {
    const pare_config *config = &model->config;
    const pare_widths *w = &config->widths[layer];
    double each = 2.0 * (double)(sequences * length) * config->hidden, h = config->head_size, pairs = 0.0;
    double wide = pare_has_role(&config->architecture, PARE_ROLE_GATE) ? 2.0 : 1.0;
    for (int64_t query = 0; query < length; query += TILE) {
        int64_t end = query + TILE < length ? query + TILE : length;
        pairs += (double)(end - query) * (double)(config->architecture.bidirectional ? length : end);
    }
    double projected =
        heads_operations(config, w, 2.0 * (double)(sequences * length), each * h * (w->heads + 2.0 * w->kv_heads));
    const pare_experts *experts = &config->experts;
    uint64_t width = w->ffn + (w->experts ? (uint64_t)experts->chosen * experts->width : 0);
    return (pare_block_operations){.heads = projected,
                                   .attention = 4.0 * (double)sequences * pairs * h * w->heads,
                                   .merged = each * (config->latent.keys ? config->latent.value : h) * w->heads,
                                   .wide = each * wide * (double)width + each * w->experts,
                                   .narrow = each * (double)width};
}

pare_work pare_work_blocks(const pare_model *model, int64_t sequences, int64_t length) {
    pare_work work = {{0}};
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        pare_block_operations o = pare_block_operations_of(model, layer, sequences, length);
        work.amount[PARE_WORK_BLOCKS] += pare_attention_operations(&o) + pare_ffn_operations(&o);
    }
    return work;
}

static double head_operations(const pare_model *model, int64_t tokens) {
    return 2.0 * (double)tokens * model->config.vocabulary * model->config.head_width;
}

/* Of a picture the first token alone is read. */
static int64_t head_tokens(const pare_model *model, int64_t sequences, int64_t length) {
    return pare_reads_pictures(&model->config) ? sequences : sequences * length;
}

pare_work pare_work_head(const pare_model *model, int64_t tokens) {
    pare_work work = {{0}};
    work.amount[PARE_WORK_PRODUCTS] = head_operations(model, tokens);
    work.amount[PARE_WORK_BYTES] = (double)tokens * model->config.vocabulary * LOGIT_BYTES;
    return work;
}

pare_work pare_work_forward(const pare_model *model, int64_t sequences, int64_t length) {
    pare_work work = pare_work_blocks(model, sequences, length);
    pare_work head = pare_work_head(model, head_tokens(model, sequences, length));
    pare_work_add(&work, &head, 1.0);
    return work;
}

/* A byte that is written is made of what is kept, copied, written and hashed, and a byte that is checked read and
 * hashed: in bytes of memory that take as long. */
enum { WRITTEN_BYTES = 72, CHECKED_BYTES = 32 };

pare_work pare_work_writing(uint64_t bytes) {
    return (pare_work){{[PARE_WORK_BYTES] = WRITTEN_BYTES * (double)bytes}};
}

pare_work pare_work_checking(uint64_t bytes) {
    return (pare_work){{[PARE_WORK_BYTES] = CHECKED_BYTES * (double)bytes}};
}

/* Logits once for the loss and once for the gradient, and that of what the head reads. dW takes one product more, and
 * the logits of a tied head, which makes its dW at the end, another. */
static void add_head(const pare_model *model, const pare_gradient_shape *shape, pare_work *work) {
    int64_t tokens = head_tokens(model, shape->sequences, shape->length);
    pare_work logits = pare_work_head(model, tokens);
    double products = !shape->head ? 1.0 : model->config.tied ? 3.0 : 2.0;
    pare_work_add(work, &logits, 2.0);
    work->amount[PARE_WORK_PRODUCTS] += products * head_operations(model, tokens);
}

pare_work pare_work_gradient(const pare_model *model, const pare_gradient_shape *shape) {
    pare_work work = pare_work_blocks(model, shape->sequences, shape->length);
    double products = shape->weights ? 2.0 : 1.0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        pare_block_operations o = pare_block_operations_of(model, layer, shape->sequences, shape->length);
        double linear = o.heads + o.merged + o.wide + o.narrow;
        work.amount[PARE_WORK_BLOCKS] += shape->again * (linear - o.narrow + o.attention);
        work.amount[PARE_WORK_BACKWARD] += products * linear + 2.5 * o.attention;
    }
    add_head(model, shape, &work);
    return work;
}

pare_work pare_work_gradient_of_all(const pare_model *model, int64_t sequences, int64_t length) {
    double layers = model->config.layers;
    return pare_work_gradient(
        model,
        &(pare_gradient_shape){
            .sequences = sequences, .length = length, .weights = true, .head = true, .again = (layers - 1.0) / layers});
}
