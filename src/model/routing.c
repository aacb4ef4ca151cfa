#include "model/routing.h"

#include <math.h>
#include <string.h>

/* The largest of one token's logits, in order; those of equals that come first. */
static void choose_largest(const float *logits, int64_t experts, int64_t chosen, int32_t *list) {
    for (int64_t e = 0, length = 0; e < experts; e++) {
        if (length == chosen && !(logits[e] > logits[list[length - 1]])) continue;
        int64_t at = length < chosen ? length++ : chosen - 1;
        for (; at > 0 && logits[e] > logits[list[at - 1]]; at--)
            list[at] = list[at - 1];
        list[at] = (int32_t)e;
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

void pare_routing_choose_token(const pare_routing *r, const bool *off, int64_t token) {
    float *p = r->probability + token * r->experts, *share = r->share + token * r->chosen;
    int32_t *list = r->expert + token * r->chosen;
    for (int64_t e = 0; off && e < r->experts; e++)
        if (off[e]) p[e] = -INFINITY;
    choose_largest(p, r->experts, r->chosen, list);
    if (r->normalised) {
        share_out(p, list, r->chosen, share);
        return;
    }
    soften(p, r->experts);
    for (int64_t i = 0; i < r->chosen; i++)
        share[i] = p[list[i]];
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
#pragma omp parallel for schedule(static) if (r->tokens * r->experts > 4096)
    for (int64_t token = 0; token < r->tokens; token++) {
        pare_routing_choose_token(r, off, token);
        if (r->normalised) soften(r->probability + token * r->experts, r->experts);
    }
    sort_by_expert(r);
}

/* felt is share dL/dshare; with s the sum of it, dL/dlogit is felt - s share where shares are a softmax of the chosen
 * logits, and felt - s p where they are a part of one over all: then it reaches those that were not chosen, too. */
void pare_routing_backward(const pare_routing *r, const float *felt, float *dlogits) {
#pragma omp parallel for schedule(static) if (r->tokens * r->experts > 4096)
    for (int64_t token = 0; token < r->tokens; token++) {
        const float *f = felt + token * r->chosen, *p = r->probability + token * r->experts;
        const float *share = r->share + token * r->chosen;
        const int32_t *list = r->expert + token * r->chosen;
        float *d = dlogits + token * r->experts, sum = 0.0f;
        for (int64_t i = 0; i < r->chosen; i++)
            sum += f[i];
        for (int64_t e = 0; e < r->experts; e++)
            d[e] = r->normalised ? 0.0f : -sum * p[e];
        for (int64_t i = 0; i < r->chosen; i++)
            d[list[i]] += f[i] - (r->normalised ? sum * share[i] : 0.0f);
    }
}
