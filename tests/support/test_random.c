/* Philox against its published vectors, and normal noise: the same bits in every version and build, whatever the split
 * into ranges, and independent wherever the coordinates differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/random.h"
#include "support/random_normal.h"

#include <stdio.h>
#include <stdlib.h>

/* kat_vectors of Random123 (Salmon et al.) for philox4x32-10. */
static void philox_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], expected[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        uint32_t out[4];
        pare_philox(vectors[i].counter, vectors[i].key, out);
        assert_memory_equal(out, vectors[i].expected, sizeof out);
    }
}

/* Element 64 b + 16 w + i is made of words w and w ^ 1 of counter 16 b + i: by scalar Philox and the scalar formulas.
 */
static void normals_follow_their_definition(void **state) {
    (void)state;
    const uint64_t seed = 0x0123456789abcdef, draw = 0xfedcba9876543210, tensor = 77, batch = 0x123456789a;
    float out[64];
    pare_normal_fill(out, seed, draw, tensor, batch * 64, 64);
    for (uint64_t i = 0; i < 16; i++) {
        uint64_t count = batch * 16 + i;
        uint32_t counter[4] = {(uint32_t)count, (uint32_t)(count >> 32), (uint32_t)tensor, (uint32_t)draw}, words[4];
        uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32) ^ (uint32_t)(draw >> 32)};
        pare_philox(counter, key, words);
        for (int w = 0; w < 4; w += 2) {
            float cosine, sine, radius = pare_normal_radius(words[w]);
            pare_normal_direction(words[w + 1], &cosine, &sine);
            assert_true(out[16 * w + (int)i] == radius * cosine);
            assert_true(out[16 * (w + 1) + (int)i] == radius * sine);
        }
    }
}

/* The polynomials against the functions they stand for, over all radii and a fine grid of angles. */
static void pieces_are_accurate(void **state) {
    (void)state;
    for (uint32_t k = 0; k < 1u << 23; k += k < 1000 || k > (1u << 23) - 1000 ? 1 : 37) {
        double u = (2.0 * k + 1.0) * 0x1p-24, expected = sqrt(-2.0 * log(u));
        double actual = (double)pare_normal_radius(k << 9 | 0x1ff);
        if (fabs(actual - expected) > 1e-6 * expected) fail_msg("radius of %u: %.9g, not %.9g", k, actual, expected);
    }
    for (uint32_t high = 0; high < 1u << 20; high++) {
        uint32_t bits = high << 12;
        float cosine, sine;
        pare_normal_direction(bits, &cosine, &sine);
        double t = ldexp((double)(int32_t)(bits << 2), -31) * 0.25 * 3.14159265358979;
        double s = sin(t), c = bits & 0x80000000u ? -cos(t) : cos(t);
        bool swap = bits & 0x40000000u;
        assert_true(fabs((double)cosine - (swap ? s : c)) < 2e-6 && fabs((double)sine - (swap ? c : s)) < 2e-6);
    }
}

static void every_version_gives_the_same_bits(void **state) {
    (void)state;
    enum { BATCHES = 300, N = BATCHES * PARE_NORMAL_BATCH };
    static float plain[N], other[N];
    pare_normal_batches_fn versions[2];
    size_t count = pare_normal_batches_x86(versions);
    const uint64_t starts[] = {0, 1, (1ull << 28) - 100, (1ull << 60) - 1}; /* counters cross 2^32 and near 2^64 */
    for (size_t v = 0; v < count; v++)
        for (size_t s = 0; s < sizeof starts / sizeof *starts; s++) {
            pare_normal_stream stream = {.key_0 = 0xdeadbeef, .key_1 = (uint32_t)s, .tensor = 3, .draw = 0x80000001};
            pare_normal_batches_plain(plain, &stream, starts[s], BATCHES);
            versions[v](other, &stream, starts[s], BATCHES);
            assert_memory_equal(plain, other, sizeof plain);
        }
    if (count == 0) fprintf(stderr, "note: this CPU runs the plain version only\n");
}

/* FNV-1a over the bits of 1000 numbers: a change of any bit, by a compiler, an option or an edit, shows here. */
static void bits_never_change(void **state) {
    (void)state;
    float x[1000];
    uint64_t hash = 0xcbf29ce484222325;
    pare_normal_fill(x, 42, 7, 3, 5, 1000);
    for (int i = 0; i < 1000; i++)
        for (int byte = 0; byte < 4; byte++)
            hash = (hash ^ ((pare_bits_of_float(x[i]) >> (8 * byte)) & 0xff)) * 0x100000001b3;
    assert_int_equal(hash, 0xe4ee4dccc9054c47);
}

static void any_split_gives_the_same_numbers(void **state) {
    (void)state;
    enum { N = 700 };
    float whole[N], parts[N + 1];
    pare_normal_fill(whole, 1, 2, 3, 0, N);
    for (size_t step = 1; step < N; step += step < 140 ? 1 : 53)
        for (size_t begin = 0; begin < 70; begin += 23) {
            parts[N] = 99.0f;
            for (size_t at = begin; at < N; at += step)
                pare_normal_fill(parts + at, 1, 2, 3, at, N - at < step ? N - at : step);
            assert_memory_equal(whole + begin, parts + begin, (N - begin) * sizeof *whole);
            assert_true(parts[N] == 99.0f);
        }
    pare_normal_fill(parts, 1, 2, 3, 17, 0);
    assert_memory_equal(parts + 70, whole + 70, sizeof *whole);
}

static void serial_draws(void **state) {
    (void)state;
    pare_random a = {.seed = 1, .stream = 2}, b = {.seed = 1, .stream = 3};
    uint32_t counts[7] = {0};
    double mean = 0.0;
    for (int i = 0; i < 70000; i++) {
        double u = pare_random_uniform(&a);
        assert_true(u >= 0.0 && u < 1.0);
        mean += u / 70000.0;
        counts[pare_random_below(&b, 7)]++;
    }
    assert_true(fabs(mean - 0.5) < 5.0 * sqrt(1.0 / 12.0 / 70000.0));
    for (int i = 0; i < 7; i++)
        assert_true(fabs(counts[i] - 10000.0) < 5.0 * sqrt(10000.0));
    pare_random again = {.seed = 1, .stream = 2}, other_seed = {.seed = 9, .stream = 2};
    a.position = 0;
    for (int i = 0; i < 10; i++)
        assert_int_equal(pare_random_next(&a), pare_random_next(&again));
    assert_int_not_equal(pare_random_next(&a), pare_random_next(&other_seed));
    for (int i = 0; i < 10; i++)
        assert_int_equal(pare_random_below(&a, 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_known_answers), cmocka_unit_test(normals_follow_their_definition),
        cmocka_unit_test(pieces_are_accurate),  cmocka_unit_test(every_version_gives_the_same_bits),
        cmocka_unit_test(bits_never_change),    cmocka_unit_test(any_split_gives_the_same_numbers),
        cmocka_unit_test(serial_draws),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
