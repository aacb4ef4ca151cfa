/* What a changed matrix is to come close to where its target has a share of the dense model, whose inputs the layers
 * before have lost. With p the input in the pruned model, G = sum p p^T, and a the share of the dense model:
 *
 *   readers   W* = W (I + a (C - G) (G + lambda)^-1),   C = sum q p^T, q: the dense model's normed state
 *   outputs   W* = W + a R (G + lambda)^-1,             R = sum r p^T, r: hidden state of the dense model behind the
 *             stage - what the pruned one makes with W, over the factor by which the stage adds to it; where a norm
 *             stands behind the stage, the same of what that norm reads */
#include "layerwise/layerwise.h"
#include "model/block_linear.h"
#include "model/block_residual.h"
#include "repair/held_out.h"
#include "support/memory.h"

#include <cblas.h>
#include <math.h>
#include <string.h>

bool pare_layerwise_has_target(const pare_layerwise *l, pare_input_kind kind) {
    double share = pare_stage_reads(kind) ? l->asked.reader_share : l->asked.output_share;
    return l->asked.two && l->apart && share > 0.0;
}

typedef struct comparison {
    pare_input_kind kind;
    pare_stage stage;
    bool targeted;
    double *energy; /* or NULL */
} comparison;

/* What the observer has just seen. */
static pare_inputs inputs_of(const pare_layerwise *l, pare_input_kind kind, int64_t tokens) {
    const pare_activations *a = l->block.activations;
    switch (kind) {
    case PARE_INPUT_QKV:
        return (pare_inputs){a->normed1, tokens, l->hidden, false};
    case PARE_INPUT_O:
        return (pare_inputs){a->merged, tokens, pare_linear_of(&l->block, PARE_ROLE_O).in, false};
    case PARE_INPUT_GATE_UP:
        return (pare_inputs){a->normed2, tokens, l->hidden, false};
    default:
        return (pare_inputs){a->activated, tokens, l->block.widths.ffn, pare_linear_ffn_by_feature(tokens)};
    }
}

static void add_energy(const float *from, const float *to, int64_t count, double *energy) {
    for (int64_t i = 0; i < count; i++)
        *energy += ((double)from[i] - (double)to[i]) * ((double)from[i] - (double)to[i]);
}

/* l->reference <- the dense model's normed hidden state; then the pruned one's goes where inputs are. */
static pare_status compare_states(pare_layerwise *l, const comparison *c, int64_t first, int64_t tokens) {
    const pare_backend_operations *ops = l->backend->operations;
    const void *normed = inputs_of(l, c->kind, tokens).x;
    int64_t count = tokens * l->hidden;
    float *dense = pare_layer_load(&l->dense, first, tokens), *pruned = pare_layer_load(&l->pruned, first, tokens);
    PARE_TRY(pare_layer_readers(l, &l->dense, &l->dense_block, c->stage, first, dense));
    memcpy(l->reference, normed, (size_t)count * pare_operand_size(l->backend));
    PARE_TRY(pare_layer_readers(l, &l->pruned, &l->block, c->stage, first, pruned));
    if (!c->energy) return PARE_OK;
    float *room = l->block.activations->middle;
    ops->from_operand(l->backend, l->reference, count, l->difference);
    ops->from_operand(l->backend, normed, count, room);
    add_energy(l->difference, room, count, c->energy);
    return PARE_OK;
}

/* Of a micro-batch behind a stage, [tokens, d]. */
typedef struct outputs {
    const float *dense, *pruned;
    float scale; /* of the difference */
} outputs;

/* l->reference <- what the dense model has - what the pruned one makes; of channels that it does not have, nothing. */
static void subtract(pare_layerwise *l, const comparison *c, const outputs *o, int64_t tokens) {
    const pare_index_list *channels = &l->asked.channels;
    int64_t d = l->hidden;
#pragma omp parallel for schedule(static) if (tokens * d > 65536)
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t k = 0, i = 0; i < d; i++) {
            int64_t at = t * d + i;
            bool kept = !channels->index || (k < channels->count && channels->index[k] == i);
            k += kept;
            l->difference[at] = kept ? o->scale * (o->dense[at] - o->pruned[at]) : 0.0f;
        }
    for (int64_t t = 0; t < tokens && c->energy; t++) {
        double sum = 0.0;
        for (int64_t i = 0; i < d; i++)
            sum += (double)l->difference[t * d + i] * (double)l->difference[t * d + i];
        *c->energy += sum;
    }
    l->backend->operations->to_operand(l->backend, l->difference, tokens * d, l->reference);
}

static bool has_out_norm(const pare_architecture *a, pare_stage stage) {
    return pare_has_norm(a, stage == PARE_STAGE_ATTENTION ? PARE_NORM_SLOT_ATTENTION_OUT : PARE_NORM_SLOT_FFN_OUT);
}

/* The pruned model's output beside the dense one's, which has just left the stage. */
static pare_status reach_target(pare_layerwise *l, const comparison *c, int64_t first, const float *dense,
                                float *pruned, int64_t tokens) {
    const pare_architecture *a = &l->model->config.architecture;
    pare_part part = c->stage == PARE_STAGE_ATTENTION ? PARE_PART_ATTENTION : PARE_PART_FFN;
    bool normed = has_out_norm(a, c->stage);
    float *branch = l->block.activations->branch[part];
    outputs o = {.dense = dense, .pruned = l->difference, .scale = 1.0f / pare_scale_or_one(a->residual_scale)};
    if (normed) memcpy(l->difference, branch, (size_t)(tokens * l->hidden) * sizeof *branch);
    PARE_TRY(pare_layer_inner(l, &l->pruned, &l->block, c->stage, first, pruned));
    if (normed) {
        o = (outputs){.dense = l->difference, .pruned = branch, .scale = a->norm_after_add ? o.scale : 1.0f};
        PARE_TRY(pare_block_branch(&l->block, part, pruned));
    } else {
        PARE_TRY(pare_block_add(&l->block, part, pruned, l->difference));
    }
    subtract(l, c, &o, tokens);
    return PARE_OK;
}

/* The dense stream leaves the stage. */
static pare_status compare_outputs(pare_layerwise *l, const comparison *c, int64_t first, int64_t tokens) {
    float *dense = pare_layer_load(&l->dense, first, tokens), *pruned = pare_layer_load(&l->pruned, first, tokens);
    PARE_TRY(pare_layer_inner(l, &l->dense, &l->dense_block, c->stage, first, dense));
    PARE_TRY(pare_layer_leave(l, &l->dense, &l->dense_block, c->stage, first, dense));
    return c->targeted ? reach_target(l, c, first, dense, pruned, tokens)
                       : pare_layer_inner(l, &l->pruned, &l->block, c->stage, first, pruned);
}

void pare_layerwise_halve(pare_layerwise *l, int64_t first, const float *gram) {
    int64_t sequence = first / l->asked.length, d = l->hidden;
    if (l->shards.count > 1) return;
    if (first == 0) l->halved = false;
    if (!l->asked.held_out || l->halved || sequence < pare_layerwise_half(&l->asked) - l->micro_batch / 2) return;
    memcpy(l->half_gram, gram, (size_t)(d * d) * sizeof *gram);
    memcpy(l->half_cross, l->cross, (size_t)(d * d) * sizeof *l->cross);
    l->halved = true;
}

static void halve(pare_layerwise *l, pare_input_kind kind, int64_t first) {
    bool before = l->shards.count > 1 || (first > 0 && l->halved);
    pare_layerwise_halve(l, first, l->statistics[kind].gram);
    if (l->halved && !before) pare_layerwise_halve_means(l, kind);
}

static pare_status compare_batch(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    const comparison *c = context;
    if (pare_stage_reads(c->kind) && c->targeted) halve(l, c->kind, first);
    PARE_TRY(pare_stage_reads(c->kind) ? compare_states(l, c, first, tokens) : compare_outputs(l, c, first, tokens));
    if (!c->targeted) return PARE_OK;
    pare_inputs inputs = inputs_of(l, c->kind, tokens);
    PARE_TRY(pare_layerwise_add_reference(l, c->kind, first, tokens));
    bool begins = !l->crossed;
    l->crossed = true;
    return pare_cross_add(l->backend, &inputs, l->reference, l->hidden, begins, l->cross);
}

/* What an output is to add, by the share of the dense model in it. */
static void scale_cross(pare_layerwise *l, pare_input_kind kind) {
    int64_t count = l->hidden * pare_input_width(l->model, l->block.layer, kind);
    float share = (float)l->asked.output_share;
    for (int64_t i = 0; i < count; i++)
        l->cross[i] *= share;
}

pare_status pare_layerwise_compare(pare_layerwise *l, pare_input_kind kind, double *energy) {
    bool reads = pare_stage_reads(kind), targeted = pare_layerwise_has_target(l, kind);
    double share = reads ? l->asked.reader_share : l->asked.output_share, squares = 0.0;
    comparison c = {kind, pare_stage_of(kind), targeted, energy ? &squares : NULL};
    PARE_TRY(pare_layerwise_sum_comparison(l, kind, targeted, c.energy));
    l->block.observer = &l->observer;
    pare_status status = pare_layerwise_batches(l, compare_batch, &c);
    l->block.observer = NULL;
    l->resident = !reads && pare_layerwise_batch_count(l) == 1;
    if (status == PARE_OK) pare_layerwise_center(l, kind, c.energy);
    if (status == PARE_OK && targeted && !reads) scale_cross(l, kind);
    if (energy) *energy = share * share * squares;
    return status;
}

/* cross <- share (C - G): what the map adds is fitted to. */
static void to_difference(const float *gram, float share, int64_t count, float *cross) {
    for (int64_t i = 0; i < count; i++)
        cross[i] = share * (cross[i] - gram[i]);
}

/* damping <- the one that serves what is not fitted, and whether any does. */
static pare_status choose_damping(pare_layerwise *l, pare_input_kind kind, pare_least_squares *problem, bool *helps) {
    pare_held_out_choice choice;
    pare_held_out halves = {problem, l->half_gram, l->half_cross, l->map};
    *helps = true;
    if (!l->halved || !(problem->columns.damping > 0.0)) return PARE_OK;
    to_difference(l->half_gram, (float)l->asked.reader_share, l->hidden * l->hidden, l->half_cross);
    PARE_TRY(pare_layerwise_add_between(l, kind, -1.0));
    PARE_TRY(pare_held_out_damping(&halves, &choice));
    PARE_TRY(pare_layerwise_add_between(l, kind, 1.0));
    problem->columns.damping = choice.damping;
    *helps = choice.score < 0.0;
    return PARE_OK;
}

pare_status pare_layerwise_fit_map(pare_layerwise *l, pare_input_kind kind, const float *gram, const char *what,
                                   double energy, pare_fit *fit) {
    int64_t d = l->hidden;
    double of_means = kind < PARE_INPUT_KINDS ? pare_layerwise_mean_energy(l, kind) : 0.0;
    bool helps;
    to_difference(gram, (float)l->asked.reader_share, d * d, l->cross);
    pare_least_squares problem = {.rows = d,
                                  .columns = {.gram = gram,
                                              .width = d,
                                              .kept = l->asked.channels.index,
                                              .count = l->asked.channels.count,
                                              .damping = l->asked.damping,
                                              .what = what},
                                  .cross = l->cross,
                                  .residual = energy,
                                  .shared = true};
    PARE_TRY(choose_damping(l, kind, &problem, &helps));
    memset(l->map, 0, (size_t)(d * d) * sizeof *l->map);
    for (int64_t i = 0; i < d; i++)
        l->map[i * (d + 1)] = 1.0f;
    *fit = (pare_fit){.before = energy, .after = energy};
    if (helps) PARE_TRY(pare_least_squares_solve(&problem, l->map, fit));
    fit->before += of_means;
    return PARE_OK;
}

void pare_layerwise_apply_map(const pare_layerwise *l, const float *weights, int64_t rows, float *out) {
    int d = (int)l->hidden;
    pare_blas_threads();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, d, d, 1.0f, weights, d, l->map, d, 0.0f, out, d);
}
