/* Sums of a gradient over the sequences, shard by shard (support/shards.h): a rank runs its own sequences through the
 * model; the rows of dW of a block come to the sink on every rank, when all shards of that block are done. */
#include "model/block_experts.h"
#include "model/block_latent.h"
#include "model/block_linear.h"
#include "model/block_residual.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "model/pass_internal.h"

/* Of weights' gradients, not what others see of a pass. */
static bool sums_weights(const pare_pass_shape *shape) {
    return shape->gradients && !shape->frozen;
}

pare_shards pare_pass_shards_of(const pare_pass_shape *shape) {
    return shape->shards ? pare_shards_of(shape->sequences, shape->length)
                         : (pare_shards){.sequences = shape->sequences, .count = 1, .last = 1};
}

/* Where a shard of this rank begins, among its sequences. */
static int64_t begin_of(const pare_pass *pass, int shard) {
    return pare_shard_begin(&pass->shards, shard) - pare_shard_begin(&pass->shards, pass->shards.first);
}

/* The shard of this rank that has a sequence. */
static int shard_of(const pare_pass *pass, int64_t sequence) {
    int shard = pass->shards.first;
    while (begin_of(pass, shard + 1) <= sequence)
        shard++;
    return shard;
}

pare_shards pare_pass_shards(const pare_pass *pass) {
    return pass->shards;
}

int pare_pass_shard(const pare_pass *pass) {
    return pass->shards.count == 1 ? 0 : shard_of(pass, pass->sequence);
}

/* Behind the shard's last sequence, of which one is `sequence`. */
static int64_t end_of(const pare_pass *pass, int64_t sequence) {
    return pass->shards.count == 1 ? pass->sequences : begin_of(pass, shard_of(pass, sequence) + 1);
}

int64_t pare_pass_stretch_at(const pare_pass *pass, int64_t sequence) {
    return end_of(pass, sequence) - sequence;
}

int64_t pare_pass_batch_at(const pare_pass *pass, int64_t sequence) {
    int64_t left = pare_pass_stretch_at(pass, sequence);
    return left < pass->micro_batch ? left : pass->micro_batch;
}

int64_t pare_pass_batch_number(const pare_pass *pass, int64_t sequence) {
    if (pass->shards.count == 1) return sequence / pass->micro_batch;
    int shard = shard_of(pass, sequence);
    return pare_shards_batches(&pass->shards, pass->shards.first, shard, pass->micro_batch) +
           (sequence - begin_of(pass, shard)) / pass->micro_batch;
}

int64_t pare_pass_batch_count(const pare_pass *pass) {
    if (pass->shards.count == 1) return (pass->sequences + pass->micro_batch - 1) / pass->micro_batch;
    return pare_shards_batches(&pass->shards, pass->shards.first, pass->shards.last, pass->micro_batch);
}

/* Other ranks have a part of the sequences. */
static bool is_shared(const pare_pass *pass) {
    return pare_shards_own(&pass->shards) < pass->shards.sequences;
}

static bool wants_end(const pare_pass *pass, const pare_gradient_sink *sink) {
    for (pare_end end = 0; end < PARE_ENDS; end++) {
        if (pare_has_end(&pass->model->config.architecture, end) &&
            sink->wants(sink->context, pare_tensor_id_end(pass->model, end)))
            return true;
    }
    return false;
}

bool pare_pass_runs_ends(const pare_pass *pass, const pare_gradient_sink *sink) {
    return pass->sequences || (is_shared(pass) && wants_end(pass, sink));
}

pare_status pare_pass_shards_check(const pare_pass *pass, const pare_gradient_sink *sink) {
    bool looks = sink->output_gradient || sink->middle_gradient || sink->linear_gradient;
    if (!is_shared(pass) || (!looks && !pass->next.sequences)) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "gradients of outputs are not spread over ranks; run pare as one process");
}

pare_status pare_pass_sum_singles(pare_pass *pass, float *values, int64_t count) {
    pare_shard_sum sum = {.kind = PARE_SUM_SINGLE, .values = values, .count = (size_t)count, .seen = &pass->summed};
    return pare_shard_sums_add(&pass->sums, &sum);
}

pare_status pare_pass_sum_doubles(pare_pass *pass, double *values, int64_t count) {
    return pare_shard_sums_add_double(&pass->sums, values, (size_t)count);
}

pare_status pare_pass_sum_shards(pare_pass *pass, pare_pass_shard_fn visit, void *context) {
    const pare_shards *shards = &pass->shards;
    pass->summed = false;
    for (int shard = shards->first, k = 0; shard < shards->last; shard++, k++) {
        int64_t first = shards->count == 1 ? 0 : begin_of(pass, shard);
        int64_t end = shards->count == 1 ? pass->sequences : begin_of(pass, shard + 1);
        PARE_TRY(pare_shard_sums_enter(&pass->sums, shards, shard));
        PARE_TRY(visit(pass, k, first * pass->layout.length, (end - first) * pass->layout.length, context));
        pare_shard_sums_leave(&pass->sums, shards, shard);
    }
    PARE_TRY(pare_shard_sums_finish(&pass->sums, shards));
    pare_shard_sums_clear(&pass->sums);
    return PARE_OK;
}

static bool wants_matrix(const pare_pass *pass, const pare_block *block, pare_role role, int64_t *rows,
                         int64_t *columns) {
    const pare_gradient_sink *sink = pass->gradients.sink;
    if (!pare_has_role(&pass->model->config.architecture, role)) return false;
    pare_linear_shape(block, role, rows, columns);
    return *rows && *columns && sink->wants(sink->context, pare_tensor_id(block->layer, role));
}

/* The sums of a tensor, and what is seen of its samples. */
static pare_status sum_tensor(pare_pass *pass, size_t id, float *sums, float *samples) {
    int64_t count = (int64_t)pass->model->tensors[id]->count;
    PARE_TRY(pare_pass_sum_singles(pass, sums, count));
    return pass->gradients.sink->samples ? pare_pass_sum_singles(pass, samples, count) : PARE_OK;
}

/* Of the router and the experts, and of what makes the latent of queries: no roles. */
static pare_status sum_others(pare_pass *pass, const pare_block *block) {
    const pare_block_gradients *g = &pass->gradients;
    const pare_config *config = block->config;
    size_t first = pare_tensor_id_router(config, block->layer), down = pare_tensor_id_query_down(config, block->layer);
    if (pare_latent_tensors(config) && g->sink->wants(g->sink->context, down))
        PARE_TRY(sum_tensor(pass, down, g->latent_sums, g->latent_sample_sums));
    for (size_t id = first; pare_block_has_experts(block) && id < first + pare_expert_tensors(config); id++)
        if (pare_block_expert_wanted(block, g, id))
            PARE_TRY(sum_tensor(pass, id, pare_block_expert_sums(block, g, id),
                                pare_block_expert_sample_sums(block, g, id)));
    return PARE_OK;
}

static pare_status sum_vectors(pare_pass *pass, const pare_block *block) {
    const pare_block_gradients *g = &pass->gradients;
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++) {
        double *sums = pare_block_vector_sums(block, g, role, false);
        if (!sums) continue;
        size_t length = (size_t)pare_block_vector_length(block, role);
        pare_role of = pare_roles[role].of;
        PARE_TRY(pare_shard_sums_add_double(&pass->sums, sums, length));
        if (g->sink->samples && pare_role_is_matrix(of))
            PARE_TRY(pare_shard_sums_add_double(&pass->sums, g->bias_samples[of], length));
    }
    return PARE_OK;
}

static bool sums_up(const pare_pass *pass) {
    return pass->shards.count > 1 && sums_weights(&pass->shape);
}

pare_status pare_pass_shards_begin(pare_pass *pass, const pare_block *block) {
    const pare_block_gradients *g = &pass->gradients;
    if (!sums_up(pass)) return PARE_OK;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        int64_t rows, columns;
        if (!wants_matrix(pass, block, role, &rows, &columns)) continue;
        PARE_TRY(pare_pass_sum_singles(pass, g->sums[role], rows * columns));
        if (g->sink->samples) PARE_TRY(pare_pass_sum_singles(pass, g->sample_sums[role], rows * columns));
    }
    PARE_TRY(sum_others(pass, block));
    return sum_vectors(pass, block);
}

pare_status pare_pass_batch_enter(pare_pass *pass, int64_t sequence) {
    pare_block_gradients *g = &pass->gradients;
    g->first = sequence == 0;
    g->last = !sums_up(pass) && sequence + pare_pass_batch_at(pass, sequence) == pass->sequences;
    if (!sums_up(pass)) return PARE_OK;
    int shard = shard_of(pass, sequence);
    g->first = sequence == begin_of(pass, shard);
    return g->first ? pare_shard_sums_enter(&pass->sums, &pass->shards, shard) : PARE_OK;
}

void pare_pass_batch_leave(pare_pass *pass, int64_t sequence) {
    if (!sums_up(pass)) return;
    int shard = shard_of(pass, sequence);
    pass->summed = true;
    if (sequence + pare_pass_batch_at(pass, sequence) == begin_of(pass, shard + 1))
        pare_shard_sums_leave(&pass->sums, &pass->shards, shard);
}

pare_status pare_pass_shards_end(pare_pass *pass, const pare_block *block) {
    pare_block_gradients *g = &pass->gradients;
    const pare_gradient_sink *sink = g->sink;
    if (!sums_up(pass)) return PARE_OK;
    PARE_TRY(pare_shard_sums_finish(&pass->sums, &pass->shards));
    pare_shard_sums_clear(&pass->sums);
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        int64_t rows, columns;
        if (!wants_matrix(pass, block, role, &rows, &columns)) continue;
        PARE_TRY(sink->rows(sink->context, pare_tensor_id(block->layer, role), 0, rows, columns, g->sums[role],
                            sink->samples ? g->sample_sums[role] : NULL));
    }
    g->last = true;
    PARE_TRY(pare_block_experts_hand_over(block, g));
    PARE_TRY(pare_latent_hand_over(block, g));
    for (pare_role role = PARE_MATRIX_ROLES; role < PARE_ALL_ROLES; role++)
        PARE_TRY(pare_block_vector_done(block, g, role));
    return PARE_OK;
}

void pare_pass_shards_mark(pare_pass *pass) {
    int64_t at = 0;
    int own = pass->shards.last - pass->shards.first;
    for (int k = 0; k < own; k++) {
        int64_t first = pass->shards.count == 1 ? 0 : begin_of(pass, pass->shards.first + k) * pass->layout.length;
        while (at < pass->predictions && pass->predicted[at] < first)
            at++;
        pass->border[k] = at;
    }
    pass->border[own] = pass->predictions;
}

int64_t pare_pass_tile_at(const pare_pass *pass, int64_t prediction) {
    int k = 1;
    while (pass->border[k] <= prediction)
        k++;
    int64_t left = pass->border[k] - prediction;
    return left < PARE_HEAD_TOKENS ? left : PARE_HEAD_TOKENS;
}
