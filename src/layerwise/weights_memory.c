/* How much pruning single weights holds beside the walk, and getting it. */
#include "layerwise/weights_internal.h"
#include "repair/kronecker.h"
#include "repair/layer_energy.h"
#include "repair/low_rank.h"
#include "support/memory.h"
#include "support/order.h"

uint64_t pare_weights_most_elements(const pare_weights_job *job, int wanted) {
    const pare_model *model = job->source->model;
    uint64_t most = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            if (job->pruned[id] && (wanted == PARE_MATRIX_ROLES || wanted == role))
                most = pare_larger_bytes(most, model->tensors[id]->count);
        }
    for (size_t id = pare_tensor_id_first_expert(&model->config);
         wanted == PARE_MATRIX_ROLES && id < model->tensor_count; id++)
        if (job->pruned[id]) most = pare_larger_bytes(most, model->tensors[id]->count);
    return most;
}

/* The most that anything takes which solves with this matrix's Gram matrix, or measures by it. */
static uint64_t solver_bytes_of(const pare_weights_job *job, size_t id) {
    const pare_recipe *r = job->recipe;
    int64_t rows, columns;
    pare_tensor_matrix(job->source->model->tensors[id], &rows, &columns);
    const pare_element_recipe *e = &r->element;
    bool scores = r->salience && r->salience->needs & PARE_NEEDS_INVERSE;
    uint64_t most = pare_layer_energy_bytes(rows, columns);
    if (scores || pare_allocation_has(e->allocation, PARE_TRAIT_COSTS))
        most =
            pare_larger_bytes(most, pare_inverse_factor_bytes(columns) + pare_obs_update_bytes(rows, columns, e->slab));
    if (e->residual_rank) most = pare_larger_bytes(most, pare_low_rank_bytes(rows, columns));
    most = pare_larger_bytes(most, pare_refiner_bytes(e, columns));
    return pare_larger_bytes(most, pare_solver_bytes(job, id));
}

static uint64_t solver_bytes(const pare_weights_job *job) {
    const pare_model *model = job->source->model;
    uint64_t most = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (job->pruned[id]) most = pare_larger_bytes(most, solver_bytes_of(job, id));
    return most;
}

/* Matrices that are made into operands when they are optimised or pruned. */
static bool needs_operand(const pare_weights_job *job, int role) {
    const pare_model *model = job->source->model;
    bool optimised = job->recipe->element.region_rounds > 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        size_t id = pare_tensor_id(layer, (pare_role)role);
        if (job->pruned[id] && (optimised || model->tensors[id]->dtype != job->source->backend->operand)) return true;
    }
    return false;
}

static uint64_t weights_bytes(const pare_weights_job *job) {
    uint64_t total = 3 * pare_weights_most_elements(job, PARE_MATRIX_ROLES) * sizeof(float);
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        uint64_t elements = pare_weights_most_elements(job, role);
        if (needs_operand(job, role)) total += elements * pare_operand_size(job->source->backend);
    }
    return total + pare_weights_most_elements(job, PARE_MATRIX_ROLES) / 8;
}

pare_layerwise_request pare_weights_request(const pare_weights_job *job) {
    const pare_recipe *r = job->recipe;
    pare_element_needs needs = pare_element_needs_of(r);
    bool priced = pare_allocation_has(r->element.allocation, PARE_TRAIT_COSTS); /* by all Gram matrices of a layer */
    return (pare_layerwise_request){.source = job->source,
                                    .own_sums = pare_weights_regional_sums_bytes(job),
                                    .runtime = job->runtime,
                                    .ids = job->ids,
                                    .sequences = job->sequences,
                                    .length = job->length,
                                    .limit = job->limit,
                                    .scratch = job->scratch,
                                    .state = job->state,
                                    .key = job->key,
                                    .stage = job->scores_only ? "scoring" : "pruning",
                                    .doing = "pruning layer by layer with",
                                    .advice = needs.gram ? ", lower --length, or take a method without Gram matrices, "
                                                           "such as wanda"
                                                         : " or lower --length",
                                    .idle = !pare_weights_walks(job),
                                    .one_by_one = r->element.sequential && !priced,
                                    .two = r->dense > 0.0,
                                    .states = r->element.half_stream ? PARE_DTYPE_BF16 : PARE_DTYPE_F32,
                                    .needs = needs,
                                    .pruned = job->pruned,
                                    .expert_inputs = PARE_ALL_EXPERT_INPUTS,
                                    .reader_share = r->dense,
                                    .output_share = r->dense,
                                    .damping = r->reader_damping,
                                    .intercepts = r->compensation != PARE_COMPENSATE_NONE && !job->scores_only};
}

static uint64_t repaired_bytes(const pare_weights_job *job) {
    const pare_model *model = job->source->model;
    const pare_layerwise_request request = pare_weights_request(job);
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        uint32_t layer;
        pare_role role;
        if (!job->pruned[id]) continue;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        total += pare_repaired_bytes(model, id, (uint64_t)rows, (uint64_t)columns);
        if (pare_tensor_id_split(model, id, &layer, &role)) total += pare_layerwise_bias_bytes(&request, layer, role);
    }
    if (job->recipe->final_norm)
        total += pare_repaired_bytes(model, pare_tensor_id_final_norm(model), 1, model->config.hidden);
    return total;
}

pare_status pare_weights_measure(const pare_weights_job *job, pare_layerwise_memory *out) {
    pare_layerwise_request request = pare_weights_request(job);
    *out = (pare_layerwise_memory){.weights = weights_bytes(job)};
    if (!job->scores_only) out->repaired = repaired_bytes(job);
    if (!request.idle && request.needs.gram) out->statistics = solver_bytes(job);
    if (!request.idle) out->statistics += pare_weights_regional_bytes(job);
    if (request.two) out->statistics += pare_layerwise_finish_bytes(job->source->model, false);
    return pare_layerwise_plan(&request, out);
}

static pare_status allocate(pare_weight_walk *w) {
    size_t most = (size_t)pare_weights_most_elements(w->job, PARE_MATRIX_ROLES);
    PARE_TRY(pare_alloc_uninitialized(&w->dense, most, sizeof(float), "weights in hand"));
    PARE_TRY(pare_alloc_uninitialized(&w->weights, most, sizeof(float), "weights in hand"));
    PARE_TRY(pare_alloc_uninitialized(&w->scores, most, sizeof(float), "scores"));
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t elements = (size_t)pare_weights_most_elements(w->job, role);
        if (needs_operand(w->job, role))
            PARE_TRY(pare_alloc_uninitialized(&w->l.operands[role], elements, pare_operand_size(w->l.backend),
                                              "pruned weights"));
    }
    return pare_weights_regional_new(w);
}

pare_status pare_weights_set_up(const pare_weights_job *job, pare_repaired *repaired, pare_weight_walk *out) {
    pare_layerwise_memory plan;
    pare_layerwise_request request = pare_weights_request(job);
    *out = (pare_weight_walk){.job = job, .recipe = &job->recipe->element};
    PARE_TRY(pare_weights_measure(job, &plan));
    PARE_TRY(pare_layerwise_new(&request, &plan, repaired, &out->l));
    pare_status status = allocate(out);
    if (status == PARE_OK) return PARE_OK;
    pare_weights_clear(out);
    pare_repaired_free(repaired);
    return status;
}

void pare_weights_clear(pare_weight_walk *w) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++)
        pare_free(w->l.operands[role]);
    for (size_t id = 0; w->given && id < w->l.model->tensor_count; id++)
        pare_element_mask_free(&w->given[id]);
    void *all[] = {w->given, w->dense, w->weights, w->scores};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    pare_weights_regional_free(w);
    pare_layerwise_free(&w->l);
    *w = (pare_weight_walk){0};
}
