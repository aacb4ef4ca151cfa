/* How fast blocks go forward, backward, and with one token of each of some sequences. */
#include "evaluate/rates.h"
#include "evaluate/timed.h"
#include "model/expert_tensors.h"
#include "model/walk.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/random.h"

#include <string.h>

/* Tokens of blocks at most, as passes and walks take them; sequences that text is written for, where nobody says. */
enum { TOKENS = 2048, WRITTEN = 64 };

/* Seconds of a forward, about. */
static const double piece = 0.05;

/* Text is written with attention to all earlier tokens: of the rate of a first token. */
static const double decoding_share = 0.65;

/* Blocks one after the other, so that weights come from where they come from in a pass. */
typedef struct block_run {
    const pare_model *model;
    pare_walk walk;
    pare_activations activations; /* with room for a backward */
    pare_gradient_sink sink;
    pare_block_gradients gradients;
    pare_block block;
    int64_t sequences;
    size_t count; /* of hidden states */
    uint32_t layer;
    float *x, *dx;
    float *out; /* where there are experts, which nothing but a block's output needs; else NULL */
} block_run;

static pare_status run_block(void *context) {
    block_run *run = context;
    run->block = pare_walk_block(&run->walk, run->layer++ % run->model->config.layers);
    run->block.batch = run->sequences;
    return pare_block_forward(&run->block, run->x, run->out);
}

/* A block with experts takes so long that it is run once: not when its pages are touched for the first time. */
static pare_status warm_up(block_run *run) {
    PARE_TRY(run_block(run));
    run->layer = 0;
    return PARE_OK;
}

static pare_status prepare_backward(void *context) {
    block_run *run = context;
    run->block = pare_walk_block(&run->walk, run->layer++ % run->model->config.layers);
    run->block.batch = run->sequences;
    run->block.activations = &run->activations;
    memcpy(run->dx, run->x, run->count * sizeof *run->x);
    return pare_block_forward(&run->block, run->x, NULL);
}

static pare_status run_backward(void *context) {
    block_run *run = context;
    return pare_block_backward(&run->block, &run->gradients, run->x, run->dx, true);
}

static bool wants_matrices(void *context, size_t id) {
    const block_run *run = context;
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    if (pare_tensor_id_split_expert(run->model, id, &place)) return place.what == PARE_EXPERT_OWN;
    return pare_tensor_id_split(run->model, id, &layer, &role) && pare_role_is_matrix(role);
}

static pare_status take_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    (void)context, (void)id, (void)first, (void)rows, (void)columns, (void)gradient, (void)samples;
    return PARE_OK;
}

static void close_run(block_run *run) {
    pare_free(run->x);
    pare_free(run->dx);
    pare_free(run->out);
    pare_free(run->gradients.chunk);
    pare_activations_free(&run->activations);
    pare_walk_free(&run->walk);
}

/* No two tokens alike: they would reach the same experts, and nothing else would be read. */
static pare_status fill_states(block_run *run) {
    pare_random random = {0};
    PARE_TRY(pare_alloc(&run->x, run->count, sizeof *run->x, "hidden states"));
    for (size_t i = 0; i < run->count; i++)
        run->x[i] = (float)(2.0 * pare_random_uniform(&random) - 1.0);
    if (!pare_has_experts(&run->model->config)) return PARE_OK;
    return pare_alloc_uninitialized(&run->out, run->count, sizeof *run->out, "hidden states");
}

static int64_t chunk_elements(const pare_config *config) {
    int64_t widest = pare_larger(config->hidden, config->widths[0].ffn);
    return pare_larger(PARE_GRADIENT_CHUNK_BYTES / (int64_t)sizeof(float), widest);
}

static pare_status open_backward(const pare_source *source, int64_t length, block_run *run) {
    const pare_config *config = &run->model->config;
    run->sink = (pare_gradient_sink){.wants = wants_matrices, .rows = take_rows, .context = run};
    run->gradients = (pare_block_gradients){.sink = &run->sink,
                                            .chunk_elements = chunk_elements(config),
                                            .sequences = run->sequences,
                                            .first = true,
                                            .last = true};
    PARE_TRY(pare_alloc(&run->dx, run->count, sizeof *run->dx, "hidden states"));
    PARE_TRY(pare_alloc_uninitialized(&run->gradients.chunk, (size_t)run->gradients.chunk_elements, sizeof(float),
                                      "weight gradients"));
    return pare_activations_new(source->backend, config, run->sequences * length, true, &run->activations);
}

static double operations_of_blocks(const pare_model *model, int64_t sequences, int64_t length) {
    pare_work work = pare_work_blocks(model, sequences, length);
    return work.amount[PARE_WORK_BLOCKS] / model->config.layers;
}

static double operations_of_backward(const pare_model *model, int64_t sequences, int64_t length) {
    pare_work work =
        pare_work_gradient(model, &(pare_gradient_shape){.sequences = sequences, .length = length, .weights = true});
    return work.amount[PARE_WORK_BACKWARD] / model->config.layers;
}

/* backward: also or NULL. */
static pare_status measure(const pare_rates_request *r, int64_t sequences, int64_t length, double *forward,
                           double *backward) {
    const pare_source source = {.model = r->model, .backend = r->backend};
    block_run run = {
        .model = r->model, .sequences = sequences, .count = (size_t)(sequences * length) * r->model->config.hidden};
    PARE_TRY(pare_walk_new(&source, length, sequences, &run.walk));
    pare_status status = fill_states(&run);
    double once = operations_of_blocks(r->model, sequences, length);
    double back = operations_of_backward(r->model, sequences, length);
    if (status == PARE_OK && run.out) status = warm_up(&run);
    if (status == PARE_OK) status = pare_timed_rate(NULL, run_block, &run, once, forward);
    if (status == PARE_OK && backward) status = open_backward(&source, length, &run);
    if (status == PARE_OK && backward) status = pare_timed_rate(prepare_backward, run_backward, &run, back, backward);
    close_run(&run);
    return status;
}

static uint64_t bytes_of(const pare_rates_request *r, int64_t sequences, bool backward) {
    const pare_source source = {.model = r->model, .backend = r->backend};
    const pare_config *config = &r->model->config;
    uint64_t states = 3 * (uint64_t)(sequences * r->length) * config->hidden * sizeof(float);
    uint64_t room = pare_activations_bytes(r->backend, config, sequences * r->length, true) +
                    pare_attention_workspace_bytes(r->backend, config, sequences, r->length, true) +
                    (uint64_t)chunk_elements(config) * sizeof(float);
    return pare_walk_bytes(&source, r->length, sequences) + states + (backward ? room : 0);
}

/* As many sequences as take a while, and not long, and leave half of the memory; of experts, whose weights are read for
 * as many tokens as there are, as a pass has them at a time. */
static int64_t sequences_of(const pare_rates_request *r, double products, bool backward) {
    double each = operations_of_blocks(r->model, 1, r->length);
    int64_t most = pare_larger(TOKENS / r->length, 1), some = (int64_t)(piece * products / each);
    if (pare_has_experts(&r->model->config)) some = most;
    int64_t count = pare_larger(pare_smaller(some, most), 1);
    while (count > 1 && r->limit && bytes_of(r, count, backward) > r->limit / 2)
        count /= 2;
    return count;
}

pare_status pare_rates_measure_blocks(const pare_rates_request *r, pare_rates *out) {
    const double *amount = r->work->amount;
    double *rate = out->per_second;
    bool backward = amount[PARE_WORK_BACKWARD] > 0.0;
    int64_t sequences = sequences_of(r, rate[PARE_WORK_PRODUCTS], backward);
    if (amount[PARE_WORK_BLOCKS] > 0.0 || backward)
        PARE_TRY(
            measure(r, sequences, r->length, &rate[PARE_WORK_BLOCKS], backward ? &rate[PARE_WORK_BACKWARD] : NULL));
    if (amount[PARE_WORK_DECODING] > 0.0)
        PARE_TRY(measure(r, r->written ? r->written : WRITTEN, 1, &rate[PARE_WORK_DECODING], NULL));
    rate[PARE_WORK_DECODING] *= decoding_share;
    return PARE_OK;
}
