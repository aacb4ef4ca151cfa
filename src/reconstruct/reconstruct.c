#include "reconstruct/reconstruct.h"
#include "model/expert_tensors.h"
#include "model/work.h"
#include "reconstruct/rebuilding.h"
#include "reconstruct/reconstruct_file.h"
#include "support/memory.h"

#include <string.h>

static int64_t batch_of(const pare_reconstruction *r) {
    int64_t fit = PARE_REBUILT_TOKENS / r->length;
    fit = fit < 1 ? 1 : fit;
    return fit < r->sequences ? fit : r->sequences;
}

/* What was repaired, and is not trained: outside the layers, and biases of experts. */
static bool stays(const pare_reconstruction *r, size_t id) {
    uint32_t layer;
    pare_role role;
    size_t slot;
    pare_expert_place place;
    if (!r->repaired || id >= r->repaired->count || !r->repaired->matrix[id]) return false;
    if (pare_tensor_id_split_expert(r->model, id, &place)) return !pare_slot_of(r->model, place.layer, id, &slot);
    return !pare_tensor_id_split(r->model, id, &layer, &role);
}

/* The tensors that are left of the kept layers, and what else was repaired. */
static uint64_t weights_bytes(const pare_reconstruction *r) {
    const pare_model *model = r->model;
    uint64_t total = 0;
    int64_t rows, columns;
    for (uint32_t layer = 0; layer < r->selection->layers; layer++)
        for (size_t slot = 0; slot < pare_slots(&model->config); slot++) {
            size_t elements = pare_slot_left(r, layer, slot, &rows, &columns);
            if (elements) total += pare_repaired_bytes(model, pare_slot_id(&model->config, layer, slot), elements, 1);
        }
    for (size_t id = 0; id < model->tensor_count; id++)
        if (stays(r, id)) total += pare_repaired_bytes(model, id, r->repaired->elements[id], 1);
    return total;
}

static uint64_t streams_bytes(const pare_reconstruction *r) {
    int streams = r->dense_share < 1.0 ? 3 : 2;
    return (uint64_t)streams * pare_stream_bytes(r->sequences * r->length, r->model->config.hidden, PARE_DTYPE_F32);
}

static uint64_t working_bytes(const pare_reconstruction *r) {
    int64_t batch = batch_of(r);
    const pare_source dense = {.model = r->dense, .backend = r->backend},
                      own = {.model = r->model, .backend = r->backend};
    uint64_t states = (uint64_t)(batch * r->length) * r->model->config.hidden * sizeof(float);
    return pare_sub_block_bytes(r, batch) + pare_walk_bytes(&dense, r->length, batch) +
           pare_walk_bytes(&own, r->length, 1) + (r->metric ? 4 : 3) * states;
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
    pare_work_add(&work, &blocks, (r->dense_share < 1.0 ? 3.0 : 2.0) + 4.0 / PARE_REBUILT_HELD_OUT);
    pare_work_add(&work, &batch, (double)r->steps);
    work.amount[PARE_WORK_BACKWARD] = 2.0 * (double)r->steps * batch.amount[PARE_WORK_BLOCKS];
    work.amount[PARE_WORK_BYTES] = STEP_BYTES * (double)r->steps * elements;
    return work;
}

/* Both models begin with the same hidden states. */
static pare_status embed(pare_rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    for (int64_t s = 0; s < r->sequences; s += b->batch) {
        int64_t count = pare_rebuilding_count(b, s);
        float *states = pare_rebuilding_states(&b->dense, b, s);
        PARE_TRY(pare_walk_embed(&b->dense_walk, r->ids + s * r->length, count * r->length, states));
        memcpy(pare_rebuilding_states(&b->pruned, b, s), states,
               (size_t)pare_rebuilding_elements(b, count) * sizeof *states);
    }
    return PARE_OK;
}

/* What an earlier run has kept of the layer, or training. */
static pare_status rebuild_layer(pare_rebuilding *b, uint32_t layer, uint32_t dense_layer) {
    pare_block base = pare_walk_block(&b->walk, layer), dense = pare_walk_block(&b->dense_walk, dense_layer);
    bool kept = false;
    PARE_TRY(pare_sub_block_enter(&b->sub, &base, layer));
    if (b->asked->state) PARE_TRY(pare_reconstruct_load(b, layer, &kept));
    if (kept) b->done += PARE_STAGES * b->asked->steps;
    if (!base.config->architecture.parallel) PARE_TRY(pare_rebuilding_stage(b, &dense, PARE_PART_ATTENTION, kept));
    PARE_TRY(pare_rebuilding_stage(b, &dense, PARE_PART_FFN, kept));
    PARE_TRY(pare_sub_block_deliver(&b->sub, &b->out));
    return b->asked->state && !kept ? pare_reconstruct_save(b, layer) : PARE_OK;
}

/* The next layer of the dense model that the smaller one has; layers between are passed. */
static pare_status next_dense(pare_rebuilding *b, uint32_t *layer) {
    const pare_reconstruction *r = b->asked;
    double energy;
    for (; *layer < r->dense->config.layers && r->dense_dropped[*layer]; ++*layer) {
        pare_block block = pare_walk_block(&b->dense_walk, *layer);
        PARE_TRY(pare_rebuilding_pass_dense(b, &block, PARE_PART_FFN, true, &energy));
    }
    return PARE_OK;
}

static pare_status rebuild_layers(pare_rebuilding *b) {
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

static pare_status keep_rest(pare_rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    for (size_t id = 0; id < r->model->tensor_count; id++) {
        void *matrix;
        if (!stays(r, id) || b->out.matrix[id]) continue;
        uint64_t elements = r->repaired->elements[id];
        PARE_TRY(pare_repaired_add(&b->out, r->model, id, elements, 1, &matrix));
        memcpy(matrix, r->repaired->matrix[id], elements * pare_dtype_size(r->model->tensors[id]->dtype));
    }
    return PARE_OK;
}

static pare_status set_up(pare_rebuilding *b) {
    const pare_reconstruction *r = b->asked;
    size_t states = (size_t)pare_rebuilding_elements(b, b->batch);
    const char *scratch = b->in_files ? r->scratch : NULL;
    PARE_TRY(pare_repaired_new(r->model, weights_bytes(r), scratch, &b->out));
    PARE_TRY(pare_stream_new(r->sequences * r->length, b->hidden, PARE_DTYPE_F32, scratch, &b->dense));
    PARE_TRY(pare_stream_new(r->sequences * r->length, b->hidden, PARE_DTYPE_F32, scratch, &b->pruned));
    if (r->dense_share < 1.0)
        PARE_TRY(pare_stream_new(r->sequences * r->length, b->hidden, PARE_DTYPE_F32, scratch, &b->mixed));
    if (r->metric) PARE_TRY(pare_alloc_uninitialized(&b->felt, states, sizeof(float), "hidden states"));
    PARE_TRY(pare_walk_new(&b->dense_source, r->length, b->batch, &b->dense_walk));
    PARE_TRY(pare_walk_new(&b->source, r->length, 1, &b->walk));
    PARE_TRY(pare_sub_block_new(r, b->batch, &b->sub));
    PARE_TRY(pare_alloc_uninitialized(&b->x, states, sizeof(float), "hidden states"));
    PARE_TRY(pare_alloc_uninitialized(&b->target, states, sizeof(float), "hidden states"));
    return pare_alloc_uninitialized(&b->made, states, sizeof(float), "hidden states");
}

static void clear(pare_rebuilding *b) {
    pare_stream_free(&b->dense);
    pare_stream_free(&b->pruned);
    pare_stream_free(&b->mixed);
    pare_walk_free(&b->dense_walk);
    pare_walk_free(&b->walk);
    pare_sub_block_free(&b->sub);
    pare_free(b->x);
    pare_free(b->target);
    pare_free(b->made);
    pare_free(b->felt);
}

pare_status pare_reconstruct_run(const pare_reconstruction *r, pare_repaired *out,
                                 pare_rebuilt (*rebuilt)[PARE_STAGES]) {
    uint64_t bytes, in_files;
    *out = (pare_repaired){0};
    PARE_TRY(pare_reconstruct_measure(r, &bytes, &in_files));
    int64_t held = r->sequences / PARE_REBUILT_HELD_OUT;
    pare_rebuilding b = {.asked = r,
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
    if (status == PARE_OK) status = keep_rest(&b);
    clear(&b);
    if (status == PARE_OK)
        *out = b.out;
    else
        pare_repaired_free(&b.out);
    return status;
}
