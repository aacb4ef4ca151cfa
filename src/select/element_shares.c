#include "select/element_shares.h"
#include "select/element_select.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

enum { SHIFT = 16, HALVINGS = 60 };

pare_status pare_cost_histogram_new(pare_cost_histogram *out) {
    *out = (pare_cost_histogram){0};
    return pare_alloc(&out->bin, PARE_COST_BINS, sizeof *out->bin, "costs");
}

void pare_cost_histogram_free(pare_cost_histogram *histogram) {
    pare_free(histogram->bin);
    *histogram = (pare_cost_histogram){0};
}

pare_status pare_cost_histogram_add(pare_cost_histogram *histogram, const float *costs, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float cost = costs[i] + 0.0f; /* no negative zero */
        uint32_t bits;
        if (!(cost >= 0.0f && isfinite(cost)))
            return pare_fail(PARE_NUMERIC_ERROR, "the cost of a weight is %g: check the model with `pare inspect`",
                             (double)cost);
        memcpy(&bits, &cost, sizeof bits);
        histogram->bin[bits >> SHIFT]++;
    }
    histogram->count += n;
    return PARE_OK;
}

typedef struct problem {
    const pare_cost_histogram *matrices;
    uint32_t count;
    double low, high; /* shares of its own that a matrix may lose */
} problem;

/* What a matrix loses with the threshold at `position`, counted in bins; between bins in proportion. */
static double lost(const problem *p, uint32_t matrix, double position) {
    const pare_cost_histogram *h = &p->matrices[matrix];
    int whole = (int)position;
    double below = 0.0, n = (double)h->count;
    for (int i = 0; i < whole; i++)
        below += (double)h->bin[i];
    if (whole < PARE_COST_BINS) below += (position - whole) * (double)h->bin[whole];
    return fmin(fmax(below, p->low * n), p->high * n);
}

static double lost_by_all(const problem *p, double position) {
    double sum = 0.0;
    for (uint32_t i = 0; i < p->count; i++)
        sum += lost(p, i, position);
    return sum;
}

/* Whole numbers that add up to `total`: what rounding down leaves over goes to the largest fractions, the first of
 * equal ones. Uses them up. */
static void round_down(const problem *p, double *fractions, int64_t total, int64_t *gone) {
    int64_t left = total;
    for (uint32_t i = 0; i < p->count; i++) {
        gone[i] = (int64_t)floor(fractions[i]);
        fractions[i] -= (double)gone[i];
        left -= gone[i];
    }
    while (left != 0) {
        uint32_t best = 0;
        int64_t step = left > 0 ? 1 : -1;
        for (uint32_t i = 1; i < p->count; i++)
            if ((double)step * fractions[i] > (double)step * fractions[best]) best = i;
        gone[best] += step;
        fractions[best] -= (double)step;
        left -= step;
    }
}

void pare_element_shares(const pare_cost_histogram *matrices, uint32_t count, double sparsity, double spread,
                         int64_t *gone) {
    problem p = {matrices, count, fmax(0.0, sparsity - spread), fmin(1.0, sparsity + spread)};
    double low = 0.0, high = PARE_COST_BINS, fractions[count > 0 ? count : 1];
    int64_t all = 0;
    for (uint32_t i = 0; i < count; i++)
        all += matrices[i].count;
    int64_t total = pare_element_count(all, sparsity);
    for (int i = 0; i < HALVINGS; i++) {
        double middle = 0.5 * (low + high);
        if (lost_by_all(&p, middle) < (double)total)
            low = middle;
        else
            high = middle;
    }
    for (uint32_t i = 0; i < count; i++)
        fractions[i] = lost(&p, i, high);
    if (count) round_down(&p, fractions, total, gone);
}
