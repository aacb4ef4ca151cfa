#include "layerwise/layerwise_matrix.h"
#include "repair/admm.h"
#include "repair/kronecker.h"
#include "repair/layer_error.h"
#include "repair/masked_cg.h"
#include "support/memory.h"
#include "support/order.h"

#include <omp.h>

enum { TOKENS_AT_ONCE = 2048 };

/* The widest input of a kind among layers where something that reads it is pruned; 0: there is none. */
static uint64_t widest_of(const pare_layerwise_job *job, pare_input_kind kind) {
    const pare_model *model = job->source->model;
    pare_layerwise l = {.job = job, .model = model};
    uint64_t widest = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        if (pare_layerwise_prunes(&l, layer, 1u << kind))
            widest = pare_larger_bytes(widest, (uint64_t)pare_input_width(model, layer, kind));
    return widest;
}

uint64_t pare_layerwise_most_elements(const pare_layerwise_job *job, int wanted) {
    const pare_model *model = job->source->model;
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            if (job->pruned[id] && (wanted == PARE_MATRIX_ROLES || wanted == role))
                most = pare_larger_bytes(most, model->tensors[id]->count);
        }
    return most;
}

/* Of the solvers in the loss's metric, with a full matrix for outputs no wider than the hidden state. */
static uint64_t metric_bytes(const pare_layerwise_job *job, int64_t rows, int64_t columns) {
    static const float some = 1.0f;
    pare_kronecker options = pare_kronecker_defaults;
    options.fisher = rows <= (int64_t)job->source->model->config.hidden ? &some : NULL;
    options.fisher_diagonal = &some;
    options.sweep = pare_compensation_has(job->recipe->compensation, PARE_TRAIT_SWEEPS);
    return pare_kronecker_bytes(&options, rows, columns);
}

/* The most that anything takes which solves with this matrix's Gram matrix, or measures by it. */
static uint64_t solver_bytes_of(const pare_layerwise_job *job, int64_t rows, int64_t columns) {
    const pare_recipe *r = job->recipe;
    const pare_element_recipe *e = &r->element;
    bool felt = r->compensation && r->metric == PARE_METRIC_FISHER;
    bool scores = r->salience && r->salience->needs & PARE_NEEDS_INVERSE;
    uint64_t most = pare_layer_error_bytes(rows, columns);
    if (scores || pare_allocation_has(e->allocation, PARE_TRAIT_COSTS))
        most =
            pare_larger_bytes(most, pare_inverse_factor_bytes(columns) + pare_obs_update_bytes(rows, columns, e->slab));
    most = pare_larger_bytes(most, pare_refiner_bytes(e, columns));
    return pare_larger_bytes(most, felt ? metric_bytes(job, rows, columns) : pare_solver_bytes(r, rows, columns));
}

static uint64_t solver_bytes(const pare_layerwise_job *job) {
    const pare_model *model = job->source->model;
    uint64_t most = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        if (!job->pruned[id]) continue;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        most = pare_larger_bytes(most, solver_bytes_of(job, rows, columns));
    }
    return most;
}

/* The largest product that output norms are made of. */
static uint64_t output_norms_bytes(const pare_layerwise_job *job, int64_t tokens) {
    const pare_config *config = &job->source->model->config;
    int64_t most = config->hidden;
    for (uint32_t layer = 0; layer < config->layers; layer++)
        most = config->widths[layer].ffn > most ? config->widths[layer].ffn : most;
    return pare_element_needs_of(job->recipe).outputs ? pare_output_norms_bytes(tokens, most) : 0;
}

static uint64_t statistics_bytes(const pare_layerwise_job *job) {
    pare_element_needs needs = pare_element_needs_of(job->recipe);
    uint64_t total = 0;
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
        uint64_t width = widest_of(job, (pare_input_kind)kind);
        total += 3 * width * sizeof(double);
        if (needs.gram) total += width * width * sizeof(float);
    }
    return total + (needs.gram ? solver_bytes(job) : 0);
}

/* Matrices that are made into operands when they are optimised or pruned. */
static bool needs_operand(const pare_layerwise_job *job, int role) {
    const pare_model *model = job->source->model;
    bool optimised = job->recipe->element.region_rounds > 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        size_t id = pare_tensor_id(layer, (pare_role)role);
        if (job->pruned[id] && (optimised || model->tensors[id]->dtype != job->source->backend->operand)) return true;
    }
    return false;
}

static uint64_t weights_bytes(const pare_layerwise_job *job) {
    uint64_t total = 3 * pare_layerwise_most_elements(job, PARE_MATRIX_ROLES) * sizeof(float);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        uint64_t elements = pare_layerwise_most_elements(job, role);
        if (needs_operand(job, role)) total += elements * pare_operand_size(job->source->backend);
    }
    return total + pare_layerwise_most_elements(job, PARE_MATRIX_ROLES) / 8;
}

static uint64_t repaired_bytes(const pare_layerwise_job *job) {
    const pare_model *model = job->source->model;
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        if (!job->pruned[id]) continue;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        total += pare_repaired_bytes(model, id, (uint64_t)rows, (uint64_t)columns);
    }
    if (job->recipe->final_norm)
        total += pare_repaired_bytes(model, pare_tensor_id_final_norm(model), 1, model->config.hidden);
    return total;
}

static pare_dtype stream_dtype(const pare_layerwise_job *job) {
    return job->recipe->element.half_stream ? PARE_DTYPE_BF16 : PARE_DTYPE_F32;
}

static uint64_t batch_bytes(const pare_layerwise_job *job, int64_t micro) {
    uint64_t tokens = (uint64_t)(micro * job->length);
    uint64_t states = stream_dtype(job) == PARE_DTYPE_F32 ? 0 : tokens * job->source->model->config.hidden;
    return pare_walk_bytes(job->source, job->length, micro) + states * sizeof(float) +
           pare_layerwise_target_bytes(job, micro) + output_norms_bytes(job, micro * job->length);
}

static uint64_t in_memory(const pare_layerwise_memory *m) {
    return m->hidden + m->statistics + m->weights + m->activations + m->repaired - m->scratch;
}

pare_status pare_layerwise_measure(const pare_layerwise_job *job, pare_layerwise_memory *out) {
    int64_t d = job->source->model->config.hidden, length = job->length > 0 ? job->length : 1;
    int64_t wanted = TOKENS_AT_ONCE / length > 0 ? TOKENS_AT_ONCE / length : 1;
    bool walks = pare_element_walks(job->recipe);
    *out = (pare_layerwise_memory){.weights = weights_bytes(job), .micro_batch = 1};
    if (!job->scores_only) out->repaired = repaired_bytes(job);
    if (walks) out->hidden = pare_stream_bytes(job->sequences * job->length, d, stream_dtype(job));
    if (pare_layerwise_has_target(job)) out->hidden *= 2;
    if (walks) out->statistics = statistics_bytes(job) + pare_layerwise_regional_bytes(job);
    if (wanted > job->sequences) wanted = job->sequences > 0 ? job->sequences : 1;
    for (int file = 0; file <= (job->scratch != NULL); file++) {
        out->scratch = file ? out->hidden + out->repaired : 0;
        for (int64_t micro = wanted;; micro = (micro + 1) / 2) {
            out->micro_batch = micro;
            out->activations = walks ? batch_bytes(job, micro) : 0;
            if (!job->limit || in_memory(out) <= job->limit) return PARE_OK;
            if (micro <= 1) break;
        }
    }
    return pare_fail(PARE_OUT_OF_MEMORY,
                     "pruning layer by layer with %lld sequences of %lld tokens takes %.1f MiB, but the limit is %.1f "
                     "MiB; raise --memory%s",
                     (long long)job->sequences, (long long)job->length, (double)in_memory(out) / 1048576.0,
                     (double)job->limit / 1048576.0,
                     pare_element_needs_of(job->recipe).gram
                         ? ", lower --length, or take a method without Gram matrices, such as wanda"
                         : " or lower --length");
}

static pare_status allocate_stream(pare_layerwise *l, const char *scratch) {
    PARE_TRY(pare_stream_new(l->tokens, l->hidden, stream_dtype(l->job), scratch, &l->stream));
    PARE_TRY(pare_walk_new(l->job->source, l->job->length, l->micro_batch, &l->walk));
    PARE_TRY(pare_layerwise_target_new(l, scratch));
    if (l->stream.dtype == PARE_DTYPE_F32) return PARE_OK;
    return pare_alloc_uninitialized(&l->states, (size_t)(l->micro_batch * l->job->length * l->hidden), sizeof(float),
                                    "hidden states");
}

static pare_status allocate_matrices(pare_layerwise *l) {
    size_t most = (size_t)pare_layerwise_most_elements(l->job, PARE_MATRIX_ROLES);
    PARE_TRY(pare_alloc_uninitialized(&l->dense, most, sizeof(float), "weights in hand"));
    PARE_TRY(pare_alloc_uninitialized(&l->weights, most, sizeof(float), "weights in hand"));
    PARE_TRY(pare_alloc_uninitialized(&l->scores, most, sizeof(float), "scores"));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t elements = (size_t)pare_layerwise_most_elements(l->job, role);
        if (needs_operand(l->job, role))
            PARE_TRY(pare_alloc_uninitialized(&l->operands[role], elements, pare_operand_size(l->backend),
                                              "pruned weights"));
    }
    return pare_layerwise_regional_new(l);
}

static pare_status allocate_grams(pare_layerwise *l) {
    for (int kind = 0; kind < PARE_INPUT_KINDS && l->needs.gram; kind++) {
        size_t width = (size_t)widest_of(l->job, (pare_input_kind)kind);
        PARE_TRY(pare_alloc_uninitialized(&l->gram_room[kind], width * width, sizeof(float), "Gram matrix"));
    }
    return PARE_OK;
}

static pare_status allocate(pare_layerwise *l, const pare_layerwise_memory *plan) {
    const char *scratch = plan->scratch ? l->job->scratch : NULL;
    PARE_TRY(pare_repaired_new(l->model, plan->repaired, scratch, l->repaired));
    if (pare_element_walks(l->job->recipe)) PARE_TRY(allocate_stream(l, scratch));
    PARE_TRY(allocate_matrices(l));
    return allocate_grams(l);
}

pare_status pare_layerwise_set_up(const pare_layerwise_job *job, pare_repaired *repaired, pare_layerwise *out) {
    pare_layerwise_memory plan;
    *out = (pare_layerwise){.job = job,
                            .model = job->source->model,
                            .backend = job->source->backend,
                            .recipe = &job->recipe->element,
                            .needs = pare_element_needs_of(job->recipe),
                            .tokens = job->sequences * job->length,
                            .hidden = job->source->model->config.hidden,
                            .repaired = repaired};
    PARE_TRY(pare_layerwise_measure(job, &plan));
    out->micro_batch = plan.micro_batch;
    out->observer = pare_layerwise_observer(out);
    pare_status status = allocate(out, &plan);
    if (status == PARE_OK) return PARE_OK;
    pare_layerwise_clear(out);
    pare_repaired_free(repaired);
    return status;
}

void pare_layerwise_clear(pare_layerwise *l) {
    pare_layerwise_forget(l);
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        pare_free(l->gram_room[kind]);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_free(l->operands[role]);
    for (size_t id = 0; l->given && id < l->model->tensor_count; id++)
        pare_element_mask_free(&l->given[id]);
    void *all[] = {l->given, l->dense, l->weights, l->scores, l->states};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_walk_free(&l->walk);
    pare_layerwise_target_free(l);
    pare_layerwise_regional_free(l);
    pare_stream_free(&l->stream);
    *l = (pare_layerwise){0};
}
