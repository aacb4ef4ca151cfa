/* Attention in tiles: no [queries, keys] matrix beyond TILE x TILE per head exists, whatever the window length.
 *
 * The queries of a key/value group are stored [tokens, shared, head], so the rows of a tile of tokens are contiguous
 * for all query heads that share the keys, and one batched product serves the whole group. Forward keeps a running
 * maximum and sum per row (online softmax); backward recomputes the probabilities from their log-sum. */
#include "backend/cpu/attention_mask.h"
#include "backend/cpu/attention_score.h"
#include "backend/cpu/attention_single.h"
#include "backend/cpu/attention_sinks.h"
#include "backend/cpu/attention_workspace.h"
#include "backend/cpu/reduce.h"
#include "backend/cpu/vector_math.h"

#include <math.h>

enum { TILE = PARE_ATTENTION_TILE };

/* Packs tokens [first, first + count) of every pair. A single tile that covers the whole buffer is used in place. */
static const void *pack(const pare_backend *backend, const void *from, int64_t pairs, int64_t capacity, int64_t first,
                        int64_t count, int64_t width, void *to) {
    if (first == 0 && count == capacity) return from;
    size_t bytes = (size_t)(count * width) * pare_operand_size(backend);
#pragma omp parallel for schedule(static) if (pairs * count * width > PARE_PARALLEL_MINIMUM)
    for (int64_t pair = 0; pair < pairs; pair++)
        memcpy(pare_operand_at(backend, to, pair * count * width),
               pare_operand_at(backend, from, (pair * capacity + first) * width), bytes);
    return to;
}

/* to[pair, first .., width] += from[pair, .., width] (or = when `assign`). */
static void unpack_add(const float *from, int64_t pairs, int64_t capacity, int64_t first, int64_t count, int64_t width,
                       bool assign, float *to) {
#pragma omp parallel for schedule(static) if (pairs * count * width > PARE_PARALLEL_MINIMUM)
    for (int64_t pair = 0; pair < pairs; pair++) {
        float *out = to + (pair * capacity + first) * width;
        const float *in = from + pair * count * width;
        for (int64_t i = 0; i < count * width; i++)
            out[i] = assign ? in[i] : out[i] + in[i];
    }
}

/* x = exp(scale * x - shift); returns their sum. */
PARE_VECTORIZE_RANGES static float exponentials(float *restrict x, float scale, float shift, int64_t n) {
    PARE_RANGE(x, (size_t)n * sizeof *x);
    float lanes[PARE_LANES] = {0};
    int64_t i = 0;
    for (; i + PARE_LANES <= n; i += PARE_LANES)
        for (int j = 0; j < PARE_LANES; j++) {
            x[i + j] = pare_exp(x[i + j] * scale - shift);
            lanes[j] += x[i + j];
        }
    for (; i < n; i++) {
        x[i] = pare_exp(x[i] * scale - shift);
        lanes[0] += x[i];
    }
    return pare_lanes_sum(lanes);
}

PARE_VECTORIZE static void rescale_add(float *restrict out, float factor, const float *restrict in, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = out[i] * factor + in[i];
}

PARE_VECTORIZE static void divide(float *restrict out, float divisor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] /= divisor;
}

/* p = probabilities, d = their gradients: d = p * (d - row_dot) * scale */
PARE_VECTORIZE static void softmax_backward(const float *restrict p, float *restrict d, float row_dot, float scale,
                                            int64_t n) {
    for (int64_t i = 0; i < n; i++)
        d[i] = p[i] * (d[i] - row_dot) * scale;
}

PARE_VECTORIZE static void multiply(float *restrict x, const float *restrict factors, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        x[i] *= factors[i];
}

/* x = exp(scale * x - shift) of what is seen; returns their sum. */
static float seen_exponentials(float *x, float scale, float shift, const pare_tile_view *seen) {
    float sum = exponentials(x + seen->start, scale, shift, seen->end - seen->start);
    int64_t prefix = seen->prefix - seen->first;
    return prefix > 0 ? sum + exponentials(x + seen->first, scale, shift, prefix) : sum;
}

static float seen_largest(const float *x, const pare_tile_view *seen) {
    int64_t prefix = seen->prefix - seen->first;
    if (prefix == 0) return pare_cpu_largest(x + seen->start, seen->end - seen->start);
    float a = pare_cpu_largest(x + seen->first, prefix);
    if (seen->start == seen->end) return a;
    float b = pare_cpu_largest(x + seen->start, seen->end - seen->start);
    return b > a ? b : a;
}

/* Bends the scores of what a row sees, where that is asked for; returns the scale that is left to apply. slopes (if not
 * NULL): [keys], see pare_cpu_bend_scores. */
static float bend(const pare_attention *s, int64_t pair, int64_t row, const pare_tile_view *seen, float *x,
                  float *slopes) {
    float scale = pare_attention_scale(s);
    if (!pare_attention_bends(s)) return scale;
    pare_bend bend = {.shape = s, .position = seen->position, .distance = seen->prefix_distance + seen->first};
    if (s->slopes) bend.slope = s->slopes[pair % s->groups * s->shared + row % s->shared];
    pare_cpu_bend_scores(&bend, x + seen->first, seen->prefix - seen->first, slopes ? slopes + seen->first : NULL);
    bend.distance = seen->distance + seen->start;
    pare_cpu_bend_scores(&bend, x + seen->start, seen->end - seen->start, slopes ? slopes + seen->start : NULL);
    return 1.0f;
}

static pare_matmul product(int64_t batch, int64_t m, int64_t n, int64_t k, bool ta, bool tb) {
    return (pare_matmul){.batch = batch, .m = m, .n = n, .k = k, .transpose_a = ta, .transpose_b = tb};
}

/* A row of a tile, [keys], as row `at` of the operand. */
static void to_operand(const pare_backend *backend, const float *scores, const pare_tile *t, void *operand,
                       int64_t at) {
    void *to = pare_operand_at(backend, operand, at * t->keys);
    if (to != scores) pare_from_float(to, backend->operand, scores, (size_t)t->keys);
}

/* Turns the tile's scores into unnormalised probabilities and folds them into the running maximum and sum; the rows of
 * `out` so far are to be rescaled by w->factors. */
static void online_softmax(const pare_backend *backend, const pare_attention *s, const pare_tile *t,
                           pare_attention_workspace *w) {
    int64_t pairs = s->batch * s->groups, rows = t->queries * s->shared, all = s->queries * s->shared;
#pragma omp parallel for schedule(static) if (pairs * rows * t->keys > PARE_PARALLEL_MINIMUM)
    for (int64_t job = 0; job < pairs * rows; job++) {
        int64_t pair = job / rows, row = job % rows, at = pair * all + t->query * s->shared + row;
        float *scores = w->scores + job * t->keys;
        pare_tile_view seen = pare_tile_view_of(s, t, pair, row);
        w->factors[job] = seen.before ? 1.0f : 0.0f;
        if (!pare_tile_view_empty(&seen)) {
            float scale = bend(s, pair, row, &seen, scores, NULL);
            float highest = seen_largest(scores, &seen) * scale;
            if (seen.before && highest < w->maximum[at]) highest = w->maximum[at];
            if (seen.before) w->factors[job] = pare_exp(w->maximum[at] - highest);
            float sum = seen_exponentials(scores, scale, highest, &seen);
            w->sum[at] = seen.before ? w->sum[at] * w->factors[job] + sum : sum;
            w->maximum[at] = highest;
        }
        pare_tile_hide(scores, t, &seen);
        to_operand(backend, scores, t, w->operand_a, job);
    }
}

static void accumulate_output(const pare_attention *s, const pare_tile *t, const pare_attention_workspace *w,
                              float *out) {
    int64_t pairs = s->batch * s->groups, rows = t->queries * s->shared, all = s->queries * s->shared;
    bool last = t->key + t->keys == t->end;
#pragma omp parallel for schedule(static) if (pairs * rows * s->head > PARE_PARALLEL_MINIMUM)
    for (int64_t job = 0; job < pairs * rows; job++) {
        int64_t at = job / rows * all + t->query * s->shared + job % rows;
        float *to = out + at * s->head;
        const float *from = w->partial + job * s->head;
        if (!pare_tile_view_of(s, t, job / rows, job % rows).before)
            memcpy(to, from, (size_t)s->head * sizeof *to);
        else
            rescale_add(to, w->factors[job], from, s->head);
        if (last) divide(to, w->sum[at], s->head);
    }
}

static pare_status forward_tile(const pare_backend *backend, const pare_attention *s, const pare_tile *t,
                                pare_attention_workspace *w, const void *tile_q, const void *k, const void *v,
                                float *out) {
    int64_t pairs = s->batch * s->groups, rows = t->queries * s->shared;
    const void *tile_k = pack(backend, k, pairs, s->key_capacity, t->key, t->keys, s->head, w->keys);
    const void *tile_v = pack(backend, v, pairs, s->key_capacity, t->key, t->keys, s->head, w->values);
    pare_matmul scores = product(pairs, rows, t->keys, s->head, false, true);
    pare_matmul values = product(pairs, rows, s->head, t->keys, false, false);
    PARE_TRY(pare_cpu_matmul(backend, &scores, tile_q, tile_k, w->scores));
    online_softmax(backend, s, t, w);
    PARE_TRY(pare_cpu_matmul(backend, &values, w->operand_a, tile_v, w->partial));
    accumulate_output(s, t, w, out);
    return PARE_OK;
}

typedef pare_status (*tile_fn)(const pare_backend *backend, const pare_attention *s, const pare_tile *t,
                               pare_attention_workspace *w, void *context, const void *tile_q);

/* Runs `fn` on every tile that some query sees, row of tiles by row of tiles. */
static pare_status for_each_tile(const pare_backend *backend, const pare_attention *s, pare_attention_workspace *w,
                                 const void *q, tile_fn fn, void *context) {
    int64_t pairs = s->batch * s->groups;
    pare_tile t = {.shift = s->keys - s->queries};
    for (t.query = 0; t.query < s->queries; t.query += TILE) {
        t.queries = s->queries - t.query < TILE ? s->queries - t.query : TILE;
        t.end = s->bidirectional ? s->keys : t.query + t.queries + t.shift;
        t.first = true;
        const void *tile_q = pack(backend, q, pairs, s->queries, t.query, t.queries, s->shared * s->head, w->queries);
        for (t.key = 0; t.key < t.end; t.key += TILE) {
            t.keys = t.end - t.key < TILE ? t.end - t.key : TILE;
            if (!pare_tile_is_seen(s, &t)) continue;
            PARE_TRY(fn(backend, s, &t, w, context, tile_q));
            t.first = false;
        }
    }
    return PARE_OK;
}

typedef struct forward_context {
    const void *k, *v;
    float *out;
} forward_context;

static pare_status forward_step(const pare_backend *backend, const pare_attention *s, const pare_tile *t,
                                pare_attention_workspace *w, void *context, const void *tile_q) {
    forward_context *c = context;
    return forward_tile(backend, s, t, w, tile_q, c->k, c->v, c->out);
}

pare_status pare_cpu_attention_forward(const pare_backend *backend, const pare_attention *s, const void *q,
                                       const void *k, const void *v, float *out, float *logsum) {
    if (pare_attention_is_single(s)) {
        pare_attention_single(backend, s, q, k, v, out, logsum);
        if (s->sinks) pare_attention_add_sinks(s, out, logsum);
        return PARE_OK;
    }
    pare_attention_workspace w;
    PARE_TRY(pare_attention_workspace_new(&w, backend, s, false));
    forward_context context = {.k = k, .v = v, .out = out};
    pare_status status = for_each_tile(backend, s, &w, q, forward_step, &context);
    int64_t all = s->batch * s->groups * s->queries * s->shared;
    for (int64_t i = 0; status == PARE_OK && logsum && i < all; i++)
        logsum[i] = w.maximum[i] + logf(w.sum[i]);
    if (status == PARE_OK && s->sinks) pare_attention_add_sinks(s, out, logsum);
    pare_attention_workspace_free(&w);
    return status;
}

typedef struct backward_context {
    const void *k, *v, *dout;
    const float *logsum;
    float *dq, *dk, *dv;
} backward_context;

/* scores -> probabilities (operand_a), dscores -> gradients of the scores (operand_b). */
static void backward_softmax(const pare_backend *backend, const pare_attention *s, const pare_tile *t,
                             pare_attention_workspace *w, const float *logsum) {
    int64_t pairs = s->batch * s->groups, rows = t->queries * s->shared, all = s->queries * s->shared;
    float scale = pare_attention_scale(s);
#pragma omp parallel for schedule(static) if (pairs * rows * t->keys > PARE_PARALLEL_MINIMUM)
    for (int64_t job = 0; job < pairs * rows; job++) {
        int64_t pair = job / rows, row = job % rows, at = pair * all + t->query * s->shared + row;
        pare_tile_view seen = pare_tile_view_of(s, t, pair, row);
        float *p = w->scores + job * t->keys, *d = w->dscores + job * t->keys, slopes[TILE];
        seen_exponentials(p, bend(s, pair, row, &seen, p, slopes), logsum[at], &seen);
        int64_t prefix = seen.prefix - seen.first, rest = seen.end - seen.start;
        softmax_backward(p + seen.first, d + seen.first, w->dot[at], scale, prefix);
        softmax_backward(p + seen.start, d + seen.start, w->dot[at], scale, rest);
        if (s->cap > 0.0f) {
            multiply(d + seen.first, slopes + seen.first, prefix);
            multiply(d + seen.start, slopes + seen.start, rest);
        }
        pare_tile_hide(p, t, &seen);
        pare_tile_hide(d, t, &seen);
        to_operand(backend, p, t, w->operand_a, job);
        to_operand(backend, d, t, w->operand_b, job);
    }
}

static pare_status backward_step(const pare_backend *backend, const pare_attention *s, const pare_tile *t,
                                 pare_attention_workspace *w, void *context, const void *tile_q) {
    backward_context *c = context;
    int64_t pairs = s->batch * s->groups, rows = t->queries * s->shared, head = s->head, shared = s->shared;
    const void *tile_k = pack(backend, c->k, pairs, s->keys, t->key, t->keys, head, w->keys);
    const void *tile_v = pack(backend, c->v, pairs, s->keys, t->key, t->keys, head, w->values);
    const void *tile_do = pack(backend, c->dout, pairs, s->queries, t->query, t->queries, shared * head, w->dout);
    pare_matmul by_key = product(pairs, rows, t->keys, head, false, true);
    pare_matmul to_query = product(pairs, rows, head, t->keys, false, false);
    pare_matmul to_key = product(pairs, t->keys, head, rows, true, false);
    PARE_TRY(pare_cpu_matmul(backend, &by_key, tile_q, tile_k, w->scores));
    PARE_TRY(pare_cpu_matmul(backend, &by_key, tile_do, tile_v, w->dscores));
    backward_softmax(backend, s, t, w, c->logsum);
    bool first_row = s->bidirectional ? t->query == 0 : t->query == t->key; /* the first queries that see these keys */
    PARE_TRY(pare_cpu_matmul(backend, &to_query, w->operand_b, tile_k, w->partial));
    unpack_add(w->partial, pairs, s->queries, t->query, t->queries, shared * head, t->first, c->dq);
    PARE_TRY(pare_cpu_matmul(backend, &to_key, w->operand_a, tile_do, w->partial));
    unpack_add(w->partial, pairs, s->keys, t->key, t->keys, head, first_row, c->dv);
    PARE_TRY(pare_cpu_matmul(backend, &to_key, w->operand_b, tile_q, w->partial));
    unpack_add(w->partial, pairs, s->keys, t->key, t->keys, head, first_row, c->dk);
    return PARE_OK;
}

pare_status pare_cpu_attention_backward(const pare_backend *backend, const pare_attention *s, const void *q,
                                        const void *k, const void *v, const float *out, const float *logsum,
                                        const void *dout, float *dq, float *dk, float *dv) {
    pare_attention_workspace w;
    PARE_TRY(pare_attention_workspace_new(&w, backend, s, true));
    /* The part of the softmax backward that all keys of a row share. */
    pare_attention_row_dots(backend, s, out, dout, 0, s->batch * s->groups * s->queries * s->shared, w.dot);
    backward_context context = {.k = k, .v = v, .dout = dout, .logsum = logsum, .dq = dq, .dk = dk, .dv = dv};
    pare_status status = for_each_tile(backend, s, &w, q, backward_step, &context);
    pare_attention_workspace_free(&w);
    return status;
}
