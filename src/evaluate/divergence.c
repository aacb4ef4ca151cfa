#include "evaluate/divergence.h"
#include "evaluate/group.h"
#include "evaluate/logits_compare.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>

/* Logits of this many bytes per model exist at a time. */
enum { LOGIT_BYTES = 32 << 20, MOST_TOKENS = 1024 };

typedef struct side {
    pare_source source;
    const pare_adapters *adapters; /* or NULL */
    pare_pass *pass;
    float *logits; /* [tokens, vocabulary] */
} side;

typedef struct comparison {
    const pare_evaluation *evaluation;
    side pruned, dense;
    int64_t group, tokens, vocabulary;
    double *kl; /* [tokens] */
    bool *same; /* [tokens] */
    double nll_sum, kl_sum, same_sum;
    double *dense_sum; /* or NULL */
} comparison;

static void compare_rows(comparison *c, int64_t tokens) {
    int64_t n = c->vocabulary;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < tokens; t++) {
        const float *p = c->dense.logits + t * n, *q = c->pruned.logits + t * n;
        int64_t p_best = pare_logits_likeliest(p, n), q_best = pare_logits_likeliest(q, n);
        c->kl[t] = pare_logits_divergence(p, q, (double)p[p_best], (double)q[q_best], n);
        c->same[t] = p_best == q_best;
    }
}

static pare_status side_forward(const side *s, pare_group_progress *progress, const uint32_t *ids, int64_t sequences) {
    pare_pass_on_step(s->pass, pare_group_step, progress);
    PARE_TRY(pare_pass_forward(s->pass, &s->source, ids, sequences));
    progress->before += s->source.model->config.layers;
    return PARE_OK;
}

static pare_status compare_group(comparison *c, pare_group_progress *progress, int64_t first, int64_t sequences) {
    const pare_windows *windows = c->evaluation->windows;
    int64_t length = windows->length, all = sequences * length;
    double sum;
    PARE_TRY(side_forward(&c->dense, progress, windows->ids + first * length, sequences));
    PARE_TRY(side_forward(&c->pruned, progress, windows->ids + first * length, sequences));
    PARE_TRY(pare_pass_loss(c->pruned.pass, &c->pruned.source, NULL, &sum));
    c->nll_sum += sum;
    if (c->dense_sum) {
        PARE_TRY(pare_pass_loss(c->dense.pass, &c->dense.source, NULL, &sum));
        *c->dense_sum += sum;
    }
    for (int64_t at = 0; at < all; at += c->tokens) {
        int64_t count = all - at < c->tokens ? all - at : c->tokens;
        PARE_TRY(pare_interrupted());
        PARE_TRY(pare_pass_logits(c->dense.pass, &c->dense.source, at, count, c->dense.logits));
        PARE_TRY(pare_pass_logits(c->pruned.pass, &c->pruned.source, at, count, c->pruned.logits));
        compare_rows(c, count);
        for (int64_t t = 0; t < count; t++) {
            if ((at + t) % length == length - 1) continue;
            c->kl_sum += c->kl[t];
            c->same_sum += c->same[t];
        }
    }
    return PARE_OK;
}

static pare_status compare_groups(comparison *c) {
    const pare_evaluation *e = c->evaluation;
    int64_t count = e->windows->count, groups = (count + c->group - 1) / c->group;
    pare_group_progress progress = {
        .runtime = e->runtime,
        .stage = e->stage ? e->stage : "comparing",
        .total = (uint64_t)groups * (c->dense.source.model->config.layers + c->pruned.source.model->config.layers)};
    for (int64_t first = 0; first < count; first += c->group)
        PARE_TRY(compare_group(c, &progress, first, count - first < c->group ? count - first : c->group));
    return PARE_OK;
}

/* Both passes get half of what the logits leave. */
static pare_status open_sides(comparison *c) {
    const pare_evaluation *e = c->evaluation;
    side *sides[] = {&c->dense, &c->pruned};
    pare_pass_shape shapes[2];
    uint64_t limit = pare_runtime_limit(e->runtime), row = (uint64_t)c->vocabulary * sizeof(float);
    int64_t fit = LOGIT_BYTES / (int64_t)row;
    c->tokens = fit < 1 ? 1 : fit > MOST_TOKENS ? MOST_TOKENS : fit;
    uint64_t taken = 2 * row * (uint64_t)c->tokens;
    limit = limit > taken ? (limit - taken) / 2 : limit ? 1 : 0;
    for (int i = 0; i < 2; i++) {
        const pare_source *source = &sides[i]->source;
        bool composed = pare_source_is_composed(source);
        int64_t rank = sides[i]->adapters ? sides[i]->adapters->rank : 0;
        PARE_TRY(pare_group_shape(source->model, e->backend, e->windows, composed, rank, limit, &shapes[i]));
    }
    c->group = shapes[0].sequences < shapes[1].sequences ? shapes[0].sequences : shapes[1].sequences;
    for (int i = 0; i < 2; i++) {
        shapes[i].sequences = c->group;
        if (shapes[i].micro_batch > c->group) shapes[i].micro_batch = c->group;
        PARE_TRY(pare_pass_new(sides[i]->source.model, e->backend, &shapes[i], &sides[i]->pass));
        if (sides[i]->adapters) pare_pass_adapt(sides[i]->pass, sides[i]->adapters);
        PARE_TRY(
            pare_alloc_uninitialized(&sides[i]->logits, (size_t)(c->tokens * c->vocabulary), sizeof(float), "logits"));
    }
    PARE_TRY(pare_alloc(&c->kl, (size_t)c->tokens, sizeof *c->kl, "divergences"));
    return pare_alloc(&c->same, (size_t)c->tokens, sizeof *c->same, "agreements");
}

static void close_sides(comparison *c) {
    pare_pass_free(c->dense.pass);
    pare_pass_free(c->pruned.pass);
    pare_free(c->dense.logits);
    pare_free(c->pruned.logits);
    pare_free(c->kl);
    pare_free(c->same);
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
    comparison c = {.evaluation = e,
                    .dense.source = {.model = dense, .backend = e->backend},
                    .pruned = {.source = {.model = e->model, .backend = e->backend}, .adapters = e->adapters},
                    .vocabulary = e->model->config.vocabulary,
                    .dense_sum = dense_nll ? &dense_sum : NULL};
    if (e->source) c.pruned.source = *e->source;
    pare_status status = open_sides(&c);
    if (status == PARE_OK) status = compare_groups(&c);
    close_sides(&c);
    PARE_TRY(status);
    double predictions = (double)e->windows->count * (double)(e->windows->length - 1);
    *out = (pare_divergence_result){
        .nll = c.nll_sum / predictions, .kl = c.kl_sum / predictions, .top1 = c.same_sum / predictions};
    if (dense_nll) PARE_TRY(pare_evaluation_check(&other, "loss", *dense_nll = dense_sum / predictions));
    PARE_TRY(pare_evaluation_check(e, "loss", out->nll));
    return pare_evaluation_check(e, "divergence", out->kl);
}
