/* Behind the last block: the final norm, fitted to what the dense model has there. */
#include "layerwise/layerwise_internal.h"
#include "repair/norm_fit.h"
#include "support/memory.h"

#include <math.h>

typedef struct norm_fit {
    float *weights;            /* [d] */
    double *factors, *squares; /* [d] */
    float *states;             /* [micro-batch tokens, d] */
} norm_fit;

static pare_status see(pare_layerwise *l, int64_t first, int64_t tokens, void *context) {
    const pare_backend_operations *ops = l->backend->operations;
    const norm_fit *fit = context;
    pare_activations *a = l->block.activations;
    const float *dense = pare_stream_load(&l->dense_stream, first, tokens, l->dense_states);
    const float *pruned = pare_stream_load(&l->stream, first, tokens, l->states);
    const pare_norm norm = {.weight = fit->weights, .eps = l->block.eps};
    ops->norm_forward(l->backend, &norm, dense, tokens, l->hidden, a->normed1, false, a->inverse1);
    ops->norm_forward(l->backend, &norm, pruned, tokens, l->hidden, a->normed2, false, a->inverse2);
    ops->from_operand(l->backend, a->normed1, tokens * l->hidden, l->difference);
    ops->from_operand(l->backend, a->normed2, tokens * l->hidden, fit->states);
    pare_norm_fit_add(l->difference, fit->states, tokens, l->hidden, fit->factors, fit->squares);
    return PARE_OK;
}

static pare_status keep(pare_layerwise *l, const norm_fit *fit) {
    size_t id = pare_tensor_id_final_norm(l->model);
    void *out;
    for (int64_t i = 0; i < l->hidden; i++) {
        fit->weights[i] *= (float)fit->factors[i];
        if (!isfinite(fit->weights[i]))
            return pare_fail(PARE_NUMERIC_ERROR, "the final norm cannot be fitted: the last hidden states are not "
                                                 "finite; calibrate with other text, or take --final-norm no");
    }
    PARE_TRY(pare_repaired_add(l->repaired, l->model, id, 1, (uint64_t)l->hidden, &out));
    pare_from_float(out, l->model->tensors[id]->dtype, fit->weights, (size_t)l->hidden);
    return PARE_OK;
}

static pare_status run(pare_layerwise *l, norm_fit *fit) {
    size_t d = (size_t)l->hidden;
    PARE_TRY(pare_alloc(&fit->weights, d, sizeof *fit->weights, "final norm"));
    PARE_TRY(pare_alloc(&fit->factors, d, sizeof *fit->factors, "final norm"));
    PARE_TRY(pare_alloc(&fit->squares, d, sizeof *fit->squares, "final norm"));
    PARE_TRY(pare_alloc_uninitialized(&fit->states, d * (size_t)(l->micro_batch * l->job->length), sizeof(float),
                                      "final norm"));
    pare_source_rows(l->job->source, pare_tensor_id_final_norm(l->model), 0, 1, fit->weights);
    PARE_TRY(pare_layerwise_batches(l, see, fit));
    pare_norm_fit_end(fit->factors, fit->squares, l->hidden);
    return keep(l, fit);
}

pare_status pare_layerwise_fit_norm(pare_layerwise *l) {
    norm_fit fit = {0};
    pare_status status = run(l, &fit);
    pare_free(fit.weights);
    pare_free(fit.factors);
    pare_free(fit.squares);
    pare_free(fit.states);
    return status;
}
