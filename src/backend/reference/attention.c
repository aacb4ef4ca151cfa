/* Attention one query row at a time:
 *   p_j = exp(s_j) / sum over the keys that it sees,  out = sum_j p_j v_j. */
#include "backend/reference/reference.h"
#include "support/memory.h"

#include <math.h>

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0.0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* What one query sees of keys [0, end): not [hidden, start). */
typedef struct view {
    int64_t hidden, start, end;
} view;

static view view_of(const pare_attention *s, int64_t pair, int64_t token) {
    int64_t at = pair / s->groups * s->queries + token;
    return (view){.hidden = s->prefix ? s->prefix[at] : 0,
                  .start = s->start ? s->start[at] : 0,
                  .end = s->keys - s->queries + token + 1};
}

/* p[0 .. end) = probabilities of one query row, 0 where it does not see; returns the log of the softmax denominator. */
static double probabilities(const float *q, const float *keys, int64_t head, view seen, double *p) {
    double highest = -INFINITY, sum = 0.0;
    for (int64_t j = 0; j < seen.end; j++) {
        bool hidden = j >= seen.hidden && j < seen.start;
        p[j] = hidden ? -INFINITY : dot(q, keys + j * head, head) / sqrt((double)head);
        highest = fmax(highest, p[j]);
    }
    for (int64_t j = 0; j < seen.end; j++)
        sum += exp(p[j] - highest);
    double logsum = highest + log(sum);
    for (int64_t j = 0; j < seen.end; j++)
        p[j] = exp(p[j] - logsum);
    return logsum;
}

static void weighted_sum(const double *weights, const float *rows, int64_t head, int64_t visible, float *out) {
    for (int64_t i = 0; i < head; i++) {
        double sum = 0.0;
        for (int64_t j = 0; j < visible; j++)
            sum += weights[j] * (double)rows[j * head + i];
        out[i] = (float)sum;
    }
}

pare_status pare_reference_attention_forward(const pare_backend *backend, const pare_attention *s, const void *q,
                                             const void *k, const void *v, float *out, float *logsum) {
    if (s->scale > 0.0f || s->cap > 0.0f || s->window > 0 || s->slopes || s->bidirectional)
        return pare_fail(PARE_UNSUPPORTED, "attention with a scale, cap, window, slopes or both directions");
    (void)backend;
    int64_t rows = s->queries * s->shared;
    double *p;
    PARE_TRY(pare_alloc(&p, (size_t)s->keys, sizeof *p, "attention probabilities"));
    for (int64_t pair = 0; pair < s->batch * s->groups; pair++) {
        const float *keys = (const float *)k + pair * s->key_capacity * s->head;
        const float *values = (const float *)v + pair * s->key_capacity * s->head;
        for (int64_t row = 0; row < rows; row++) {
            view seen = view_of(s, pair, row / s->shared);
            int64_t at = pair * rows + row;
            double denominator = probabilities((const float *)q + at * s->head, keys, s->head, seen, p);
            weighted_sum(p, values, s->head, seen.end, out + at * s->head);
            if (logsum) logsum[at] = (float)denominator;
        }
    }
    pare_free(p);
    return PARE_OK;
}

typedef struct sums {
    double *p, *ds;  /* [keys] */
    double *dk, *dv; /* [keys, head] */
} sums;

/* One query row's share of the gradients, with dp_j = dout.v_j and ds_j = p_j (dp_j - sum_l p_l dp_l) scale:
 *   dq = sum_j ds_j k_j,  dk_j += ds_j q,  dv_j += p_j dout. */
static void row_backward(const float *q, const float *keys, const float *values, const float *dout, int64_t head,
                         view seen, const sums *w, float *dq) {
    double mean = 0.0, scale = 1.0 / sqrt((double)head);
    probabilities(q, keys, head, seen, w->p);
    for (int64_t j = 0; j < seen.end; j++) {
        w->ds[j] = dot(dout, values + j * head, head);
        mean += w->p[j] * w->ds[j];
    }
    for (int64_t j = 0; j < seen.end; j++) {
        w->ds[j] = w->p[j] * (w->ds[j] - mean) * scale;
        for (int64_t i = 0; i < head; i++) {
            w->dk[j * head + i] += w->ds[j] * (double)q[i];
            w->dv[j * head + i] += w->p[j] * (double)dout[i];
        }
    }
    weighted_sum(w->ds, keys, head, seen.end, dq);
}

static void pair_backward(const pare_attention *s, int64_t pair, const float *q, const float *k, const float *v,
                          const float *dout, const sums *w, float *dq, float *dk, float *dv) {
    int64_t rows = s->queries * s->shared, first_key = pair * s->keys * s->head, size = s->keys * s->head;
    for (int64_t i = 0; i < size; i++)
        w->dk[i] = w->dv[i] = 0.0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t at = (pair * rows + row) * s->head;
        view seen = view_of(s, pair, row / s->shared);
        row_backward(q + at, k + first_key, v + first_key, dout + at, s->head, seen, w, dq + at);
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
    if (s->scale > 0.0f || s->cap > 0.0f || s->window > 0 || s->slopes || s->bidirectional)
        return pare_fail(PARE_UNSUPPORTED, "attention with a scale, cap, window, slopes or both directions");
    (void)backend, (void)out, (void)logsum;
    size_t size = (size_t)(s->keys * s->head);
    sums w = {0};
    pare_status status = pare_alloc(&w.p, (size_t)s->keys, sizeof *w.p, "attention probabilities");
    if (!status) status = pare_alloc(&w.ds, (size_t)s->keys, sizeof *w.ds, "attention gradients");
    if (!status) status = pare_alloc(&w.dk, size, sizeof *w.dk, "attention gradients");
    if (!status) status = pare_alloc(&w.dv, size, sizeof *w.dv, "attention gradients");
    for (int64_t pair = 0; !status && pair < s->batch * s->groups; pair++)
        pair_backward(s, pair, q, k, v, dout, &w, dq, dk, dv);
    pare_free(w.p);
    pare_free(w.ds);
    pare_free(w.dk);
    pare_free(w.dv);
    return status;
}

uint64_t pare_reference_attention_bytes(const pare_backend *backend, const pare_attention *shape, bool backward) {
    (void)backend, (void)shape, (void)backward;
    return 0;
}
