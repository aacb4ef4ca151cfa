#include "evaluate/divergence.h"
#include "evaluate/logits_compare.h"
#include "support/memory.h"

#include <math.h>

/* Logits of this many bytes per model exist at a time. */
enum { LOGIT_BYTES = 32 << 20, MOST_TOKENS = 1024 };

typedef struct comparison {
    const pare_windows *windows;
    int64_t tokens, vocabulary;
    float *logits, *dense_logits; /* [tokens, vocabulary] */
    double nll_sum, kl_sum, same_sum;
    double *dense_sum; /* or NULL */
} comparison;

/* A group's record: the losses of the model and of the dense one, then of each token the divergence, then whether both
 * predict the same. */
enum { LOSS, DENSE_LOSS, LOSSES };

/* kl, same: [tokens] */
static void compare_rows(const comparison *c, int64_t tokens, double *kl, double *same) {
    int64_t n = c->vocabulary;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < tokens; t++) {
        const float *p = c->dense_logits + t * n, *q = c->logits + t * n;
        int64_t p_best = pare_logits_likeliest(p, n), q_best = pare_logits_likeliest(q, n);
        kl[t] = pare_logits_divergence(p, q, (double)p[p_best], (double)q[q_best], n);
        same[t] = p_best == q_best;
    }
}

static pare_status loss_of(const pare_evaluated *of, double *sum) {
    return pare_pass_loss(of->pass, &of->source, NULL, sum);
}

static pare_status compare_group(void *context, const pare_evaluation_group *group, double *record) {
    const comparison *c = context;
    const pare_evaluated *pruned = group->model, *dense = group->dense;
    int64_t all = group->count * c->windows->length;
    double *kl = record + LOSSES, *same = kl + all;
    record[DENSE_LOSS] = 0.0;
    PARE_TRY(loss_of(pruned, &record[LOSS]));
    if (c->dense_sum) PARE_TRY(loss_of(dense, &record[DENSE_LOSS]));
    for (int64_t at = 0; at < all; at += c->tokens) {
        int64_t count = all - at < c->tokens ? all - at : c->tokens;
        PARE_TRY(pare_interrupted());
        PARE_TRY(pare_pass_logits(dense->pass, &dense->source, at, count, c->dense_logits));
        PARE_TRY(pare_pass_logits(pruned->pass, &pruned->source, at, count, c->logits));
        compare_rows(c, count, kl + at, same + at);
    }
    return PARE_OK;
}

static void add_group(void *context, const pare_evaluation_group *group, const double *record) {
    comparison *c = context;
    int64_t length = c->windows->length, all = group->count * length;
    const double *kl = record + LOSSES, *same = kl + all;
    c->nll_sum += record[LOSS];
    if (c->dense_sum) *c->dense_sum += record[DENSE_LOSS];
    for (int64_t t = 0; t < all; t++) {
        if (t % length == length - 1) continue;
        c->kl_sum += kl[t];
        c->same_sum += same[t];
    }
}

static pare_status compare(const pare_evaluation *e, const pare_model *dense, comparison *c) {
    size_t tokens = (size_t)c->tokens, elements = tokens * (size_t)c->vocabulary;
    const pare_evaluation_view view = {.see = compare_group,
                                       .take = add_group,
                                       .context = c,
                                       .numbers = LOSSES,
                                       .of_window = 2 * (size_t)e->windows->length,
                                       .beside = 2 * elements * sizeof *c->logits};
    PARE_TRY(pare_alloc_uninitialized(&c->logits, elements, sizeof *c->logits, "logits"));
    PARE_TRY(pare_alloc_uninitialized(&c->dense_logits, elements, sizeof *c->logits, "logits"));
    return pare_evaluation_groups(e, dense, &view);
}

pare_status pare_divergence(const pare_evaluation *e, const pare_model *dense, pare_divergence_result *out,
                            double *dense_nll) {
    pare_evaluation other = *e;
    double dense_sum = 0.0;
    other.model = dense;
    if (dense->config.vocabulary != e->model->config.vocabulary)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s has %u tokens and %s has %u; models of different vocabularies cannot be "
                         "compared",
                         pare_checkpoint_directory(e->model->checkpoint), e->model->config.vocabulary,
                         pare_checkpoint_directory(dense->checkpoint), dense->config.vocabulary);
    comparison c = {
        .windows = e->windows, .vocabulary = e->model->config.vocabulary, .dense_sum = dense_nll ? &dense_sum : NULL};
    int64_t fit = LOGIT_BYTES / (c.vocabulary * (int64_t)sizeof(float));
    c.tokens = fit < 1 ? 1 : fit > MOST_TOKENS ? MOST_TOKENS : fit;
    pare_status status = compare(e, dense, &c);
    pare_free(c.logits);
    pare_free(c.dense_logits);
    PARE_TRY(status);
    double predictions = (double)e->windows->count * (double)(e->windows->length - 1);
    *out = (pare_divergence_result){
        .nll = c.nll_sum / predictions, .kl = c.kl_sum / predictions, .top1 = c.same_sum / predictions};
    if (dense_nll) PARE_TRY(pare_evaluation_check(&other, "loss", *dense_nll = dense_sum / predictions));
    PARE_TRY(pare_evaluation_check(e, "loss", out->nll));
    return pare_evaluation_check(e, "divergence", out->kl);
}
