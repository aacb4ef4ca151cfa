#include "generate/sampling.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>

struct pare_sampler {
    uint32_t vocabulary;
    double temperature, top_p;
    float *weight;   /* [vocabulary] probabilities before they are divided by their sum */
    uint32_t *order; /* [vocabulary] candidates, likeliest first */
};

pare_status pare_sampler_new(uint32_t vocabulary, double temperature, double top_p, pare_sampler **out) {
    *out = NULL;
    if (!(temperature >= 0.0 && temperature <= 1e6))
        return pare_fail(PARE_BAD_ARGUMENT, "--temperature %g: give a number from 0 (greedy) upwards", temperature);
    if (!(top_p >= 0.0 && top_p <= 1.0))
        return pare_fail(PARE_BAD_ARGUMENT, "--top-p %g: give a number from 0 to 1 (0 or 1: off)", top_p);
    pare_sampler *s;
    PARE_TRY(pare_alloc(&s, 1, sizeof *s, "sampler"));
    *s = (pare_sampler){.vocabulary = vocabulary, .temperature = temperature, .top_p = top_p > 0.0 ? top_p : 1.0};
    pare_status status = pare_alloc_uninitialized(&s->weight, vocabulary, sizeof *s->weight, "probabilities");
    if (status == PARE_OK) status = pare_alloc_uninitialized(&s->order, vocabulary, sizeof *s->order, "probabilities");
    if (status != PARE_OK) {
        pare_sampler_free(s);
        return status;
    }
    *out = s;
    return PARE_OK;
}

void pare_sampler_free(pare_sampler *sampler) {
    if (!sampler) return;
    pare_free(sampler->weight);
    pare_free(sampler->order);
    pare_free(sampler);
}

/* None is NaN or infinity; all may be -infinity. */
PARE_VECTORIZE static bool all_below_infinity(const float *x, uint32_t n) {
    uint32_t below = 0;
    for (uint32_t i = 0; i < n; i++)
        below += x[i] < INFINITY ? 1 : 0;
    return below == n;
}

static pare_status likeliest(const float *logits, uint32_t vocabulary, uint32_t *token) {
    bool sound = all_below_infinity(logits, vocabulary);
    float highest = sound ? pare_cpu_largest(logits, vocabulary) : -INFINITY;
    if (highest > -INFINITY) {
        for (*token = 0; logits[*token] != highest;)
            ++*token;
        return PARE_OK;
    }
    return pare_fail(PARE_NUMERIC_ERROR, "the logits of the next token hold NaN or infinity; the model's weights are "
                                         "damaged, or too large for this arithmetic");
}

/* By weight, the larger first; then by id. */
static int compare_weights(const void *a, const void *b, void *weights) {
    const float *of = weights;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (of[x] != of[y]) return of[x] > of[y] ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Keeps the candidates that could be among the likeliest with `share` of the total: the rest is below that share even
 * if all of them weighed as much as the heaviest of them. Returns their number. */
static uint32_t candidates(pare_sampler *s, double total) {
    double least = (1.0 - s->top_p) * total / (double)s->vocabulary;
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->vocabulary; i++)
        if ((double)s->weight[i] >= least) s->order[count++] = i;
    return count;
}

/* The number of likeliest tokens that reach top_p, in s->order; *total becomes their weight. */
static uint32_t nucleus(pare_sampler *s, double *total) {
    uint32_t count = candidates(s, *total);
    qsort_r(s->order, count, sizeof *s->order, compare_weights, s->weight);
    double wanted = s->top_p * *total, reached = 0.0;
    uint32_t kept = 0;
    while (kept < count && reached < wanted)
        reached += (double)s->weight[s->order[kept++]];
    *total = reached;
    return kept;
}

/* Weights of one piece: exp((logit - highest) / temperature), 0 below exp(-87). Returns their sum. */
PARE_VECTORIZE static float weigh(const float *restrict logits, float highest, float inverse, int64_t n,
                                  float *restrict weight) {
    float lanes[PARE_LANES] = {0};
    for (int64_t i = 0; i < n; i += PARE_LANES) {
        int count = n - i < PARE_LANES ? (int)(n - i) : PARE_LANES;
        for (int j = 0; j < count; j++) {
            float x = (logits[i + j] - highest) * inverse, power = pare_exp(x);
            weight[i + j] = x > -87.0f ? power : 0.0f;
            lanes[j] += weight[i + j];
        }
    }
    return pare_lanes_sum(lanes);
}

static double weigh_all(pare_sampler *s, const float *logits, float highest) {
    double total = 0.0;
    float inverse = (float)(1.0 / s->temperature);
    for (uint32_t i = 0; i < s->vocabulary; i += PARE_PIECE) {
        uint32_t count = s->vocabulary - i < PARE_PIECE ? s->vocabulary - i : PARE_PIECE;
        total += (double)weigh(logits + i, highest, inverse, count, s->weight + i);
    }
    return total;
}

pare_status pare_sample(pare_sampler *s, const float *logits, pare_random *random, uint32_t *token) {
    PARE_TRY(likeliest(logits, s->vocabulary, token));
    if (s->temperature <= 0.0) return PARE_OK;
    double total = weigh_all(s, logits, logits[*token]);
    bool all = s->top_p >= 1.0;
    uint32_t count = all ? s->vocabulary : nucleus(s, &total);
    double target = pare_random_uniform(random) * total, reached = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = all ? i : s->order[i];
        if (s->weight[id] <= 0.0f) continue;
        *token = id;
        reached += (double)s->weight[id];
        if (reached > target) break;
    }
    return PARE_OK;
}
