#include "calibrate/layer_importance.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

/* Tokens whose cosines are taken at a time, in parallel, before they are added up in order. */
enum { STRETCH = 256, LANES = 8 };

typedef struct influence {
    const pare_pass *pass;
    int64_t hidden;
    uint32_t layers;
    double *sums; /* [shards, layers] of 1 - cosine */
} influence;

PARE_VECTORIZE static double cosine(const float *x, const float *y, int64_t d) {
    double xy[LANES] = {0}, xx[LANES] = {0}, yy[LANES] = {0};
    for (int64_t i = 0; i < d; i += LANES)
        for (int64_t j = 0; j < LANES && i + j < d; j++) {
            double a = (double)x[i + j], b = (double)y[i + j];
            xy[j] += a * b;
            xx[j] += a * a;
            yy[j] += b * b;
        }
    for (int j = 1; j < LANES; j++) {
        xy[0] += xy[j];
        xx[0] += xx[j];
        yy[0] += yy[j];
    }
    double norms = sqrt(xx[0]) * sqrt(yy[0]);
    return norms == 0.0 ? 0.0 : xy[0] / norms;
}

static pare_status add_block(void *context, uint32_t layer, int64_t first_token, int64_t tokens, const float *x,
                             const float *out) {
    influence *of = context;
    double *sum = of->sums + (size_t)pare_pass_shard(of->pass) * of->layers + layer;
    (void)first_token;
    for (int64_t first = 0; first < tokens; first += STRETCH) {
        double away[STRETCH];
        int64_t count = tokens - first < STRETCH ? tokens - first : STRETCH;
#pragma omp parallel for schedule(static)
        for (int64_t t = 0; t < count; t++)
            away[t] = 1.0 - cosine(x + (first + t) * of->hidden, out + (first + t) * of->hidden, of->hidden);
        for (int64_t t = 0; t < count; t++)
            *sum += away[t];
    }
    return PARE_OK;
}

/* The shards, one after the other. */
static pare_status add_up(const influence *of, pare_shard_sums *sums, double *out) {
    const pare_shards shards = pare_pass_shards(of->pass);
    PARE_TRY(pare_shard_sums_add_double(sums, out, of->layers));
    for (int shard = shards.first; shard < shards.last; shard++) {
        PARE_TRY(pare_shard_sums_enter(sums, &shards, shard));
        memcpy(out, of->sums + (size_t)shard * of->layers, of->layers * sizeof *out);
        pare_shard_sums_leave(sums, &shards, shard);
    }
    return pare_shard_sums_finish(sums, &shards);
}

static pare_status sum_blocks(influence *of, pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                              double *out) {
    pare_shard_sums sums = {0};
    pare_pass_on_block(pass, add_block, of);
    pare_pass_on_step(pass, batch->step, batch->step_context);
    pare_status status = pare_pass_forward(pass, source, batch->ids, batch->sequences);
    pare_pass_on_block(pass, NULL, NULL);
    pare_pass_on_step(pass, NULL, NULL);
    if (status == PARE_OK) status = add_up(of, &sums, out);
    pare_shard_sums_free(&sums);
    return status;
}

pare_status pare_layer_influence(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                 double *out) {
    uint32_t layers = source->model->config.layers;
    influence of = {.pass = pass, .hidden = source->model->config.hidden, .layers = layers};
    PARE_TRY(pare_alloc(&of.sums, (size_t)PARE_SHARDS * layers, sizeof *of.sums, "influence of layers"));
    pare_status status = sum_blocks(&of, pass, source, batch, out);
    pare_free(of.sums);
    PARE_TRY(status);
    for (uint32_t layer = 0; layer < layers; layer++) {
        out[layer] /= (double)(batch->sequences * pare_pass_shape_of(pass)->length);
        if (!isfinite(out[layer]))
            return pare_fail(PARE_NUMERIC_ERROR,
                             "the influence of layer %u is %f: the weights of %s are not finite, or too large to "
                             "compute with",
                             layer, out[layer], pare_checkpoint_directory(source->model->checkpoint));
    }
    return PARE_OK;
}
