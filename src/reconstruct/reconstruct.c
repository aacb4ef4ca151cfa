#include "reconstruct/reconstruct.h"
#include "model/stream.h"
#include "model/work.h"
#include "reconstruct/sub_block.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/random.h"
#include "surgery/kept_values.h"

#include <math.h>
#include <string.h>

/* Tokens of a step, and the share of the sequences that is held out. */
enum { TOKENS = 2048, HELD_OUT = 8 };

static const double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8;

typedef struct rebuilding {
    const pare_reconstruction *asked;
    pare_rebuilt (*rebuilt)[PARE_STAGES];
    int64_t batch, trained, hidden;
    bool in_files; /* streams and weights */
    pare_source dense_source, source;
    pare_walk dense_walk, walk;
    pare_stream dense, pruned;
    pare_sub_block sub;
    pare_repaired out;
    float *x, *target, *made; /* [batch tokens, d] */
    uint64_t done, total;
} rebuilding;

static int64_t batch_of(const pare_reconstruction *r) {
    int64_t fit = TOKENS / r->length;
    fit = fit < 1 ? 1 : fit;
    return fit < r->sequences ? fit : r->sequences;
}

/* The tensors that are left of the kept layers, and what else was repaired. */
static uint64_t weights_bytes(const pare_reconstruction *r) {
    const pare_model *model = r->model;
    uint64_t total = 0;
    for (uint32_t layer = 0; layer < r->selection->layers; layer++)
        for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
            size_t elements = pare_sub_block_elements(r, layer, role);
            if (elements)
                total += pare_repaired_bytes(model, pare_tensor_id_in(&model->config, layer, role), elements, 1);
        }
    for (pare_end end = 0; end < PARE_ENDS && r->repaired; end++) {
        size_t id = pare_tensor_id_end(model, end);
        if (id < r->repaired->count && r->repaired->matrix[id])
            total += pare_repaired_bytes(model, id, model->tensors[id]->count, 1);
    }
    return total;
}

static uint64_t streams_bytes(const pare_reconstruction *r) {
    return 2 * pare_stream_bytes(r->sequences * r->length, r->model->config.hidden, PARE_DTYPE_F32);
}

static uint64_t working_bytes(const pare_reconstruction *r) {
    int64_t batch = batch_of(r);
    const pare_source dense = {.model = r->dense, .backend = r->backend},
                      own = {.model = r->model, .backend = r->backend};
    uint64_t states = (uint64_t)(batch * r->length) * r->model->config.hidden * sizeof(float);
    return pare_sub_block_bytes(r, batch) + pare_walk_bytes(&dense, r->length, batch) +
           pare_walk_bytes(&own, r->length, 1) + 3 * states;
}

pare_status pare_reconstruct_measure(const pare_reconstruction *r, uint64_t *bytes, uint64_t *in_files) {
    if (r->sequences < 2)
        return pare_fail(PARE_BAD_ARGUMENT, "--reconstruct learns from some sequences and judges by others: give 2 or "
                                            "more with --samples");
    uint64_t working = working_bytes(r) + r->held, large = weights_bytes(r) + streams_bytes(r);
    bool files = r->limit && working + large > r->limit;
    *in_files = files ? large : 0;
    *bytes = working + large;
    if (!r->limit || working <= r->limit) return PARE_OK;
    return pare_fail(
        PARE_OUT_OF_MEMORY,
        "reconstruction needs %.1f MiB beside what it can put into files, but the limit is %.1f MiB; raise "
        "--memory, or leave out --reconstruct",
        (double)working / 1048576.0, (double)r->limit / 1048576.0);
}

/* Both streams go through every block, what is held out is judged before and after; and a step is a forward, a
 * backward, and the optimiser's over all weights of the stage. */
pare_work pare_reconstruct_work(const pare_reconstruction *r) {
    enum { STEP_BYTES = 40 }; /* of a weight: gradient, moments, value and operand */
    int64_t count = batch_of(r);
    double elements = (double)weights_bytes(r) / (double)pare_dtype_size(r->model->tensors[0]->dtype);
    pare_work blocks = pare_work_blocks(r->model, r->sequences, r->length), work = {{0}};
    pare_work batch = pare_work_blocks(r->model, count, r->length);
    pare_work_add(&work, &blocks, 2.0 + 2.0 / HELD_OUT);
    pare_work_add(&work, &batch, (double)r->steps);
    work.amount[PARE_WORK_BACKWARD] = 2.0 * (double)r->steps * batch.amount[PARE_WORK_BLOCKS];
    work.amount[PARE_WORK_BYTES] = STEP_BYTES * (double)r->steps * elements;
    return work;
}

static pare_status step_done(rebuilding *b) {
    if (b->done < b->total) b->done++;
    return pare_progress_report(b->asked->runtime, "reconstructing", b->done, b->total);
}

static int64_t elements_of(const rebuilding *b, int64_t sequences) {
    return sequences * b->asked->length * b->hidden;
}

static float *states_at(const pare_stream *stream, const rebuilding *b, int64_t sequence) {
    return pare_stream_load(stream, sequence * b->asked->length, 1, NULL);
}

/* Both models begin with the same hidden states. */
static pare_status embed(rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    for (int64_t s = 0; s < r->sequences; s += b->batch) {
        int64_t count = r->sequences - s < b->batch ? r->sequences - s : b->batch;
        float *states = states_at(&b->dense, b, s);
        PARE_TRY(pare_walk_embed(&b->dense_walk, r->ids + s * r->length, count * r->length, states));
        memcpy(states_at(&b->pruned, b, s), states, (size_t)elements_of(b, count) * sizeof *states);
    }
    return PARE_OK;
}

/* sum += squares of what a dense stage adds to the held-out ones of `count` sequences from s on: what it read is in the
 * stream, what it puts out in `made`. */
static void add_energy(const rebuilding *b, const float *states, int64_t s, int64_t count, double *sum) {
    for (int64_t i = s < b->trained ? elements_of(b, b->trained - s) : 0; i < elements_of(b, count); i++) {
        double added = (double)b->made[i] - (double)states[i];
        *sum += added * added;
    }
}

/* The dense stream through one part of a layer, or through all of it where a part is not enough. energy: of what that
 * adds to the held-out sequences. */
static pare_status pass_dense(rebuilding *b, pare_block *block, pare_part part, bool whole, double *energy) {
    const pare_reconstruction *r = b->asked;
    *energy = 0.0;
    for (int64_t s = 0; s < r->sequences; s += b->batch) {
        block->batch = r->sequences - s < b->batch ? r->sequences - s : b->batch;
        float *states = states_at(&b->dense, b, s);
        PARE_TRY(pare_interrupted());
        if (whole)
            PARE_TRY(pare_block_forward(block, states, b->made));
        else
            PARE_TRY(part == PARE_PART_ATTENTION ? pare_block_attention_forward(block, states, b->made)
                                                 : pare_block_ffn_forward(block, states, b->made));
        add_energy(b, states, s, block->batch, energy);
        memcpy(states, b->made, (size_t)elements_of(b, block->batch) * sizeof *states);
    }
    return PARE_OK;
}

static pare_status pass_pruned(rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    for (int64_t s = 0; s < r->sequences; s += b->batch) {
        int64_t count = r->sequences - s < b->batch ? r->sequences - s : b->batch;
        float *states = states_at(&b->pruned, b, s);
        PARE_TRY(pare_interrupted());
        PARE_TRY(pare_sub_block_forward(&b->sub, count, states, b->made));
        memcpy(states, b->made, (size_t)elements_of(b, count) * sizeof *states);
    }
    return PARE_OK;
}

/* made <- made - target; returns the sum of squares, in the order of the elements. */
static double subtract(const float *target, int64_t n, float *made) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++) {
        made[i] -= target[i];
        sum += (double)made[i] * (double)made[i];
    }
    return sum;
}

/* Of the held-out sequences: squares of what the stage puts out beside the target. */
static pare_status held_out_error(rebuilding *b, double *error) {
    const pare_reconstruction *r = b->asked;
    *error = 0.0;
    for (int64_t s = b->trained; s < r->sequences; s += b->batch) {
        int64_t count = r->sequences - s < b->batch ? r->sequences - s : b->batch;
        PARE_TRY(pare_sub_block_forward(&b->sub, count, states_at(&b->pruned, b, s), b->made));
        *error += subtract(states_at(&b->dense, b, s), elements_of(b, count), b->made);
    }
    if (isfinite(*error)) return PARE_OK;
    return pare_fail(PARE_NUMERIC_ERROR,
                     "layer %u puts out NaN or infinity while it is reconstructed; its weights or its inputs are not "
                     "finite, or too large for this --compute",
                     b->sub.block.layer);
}

static void draw_batch(rebuilding *b, pare_random *random, int64_t count) {
    int64_t elements = elements_of(b, 1);
    for (int64_t i = 0; i < count; i++) {
        int64_t s = (int64_t)pare_random_below(random, (uint64_t)b->trained);
        memcpy(b->x + i * elements, states_at(&b->pruned, b, s), (size_t)elements * sizeof(float));
        memcpy(b->target + i * elements, states_at(&b->dense, b, s), (size_t)elements * sizeof(float));
    }
}

static pare_status train(rebuilding *b, pare_random *random) {
    const pare_reconstruction *r = b->asked;
    int64_t count = b->batch < b->trained ? b->batch : b->trained, elements = elements_of(b, count);
    float scale = 2.0f / (float)elements;
    pare_adamw optimizer;
    PARE_TRY(pare_adamw_new(b->sub.count, beta1, beta2, epsilon, 0.0, &optimizer));
    pare_status status = PARE_OK;
    for (uint32_t step = 0; step < r->steps && status == PARE_OK; step++) {
        draw_batch(b, random, count);
        status = pare_sub_block_forward(&b->sub, count, b->x, b->made);
        subtract(b->target, elements, b->made);
        for (int64_t i = 0; i < elements; i++)
            b->made[i] *= scale;
        if (status == PARE_OK) status = pare_sub_block_backward(&b->sub, b->x, b->made);
        double rate = r->rate * (1.0 - (double)step / (double)r->steps);
        if (status == PARE_OK) status = pare_sub_block_step(&b->sub, &optimizer, rate);
        if (status == PARE_OK) status = step_done(b);
    }
    pare_adamw_free(&optimizer);
    return status;
}

static pare_status rebuild_stage(rebuilding *b, pare_block *dense, pare_part part) {
    const pare_reconstruction *r = b->asked;
    uint32_t layer = b->sub.block.layer;
    pare_random random = {.seed = r->seed, .stream = (uint64_t)0x7265636f << 32 | layer << 1 | (uint64_t)part};
    pare_rebuilt *rebuilt = &b->rebuilt[layer][part];
    double energy, before, after;
    pare_sub_block_choose(&b->sub, part);
    PARE_TRY(pass_dense(b, dense, part, b->sub.whole, &energy));
    PARE_TRY(held_out_error(b, &before));
    after = before;
    if (b->sub.count) {
        PARE_TRY(train(b, &random));
        PARE_TRY(pare_sub_block_round(&b->sub));
        PARE_TRY(held_out_error(b, &after));
        if (!(after < before)) PARE_TRY(pare_sub_block_restore(&b->sub));
    }
    *rebuilt = (pare_rebuilt){.before = energy > 0 ? before / energy : 0,
                              .after = energy > 0 ? (after < before ? after : before) / energy : 0};
    return pass_pruned(b);
}

static pare_status rebuild_layer(rebuilding *b, uint32_t layer, uint32_t dense_layer) {
    pare_block base = pare_walk_block(&b->walk, layer), dense = pare_walk_block(&b->dense_walk, dense_layer);
    PARE_TRY(pare_sub_block_enter(&b->sub, &base, layer));
    if (!base.config->architecture.parallel) PARE_TRY(rebuild_stage(b, &dense, PARE_PART_ATTENTION));
    PARE_TRY(rebuild_stage(b, &dense, PARE_PART_FFN));
    return pare_sub_block_deliver(&b->sub, &b->out);
}

/* The next layer of the dense model that the smaller one has; layers between are passed. */
static pare_status next_dense(rebuilding *b, uint32_t *layer) {
    const pare_reconstruction *r = b->asked;
    double energy;
    for (; *layer < r->dense->config.layers && r->dense_dropped[*layer]; ++*layer) {
        pare_block block = pare_walk_block(&b->dense_walk, *layer);
        PARE_TRY(pass_dense(b, &block, PARE_PART_FFN, true, &energy));
    }
    return PARE_OK;
}

static pare_status rebuild_layers(rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    uint32_t dense_layer = 0;
    PARE_TRY(embed(b));
    for (uint32_t layer = 0; layer < r->selection->layers; layer++) {
        b->rebuilt[layer][0] = b->rebuilt[layer][1] = (pare_rebuilt){0};
        if (r->selection->layer[layer].dropped) continue;
        PARE_TRY(next_dense(b, &dense_layer));
        PARE_TRY(rebuild_layer(b, layer, dense_layer++));
    }
    return PARE_OK;
}

/* What was repaired outside the layers stays. */
static pare_status keep_ends(rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    for (pare_end end = 0; end < PARE_ENDS && r->repaired; end++) {
        size_t id = pare_tensor_id_end(r->model, end);
        int64_t rows, columns;
        void *matrix;
        if (id >= r->repaired->count || !r->repaired->matrix[id] || b->out.matrix[id]) continue;
        pare_kept_end_shape(r->model, r->selection, end, &rows, &columns);
        PARE_TRY(pare_repaired_add(&b->out, r->model, id, (uint64_t)rows, (uint64_t)columns, &matrix));
        memcpy(matrix, r->repaired->matrix[id],
               (size_t)(rows * columns) * pare_dtype_size(r->model->tensors[id]->dtype));
    }
    return PARE_OK;
}

static pare_status set_up(rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    size_t states = (size_t)elements_of(b, b->batch);
    const char *scratch = b->in_files ? r->scratch : NULL;
    PARE_TRY(pare_repaired_new(r->model, weights_bytes(r), scratch, &b->out));
    PARE_TRY(pare_stream_new(r->sequences * r->length, b->hidden, PARE_DTYPE_F32, scratch, &b->dense));
    PARE_TRY(pare_stream_new(r->sequences * r->length, b->hidden, PARE_DTYPE_F32, scratch, &b->pruned));
    PARE_TRY(pare_walk_new(&b->dense_source, r->length, b->batch, &b->dense_walk));
    PARE_TRY(pare_walk_new(&b->source, r->length, 1, &b->walk));
    PARE_TRY(pare_sub_block_new(r, b->batch, &b->sub));
    PARE_TRY(pare_alloc_uninitialized(&b->x, states, sizeof(float), "hidden states"));
    PARE_TRY(pare_alloc_uninitialized(&b->target, states, sizeof(float), "hidden states"));
    return pare_alloc_uninitialized(&b->made, states, sizeof(float), "hidden states");
}

static void clear(rebuilding *b) {
    pare_stream_free(&b->dense);
    pare_stream_free(&b->pruned);
    pare_walk_free(&b->dense_walk);
    pare_walk_free(&b->walk);
    pare_sub_block_free(&b->sub);
    pare_free(b->x);
    pare_free(b->target);
    pare_free(b->made);
}

pare_status pare_reconstruct_run(const pare_reconstruction *r, pare_repaired *out,
                                 pare_rebuilt (*rebuilt)[PARE_STAGES]) {
    uint64_t bytes, in_files;
    *out = (pare_repaired){0};
    PARE_TRY(pare_reconstruct_measure(r, &bytes, &in_files));
    int64_t held = r->sequences / HELD_OUT;
    rebuilding b = {.asked = r,
                    .rebuilt = rebuilt,
                    .batch = batch_of(r),
                    .trained = r->sequences - (held ? held : 1),
                    .hidden = r->model->config.hidden,
                    .in_files = in_files > 0,
                    .dense_source = {.model = r->dense, .backend = r->backend},
                    .source = {.model = r->model, .backend = r->backend},
                    .total = (uint64_t)pare_selection_layers(r->selection) * PARE_STAGES * r->steps};
    pare_status status = set_up(&b);
    if (status == PARE_OK) status = rebuild_layers(&b);
    if (status == PARE_OK) status = keep_ends(&b);
    clear(&b);
    if (status == PARE_OK)
        *out = b.out;
    else
        pare_repaired_free(&b.out);
    return status;
}
