#include "model/routing.h"

#include <math.h>
#include <string.h>

/* What one token's experts are chosen by. */
typedef struct choice {
    const float *score;      /* [experts] */
    const float *correction; /* [experts] or NULL */
    const bool *off;         /* [experts] or NULL */
    int64_t group;           /* experts of each */
    bool closed[PARE_EXPERT_GROUPS];
} choice;

static float value_of(const choice *c, int64_t expert) {
    if ((c->off && c->off[expert]) || c->closed[expert / c->group]) return -INFINITY;
    return c->score[expert] + (c->correction ? c->correction[expert] : 0.0f);
}

/* The largest in order; those of equals that come first. */
static void choose_largest(const choice *c, int64_t experts, int64_t chosen, int32_t *list) {
    for (int64_t e = 0, length = 0; e < experts; e++) {
        float value = value_of(c, e);
        if (length == chosen && !(value > value_of(c, list[length - 1]))) continue;
        int64_t at = length < chosen ? length++ : chosen - 1;
        for (; at > 0 && value > value_of(c, list[at - 1]); at--)
            list[at] = list[at - 1];
        list[at] = (int32_t)e;
    }
}

/* By its best expert, or its two best together. */
static float value_of_group(const choice *c, int64_t group, bool by_two) {
    float best = -INFINITY, second = -INFINITY;
    for (int64_t e = group * c->group; e < (group + 1) * c->group; e++) {
        float value = value_of(c, e);
        if (value > best) {
            second = best;
            best = value;
        } else if (value > second) {
            second = value;
        }
    }
    return by_two ? best + second : best;
}

/* All groups but the best ones. */
static void close_groups(const pare_experts *rule, choice *c) {
    float value[PARE_EXPERT_GROUPS];
    int64_t groups = rule->groups;
    if (rule->groups_chosen >= rule->groups) return;
    for (int64_t g = 0; g < groups; g++)
        value[g] = value_of_group(c, g, rule->groups_by_two);
    for (int64_t g = 0; g < groups; g++) {
        uint32_t better = 0;
        for (int64_t other = 0; other < groups; other++)
            better += value[other] > value[g] || (other < g && !(value[g] > value[other]));
        c->closed[g] = better >= rule->groups_chosen;
    }
}

static void soften(float *logits, int64_t experts) {
    float largest = logits[0], sum = 0.0f;
    for (int64_t e = 1; e < experts; e++)
        largest = logits[e] > largest ? logits[e] : largest;
    for (int64_t e = 0; e < experts; e++)
        sum += logits[e] = expf(logits[e] - largest);
    for (int64_t e = 0; e < experts; e++)
        logits[e] /= sum;
}

/* Of the chosen logits alone, the first of which is the largest. */
static void share_out(const float *logits, const int32_t *list, int64_t chosen, float *share) {
    float sum = 0.0f;
    for (int64_t i = 0; i < chosen; i++)
        sum += share[i] = expf(logits[list[i]] - logits[list[0]]);
    for (int64_t i = 0; i < chosen; i++)
        share[i] /= sum;
}

static void squash(float *logits, int64_t experts) {
    for (int64_t e = 0; e < experts; e++)
        logits[e] = 1.0f / (1.0f + expf(-logits[e]));
}

/* Of sigmoids; transformers adds as little to their sum. */
static void share_out_sum(const pare_routing *r, const float *p, const int32_t *list, float *share) {
    float sum = 1e-20f;
    for (int64_t i = 0; i < r->chosen; i++)
        sum += p[list[i]];
    for (int64_t i = 0; i < r->chosen; i++)
        share[i] = p[list[i]] / (r->rule->normalised ? sum : 1.0f);
}

/* True if an expert counts where the i-th of those chosen has its share. */
static bool is_near(const pare_routing *r, const float *logits, const int32_t *list, int64_t i, int64_t expert) {
    float largest = logits[list[i]], size = fabsf(logits[expert]);
    for (int64_t before = 0; before < i; before++)
        if (list[before] == expert) return false;
    if (logits[expert] == -INFINITY) return false;
    float distance = (largest - logits[expert]) / (size > largest ? size : largest);
    return !(distance > 2.0f * (float)r->rule->jitter); /* 0 / 0 is near, as in transformers */
}

static void mix_sparsely(const pare_routing *r, const float *logits, const int32_t *list, float *share) {
    for (int64_t i = 0; i < r->chosen; i++) {
        float sum = 0.0f;
        for (int64_t e = 0; e < r->experts; e++)
            if (is_near(r, logits, list, i, e)) sum += expf(logits[e] - logits[list[i]]);
        share[i] = sum > 0.0f ? 1.0f / sum : 0.0f;
    }
}

/* dL/dlogit is, of each choice, felt for the one chosen, less felt times the share of every one that counted. */
static void mix_backward(const pare_routing *r, const float *logits, const int32_t *list, const float *share,
                         const float *felt, float *dlogits) {
    for (int64_t e = 0; e < r->experts; e++) {
        float sum = 0.0f;
        for (int64_t i = 0; i < r->chosen; i++) {
            if (list[i] == e) sum += felt[i];
            if (is_near(r, logits, list, i, e)) sum -= felt[i] * share[i] * expf(logits[e] - logits[list[i]]);
        }
        dlogits[e] = sum;
    }
}

void pare_routing_choose_token(const pare_routing *r, const bool *off, int64_t token) {
    const pare_experts *rule = r->rule;
    float *p = r->probability + token * r->experts, *share = r->share + token * r->chosen;
    int32_t *list = r->expert + token * r->chosen;
    choice c = {.score = p, .correction = r->correction, .off = off, .group = r->experts / rule->groups};
    for (int64_t e = 0; off && e < r->experts; e++)
        if (off[e]) p[e] = -INFINITY;
    if (rule->sigmoid) squash(p, r->experts);
    close_groups(rule, &c);
    choose_largest(&c, r->experts, r->chosen, list);
    if (rule->jitter > 0.0) {
        mix_sparsely(r, p, list, share);
    } else if (rule->sigmoid) {
        share_out_sum(r, p, list, share);
    } else if (rule->normalised) {
        share_out(p, list, r->chosen, share);
    } else {
        soften(p, r->experts);
        for (int64_t i = 0; i < r->chosen; i++)
            share[i] = p[list[i]];
    }
    for (int64_t i = 0; i < r->chosen; i++)
        share[i] *= (float)rule->scale;
}

static void sort_by_expert(const pare_routing *r) {
    int64_t places = r->tokens * r->chosen, *first = r->first;
    memset(first, 0, (size_t)(r->experts + 1) * sizeof *first);
    for (int64_t i = 0; i < places; i++)
        first[r->expert[i] + 1]++;
    for (int64_t e = 0; e < r->experts; e++)
        first[e + 1] += first[e];
    for (int64_t i = 0; i < places; i++)
        r->order[first[r->expert[i]]++] = (int32_t)i;
    for (int64_t e = r->experts; e > 0; e--)
        first[e] = first[e - 1];
    first[0] = 0;
}

void pare_routing_choose(const pare_routing *r, const bool *off) {
    bool later = r->rule->normalised && !r->rule->sigmoid && !(r->rule->jitter > 0.0);
#pragma omp parallel for schedule(static) if (r->tokens * r->experts > 4096)
    for (int64_t token = 0; token < r->tokens; token++) {
        pare_routing_choose_token(r, off, token);
        if (later) soften(r->probability + token * r->experts, r->experts);
    }
    sort_by_expert(r);
}

/* felt is share dL/dshare; with s the sum of it, and share as it is without its scale, dL/dlogit is felt - s share
 * where shares are a softmax of the chosen logits, and felt - s p where they are a part of one over all: then it
 * reaches those that were not chosen, too. Of sigmoids it is (1 - p) of felt - s share, or of felt alone. */
void pare_routing_backward(const pare_routing *r, const float *felt, float *dlogits) {
    const pare_experts *rule = r->rule;
    const float scale = (float)rule->scale;
#pragma omp parallel for schedule(static) if (r->tokens * r->experts > 4096)
    for (int64_t token = 0; token < r->tokens; token++) {
        const float *f = felt + token * r->chosen, *p = r->probability + token * r->experts;
        const float *share = r->share + token * r->chosen;
        const int32_t *list = r->expert + token * r->chosen;
        float *d = dlogits + token * r->experts, sum = 0.0f;
        if (rule->jitter > 0.0) {
            mix_backward(r, p, list, share, f, d);
            continue;
        }
        for (int64_t i = 0; i < r->chosen; i++)
            sum += f[i];
        for (int64_t e = 0; e < r->experts; e++)
            d[e] = rule->normalised || rule->sigmoid ? 0.0f : -sum * p[e];
        for (int64_t i = 0; i < r->chosen; i++)
            d[list[i]] += (f[i] - (rule->normalised ? sum * (share[i] / scale) : 0.0f)) *
                          (rule->sigmoid ? 1.0f - p[list[i]] : 1.0f);
    }
}
