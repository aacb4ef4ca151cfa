#include "model/block_linear.h"
#include "repair/repair_internal.h"
#include "support/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Runs the stage up to the inputs of its output matrix, which *inputs then describes. */
static pare_status run_inner(const pare_block *block, pare_stage stage, const float *x, pare_inputs *inputs) {
    const pare_activations *a = block->activations;
    int64_t tokens = block->batch * block->length;
    if (stage == PARE_STAGE_ATTENTION) {
        *inputs = (pare_inputs){a->merged, tokens, (int64_t)block->widths.heads * block->head, false};
        return pare_block_attend(block, x);
    }
    *inputs = (pare_inputs){a->activated, tokens, block->widths.ffn, pare_linear_ffn_by_feature(tokens)};
    return pare_block_activate(block, x);
}

/* And on from there to out, which may be x. */
static pare_status run_output(const pare_block *block, pare_stage stage, const float *x, float *out) {
    return stage == PARE_STAGE_ATTENTION ? pare_block_attention_output(block, x, out)
                                         : pare_block_ffn_output(block, x, out);
}

const void *pare_slot_fill(const pare_repair *r, pare_slot *slot, size_t id, int64_t rows, int64_t columns,
                           float *values) {
    pare_dtype dtype = r->model->tensors[id]->dtype;
    size_t count = (size_t)(rows * columns);
    pare_from_float(slot->stored, dtype, values, count);
    pare_to_float(values, slot->stored, dtype, count);
    if (dtype == r->backend->operand) return slot->stored;
    r->backend->operations->to_operand(r->backend, values, (int64_t)count, slot->operand);
    return slot->operand;
}

/* difference <- alpha (target of the dense model - what the output makes of the inputs at hand), as operands
 * in `residual`; *energy grows by its squares. */
static pare_status residual(pare_repair *r, const pare_stage_run *run, int64_t sequence, double *energy) {
    int64_t d = r->hidden, first = sequence * r->job->length, tokens = run->pruned.batch * r->job->length;
    const float *target = r->dense + first * d, factor = (float)r->job->options.alpha;
    PARE_TRY(run_output(&run->pruned, run->stage, r->pruned + first * d, r->difference));
    for (int64_t t = 0; t < tokens; t++) {
        double sum = 0.0;
        for (int64_t k = 0, i = 0; i < d; i++) {
            float *value = &r->difference[t * d + i];
            bool kept = !r->channels.index || (k < r->channels.count && r->channels.index[k] == i);
            k += kept;
            *value = kept ? factor * (target[t * d + i] - *value) : 0.0f;
            sum += (double)*value * (double)*value;
        }
        *energy += sum;
    }
    r->backend->operations->to_operand(r->backend, r->difference, tokens * d, r->residual);
    return PARE_OK;
}

/* Both streams up to the output's inputs: moments of those of the pruned one. The dense stream leaves the stage. */
static pare_status moments(pare_repair *r, pare_stage_run *run, bool reach, double *energy) {
    for (int64_t s = 0; s < r->job->sequences; s += r->micro_batch) {
        int64_t first = s * r->job->length;
        pare_inputs inputs;
        run->dense.batch = run->pruned.batch = pare_repair_batch(r, s);
        if (r->dense) {
            float *x = r->dense + first * r->hidden;
            PARE_TRY(run_inner(&run->dense, run->stage, x, &inputs));
            PARE_TRY(run_output(&run->dense, run->stage, x, x));
        }
        PARE_TRY(run_inner(&run->pruned, run->stage, r->pruned + first * r->hidden, &inputs));
        if (reach) PARE_TRY(residual(r, run, s, energy));
        PARE_TRY(pare_gram_add(r->backend, &inputs, s == 0, r->gram));
        if (reach) PARE_TRY(pare_cross_add(r->backend, &inputs, r->residual, r->hidden, s == 0, r->cross));
        PARE_TRY(pare_interrupted());
    }
    return PARE_OK;
}

/* One stream through the stage. resident: the inputs of the output are still there. */
static pare_status pass_on(const pare_repair *r, pare_block *block, pare_stage stage, float *stream, bool resident) {
    pare_inputs inputs;
    for (int64_t s = 0; s < r->job->sequences; s += r->micro_batch) {
        float *x = stream + s * r->job->length * r->hidden;
        block->batch = pare_repair_batch(r, s);
        if (!resident) PARE_TRY(run_inner(block, stage, x, &inputs));
        PARE_TRY(run_output(block, stage, x, x));
        PARE_TRY(pare_interrupted());
    }
    return PARE_OK;
}

/* `unit` neighbouring indices for each of `count`. */
static pare_status expand(const uint32_t *units, uint32_t count, uint32_t unit, pare_index_list *out) {
    uint32_t *index;
    PARE_TRY(pare_alloc(&index, (size_t)count * unit, sizeof *index, "kept indices"));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < unit; j++)
            index[i * unit + j] = units[i] * unit + j;
    *out = (pare_index_list){.index = index, .count = (int64_t)count * unit};
    return PARE_OK;
}

static void index_list_free(pare_index_list *list) {
    pare_free((void *)(uintptr_t)list->index);
}

/* The kept indices of a role's cut axis. */
static pare_status kept_of(const pare_repair *r, const pare_stage_run *run, pare_role role, pare_index_list *out) {
    const pare_kept *kept = run->kept;
    uint32_t h = r->model->config.head_size;
    if (role >= PARE_ROLE_GATE) return expand(kept->ffn_channel, kept->ffn, 1, out);
    if (role == PARE_ROLE_Q || role == PARE_ROLE_O) return expand(kept->head, kept->heads, h, out);
    return expand(kept->kv_head, kept->kv_heads, h, out);
}

/* The surviving part of a slot to the repaired matrices. */
static pare_status keep(pare_repair *r, const pare_stage_run *run, pare_role role, const pare_slot *slot) {
    size_t id = pare_tensor_id(run->layer, role);
    const pare_tensor *tensor = r->model->tensors[id];
    bool output = role == run->output;
    int64_t rows, columns;
    pare_index_list units;
    void *out;
    pare_tensor_matrix(tensor, &rows, &columns);
    PARE_TRY(kept_of(r, run, role, &units));
    pare_index_list down = output ? r->channels : units, across = output ? units : r->channels;
    pare_status status =
        pare_repaired_add(r->repaired, r->model, id, (uint64_t)down.count, (uint64_t)across.count, &out);
    if (status == PARE_OK) pare_matrix_cut(slot->stored, columns, pare_dtype_size(tensor->dtype), down, across, out);
    index_list_free(&units);
    return status;
}

/* weights <- the output matrix; rows of removed hidden channels are zero. */
static void load_output(pare_repair *r, const pare_stage_run *run) {
    pare_source_rows(r->source, pare_tensor_id(run->layer, run->output), 0, r->hidden, r->weights);
    for (int64_t i = 0, k = 0; i < r->hidden && r->channels.index; i++) {
        if (k < r->channels.count && r->channels.index[k] == i)
            k++;
        else
            memset(r->weights + i * run->width, 0, (size_t)run->width * sizeof *r->weights);
    }
}

/* The output matrix of the pruned model, fitted or cut, into the stream's block and the result. */
static pare_status replace_output(pare_repair *r, pare_stage_run *run, const float *cross, double energy, bool fit) {
    size_t id = pare_tensor_id(run->layer, run->output);
    const pare_repair_options *o = &r->job->options;
    pare_index_list kept;
    PARE_TRY(kept_of(r, run, run->output, &kept));
    pare_status status = PARE_OK;
    if (fit) {
        pare_least_squares problem = {.rows = r->hidden,
                                      .columns = {.gram = r->gram,
                                                  .width = run->width,
                                                  .kept = kept.index,
                                                  .count = kept.count,
                                                  .damping = o->damping,
                                                  .what = run->what},
                                      .cross = cross,
                                      .residual = energy};
        status = pare_least_squares_solve(&problem, r->weights, &run->fit.output);
        run->fit.fitted = status == PARE_OK;
    } else {
        for (int64_t row = 0; row < r->hidden; row++)
            for (int64_t j = 0, k = 0; j < run->width; j++) {
                bool stays = k < kept.count && kept.index[k] == j;
                k += stays;
                if (!stays) r->weights[row * run->width + j] = 0.0f;
            }
    }
    index_list_free(&kept);
    PARE_TRY(status);
    run->pruned.weights.matrix[run->output] = pare_slot_fill(r, &r->slot[0], id, r->hidden, run->width, r->weights);
    return fit ? keep(r, run, run->output, &r->slot[0]) : PARE_OK;
}

static void describe(pare_repair *r, pare_stage_run *run) {
    static const pare_stage_signal silent = {0};
    const pare_repair_options *o = &r->job->options;
    bool attention = run->stage == PARE_STAGE_ATTENTION;
    run->dense = run->pruned = r->block;
    run->kept = &r->selection->layer[run->layer];
    run->signal = o->signals ? &o->signals[run->layer][run->stage] : &silent;
    run->output = attention ? PARE_ROLE_O : PARE_ROLE_DOWN;
    run->reader_count = attention ? 3 : 2;
    run->norm = !attention;
    for (int i = 0; i < run->reader_count; i++)
        run->readers[i] = (pare_role)((attention ? PARE_ROLE_Q : PARE_ROLE_GATE) + i);
    run->width = attention ? (int64_t)run->dense.widths.heads * run->dense.head : run->dense.widths.ffn;
    snprintf(run->what, sizeof run->what, "the inputs of layer %u's %s projection", run->layer,
             attention ? "output" : "down");
    if (!r->channels.index) return;
    pare_repair_norm(r, run->dense.weights.vector[PARE_MATRIX_ROLES + run->norm], &run->pruned.eps);
    run->pruned.weights.vector[PARE_MATRIX_ROLES + run->norm] = r->norm;
}

/* True if units go in this stage, by choice or as given. */
static bool removes(const pare_repair *r, const pare_stage_run *run) {
    const pare_repair_options *o = &r->job->options;
    const pare_widths *before = &run->dense.widths;
    pare_kept kept = *run->kept;
    if (o->choose[run->stage]) {
        const pare_widths *after = &o->widths[run->layer];
        kept = (pare_kept){.kv_heads = after->kv_heads, .heads = after->heads, .ffn = after->ffn};
    }
    return run->stage == PARE_STAGE_ATTENTION ? !pare_kept_all_heads(&kept, before)
                                              : !pare_kept_all_channels(&kept, before);
}

pare_status pare_repair_stage(pare_repair *r, uint32_t layer, pare_stage stage, pare_stage_fit *fit) {
    const pare_repair_options *o = &r->job->options;
    pare_stage_run run = {.stage = stage, .layer = layer};
    describe(r, &run);
    bool goes = removes(r, &run), choose = goes && o->choose[stage], reach = o->alpha > 0.0 && r->apart && r->dense;
    bool fits = !o->probe && !o->keep_outputs && (goes || reach),
         readers = pare_repair_fits_readers(r->job) && r->apart;
    bool single = r->job->sequences <= r->micro_batch, seen = choose || fits;
    double energy = 0.0;
    if (readers) PARE_TRY(pare_repair_readers(r, &run));
    if (seen) PARE_TRY(moments(r, &run, reach, &energy));
    if (!seen && r->dense) PARE_TRY(pass_on(r, &run.dense, stage, r->dense, false));
    load_output(r, &run);
    if (choose) PARE_TRY(pare_repair_choose(r, &run, reach ? r->cross : NULL));
    if (o->choose[stage] && !goes) PARE_TRY(pare_repair_choose_all(r, &run));
    if (!o->probe && (goes || fits || r->channels.index))
        PARE_TRY(replace_output(r, &run, reach ? r->cross : NULL, energy, fits));
    for (int i = 0; i < run.reader_count && readers; i++)
        PARE_TRY(keep(r, &run, run.readers[i], &r->slot[1 + i]));
    r->apart = r->apart || (!o->probe && goes);
    *fit = run.fit;
    return pass_on(r, &run.pruned, stage, r->pruned, seen && single);
}
