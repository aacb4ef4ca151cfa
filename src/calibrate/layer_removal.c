#include "calibrate/layer_importance.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

typedef struct removal {
    pare_pass *pass;
    const pare_source *source; /* with `skip` */
    const pare_layer_batch *batch;
    bool *skip;           /* [layers] */
    uint64_t done, total; /* blocks, skipped ones too */
} removal;

static pare_status count_step(void *context, uint64_t done, uint64_t total) {
    removal *r = context;
    (void)done, (void)total;
    r->done++;
    return r->batch->step ? r->batch->step(r->batch->step_context, r->done, r->total) : PARE_OK;
}

static pare_status mean_loss(const removal *r, double *loss) {
    double sum;
    PARE_TRY(pare_pass_loss(r->pass, r->source, NULL, &sum));
    *loss = sum / (double)(r->batch->sequences * (pare_pass_shape_of(r->pass)->length - 1));
    return PARE_OK;
}

static pare_status loss_without(const removal *r, uint32_t layer, double *loss) {
    r->skip[layer] = true;
    pare_status status = pare_pass_keeps_inputs(pare_pass_shape_of(r->pass))
                             ? pare_pass_forward_from(r->pass, r->source, layer)
                             : pare_pass_forward(r->pass, r->source, r->batch->ids, r->batch->sequences);
    r->skip[layer] = false;
    return status == PARE_OK ? mean_loss(r, loss) : status;
}

/* From the top down, so that block inputs below the layer in hand are still those of the whole model. */
static pare_status all_losses(const removal *r, double *dense, double *losses) {
    const pare_model *model = r->source->model;
    PARE_TRY(pare_pass_forward(r->pass, r->source, r->batch->ids, r->batch->sequences));
    PARE_TRY(mean_loss(r, dense));
    if (!isfinite(*dense))
        return pare_fail(PARE_NUMERIC_ERROR,
                         "the loss is %f: the weights of %s are not finite, or too large to compute with", *dense,
                         pare_checkpoint_directory(model->checkpoint));
    for (uint32_t layer = model->config.layers; layer-- > 0;) {
        losses[layer] = *dense;
        if (!r->skip[layer]) PARE_TRY(loss_without(r, layer, &losses[layer]));
        if (isnan(losses[layer])) losses[layer] = INFINITY;
    }
    return PARE_OK;
}

/* Blocks of the dense forward and of one more for each layer that can be left out. */
static uint64_t count_blocks(const removal *r, uint32_t layers) {
    uint64_t total = layers;
    for (uint32_t layer = 0; layer < layers; layer++)
        if (!r->skip[layer]) total += pare_pass_keeps_inputs(pare_pass_shape_of(r->pass)) ? layers - layer : layers;
    return total;
}

pare_status pare_layer_removal_losses(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                      double *dense, double *losses) {
    uint32_t layers = source->model->config.layers;
    pare_source skipping = *source;
    removal r = {.pass = pass, .source = &skipping, .batch = batch};
    PARE_TRY(pare_alloc(&r.skip, layers, sizeof *r.skip, "skipped layers"));
    if (source->skip_layer) memcpy(r.skip, source->skip_layer, layers * sizeof *r.skip);
    skipping.skip_layer = r.skip;
    r.total = count_blocks(&r, layers);
    pare_pass_on_block(pass, NULL, NULL);
    pare_pass_on_step(pass, count_step, &r);
    pare_status status = all_losses(&r, dense, losses);
    pare_pass_on_step(pass, NULL, NULL);
    pare_free(r.skip);
    return status;
}
