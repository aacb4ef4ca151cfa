#include "support/random.h"
#include "support/random_normal.h"

/* One counter per lane: c[word][lane], in place. */
static inline __attribute__((always_inline)) void philox_lanes(uint32_t (*c)[PARE_NORMAL_LANES], uint32_t key_0,
                                                               uint32_t key_1) {
    for (int round = 0; round < PARE_PHILOX_ROUNDS; round++) {
        for (int i = 0; i < PARE_NORMAL_LANES; i++) {
            uint64_t product_0 = (uint64_t)PARE_PHILOX_MULTIPLIER_0 * c[0][i];
            uint64_t product_1 = (uint64_t)PARE_PHILOX_MULTIPLIER_1 * c[2][i];
            c[0][i] = (uint32_t)(product_1 >> 32) ^ c[1][i] ^ key_0;
            c[2][i] = (uint32_t)(product_0 >> 32) ^ c[3][i] ^ key_1;
            c[1][i] = (uint32_t)product_1;
            c[3][i] = (uint32_t)product_0;
        }
        key_0 += PARE_PHILOX_WEYL_0;
        key_1 += PARE_PHILOX_WEYL_1;
    }
}

void pare_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t c[4][PARE_NORMAL_LANES] = {{0}};
    for (int word = 0; word < 4; word++)
        c[word][0] = counter[word];
    philox_lanes(c, key[0], key[1]);
    for (int word = 0; word < 4; word++)
        out[word] = c[word][0];
}

static inline __attribute__((always_inline)) void philox_batch(uint32_t (*c)[PARE_NORMAL_LANES],
                                                               const pare_normal_stream *stream, uint64_t batch) {
    for (uint32_t i = 0; i < PARE_NORMAL_LANES; i++) {
        uint64_t counter = batch * PARE_NORMAL_LANES + i;
        c[0][i] = (uint32_t)counter;
        c[1][i] = (uint32_t)(counter >> 32);
        c[2][i] = stream->tensor;
        c[3][i] = stream->draw;
    }
    philox_lanes(c, stream->key_0, stream->key_1);
}

void pare_normal_batches_plain(float *out, const pare_normal_stream *stream, uint64_t first, size_t count) {
    for (size_t batch = 0; batch < count; batch++) {
        uint32_t c[4][PARE_NORMAL_LANES];
        philox_batch(c, stream, first + batch);
        pare_normal_of_words(out + batch * PARE_NORMAL_BATCH, c);
    }
}

void pare_bits_batches_plain(uint32_t (*out)[4], const pare_normal_stream *stream, uint32_t threshold, uint64_t first,
                             uint64_t stride, size_t count) {
    for (size_t batch = 0; batch < count; batch++) {
        uint32_t c[4][PARE_NORMAL_LANES];
        philox_batch(c, stream, first + batch * stride);
        for (int word = 0; word < 4; word++) {
            out[batch][word] = 0;
            for (int i = 0; i < PARE_NORMAL_LANES; i++)
                out[batch][word] |= (uint32_t)((c[word][i] & 0xffffu) >= threshold) << (2 * i) |
                                    (uint32_t)((c[word][i] >> 16) >= threshold) << (2 * i + 1);
        }
    }
}

void pare_random_bits_fill(uint32_t (*out)[4], const pare_random_bits *bits, uint64_t first, uint64_t stride,
                           size_t count) {
    const pare_normal_stream stream = {
        .key_0 = bits->key[0], .key_1 = bits->key[1], .tensor = bits->high[0], .draw = bits->high[1]};
    pare_bits_batches_fn versions[2];
    pare_bits_batches_fn batches = pare_bits_batches_x86(versions) > 0 ? versions[0] : pare_bits_batches_plain;
    batches(out, &stream, bits->threshold, first, stride, count);
}

static pare_normal_batches_fn fastest_version(void) {
    pare_normal_batches_fn versions[2];
    return pare_normal_batches_x86(versions) > 0 ? versions[0] : pare_normal_batches_plain;
}

/* Elements [skip, skip + n) of one batch. */
static void fill_part(pare_normal_batches_fn batches, float *out, const pare_normal_stream *stream, uint64_t batch,
                      size_t skip, size_t n) {
    float whole[PARE_NORMAL_BATCH];
    batches(whole, stream, batch, 1);
    memcpy(out, whole + skip, n * sizeof *out);
}

void pare_normal_fill(float *out, uint64_t seed, uint64_t draw, uint64_t tensor, uint64_t first, size_t n) {
    const pare_normal_stream stream = {.key_0 = (uint32_t)seed,
                                       .key_1 = (uint32_t)(seed >> 32) ^ (uint32_t)(draw >> 32),
                                       .tensor = (uint32_t)tensor,
                                       .draw = (uint32_t)draw};
    pare_normal_batches_fn batches = fastest_version();
    uint64_t batch = first / PARE_NORMAL_BATCH;
    size_t skip = (size_t)(first % PARE_NORMAL_BATCH);
    if (skip && n) {
        size_t head = PARE_NORMAL_BATCH - skip < n ? PARE_NORMAL_BATCH - skip : n;
        fill_part(batches, out, &stream, batch++, skip, head);
        out += head;
        n -= head;
    }
    size_t whole = n / PARE_NORMAL_BATCH, tail = n % PARE_NORMAL_BATCH;
    if (whole) batches(out, &stream, batch, whole);
    if (tail) fill_part(batches, out + whole * PARE_NORMAL_BATCH, &stream, batch + whole, 0, tail);
}

uint64_t pare_random_next(pare_random *random) {
    uint64_t block = random->position / 2;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)random->stream,
                           (uint32_t)(random->stream >> 32)};
    uint32_t key[2] = {(uint32_t)random->seed, (uint32_t)(random->seed >> 32)}, out[4];
    pare_philox(counter, key, out);
    const uint32_t *pair = out + 2 * (random->position & 1);
    random->position++;
    return (uint64_t)pair[1] << 32 | pair[0];
}

double pare_random_uniform(pare_random *random) {
    return (double)(pare_random_next(random) >> 11) * 0x1p-53;
}

uint64_t pare_random_below(pare_random *random, uint64_t bound) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, value;
    do
        value = pare_random_next(random);
    while (value >= limit);
    return value % bound;
}
