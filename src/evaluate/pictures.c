#include "evaluate/pictures.h"
#include "evaluate/divergence.h"
#include "evaluate/group.h"
#include "evaluate/logits_compare.h"
#include "model/patches.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>

/* Logits of the first token of every picture of a group. */
static pare_status group_logits(const pare_evaluation *e, const pare_source *source, pare_pass *pass, int64_t first,
                                int64_t count, float *logits) {
    const pare_windows *windows = e->windows;
    int64_t length = windows->length, classes = e->model->config.vocabulary;
    PARE_TRY(pare_pass_forward(pass, source, windows->ids + first * length, count));
    for (int64_t i = 0; i < count; i++)
        PARE_TRY(pare_pass_logits(pass, source, i * length, 1, logits + (first + i) * classes));
    return PARE_OK;
}

static pare_status all_logits(const pare_evaluation *e, const pare_source *source, pare_pass *pass, int64_t group,
                              float *logits) {
    uint64_t layers = e->model->config.layers, count = e->windows->count;
    pare_group_progress progress = {.runtime = e->runtime,
                                    .stage = e->stage ? e->stage : "evaluating",
                                    .total = (count + (uint64_t)group - 1) / (uint64_t)group * layers};
    pare_pass_on_step(pass, pare_group_step, &progress);
    for (int64_t first = 0; first < (int64_t)count; first += group, progress.before += layers) {
        int64_t left = (int64_t)count - first;
        PARE_TRY(group_logits(e, source, pass, first, left < group ? left : group, logits));
    }
    return PARE_OK;
}

pare_status pare_pictures_logits(const pare_evaluation *e, float *logits) {
    pare_source plain = {.model = e->model, .backend = e->backend};
    const pare_source *source = e->source ? e->source : &plain;
    int64_t rank = e->adapters ? e->adapters->rank : 0;
    pare_pass_shape shape;
    pare_pass *pass;
    PARE_TRY(pare_group_shape(e->model, e->backend, e->windows, pare_source_is_composed(source), rank,
                              pare_runtime_limit(e->runtime), &shape));
    PARE_TRY(pare_pass_new(e->model, e->backend, &shape, &pass));
    if (e->adapters) pare_pass_adapt(pass, e->adapters);
    pare_status status = all_logits(e, source, pass, shape.sequences, logits);
    pare_pass_free(pass);
    return status;
}

/* Classes that are likelier than `label`; of equal ones the lower index is. */
static int64_t rank_of(const float *logits, int64_t classes, int64_t label) {
    int64_t rank = 0;
    for (int64_t i = 0; i < classes; i++)
        rank += logits[i] > logits[label] || (i < label && !(logits[i] < logits[label]));
    return rank;
}

static double loss_of(const float *logits, int64_t classes, int64_t label) {
    double highest = (double)logits[pare_logits_likeliest(logits, classes)], sum = 0.0;
    for (int64_t i = 0; i < classes; i++)
        sum += exp((double)logits[i] - highest);
    return log(sum) + highest - (double)logits[label];
}

static void add_scores(const pare_evaluation *e, const float *logits, pare_picture_scores *out) {
    enum { FEW = 5 };
    int64_t classes = e->model->config.vocabulary;
    const pare_windows *windows = e->windows;
    for (size_t i = 0; i < windows->count; i++) {
        int64_t label = pare_patches_label(e->model, windows->ids[i * windows->length]);
        const float *row = logits + (int64_t)i * classes;
        if (label < 0) continue;
        int64_t rank = rank_of(row, classes, label);
        out->labelled++;
        out->top1 += rank == 0;
        out->top5 += rank < FEW;
        out->loss += loss_of(row, classes, label);
    }
    double *means[] = {&out->top1, &out->top5, &out->loss};
    for (size_t i = 0; i < sizeof means / sizeof *means; i++)
        *means[i] = out->labelled ? *means[i] / (double)out->labelled : NAN;
}

static void add_comparison(const pare_evaluation *e, const float *logits, const float *dense,
                           pare_picture_scores *out) {
    int64_t classes = e->model->config.vocabulary, count = e->windows->count;
    for (int64_t i = 0; i < count; i++) {
        const float *p = dense + i * classes, *q = logits + i * classes;
        int64_t p_best = pare_logits_likeliest(p, classes), q_best = pare_logits_likeliest(q, classes);
        out->kl += pare_logits_divergence(p, q, (double)p[p_best], (double)q[q_best], classes);
        out->agreement += p_best == q_best;
    }
    out->kl /= (double)count;
    out->agreement /= (double)count;
    out->compared = true;
}

static pare_status check(const pare_evaluation *e, const pare_picture_scores *scores, const float *logits) {
    int64_t elements = (int64_t)e->windows->count * e->model->config.vocabulary;
    double sum = 0.0;
    for (int64_t i = 0; i < elements; i++)
        sum += isfinite(logits[i]) ? 0.0 : NAN;
    PARE_TRY(pare_evaluation_check(e, "loss", scores->labelled ? scores->loss : sum));
    return pare_evaluation_check(e, "divergence", scores->kl + sum);
}

pare_status pare_pictures_evaluate(const pare_evaluation *e, const pare_model *dense, pare_picture_scores *out,
                                   pare_picture_scores *before) {
    pare_evaluation other = {.model = dense,
                             .backend = e->backend,
                             .runtime = e->runtime,
                             .windows = e->windows,
                             .name = e->name,
                             .stage = "evaluating the dense model"};
    size_t elements = (size_t)e->windows->count * e->model->config.vocabulary;
    float *logits, *compared = NULL;
    *out = (pare_picture_scores){.files = e->windows->count};
    PARE_TRY(pare_alloc_uninitialized(&logits, elements, sizeof *logits, "logits"));
    pare_status status = pare_pictures_logits(e, logits);
    if (status == PARE_OK) add_scores(e, logits, out);
    if (status == PARE_OK && dense) status = pare_alloc_uninitialized(&compared, elements, sizeof *compared, "logits");
    if (status == PARE_OK && dense) status = pare_pictures_logits(&other, compared);
    if (status == PARE_OK && dense) add_comparison(e, logits, compared, out);
    if (status == PARE_OK && before) {
        *before = (pare_picture_scores){.files = e->windows->count};
        add_scores(&other, compared, before);
        status = check(&other, before, compared);
    }
    if (status == PARE_OK) status = check(e, out, logits);
    pare_free(logits);
    pare_free(compared);
    return status;
}

pare_status pare_evaluate_pair(const pare_evaluation *e, int side, pare_text_pair *pair) {
    double *nll = side ? &pair->after : &pair->before;
    pair->pictures = pare_reads_pictures(&e->model->config);
    if (!pair->pictures) return pare_perplexity(e, nll);
    PARE_TRY(pare_pictures_evaluate(e, NULL, &pair->answers[side], NULL));
    *nll = pair->answers[side].loss;
    return PARE_OK;
}

pare_status pare_compare_pair(const pare_evaluation *e, const pare_model *dense, pare_text_pair *pair) {
    pare_divergence_result result;
    pair->pictures = pare_reads_pictures(&e->model->config);
    if (!pair->pictures) {
        PARE_TRY(pare_divergence(e, dense, &result, &pair->before));
        pair->compared = true;
        pair->after = result.nll, pair->kl = result.kl, pair->top1 = result.top1;
        return PARE_OK;
    }
    PARE_TRY(pare_pictures_evaluate(e, dense, &pair->answers[1], &pair->answers[0]));
    pair->before = pair->answers[0].loss;
    pair->after = pair->answers[1].loss;
    return PARE_OK;
}
