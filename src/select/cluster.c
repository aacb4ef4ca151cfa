#include "select/cluster.h"
#include "support/memory.h"

#include <math.h>

typedef struct clustering {
    int64_t n;
    double *between; /* [n, n] mean distance between groups; of those that are no more: whatever it was */
    int64_t *size;   /* [n] members; 0: no more */
    uint32_t *group; /* [n] */
} clustering;

static pare_status take_distances(const clustering *c, const double *distance) {
    for (int64_t i = 0; i < c->n * c->n; i++) {
        if (!isfinite(distance[i]))
            return pare_fail(PARE_NUMERIC_ERROR, "what experts make is not finite: distance %lld of %lld is %g",
                             (long long)i, (long long)(c->n * c->n), distance[i]);
        c->between[i] = distance[i];
    }
    for (int64_t i = 0; i < c->n; i++) {
        c->size[i] = 1;
        c->group[i] = (uint32_t)i;
    }
    return PARE_OK;
}

static void find_nearest(const clustering *c, int64_t *a, int64_t *b) {
    double least = INFINITY;
    for (int64_t i = 0; i < c->n; i++)
        for (int64_t j = i + 1; j < c->n && c->size[i]; j++)
            if (c->size[j] && c->between[i * c->n + j] < least) {
                least = c->between[i * c->n + j];
                *a = i;
                *b = j;
            }
}

static void join(const clustering *c, int64_t a, int64_t b) {
    double of_a = (double)c->size[a], of_b = (double)c->size[b];
    for (int64_t i = 0; i < c->n; i++) {
        double mean = (of_a * c->between[a * c->n + i] + of_b * c->between[b * c->n + i]) / (of_a + of_b);
        c->between[a * c->n + i] = c->between[i * c->n + a] = mean;
        if (c->group[i] == (uint32_t)b) c->group[i] = (uint32_t)a;
    }
    c->size[a] += c->size[b];
    c->size[b] = 0;
}

pare_status pare_cluster_average(const double *distance, int64_t n, int64_t count, uint32_t *group) {
    clustering c = {.n = n, .group = group};
    pare_status status = pare_alloc(&c.between, (size_t)(n * n), sizeof *c.between, "groups of experts");
    if (status == PARE_OK) status = pare_alloc(&c.size, (size_t)n, sizeof *c.size, "groups of experts");
    if (status == PARE_OK) status = take_distances(&c, distance);
    for (int64_t left = n; left > count && status == PARE_OK; left--) {
        int64_t a = 0, b = 0;
        find_nearest(&c, &a, &b);
        join(&c, a, b);
    }
    pare_free(c.between);
    pare_free(c.size);
    return status;
}
