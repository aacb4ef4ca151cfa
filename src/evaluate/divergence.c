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
    double *kl;                   /* [tokens] */
    bool *same;                   /* [tokens] */
    double nll_sum, kl_sum, same_sum;
    double *dense_sum; /* or NULL */
} comparison;

static void compare_rows(comparison *c, int64_t tokens) {
    int64_t n = c->vocabulary;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < tokens; t++) {
        const float *p = c->dense_logits + t * n, *q = c->logits + t * n;
        int64_t p_best = pare_logits_likeliest(p, n), q_best = pare_logits_likeliest(q, n);
        c->kl[t] = pare_logits_divergence(p, q, (double)p[p_best], (double)q[q_best], n);
        c->same[t] = p_best == q_best;
    }
}

static pare_status add_loss(const pare_evaluated *of, double *total) {
    double sum;
    PARE_TRY(pare_pass_loss(of->pass, &of->source, NULL, &sum));
    *total += sum;
    return PARE_OK;
}

static pare_status compare_group(void *context, const pare_evaluation_group *group) {
    comparison *c = context;
    const pare_evaluated *pruned = group->model, *dense = group->dense;
    int64_t length = c->windows->length, all = group->count * length;
    PARE_TRY(add_loss(pruned, &c->nll_sum));
    if (c->dense_sum) PARE_TRY(add_loss(dense, c->dense_sum));
    for (int64_t at = 0; at < all; at += c->tokens) {
        int64_t count = all - at < c->tokens ? all - at : c->tokens;
        PARE_TRY(pare_interrupted());
        PARE_TRY(pare_pass_logits(dense->pass, &dense->source, at, count, c->dense_logits));
        PARE_TRY(pare_pass_logits(pruned->pass, &pruned->source, at, count, c->logits));
        compare_rows(c, count);
        for (int64_t t = 0; t < count; t++) {
            if ((at + t) % length == length - 1) continue;
            c->kl_sum += c->kl[t];
            c->same_sum += c->same[t];
        }
    }
    return PARE_OK;
}

static pare_status compare(const pare_evaluation *e, const pare_model *dense, comparison *c) {
    size_t tokens = (size_t)c->tokens, elements = tokens * (size_t)c->vocabulary;
    PARE_TRY(pare_alloc_uninitialized(&c->logits, elements, sizeof *c->logits, "logits"));
    PARE_TRY(pare_alloc_uninitialized(&c->dense_logits, elements, sizeof *c->logits, "logits"));
    PARE_TRY(pare_alloc(&c->kl, tokens, sizeof *c->kl, "divergences"));
    PARE_TRY(pare_alloc(&c->same, tokens, sizeof *c->same, "agreements"));
    return pare_evaluation_groups(e, dense, 2 * elements * sizeof *c->logits, compare_group, c);
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
    pare_free(c.kl);
    pare_free(c.same);
    PARE_TRY(status);
    double predictions = (double)e->windows->count * (double)(e->windows->length - 1);
    *out = (pare_divergence_result){
        .nll = c.nll_sum / predictions, .kl = c.kl_sum / predictions, .top1 = c.same_sum / predictions};
    if (dense_nll) PARE_TRY(pare_evaluation_check(&other, "loss", *dense_nll = dense_sum / predictions));
    PARE_TRY(pare_evaluation_check(e, "loss", out->nll));
    return pare_evaluation_check(e, "divergence", out->kl);
}
