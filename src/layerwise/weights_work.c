/* What pruning single weights has to do. */
#include "layerwise/latents.h"
#include "layerwise/weights_internal.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "repair/layer_energy.h"
#include "repair/layer_error.h"
#include "repair/low_rank.h"

pare_work pare_weights_factor_work(const pare_layerwise_request *request) {
    const pare_model *model = request->source->model;
    pare_work work = {{0}};
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
            pare_work one = pare_inverse_factor_work(pare_input_width(model, layer, (pare_input_kind)kind));
            pare_work_add(&work, &one, 1.0);
        }
    return work;
}

/* Of a matrix: the energies of the target and of what masks take from it; and the error of what is left, but after
 * SparseGPT's update, which says it. */
static void add_errors(const pare_weights_job *job, size_t id, int64_t rows, int64_t columns, pare_work *work) {
    const pare_recipe *r = job->recipe;
    const pare_source *source = job->source;
    bool moves = r->dense > 0.0 || r->element.region_rounds > 0;
    bool exact =
        source->backend->operand == PARE_DTYPE_BF16 && source->model->tensors[id]->dtype == PARE_DTYPE_BF16 && !moves;
    pare_work energy = pare_layer_energy_work(exact, rows, columns), error = pare_layer_error_work(rows, columns);
    if (!pare_element_needs_of(r).gram) return;
    pare_work_add(work, &energy, r->element.refinement ? 3.0 : 2.0);
    bool says = r->compensation == PARE_COMPENSATE_OBS && !pare_recipe_feels_outputs(r) &&
                rows * columns >= PARE_OBS_UPDATE_MANY;
    if (!says) pare_work_add(work, &error, 1.0);
}

/* What a matrix is to come close to, where that has a share of the dense model: of readers the walk has a map. */
static void add_target(const pare_weights_job *job, pare_role role, int64_t columns, pare_work *work) {
    const pare_layerwise_request request = pare_weights_request(job);
    pare_work fit = pare_layerwise_correct_work(&request, columns);
    if (job->recipe->dense > 0.0 && !pare_stage_reads(pare_input_of(role))) pare_work_add(work, &fit, 1.0);
}

/* A matrix at one share of zeros. */
static pare_work matrix_work(const pare_weights_job *job, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(job->source->model->tensors[id], &rows, &columns);
    pare_work work = pare_solver_work(job, id), choice = pare_element_select_work(rows, columns);
    pare_work refine = pare_refiner_work(&job->recipe->element, rows, columns);
    pare_work_add(&work, &choice, 1.0);
    pare_work_add(&work, &refine, 1.0);
    work.amount[PARE_WORK_BYTES] += 10.0 * (double)rows * (double)columns * sizeof(float);
    return work;
}

static void add_matrix(const pare_weights_job *job, size_t id, pare_role role, pare_work *work) {
    int64_t rows, columns;
    double levels = job->levels ? (double)job->levels->count : 0.0;
    pare_tensor_matrix(job->source->model->tensors[id], &rows, &columns);
    pare_work one = matrix_work(job, id), residual = pare_low_rank_work(rows, columns);
    pare_work_add(work, &one, 1.0 + levels);
    add_target(job, role, columns, work);
    add_errors(job, id, rows, columns, work);
    if (job->recipe->element.residual_rank) pare_work_add(work, &residual, 1.0);
}

static bool factors(const pare_recipe *recipe) {
    bool scores = recipe->salience && recipe->salience->needs & PARE_NEEDS_INVERSE;
    bool sweeps = pare_compensation_has(recipe->compensation, PARE_TRAIT_SWEEPS);
    return scores || (sweeps && !pare_recipe_feels_outputs(recipe));
}

/* Of what an expert reads there is a factor for gate and up together. */
static void add_expert_part(const pare_weights_job *job, size_t id, pare_expert_part part, pare_work *work) {
    int64_t rows, columns;
    double levels = job->levels ? (double)job->levels->count : 0.0;
    pare_tensor_matrix(job->source->model->tensors[id], &rows, &columns);
    pare_work one = matrix_work(job, id), factor = pare_inverse_factor_work(columns);
    pare_work_add(work, &one, 1.0 + levels);
    add_errors(job, id, rows, columns, work);
    if (factors(job->recipe) && part != PARE_EXPERT_UP) pare_work_add(work, &factor, 1.0);
}

/* Of what makes the queries' latent. */
static void add_query_down(const pare_weights_job *job, size_t id, pare_work *work) {
    int64_t rows, columns;
    pare_tensor_matrix(job->source->model->tensors[id], &rows, &columns);
    pare_work one = matrix_work(job, id);
    pare_work_add(work, &one, 1.0);
    add_errors(job, id, rows, columns, work);
}

/* Attention runs up to its latents once more, and what these show adds up. */
static void add_latents(const pare_weights_job *job, const pare_layerwise_request *request, pare_work *work) {
    const pare_model *model = job->source->model;
    double tokens = (double)job->sequences * (double)job->length;
    const double ranks[] = {model->config.latent.queries, model->config.latent.keys};
    for (uint32_t layer = 0; !request->idle && layer < model->config.layers; layer++) {
        if (!pare_layerwise_prunes_latents(request, layer)) continue;
        pare_block_operations o = pare_block_operations_of(model, layer, job->sequences, job->length);
        work->amount[PARE_WORK_BLOCKS] += o.heads;
        for (int i = 0; i < 2; i++) {
            pare_work factor = pare_inverse_factor_work((int64_t)ranks[i]);
            if (request->needs.gram) work->amount[PARE_WORK_PRODUCTS] += pare_gram_operations(tokens, ranks[i]);
            if (factors(job->recipe)) pare_work_add(work, &factor, 1.0);
        }
    }
}

pare_work pare_weights_work(const pare_weights_job *job) {
    const pare_model *model = job->source->model;
    const pare_element_recipe *e = &job->recipe->element;
    pare_layerwise_request request = pare_weights_request(job);
    pare_work work = pare_layerwise_work(&(pare_walk_shape){
        .request = &request, .together = !e->sequential, .through = e->dense_propagation, .readers = true});
    pare_work finish = pare_layerwise_finish_work(&request, false), inputs = pare_weights_factor_work(&request);
    pare_work allocation = pare_weights_allocate_work(job), regional = pare_weights_regional_work(job);
    pare_work_add(&work, &finish, 1.0);
    pare_work_add(&work, &allocation, 1.0);
    pare_work_add(&work, &regional, 1.0);
    if (factors(job->recipe)) pare_work_add(&work, &inputs, 1.0);
    add_latents(job, &request, &work);
    for (size_t id = 0; id < model->tensor_count && !job->scores_only; id++) {
        uint32_t layer;
        pare_role role;
        pare_expert_place place;
        if (!job->pruned[id]) continue;
        if (pare_tensor_id_split(model, id, &layer, &role)) add_matrix(job, id, role, &work);
        if (pare_tensor_id_split_expert(model, id, &place)) add_expert_part(job, id, place.part, &work);
        if (pare_tensor_id_split_latent(model, id, &layer)) add_query_down(job, id, &work);
    }
    return work;
}
