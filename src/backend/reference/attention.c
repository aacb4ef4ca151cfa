/* Attention one query row at a time:
 *   p_j = exp(s_j) / sum over the keys that it sees, and its head's sink,  out = sum_j p_j v_j. */
#include "backend/reference/reference.h"
#include "support/memory.h"

#include <math.h>

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* One query: its keys and values, and what it sees of them. */
typedef struct query {
    const pare_attention *shape;
    const float *q, *keys, *values;
    int64_t slot;          /* among the keys */
    int64_t prefix, start; /* no key of [prefix, start) is seen */
    double slope, sink;    /* minus infinity: it has none */
} query;

static query query_of(const pare_attention *s, int64_t pair, int64_t row, const float *q, const float *k,
                      const float *v) {
    int64_t token = row / s->shared, at = pair / s->groups * s->queries + token;
    int64_t first_key = pair * s->key_capacity * s->head, head = pair % s->groups * s->shared + row % s->shared;
    return (query){.shape = s,
                   .q = q + (pair * s->queries * s->shared + row) * s->head,
                   .keys = k + first_key,
                   .values = v + first_key,
                   .slot = s->keys - s->queries + token,
                   .prefix = s->prefix ? s->prefix[at] : 0,
                   .start = s->start ? s->start[at] : 0,
                   .slope = s->slopes ? (double)s->slopes[head] : 0.0,
                   .sink = s->sinks ? (double)s->sinks[head] : -INFINITY};
}

/* As the query sees it: without what is hidden. */
static int64_t position_of(const query *x, int64_t key) {
    return key < x->prefix ? key : x->prefix + key - x->start;
}

static int64_t distance(const query *x, int64_t key) {
    return position_of(x, key) - position_of(x, x->slot);
}

static double rounded(const query *x, int64_t key) {
    float position = pare_bf16_to_float(pare_float_to_bf16((float)position_of(x, key)));
    return (double)pare_bf16_to_float(pare_float_to_bf16((float)x->slope * position));
}

static bool sees(const query *x, int64_t key) {
    if (key > x->slot && !x->shape->bidirectional) return false;
    if (key >= x->prefix && key < x->start) return false;
    int64_t window = x->shape->window;
    if (window && x->shape->chunked) return position_of(x, key) / window == position_of(x, x->slot) / window;
    return window == 0 || distance(x, key) > -window;
}

static double score(const query *x, int64_t key, double *slope) {
    const pare_attention *s = x->shape;
    double scale = s->scale > 0.0f ? (double)s->scale : 1.0 / sqrt((double)s->head), cap = (double)s->cap;
    double value = dot(x->q, x->keys + key * s->head, s->head) * scale;
    *slope = scale;
    if (cap > 0.0) {
        double capped = tanh(value / cap);
        *slope *= 1.0 - capped * capped;
        value = cap * capped;
    }
    return value + (s->rounded_slopes ? scale * rounded(x, key) : x->slope * (double)distance(x, key));
}

/* p: [keys] probabilities, 0 where nothing is seen; slopes: [keys] of the scores over q.k. Returns the log of the
 * softmax denominator. */
static double probabilities(const query *x, double *p, double *slopes) {
    double highest = x->sink, sum = 0.0;
    for (int64_t j = 0; j < x->shape->keys; j++) {
        slopes[j] = 0.0;
        p[j] = sees(x, j) ? score(x, j, &slopes[j]) : -INFINITY;
        highest = fmax(highest, p[j]);
    }
    for (int64_t j = 0; j < x->shape->keys; j++)
        sum += exp(p[j] - highest);
    if (x->sink > -INFINITY) sum += exp(x->sink - highest);
    double logsum = highest + log(sum);
    for (int64_t j = 0; j < x->shape->keys; j++)
        p[j] = exp(p[j] - logsum);
    return logsum;
}

static void weighted_sum(const pare_attention *s, const double *weights, const float *rows, float *out) {
    for (int64_t i = 0; i < s->head; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < s->keys; j++)
            if (weights[j] != 0.0) sum += weights[j] * (double)rows[j * s->head + i];
        out[i] = (float)sum;
    }
}

pare_status pare_reference_attention_forward(const pare_backend *backend, const pare_attention *s, const void *q,
                                             const void *k, const void *v, float *out, float *logsum) {
    (void)backend;
    int64_t rows = s->queries * s->shared;
    double *p;
    PARE_TRY(pare_alloc(&p, 2 * (size_t)s->keys, sizeof *p, "attention probabilities"));
    for (int64_t pair = 0; pair < s->batch * s->groups; pair++)
        for (int64_t row = 0; row < rows; row++) {
            query x = query_of(s, pair, row, q, k, v);
            double denominator = probabilities(&x, p, p + s->keys);
            weighted_sum(s, p, x.values, out + (pair * rows + row) * s->head);
            if (logsum) logsum[pair * rows + row] = (float)denominator;
        }
    pare_free(p);
    return PARE_OK;
}

typedef struct sums {
    double *p, *ds, *slopes; /* [keys] */
    double *dk, *dv;         /* [keys, head] */
} sums;

/* One query row's share of the gradients, with dp_j = dout.v_j and ds_j = p_j (dp_j - sum_l p_l dp_l) slope_j:
 *   dq = sum_j ds_j k_j,  dk_j += ds_j q,  dv_j += p_j dout. */
static void row_backward(const query *x, const float *dout, const sums *w, float *dq) {
    double mean = 0.0;
    int64_t head = x->shape->head;
    probabilities(x, w->p, w->slopes);
    for (int64_t j = 0; j < x->shape->keys; j++) {
        w->ds[j] = dot(dout, x->values + j * head, head);
        mean += w->p[j] * w->ds[j];
    }
    for (int64_t j = 0; j < x->shape->keys; j++) {
        w->ds[j] = w->p[j] * (w->ds[j] - mean) * w->slopes[j];
        for (int64_t i = 0; i < head; i++) {
            w->dk[j * head + i] += w->ds[j] * (double)x->q[i];
            w->dv[j * head + i] += w->p[j] * (double)dout[i];
        }
    }
    weighted_sum(x->shape, w->ds, x->keys, dq);
}

static void pair_backward(const pare_attention *s, int64_t pair, const float *q, const float *k, const float *v,
                          const float *dout, const sums *w, float *dq, float *dk, float *dv) {
    int64_t rows = s->queries * s->shared, first_key = pair * s->keys * s->head, size = s->keys * s->head;
    for (int64_t i = 0; i < size; i++)
        w->dk[i] = w->dv[i] = 0.0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = (pair * rows + row) * s->head;
        query x = query_of(s, pair, row, q, k, v);
        row_backward(&x, dout + at, w, dq + at);
    }
    for (int64_t i = 0; i < size; i++) {
        dk[first_key + i] = (float)w->dk[i];
        dv[first_key + i] = (float)w->dv[i];
    }
}

/* out and logsum are not needed: the probabilities are computed again. */
pare_status pare_reference_attention_backward(const pare_backend *backend, const pare_attention *s, const void *q,
                                              const void *k, const void *v, const float *out, const float *logsum,
                                              const void *dout, float *dq, float *dk, float *dv) {
    (void)backend, (void)out, (void)logsum;
    size_t size = (size_t)(s->keys * s->head);
    sums w = {0};
    pare_status status = pare_alloc(&w.p, (size_t)s->keys, sizeof *w.p, "attention probabilities");
    if (!status) status = pare_alloc(&w.ds, (size_t)s->keys, sizeof *w.ds, "attention gradients");
    if (!status) status = pare_alloc(&w.slopes, (size_t)s->keys, sizeof *w.slopes, "attention gradients");
    if (!status) status = pare_alloc(&w.dk, size, sizeof *w.dk, "attention gradients");
    if (!status) status = pare_alloc(&w.dv, size, sizeof *w.dv, "attention gradients");
    for (int64_t pair = 0; !status && pair < s->batch * s->groups; pair++)
        pair_backward(s, pair, q, k, v, dout, &w, dq, dk, dv);
    pare_free(w.p);
    pare_free(w.ds);
    pare_free(w.slopes);
    pare_free(w.dk);
    pare_free(w.dv);
    return status;
}

uint64_t pare_reference_attention_bytes(const pare_backend *backend, const pare_attention *shape, bool backward) {
    (void)backend, (void)shape, (void)backward;
    return 0;
}

/* dL/dsink = -p_sink dout.out, as nothing is put out for the sink's share. */
void pare_reference_sinks_backward(const pare_backend *backend, const pare_attention *s, const float *out,
                                   const float *logsum, const void *dout, double *dsinks) {
    const float *gradient = dout;
    (void)backend;
    for (int64_t row = 0; row < s->batch * s->groups * s->queries * s->shared; row++) {
        int64_t head = row / (s->queries * s->shared) % s->groups * s->shared + row % s->shared;
        double share = exp((double)s->sinks[head] - (double)logsum[row]);
        dsinks[head] -= share * dot(gradient + row * s->head, out + row * s->head, s->head);
    }
}
