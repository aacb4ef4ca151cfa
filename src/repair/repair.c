#include "repair/repair_internal.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>
#include <string.h>

int64_t pare_repair_batch(const pare_repair *r, int64_t sequence) {
    int64_t left = r->job->sequences - sequence;
    return left < r->micro_batch ? left : r->micro_batch;
}

void pare_repair_norm(pare_repair *r, const float *weights, double *eps) {
    double share = (double)r->channels.count / (double)r->hidden;
    float factor = (float)sqrt(share);
    for (int64_t i = 0; i < r->hidden; i++)
        r->norm[i] = weights[i] * factor;
    *eps *= share;
}

static void embed(pare_repair *r) {
    pare_walk_embed(&r->walk, r->job->ids, r->tokens, r->pruned);
    if (r->dense) memcpy(r->dense, r->pruned, (size_t)(r->tokens * r->hidden) * sizeof(float));
    if (!r->channels.index) return;
    r->apart = true;
    for (int64_t t = 0; t < r->tokens; t++) {
        float *x = r->pruned + t * r->hidden;
        for (int64_t i = 0, k = 0; i < r->hidden; i++) {
            if (k < r->channels.count && r->channels.index[k] == i)
                k++;
            else
                x[i] = 0.0f;
        }
    }
}

/* A layer that is not in the pruned model: only the dense stream goes through it. */
static pare_status skip_layer(pare_repair *r) {
    r->apart = true;
    if (!r->dense) return PARE_OK;
    pare_block block = r->block;
    for (int64_t s = 0; s < r->job->sequences; s += r->micro_batch) {
        float *x = r->dense + s * r->job->length * r->hidden;
        block.batch = pare_repair_batch(r, s);
        PARE_TRY(pare_block_forward(&block, x, x));
    }
    return PARE_OK;
}

static pare_status check(const pare_repair_job *job) {
    const pare_repair_options *o = &job->options;
    if (job->sequences < 1 || job->length < 1)
        return pare_fail(PARE_BAD_ARGUMENT, "repair needs calibration sequences: got %lld of %lld tokens",
                         (long long)job->sequences, (long long)job->length);
    if (!(o->alpha >= 0.0 && o->alpha <= 1.0 && o->beta >= 0.0 && o->beta <= 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "alpha %g and beta %g must lie between 0 and 1", o->alpha, o->beta);
    if (!(o->damping >= 0.0 && o->reader_damping >= 0.0 && isfinite(o->damping) && isfinite(o->reader_damping)))
        return pare_fail(PARE_BAD_ARGUMENT, "damping %g and %g must not be negative", o->damping, o->reader_damping);
    return PARE_OK;
}

static pare_status run(pare_repair *r, pare_stage_fit (*fits)[PARE_STAGES]) {
    uint32_t layers = r->model->config.layers;
    pare_stage_fit unseen[PARE_STAGES];
    embed(r);
    for (uint32_t layer = 0; layer < layers; layer++) {
        pare_model_prefetch(r->model, (int64_t)layer + 1);
        r->block = pare_walk_block(&r->walk, layer);
        pare_stage_fit *fit = fits ? fits[layer] : unseen;
        for (int stage = 0; stage < PARE_STAGES; stage++)
            fit[stage] = (pare_stage_fit){0};
        bool absent = r->source->skip_layer && r->source->skip_layer[layer];
        bool dropped = r->selection->layer[layer].dropped;
        if (dropped && !absent) PARE_TRY(skip_layer(r));
        for (int stage = 0; stage < PARE_STAGES; stage++) {
            if (!dropped && !absent) PARE_TRY(pare_repair_stage(r, layer, (pare_stage)stage, &fit[stage]));
            PARE_TRY(pare_progress_report(r->job->runtime, "repairing", PARE_STAGES * layer + (uint64_t)stage + 1,
                                          PARE_STAGES * (uint64_t)layers));
        }
    }
    return r->job->options.probe ? PARE_OK : pare_repair_end(r);
}

pare_status pare_repair_run(const pare_repair_job *job, pare_selection *selection, pare_repaired *repaired,
                            pare_stage_fit (*fits)[PARE_STAGES]) {
    pare_repair r;
    *repaired = (pare_repaired){0};
    PARE_TRY(check(job));
    PARE_TRY(pare_repair_set_up(job, selection, repaired, &r));
    pare_status status = run(&r, fits);
    pare_repair_clear(&r);
    if (status != PARE_OK) pare_repaired_free(repaired);
    return status;
}
