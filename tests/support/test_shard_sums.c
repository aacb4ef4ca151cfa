/* Sums over sequences: where shards begin, and that their sums are added in their order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/shards.h"

enum { LENGTH = 512, VALUES = 3 };

static void test_cut(void **state) {
    (void)state;
    /* 2048 tokens a shard at least, and eight of them at most */
    static const struct {
        int64_t sequences;
        int count;
    } cases[] = {{0, 1}, {1, 1}, {7, 1}, {8, 2}, {15, 2}, {16, 4}, {31, 4}, {32, 8}, {33, 8}, {1000, 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_shards shards = pare_shards_of(cases[i].sequences, LENGTH);
        assert_int_equal(shards.count, cases[i].count);
        assert_int_equal(shards.first, 0);
        assert_int_equal(shards.last, shards.count);
        assert_int_equal(pare_shard_begin(&shards, 0), 0);
        assert_int_equal(pare_shard_begin(&shards, shards.count), cases[i].sequences);
        assert_int_equal(pare_shards_own(&shards), cases[i].sequences);
        for (int s = 0; s < shards.count; s++) {
            int64_t length = pare_shard_begin(&shards, s + 1) - pare_shard_begin(&shards, s);
            assert_in_range(length, cases[i].sequences / shards.count, pare_shard_most(&shards));
        }
    }
}

/* What a sequence gives: of so different sizes that another order gives other bits. */
static float part_of(int64_t sequence, int64_t i) {
    return (float)((sequence * 7919 + i * 104729) % 1000003) * (sequence % 3 ? 1e-3f : 10.0f);
}

static void test_sums(void **state) {
    (void)state;
    enum { SEQUENCES = 37 };
    pare_shards shards = pare_shards_of(SEQUENCES, LENGTH);
    pare_shard_sums sums = {0};
    float single[VALUES], half[VALUES], expected[VALUES], expected_half[VALUES] = {0};
    double real[VALUES], expected_real[VALUES];
    int64_t count = 0;
    bool seen = false;
    pare_shard_sum all = {PARE_SUM_SINGLE, single, VALUES, &seen, half};
    assert_int_equal(pare_shard_sums_add(&sums, &all), PARE_OK);
    assert_int_equal(pare_shard_sums_add_double(&sums, real, VALUES), PARE_OK);
    assert_int_equal(
        pare_shard_sums_add(&sums, &(pare_shard_sum){.kind = PARE_SUM_COUNT, .values = &count, .count = 1}), PARE_OK);
    assert_int_equal(shards.count, 8);
    for (int s = 0; s < shards.count; s++) {
        assert_int_equal(pare_shard_sums_enter(&sums, &shards, s), PARE_OK);
        float in_shard[VALUES] = {0};
        double real_in_shard[VALUES] = {0};
        for (int64_t q = pare_shard_begin(&shards, s); q < pare_shard_begin(&shards, s + 1); q++) {
            for (int64_t i = 0; i < VALUES; i++) {
                single[i] = seen ? single[i] + part_of(q, i) : part_of(q, i);
                real[i] += 0.1 * (double)part_of(q, i);
                in_shard[i] += part_of(q, i);
                real_in_shard[i] += 0.1 * (double)part_of(q, i);
            }
            seen = true;
            count++;
        }
        pare_shard_sums_leave(&sums, &shards, s);
        for (int64_t i = 0; i < VALUES; i++) {
            expected[i] = s ? expected[i] + in_shard[i] : in_shard[i];
            expected_real[i] = s ? expected_real[i] + real_in_shard[i] : real_in_shard[i];
            if (s < shards.count / 2) expected_half[i] = expected[i];
        }
    }
    assert_int_equal(pare_shard_sums_finish(&sums, &shards), PARE_OK);
    assert_memory_equal(single, expected, sizeof expected);
    assert_memory_equal(real, expected_real, sizeof expected_real);
    assert_memory_equal(half, expected_half, sizeof expected_half);
    assert_int_equal(count, SEQUENCES);
    assert_true(seen);
    pare_shard_sums_free(&sums);
}

/* Nobody has added to it in any shard: it is nothing, and not what lay there. */
static void test_unseen(void **state) {
    (void)state;
    pare_shards shards = pare_shards_of(16, LENGTH);
    pare_shard_sums sums = {0};
    float values[VALUES] = {1, 2, 3};
    bool seen = false;
    assert_int_equal(pare_shard_sums_add(&sums, &(pare_shard_sum){PARE_SUM_SINGLE, values, VALUES, &seen, NULL}),
                     PARE_OK);
    for (int s = 0; s < shards.count; s++) {
        assert_int_equal(pare_shard_sums_enter(&sums, &shards, s), PARE_OK);
        pare_shard_sums_leave(&sums, &shards, s);
    }
    assert_int_equal(pare_shard_sums_finish(&sums, &shards), PARE_OK);
    for (int i = 0; i < VALUES; i++)
        assert_true(values[i] == 0.0f);
    pare_shard_sums_free(&sums);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut), cmocka_unit_test(test_sums),
                                       cmocka_unit_test(test_unseen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
