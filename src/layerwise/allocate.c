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
static const allocator *allocator_of(const pare_weight_walk *w) {
    const pare_element_recipe *e = w->recipe;
    if (w->job->of) return &nothing;
    if (e->compare == PARE_COMPARE_GLOBAL) return &by_threshold;
    return w->job->fixed && pare_allocation_has(e->allocation, PARE_TRAIT_COSTS) ? &nothing
                                                                                 : &by_allocation[e->allocation];
}

bool pare_weights_allocates(const pare_weight_walk *w) {
    return allocator_of(w)->run != NULL;
}

pare_status pare_weights_allocate(pare_weight_walk *w) {
    const allocator *chosen = allocator_of(w);
    pare_element_needs needs = w->l.asked.needs;
    pare_dense_statistics s = {0};
    if (!chosen->run) return PARE_OK;
    needs.gram = chosen->gram;
    pare_status status = pare_dense_statistics_gather(w, &needs, &s);
    if (status == PARE_OK) status = chosen->run(w, &s);
    pare_dense_statistics_free(&s, w->l.model->config.layers);
    return status;
}
