/* The matrices of a layer's experts, a group of experts at a time. */
#include "layerwise/weights_internal.h"
#include "model/expert_tensors.h"

static bool is_pruned(const pare_weight_walk *w, uint32_t layer, uint32_t expert, pare_expert_part part) {
    return w->job->pruned[pare_tensor_id_expert(&w->l.model->config, layer, expert, part)];
}

/* True if a gradient is all that its weights are scored by, and it has none. */
static bool is_silent(const pare_weight_walk *w, const pare_matrix_place *place) {
    const float *gradient = w->job->gradient ? w->job->gradient[place->id] : NULL;
    for (uint64_t i = 0; gradient && i < w->l.model->tensors[place->id]->count; i++)
        if (gradient[i] > 0.0f || gradient[i] < 0.0f) return false;
    return gradient != NULL;
}

/* The parts that read this input. statistics: NULL where nothing is observed. */
static pare_status prune_parts(pare_weight_walk *w, uint32_t layer, uint32_t expert, pare_expert_input input,
                               pare_expert_statistics *statistics, bool *apart) {
    for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
        if (pare_expert_input_of(part) != input || !is_pruned(w, layer, expert, part)) continue;
        pare_matrix_place place = pare_matrix_place_of_expert(w, layer, expert, part, statistics);
        const pare_matrix_result *result = &w->results[place.id];
        PARE_TRY(pare_matrix_prune(w, &place));
        w->results[place.id].of_expert = statistics != NULL;
        w->results[place.id].silent = !w->l.asked.needs.norms && is_silent(w, &place);
        w->results[place.id].tokens = statistics ? statistics->tokens : 0;
        *apart = *apart || result->kept < result->rows * result->columns;
        PARE_TRY(pare_layerwise_step(&w->l));
    }
    if (statistics) pare_inverse_factor_free(&statistics->inputs[input].factor);
    return PARE_OK;
}

static pare_status prune_group(pare_weight_walk *w, uint32_t layer, uint32_t count, unsigned inputs, bool *apart) {
    for (uint32_t i = 0; i < count; i++) {
        pare_expert_statistics *s = &w->l.experts->of[i];
        for (int input = 0; input < PARE_EXPERT_INPUTS; input++)
            if (inputs >> input & 1) PARE_TRY(prune_parts(w, layer, s->expert, (pare_expert_input)input, s, apart));
    }
    return PARE_OK;
}

/* All that an expert reads at once, or Down's inputs behind gate and up as they are left. */
static pare_status run_group(pare_weight_walk *w, uint32_t layer, uint32_t first, uint32_t count, bool *apart) {
    static const unsigned together[] = {PARE_ALL_EXPERT_INPUTS, 0},
                          one_by_one[] = {1 << PARE_EXPERT_READS, 1 << PARE_EXPERT_ACTIVATED, 0};
    pare_element_needs needs = w->l.asked.needs;
    for (const unsigned *inputs = w->recipe->sequential ? one_by_one : together; *inputs; inputs++) {
        PARE_TRY(pare_layerwise_experts_watch(&w->l, first, count, *inputs, &needs));
        PARE_TRY(prune_group(w, layer, count, *inputs, apart));
        pare_layerwise_experts_forget(&w->l);
    }
    return PARE_OK;
}

static pare_status prune_unseen(pare_weight_walk *w, uint32_t layer, bool *apart) {
    for (uint32_t expert = 0; expert < w->l.model->config.widths[layer].experts; expert++)
        for (int input = 0; input < PARE_EXPERT_INPUTS; input++)
            PARE_TRY(prune_parts(w, layer, expert, (pare_expert_input)input, NULL, apart));
    return PARE_OK;
}

pare_status pare_weights_experts(pare_weight_walk *w, uint32_t layer, bool *apart) {
    uint32_t experts = w->l.model->config.widths[layer].experts;
    if (!pare_layerwise_prunes_experts(&w->l.asked, layer)) return PARE_OK;
    if (!w->l.experts) return prune_unseen(w, layer, apart);
    for (uint32_t first = 0; first < experts; first += w->l.experts->together) {
        uint32_t left = experts - first, count = left < w->l.experts->together ? left : w->l.experts->together;
        PARE_TRY(run_group(w, layer, first, count, apart));
    }
    return PARE_OK;
}

uint64_t pare_weights_experts_steps(const pare_weight_walk *w) {
    uint64_t experts = w->l.model->config.experts.count, parts = experts * PARE_EXPERT_PARTS;
    if (!w->l.experts) return parts;
    uint64_t groups = (experts + w->l.experts->together - 1) / w->l.experts->together;
    uint64_t runs = groups * (w->recipe->sequential ? 2 : 1) + (w->recipe->dense_propagation ? 1 : 0);
    return parts + runs * pare_layerwise_batch_count(&w->l);
}
