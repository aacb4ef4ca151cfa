/* Dropout is a function of what an element is, not of where it lies; as many fall as should; all versions agree. */
#include "golden.h"
#include "model/dropout.h"
#include "support/random.h"
#include "support/random_normal.h"

#include <omp.h>

typedef struct mask {
    pare_dropout_shape shape;
    float *values; /* as the shape lies */
} mask;

static mask mask_of(const pare_backend *backend, pare_dropout dropout, pare_dropout_shape shape) {
    int64_t count = shape.sequences * shape.length * shape.width;
    mask m = {.shape = shape, .values = malloc((size_t)count * sizeof(float))};
    float *ones = malloc((size_t)count * sizeof *ones);
    for (int64_t i = 0; i < count; i++)
        ones[i] = 1.0f;
    pare_dropout_apply(backend, &dropout, &shape, ones, m.values);
    free(ones);
    return m;
}

static float at(const mask *m, int64_t sequence, int64_t token, int64_t feature) {
    int64_t t = sequence * m->shape.length + token, tokens = m->shape.sequences * m->shape.length;
    return m->values[m->shape.by_feature ? feature * tokens + t : t * m->shape.width + feature];
}

/* The definition, bit by bit. */
static float expected_at(pare_dropout d, int64_t sequence, int64_t token, int64_t feature) {
    uint64_t number = d.first_sequence + (uint64_t)sequence;
    uint32_t draw[4] = {(uint32_t)d.draw, (uint32_t)(d.draw >> 32), (uint32_t)number, (uint32_t)(number >> 32)};
    uint32_t seed[2] = {(uint32_t)d.seed, (uint32_t)(d.seed >> 32)}, key[4], words[4];
    pare_philox(draw, seed, key);
    int64_t bit = feature % 128;
    uint64_t counter = 16 * (((uint64_t)token << 24) + (uint64_t)(feature / 128)) + (uint64_t)(bit % 32 / 2);
    pare_philox((uint32_t[]){(uint32_t)counter, (uint32_t)(counter >> 32), d.tensor, key[2]}, key, words);
    uint32_t random = bit % 2 ? words[bit / 32] >> 16 : words[bit / 32] & 0xffff;
    return random < d.threshold ? 0.0f : 65536.0f / (float)(65536 - d.threshold);
}

static const pare_dropout dropout = {
    .threshold = 3277, .seed = 0x123456789abcdefu, .draw = 0x100000002u, .first_sequence = 0xfffffffeu, .tensor = 12};

static void every_layout_has_the_masks_of_the_definition(void **state) {
    (void)state;
    static const int64_t shapes[][3] = {{2, 300, 19}, {3, 5, 130}, {1, 1, 2500}, {4, 7, 1}, {1, 257, 257}};
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int by_feature = 0; by_feature < 2; by_feature++)
            for (int threads = 1; threads < 4; threads += 2) {
                omp_set_num_threads(threads);
                pare_dropout_shape shape = {shapes[i][0], shapes[i][1], shapes[i][2], by_feature};
                mask m = mask_of(backend, dropout, shape);
                for (int64_t s = 0; s < shape.sequences; s++)
                    for (int64_t t = 0; t < shape.length; t += 1 + t / 9)
                        for (int64_t f = 0; f < shape.width; f += 1 + f / 40)
                            assert_true(at(&m, s, t, f) == expected_at(dropout, s, t, f));
                free(m.values);
            }
    pare_backend_close(backend);
}

static void first_sequence_moves_the_masks(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    pare_dropout moved = dropout;
    moved.first_sequence += 2;
    mask all = mask_of(backend, dropout, (pare_dropout_shape){4, 10, 200, false});
    mask part = mask_of(backend, moved, (pare_dropout_shape){2, 10, 200, true});
    for (int64_t t = 0; t < 10; t++)
        for (int64_t f = 0; f < 200; f++) {
            assert_true(at(&all, 2, t, f) == at(&part, 0, t, f));
            assert_true(at(&all, 3, t, f) == at(&part, 1, t, f));
        }
    free(all.values);
    free(part.values);
    pare_backend_close(backend);
}

/* Counts of dropped elements, and of neighbours dropped together, within 5 standard deviations. */
static void as_many_fall_as_should(void **state) {
    (void)state;
    enum { TOKENS = 512, WIDTH = 1024 };
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    static const float probabilities[] = {0.05f, 0.5f, 0.9f};
    for (int i = 0; i < 3; i++) {
        pare_dropout d = dropout, other = dropout;
        d.threshold = other.threshold = pare_dropout_threshold(probabilities[i]);
        other.tensor++;
        double p = d.threshold / 65536.0, n = TOKENS * WIDTH, fallen = 0, together = 0, shared = 0;
        assert_true(fabs(p - (double)probabilities[i]) < 1e-5);
        mask m = mask_of(backend, d, (pare_dropout_shape){4, TOKENS / 4, WIDTH, false});
        mask q = mask_of(backend, other, (pare_dropout_shape){4, TOKENS / 4, WIDTH, false});
        for (int64_t e = 0; e < TOKENS * WIDTH; e++) {
            fallen += m.values[e] == 0.0f;
            together += e + 1 < TOKENS * WIDTH && m.values[e] == 0.0f && m.values[e + 1] == 0.0f;
            shared += m.values[e] == 0.0f && q.values[e] == 0.0f;
        }
        assert_true(fabs(fallen - n * p) < 5.0 * sqrt(n * p * (1.0 - p)));
        assert_true(fabs(together - n * p * p) < 5.0 * sqrt(n * p * p * (1.0 + 2.0 * p)));
        assert_true(fabs(shared - n * p * p) < 5.0 * sqrt(n * p * p * (1.0 - p * p)));
        free(m.values);
        free(q.values);
    }
    pare_backend_close(backend);
}

/* dx of some rows only, in both layouts. */
static void gradients_pass_where_inputs_did(void **state) {
    (void)state;
    enum { TOKENS = 12, WIDTH = 300 };
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    for (int by_feature = 0; by_feature < 2; by_feature++) {
        pare_dropout_shape shape = {3, TOKENS / 3, WIDTH, by_feature};
        int64_t columns = by_feature ? TOKENS : WIDTH, first = by_feature ? 121 : 3, rows = by_feature ? 150 : 5;
        mask m = mask_of(backend, dropout, shape);
        float dx[TOKENS * WIDTH], dy[TOKENS * WIDTH];
        for (int64_t i = 0; i < TOKENS * WIDTH; i++) {
            dx[i] = 2.0f;
            dy[i] = (float)(i % 7) - 3.0f;
        }
        pare_dropout_add(&dropout, &shape, first, rows, dy, dx);
        for (int64_t i = 0; i < TOKENS * WIDTH; i++) {
            bool inside = i / columns >= first && i / columns < first + rows;
            assert_true(dx[i] == 2.0f + (inside ? m.values[i] * dy[i - first * columns] : 0.0f));
        }
        free(m.values);
    }
    pare_backend_close(backend);
}

static void infinite_inputs_can_be_dropped(void **state) {
    (void)state;
    pare_backend *backend;
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    float x[400], out[400];
    for (int i = 0; i < 400; i++)
        x[i] = INFINITY;
    pare_dropout_apply(backend, &dropout, &(pare_dropout_shape){1, 2, 200, false}, x, out);
    int fallen = 0;
    for (int i = 0; i < 400; i++) {
        assert_true(out[i] == 0.0f || isinf(out[i]));
        fallen += out[i] == 0.0f;
    }
    assert_true(fallen > 0 && fallen < 80);
    pare_backend_close(backend);
}

static void all_versions_give_the_same_bits(void **state) {
    (void)state;
    const pare_normal_stream stream = {.key_0 = 1, .key_1 = 2, .tensor = 3, .draw = 4};
    static const uint32_t thresholds[] = {0, 1, 3277, 32768, 65535};
    pare_bits_batches_fn versions[2];
    size_t count = pare_bits_batches_x86(versions);
    for (size_t v = 0; v < count; v++)
        for (int i = 0; i < 5; i++) {
            uint32_t expected[9][4], actual[9][4];
            pare_bits_batches_plain(expected, &stream, thresholds[i], 0xfffffffu, 1u << 24, 9);
            versions[v](actual, &stream, thresholds[i], 0xfffffffu, 1u << 24, 9);
            assert_memory_equal(actual, expected, sizeof expected);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layout_has_the_masks_of_the_definition),
        cmocka_unit_test(first_sequence_moves_the_masks),
        cmocka_unit_test(as_many_fall_as_should),
        cmocka_unit_test(gradients_pass_where_inputs_did),
        cmocka_unit_test(infinite_inputs_can_be_dropped),
        cmocka_unit_test(all_versions_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
