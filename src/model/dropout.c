#include "model/dropout.h"
#include "support/random.h"
#include "support/vectorize.h"

#include <math.h>

/* Elements that share a row are worked on in pieces, tokens of a feature in tiles: both stay in the first-level cache.
 * Bits come in batches of 128 features of one token; token t's are numbered from t << TOKEN_SHIFT. */
enum { PIECE = 1024, TILE = 256, BATCH = PARE_RANDOM_BITS_BATCH, TOKEN_SHIFT = 24 };

typedef struct work work;

/* Elements at .. at + n of the whole; factors: [n] 0 where an element is dropped. */
typedef void (*work_fn)(const work *w, int64_t at, int64_t n, const float *factors);

struct work {
    const pare_dropout *dropout;
    const pare_dropout_shape *shape;
    int64_t first, rows; /* as stored */
    float scale;
    work_fn run;
    pare_dtype dtype;
    const void *from;
    void *to;
    int64_t from_at; /* element of the whole that is the first one in `from` */
};

uint32_t pare_dropout_threshold(float probability) {
    return (uint32_t)lrint((double)probability * 65536.0);
}

/* The sequence's key hangs on all of seed, draw and sequence: these are more bits than a counter has room for. */
static pare_random_bits bits_of(const pare_dropout *d, int64_t sequence) {
    uint64_t number = d->first_sequence + (uint64_t)sequence;
    const uint32_t counter[4] = {(uint32_t)d->draw, (uint32_t)(d->draw >> 32), (uint32_t)number,
                                 (uint32_t)(number >> 32)};
    const uint32_t key[2] = {(uint32_t)d->seed, (uint32_t)(d->seed >> 32)};
    uint32_t out[4];
    pare_philox(counter, key, out);
    return (pare_random_bits){.key = {out[0], out[1]}, .high = {d->tensor, out[2]}, .threshold = d->threshold};
}

/* Of n features from the first bit on. */
PARE_VECTORIZE static void factors_along(const uint32_t *restrict bits, int64_t n, float scale,
                                         float *restrict factors) {
    int64_t words = n / 32;
    for (int64_t word = 0; word < words; word++)
        for (int i = 0; i < 32; i++)
            factors[word * 32 + i] = (bits[word] >> i) & 1u ? scale : 0.0f;
    for (int64_t i = words * 32; i < n; i++)
        factors[i] = (bits[words] >> (i % 32)) & 1u ? scale : 0.0f;
}

/* Of n tokens, bit `bit` of each. */
PARE_VECTORIZE static void factors_across(const uint32_t *restrict bits, int bit, int64_t n, float scale,
                                          float *restrict factors) {
    const uint32_t *word = bits + bit / 32, mask = 1u << (bit % 32);
    for (int64_t i = 0; i < n; i++)
        factors[i] = word[4 * i] & mask ? scale : 0.0f;
}

static void run_by_token(const work *w) {
    int64_t width = w->shape->width, length = w->shape->length;
#pragma omp parallel for schedule(static) if (w->rows * width > PIECE)
    for (int64_t row = w->first; row < w->first + w->rows; row++) {
        pare_random_bits random = bits_of(w->dropout, row / length);
        uint64_t token = (uint64_t)(row % length) << TOKEN_SHIFT;
        for (int64_t f = 0; f < width; f += PIECE) {
            uint32_t bits[PIECE / BATCH][4];
            float factors[PIECE];
            int64_t n = width - f < PIECE ? width - f : PIECE;
            pare_random_bits_fill(bits, &random, token + (uint64_t)(f / BATCH), 1, (size_t)((n + BATCH - 1) / BATCH));
            factors_along(bits[0], n, w->scale, factors);
            w->run(w, row * width + f, n, factors);
        }
    }
}

/* Rows [first, end) of one batch of features, one tile of a sequence's tokens. */
static void run_tile(const work *w, int64_t first, int64_t end, int64_t sequence, int64_t token) {
    int64_t length = w->shape->length, tokens = w->shape->sequences * length;
    int64_t n = length - token < TILE ? length - token : TILE;
    pare_random_bits random = bits_of(w->dropout, sequence);
    uint32_t bits[TILE][4];
    float factors[TILE];
    pare_random_bits_fill(bits, &random, ((uint64_t)token << TOKEN_SHIFT) + (uint64_t)(first / BATCH),
                          (uint64_t)1 << TOKEN_SHIFT, (size_t)n);
    for (int64_t row = first; row < end; row++) {
        factors_across(bits[0], (int)(row % BATCH), n, w->scale, factors);
        w->run(w, row * tokens + sequence * length + token, n, factors);
    }
}

static void run_by_feature(const work *w) {
    int64_t tiles = (w->shape->length + TILE - 1) / TILE, end = w->first + w->rows;
#pragma omp parallel for collapse(3) schedule(static) if (w->rows * w->shape->length > PIECE)
    for (int64_t batch = w->first / BATCH; batch < (end + BATCH - 1) / BATCH; batch++)
        for (int64_t sequence = 0; sequence < w->shape->sequences; sequence++)
            for (int64_t tile = 0; tile < tiles; tile++) {
                int64_t from = batch * BATCH, to = from + BATCH;
                run_tile(w, from > w->first ? from : w->first, to < end ? to : end, sequence, tile * TILE);
            }
}

static void run(work *w) {
    w->scale = 65536.0f / (float)(65536u - w->dropout->threshold);
    if (w->shape->by_feature)
        run_by_feature(w);
    else
        run_by_token(w);
}

/* Chosen, not multiplied: an infinite element that is dropped is zero. */
PARE_VECTORIZE static void multiply(float *restrict x, const float *restrict factors, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float product = x[i] * factors[i];
        x[i] = factors[i] > 0.0f ? product : 0.0f;
    }
}

PARE_VECTORIZE static void multiply_add(float *restrict to, const float *restrict from, const float *restrict factors,
                                        int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        float product = from[i] * factors[i];
        to[i] += factors[i] > 0.0f ? product : 0.0f;
    }
}

static void apply(const work *w, int64_t at, int64_t n, const float *factors) {
    float piece[PIECE];
    size_t offset = (size_t)at * pare_dtype_size(w->dtype);
    pare_to_float(piece, (const char *)w->from + offset, w->dtype, (size_t)n);
    multiply(piece, factors, n);
    pare_from_float((char *)w->to + offset, w->dtype, piece, (size_t)n);
}

static void add(const work *w, int64_t at, int64_t n, const float *factors) {
    multiply_add((float *)w->to + at, (const float *)w->from + (at - w->from_at), factors, n);
}

void pare_dropout_apply(const pare_backend *backend, const pare_dropout *dropout, const pare_dropout_shape *shape,
                        const void *x, void *out) {
    work w = {.dropout = dropout,
              .shape = shape,
              .rows = shape->by_feature ? shape->width : shape->sequences * shape->length,
              .run = apply,
              .dtype = backend->operand,
              .from = x,
              .to = out};
    run(&w);
}

void pare_dropout_add(const pare_dropout *dropout, const pare_dropout_shape *shape, int64_t first, int64_t rows,
                      const float *dy, float *dx) {
    int64_t stride = shape->by_feature ? shape->sequences * shape->length : shape->width;
    work w = {.dropout = dropout,
              .shape = shape,
              .first = first,
              .rows = rows,
              .run = add,
              .from = dy,
              .to = dx,
              .from_at = first * stride};
    run(&w);
}
