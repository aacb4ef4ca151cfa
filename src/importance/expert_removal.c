#include "importance/expert_removal.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

/* Shares a' in place of a change a token's output by sum_e (a'_e - a_e) y_e, whose square is a quadratic form in the
 * inner products of the experts' outputs. */
typedef struct removal {
    const pare_expert_outputs *o;
    int32_t *dense, *now;           /* [tokens, chosen] experts that tokens reach: of all, and of those that are left */
    float *dense_share, *now_share; /* [tokens, chosen] */
    double *whole;                  /* [tokens] squares of the dense outputs */
    double *error;                  /* [tokens] as things stand */
    bool *off;                      /* [experts] those that are gone */
    double *risen;                  /* [experts] error of the layer without this one, too */
    /* Of each candidate, so that candidates are tried side by side: */
    float *logits;      /* [experts, experts] */
    bool *trial_off;    /* [experts, experts] */
    int32_t *trial;     /* [experts, chosen] */
    float *trial_share; /* [experts, chosen] */
} removal;

static pare_routing routing_of(const pare_expert_outputs *o, float *logits, float *share, int32_t *expert) {
    return (pare_routing){.tokens = 1,
                          .experts = o->experts,
                          .chosen = o->chosen,
                          .rule = o->rule,
                          .correction = o->correction,
                          .probability = logits,
                          .share = share,
                          .expert = expert};
}

/* Where a token's output goes without the experts that are off; logits: [experts] room. */
static void route(const removal *r, int64_t token, const bool *off, float *logits, int32_t *expert, float *share) {
    const pare_expert_outputs *o = r->o;
    pare_routing one = routing_of(o, logits, share, expert);
    memcpy(logits, o->logits + token * o->experts, o->experts * sizeof *logits);
    pare_routing_choose_token(&one, off, 0);
    for (uint32_t i = 0; o->rule->shares_inputs && i < o->chosen; i++)
        share[i] = share[i] > 0.0f ? 1.0f : 0.0f; /* outputs have theirs */
}

/* sum_ij a_i b_j <y_i, y_j> over two lists of experts with their shares. */
static double product(const removal *r, const float *gram, const int32_t *a, const float *shares_a, const int32_t *b,
                      const float *shares_b) {
    double sum = 0.0;
    for (uint32_t i = 0; i < r->o->chosen; i++)
        for (uint32_t j = 0; j < r->o->chosen; j++)
            sum += (double)shares_a[i] * (double)shares_b[j] * (double)gram[pare_expert_pair(a[i], b[j])];
    return sum;
}

static double token_error(const removal *r, int64_t token, const int32_t *expert, const float *share) {
    const float *gram = r->o->gram + token * pare_expert_pairs(r->o->experts);
    const int32_t *dense = r->dense + token * r->o->chosen;
    const float *dense_share = r->dense_share + token * r->o->chosen;
    if (memcmp(expert, dense, r->o->chosen * sizeof *dense) == 0 &&
        memcmp(share, dense_share, r->o->chosen * sizeof *share) == 0)
        return 0.0;
    double error = product(r, gram, expert, share, expert, share) -
                   2.0 * product(r, gram, expert, share, dense, dense_share) + r->whole[token];
    return error < 0.0 ? 0.0 : error; /* NaN stays */
}

/* Where shares are those of the chosen alone, a token that does not reach the expert does not feel that it goes; unless
 * the expert speaks for its group, or stands beside those chosen. */
static bool feels(const removal *r, int64_t token, int32_t expert) {
    const int32_t *now = r->now + token * r->o->chosen;
    const pare_experts *rule = r->o->rule;
    if (!rule->normalised || rule->jitter > 0.0 || rule->groups_chosen < rule->groups) return true;
    for (uint32_t i = 0; i < r->o->chosen; i++)
        if (now[i] == expert) return true;
    return false;
}

static double try_without(const removal *r, uint32_t candidate) {
    const pare_expert_outputs *o = r->o;
    float *logits = r->logits + (size_t)candidate * o->experts, *share = r->trial_share + (size_t)candidate * o->chosen;
    bool *off = r->trial_off + (size_t)candidate * o->experts;
    int32_t *expert = r->trial + (size_t)candidate * o->chosen;
    double sum = 0.0;
    memcpy(off, r->off, o->experts * sizeof *off);
    off[candidate] = true;
    for (int64_t token = 0; token < o->tokens; token++) {
        if (!feels(r, token, (int32_t)candidate)) {
            sum += r->error[token];
            continue;
        }
        route(r, token, off, logits, expert, share);
        sum += token_error(r, token, expert, share);
    }
    return sum;
}

/* Tokens with some experts off, into `expert` and `share`. */
static void route_all(const removal *r, int32_t *expert, float *share) {
    for (int64_t token = 0; token < r->o->tokens; token++)
        route(r, token, r->off, r->logits, expert + token * r->o->chosen, share + token * r->o->chosen);
}

static void remove_expert(removal *r, uint32_t expert) {
    r->off[expert] = true;
    route_all(r, r->now, r->now_share);
    for (int64_t token = 0; token < r->o->tokens; token++)
        r->error[token] = token_error(r, token, r->now + token * r->o->chosen, r->now_share + token * r->o->chosen);
}

static double energy(const removal *r) {
    double sum = 0.0;
    for (int64_t token = 0; token < r->o->tokens; token++) {
        const int32_t *dense = r->dense + token * r->o->chosen;
        const float *share = r->dense_share + token * r->o->chosen;
        const float *gram = r->o->gram + token * pare_expert_pairs(r->o->experts);
        sum += r->whole[token] = product(r, gram, dense, share, dense, share);
    }
    return sum;
}

/* The last one leaves nothing behind. */
static pare_status order(removal *r, double *scores) {
    const pare_expert_outputs *o = r->o;
    double all, last = 0.0;
    route_all(r, r->dense, r->dense_share);
    memcpy(r->now, r->dense, (size_t)o->tokens * o->chosen * sizeof *r->now);
    all = energy(r);
    for (uint32_t left = o->experts; left > 0; left--) {
        uint32_t best = o->experts;
#pragma omp parallel for schedule(dynamic) if (left > 1)
        for (uint32_t e = 0; e < o->experts; e++)
            r->risen[e] = r->off[e] ? INFINITY : left > 1 ? try_without(r, e) : all;
        for (uint32_t e = 0; e < o->experts; e++)
            if (!r->off[e] && (best == o->experts || !(r->risen[e] >= r->risen[best]))) best = e;
        if (!isfinite(all) || !isfinite(r->risen[best]))
            return pare_fail(
                PARE_NUMERIC_ERROR,
                "outputs of layer %u's experts are not finite: the model's weights hold NaN or infinities, "
                "or are too large to compute with",
                o->layer);
        double score = all > 0.0 ? r->risen[best] / all : 0.0;
        last = scores[best] = score > last ? score : nextafter(last, INFINITY);
        if (left > 1) remove_expert(r, best);
        PARE_TRY(pare_interrupted());
    }
    return PARE_OK;
}

static pare_status allocate(removal *r) {
    size_t tokens = (size_t)r->o->tokens, experts = r->o->experts, chosen = r->o->chosen;
    static const char what[] = "errors of experts";
    PARE_TRY(pare_alloc(&r->dense, tokens * chosen, sizeof *r->dense, what));
    PARE_TRY(pare_alloc(&r->now, tokens * chosen, sizeof *r->now, what));
    PARE_TRY(pare_alloc(&r->dense_share, tokens * chosen, sizeof *r->dense_share, what));
    PARE_TRY(pare_alloc(&r->now_share, tokens * chosen, sizeof *r->now_share, what));
    PARE_TRY(pare_alloc(&r->whole, tokens, sizeof *r->whole, what));
    PARE_TRY(pare_alloc(&r->error, tokens, sizeof *r->error, what));
    PARE_TRY(pare_alloc(&r->off, experts, sizeof *r->off, what));
    PARE_TRY(pare_alloc(&r->risen, experts, sizeof *r->risen, what));
    PARE_TRY(pare_alloc(&r->logits, experts * experts, sizeof *r->logits, what));
    PARE_TRY(pare_alloc(&r->trial_off, experts * experts, sizeof *r->trial_off, what));
    PARE_TRY(pare_alloc(&r->trial, experts * chosen, sizeof *r->trial, what));
    return pare_alloc(&r->trial_share, experts * chosen, sizeof *r->trial_share, what);
}

pare_status pare_expert_removal(const pare_expert_outputs *outputs, double *scores) {
    removal r = {.o = outputs};
    pare_status status = allocate(&r);
    if (status == PARE_OK) status = order(&r, scores);
    void *all[] = {r.whole, r.dense, r.now,    r.dense_share, r.now_share, r.error,
                   r.off,   r.risen, r.logits, r.trial_off,   r.trial,     r.trial_share};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    return status;
}

uint64_t pare_expert_removal_bytes(const pare_model *model, int64_t tokens) {
    const pare_experts *x = &model->config.experts;
    uint64_t n = (uint64_t)pare_expert_outputs_tokens(model, tokens);
    return n * (4 * (uint64_t)x->chosen * sizeof(float) + 2 * sizeof(double)) +
           (uint64_t)x->count * (x->count * (sizeof(float) + sizeof(bool)) + 2 * (uint64_t)x->chosen * sizeof(float));
}

/* Every candidate of every round, for the tokens that feel it: a choice among all experts, and two forms. */
pare_work pare_expert_removal_work(const pare_model *model, int64_t tokens) {
    const pare_config *c = &model->config;
    double n = (double)pare_expert_outputs_tokens(model, tokens), experts = c->experts.count, layers = 0.0;
    double chosen = c->experts.chosen, share = c->experts.normalised ? chosen / experts : 1.0;
    pare_work work = {{0}};
    for (uint32_t layer = 0; layer < c->layers; layer++)
        layers += c->widths[layer].experts > 0;
    work.amount[PARE_WORK_DOUBLE] =
        layers * n * experts * experts / 2.0 * 2.0 * share * (4.0 * experts + 8.0 * chosen * chosen);
    return work;
}
