/* What must be known of all layers before the first is pruned: how many weights each matrix loses, and masks by one
 * threshold for the whole model. */
#include "layerwise/dense_statistics.h"

typedef struct allocator {
    pare_status (*run)(pare_weight_walk *w, pare_dense_statistics *s); /* NULL: there is nothing to find */
    bool gram;                                                         /* it reads Gram matrices */
} allocator;

static const allocator by_threshold = {pare_mask_by_threshold, false}, nothing = {NULL, false};
static const allocator by_allocation[PARE_ALLOCATION_COUNT] = {
    [PARE_ALLOCATE_OWL] = {pare_allocate_by_outliers, false}, [PARE_ALLOCATE_COST] = {pare_allocate_by_costs, true}};

/* What costs say gives way to shares that were named. */
static const allocator *allocator_of(const pare_weights_job *job) {
    const pare_element_recipe *e = &job->recipe->element;
    if (job->of) return &nothing;
    if (e->compare == PARE_COMPARE_GLOBAL) return &by_threshold;
    return job->fixed && pare_allocation_has(e->allocation, PARE_TRAIT_COSTS) ? &nothing
                                                                              : &by_allocation[e->allocation];
}

bool pare_weights_allocates(const pare_weight_walk *w) {
    return allocator_of(w->job)->run != NULL;
}

/* A walk over the dense model, factors of what it shows of inputs and of what the loss feels of outputs, and a look at
 * every weight. */
pare_work pare_weights_allocate_work(const pare_weights_job *job) {
    const allocator *chosen = allocator_of(job);
    const pare_model *model = job->source->model;
    pare_work work = {{0}};
    if (!chosen->run) return work;
    pare_layerwise_request request = pare_weights_request(job);
    request.two = false;
    request.needs.gram = chosen->gram;
    work = pare_layerwise_work(&(pare_walk_shape){.request = &request, .through = true, .readers = true});
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        if (!job->pruned[id]) continue;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        pare_work look = pare_element_select_work(rows, columns), output;
        bool felt = chosen->gram && pare_recipe_feels_outputs(job->recipe);
        int64_t block = felt ? pare_fisher_block(model, &job->felt, id) : 0;
        pare_work_add(&work, &look, 1.0);
        if (!block) continue;
        output = pare_inverse_factor_work(block);
        pare_work_add(&work, &output, (double)rows / (double)block);
    }
    pare_work inputs = pare_weights_factor_work(&request);
    if (chosen->gram) pare_work_add(&work, &inputs, 1.0);
    return work;
}

pare_status pare_weights_allocate(pare_weight_walk *w) {
    const allocator *chosen = allocator_of(w->job);
    pare_element_needs needs = w->l.asked.needs;
    pare_dense_statistics s = {0};
    if (!chosen->run) return PARE_OK;
    needs.gram = chosen->gram;
    pare_status status = pare_dense_statistics_gather(w, &needs, &s);
    if (status == PARE_OK) status = chosen->run(w, &s);
    pare_dense_statistics_free(&s, w->l.model->config.layers);
    return status;
}
