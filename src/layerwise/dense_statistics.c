/* What the layers of the dense model show, whose inputs do not depend on any mask. */
#include "layerwise/dense_statistics.h"
#include "support/memory.h"

void pare_dense_statistics_free(pare_dense_statistics *s, uint32_t layers) {
    for (uint32_t layer = 0; layer < layers; layer++) {
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
            if (s->inputs) pare_input_moments_free(&s->inputs[layer][kind]);
            if (s->inverse) pare_free(s->inverse[layer][kind]);
        }
        for (int role = 0; s->outputs && role < PARE_MATRIX_ROLES; role++)
            pare_free(s->outputs[layer][role]);
    }
    pare_free(s->inputs);
    pare_free(s->inverse);
    pare_free(s->outputs);
}

/* Between the run's own state and the archive: what one layer has shown. */
static void exchange(pare_weight_walk *w, pare_dense_statistics *s, uint32_t layer) {
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
        pare_input_moments moments = w->l.statistics[kind].moments;
        w->l.statistics[kind].moments = s->inputs[layer][kind];
        s->inputs[layer][kind] = moments;
    }
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        double *outputs = w->l.outputs[role];
        w->l.outputs[role] = s->outputs[layer][role];
        s->outputs[layer][role] = outputs;
    }
}

/* [width] diagonals of the inverse Gram matrices: [H^-1]_ii = sum over k of U_ki^2. */
static pare_status keep_inverse(pare_weight_walk *w, uint32_t layer, pare_input_kind kind, float **out) {
    const pare_inverse_factor *factor;
    if (!w->l.statistics[kind].gram) return PARE_OK;
    PARE_TRY(pare_layerwise_factor(&w->l, layer, kind, w->job->recipe->damping, &factor));
    PARE_TRY(pare_alloc(out, (size_t)factor->n, sizeof **out, "inverse diagonal"));
    for (int64_t row = 0; row < factor->n; row++)
        for (int64_t column = row; column < factor->n; column++) {
            float value = factor->upper[row * factor->n + column];
            (*out)[column] += value * value;
        }
    return PARE_OK;
}

/* Around the means, where biases will be refitted: weights are priced by what is left then. */
static void center(pare_weight_walk *w, const pare_element_needs *needs) {
    for (int kind = 0; kind < PARE_INPUT_KINDS && needs->gram; kind++) {
        pare_layerwise_center(&w->l, (pare_input_kind)kind, NULL);
        if (!needs->norms) pare_input_moments_free(&w->l.statistics[kind].moments);
    }
}

static pare_status observe_layer(pare_weight_walk *w, uint32_t layer, const pare_element_needs *needs,
                                 pare_dense_statistics *s) {
    pare_layerwise_enter(&w->l, layer);
    pare_element_needs means = pare_layerwise_needs(&w->l, layer, PARE_ALL_INPUTS), all = *needs;
    all.norms = all.norms || (needs->gram && means.norms);
    all.variance = all.variance || (needs->gram && means.variance);
    PARE_TRY(pare_layerwise_watch(&w->l, layer, PARE_ALL_INPUTS, &all));
    PARE_TRY(pare_layerwise_observe(&w->l, true));
    center(w, needs);
    for (int kind = 0; kind < PARE_INPUT_KINDS && needs->gram; kind++)
        PARE_TRY(keep_inverse(w, layer, (pare_input_kind)kind, &s->inverse[layer][kind]));
    exchange(w, s, layer);
    pare_layerwise_forget(&w->l);
    return PARE_OK;
}

/* What text would have shown of a layer's inputs. */
static pare_status take_norms(const pare_weight_walk *w, pare_dense_statistics *s) {
    const pare_input_norms *norms = w->job->norms;
    for (uint32_t layer = 0; layer < norms->layers; layer++)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
            pare_input_moments *inputs = &s->inputs[layer][kind];
            if (!pare_layerwise_concerns(&w->l, layer, 1u << kind)) continue;
            int64_t width = pare_input_width(w->l.model, layer, (pare_input_kind)kind);
            PARE_TRY(pare_input_moments_new(width, false, inputs));
            memcpy(inputs->squares, norms->squares[layer][kind], (size_t)width * sizeof *inputs->squares);
            inputs->tokens = (int64_t)norms->tokens;
            inputs->sequences = (int64_t)norms->sequences;
        }
    return PARE_OK;
}

static pare_status observe_layers(pare_weight_walk *w, const pare_element_needs *needs, pare_dense_statistics *s) {
    uint32_t next, layers = w->l.model->config.layers;
    pare_dense_file file = {w, s, needs};
    pare_layer_keeper keeper = {"dense.", pare_dense_statistics_describe, &file, layers};
    PARE_TRY(pare_layerwise_begin(&w->l, &keeper, pare_layerwise_batch_count(&w->l), &next));
    for (uint32_t layer = next; layer < layers; layer++) {
        PARE_TRY(observe_layer(w, layer, needs, s));
        PARE_TRY(pare_layerwise_keep(&w->l, &keeper, layer));
    }
    return PARE_OK;
}

pare_status pare_dense_statistics_gather(pare_weight_walk *w, const pare_element_needs *needs,
                                         pare_dense_statistics *s) {
    uint32_t layers = w->l.model->config.layers;
    *s = (pare_dense_statistics){0};
    PARE_TRY(pare_alloc(&s->inputs, layers, sizeof *s->inputs, "input norms"));
    PARE_TRY(pare_alloc(&s->inverse, layers, sizeof *s->inverse, "inverse diagonals"));
    PARE_TRY(pare_alloc(&s->outputs, layers, sizeof *s->outputs, "output norms"));
    if (w->job->norms) return take_norms(w, s);
    if (!pare_weights_walks(w->job)) return PARE_OK;
    return observe_layers(w, needs, s);
}

pare_status pare_dense_statistics_visit(pare_weight_walk *w, pare_dense_statistics *s, pare_dense_visit_fn visit,
                                        void *context) {
    for (uint32_t layer = 0; layer < w->l.model->config.layers; layer++) {
        pare_status status = PARE_OK;
        exchange(w, s, layer);
        for (int role = 0; role < PARE_MATRIX_ROLES && status == PARE_OK; role++)
            if (pare_weights_prunes(w, layer, (pare_role)role, PARE_ALL_INPUTS))
                status = visit(w, s, layer, (pare_role)role, context);
        exchange(w, s, layer);
        PARE_TRY(status);
        PARE_TRY(pare_interrupted());
    }
    return PARE_OK;
}

pare_status pare_dense_statistics_score(pare_weight_walk *w, uint32_t layer, pare_role role,
                                        const pare_salience *salience, int64_t *count) {
    pare_matrix_place place = pare_matrix_place_of(w, layer, role);
    int64_t rows, columns;
    pare_tensor_matrix(w->l.model->tensors[place.id], &rows, &columns);
    *count = rows * columns;
    pare_source_rows(w->job->source, place.id, 0, rows, w->dense);
    return pare_matrix_score(w, &place, salience, w->dense, w->scores);
}
