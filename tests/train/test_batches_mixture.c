/* Several files in one training: every batch has each source's share, the first source is gone through once in an
 * epoch, the others evenly, and held-out examples are never trained on. */
#include "batches_fixture.h"

#include <math.h>

enum { SOURCES = 3, EXAMPLES = 103, LONGEST = 30, HELD = 10, EPOCHS = 4 };

static const pare_batches_source MIXED[SOURCES] = {{60, 0.6}, {25, 0.3}, {18, 0.1}};
static const pare_batches_options WAY = {
    .batch = 10, .length = LONGEST, .validation = HELD, .seed = 3, .sources = MIXED, .source_count = SOURCES};

static size_t source_of(size_t example) {
    return example < 60 ? 0 : example < 85 ? 1 : 2;
}

/* What one step trains on, added up by example. */
static void add_step(pare_batches *batches, const pare_examples *examples, uint64_t step, uint32_t *seen) {
    pare_batch batch;
    assert_ok(pare_batches_step(batches, step, &batch));
    check_batch(examples, &batch, LONGEST, seen);
}

static void held_out(pare_batches *batches, const pare_examples *examples, uint32_t *held) {
    pare_batch batch;
    for (uint64_t first = 0; first < pare_batches_validation(batches); first++) {
        assert_ok(pare_batches_held_out(batches, first, 1, &batch));
        check_batch(examples, &batch, LONGEST, held);
    }
    /* 3 of the second's share of ten, of which a tenth of its 25 examples allows 2; 1 of the third's; the rest. */
    uint32_t counts[SOURCES] = {0};
    for (size_t i = 0; i < EXAMPLES; i++)
        counts[source_of(i)] += held[i];
    for (size_t s = 0; s < SOURCES; s++)
        assert_int_equal(counts[s], pare_batches_source_held(batches, s));
    assert_true(counts[0] == 7 && counts[1] == 2 && counts[2] == 1);
}

static void every_batch_has_each_share(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    pare_batches *batches = make_batches(&examples, WAY);
    uint64_t steps = pare_batches_steps(batches), drawn[SOURCES] = {0};
    uint32_t held[EXAMPLES] = {0}, all[EXAMPLES] = {0};
    held_out(batches, &examples, held);
    assert_int_equal(steps, 9); /* 53 of the first, at 6 of ten places */
    assert_in_range(pare_batches_mixture_bytes(batches), 33 * 81 + 4 * 60, 33 * 90 + 4 * 60);
    for (uint64_t step = 0; step < EPOCHS * steps; step++) {
        uint32_t seen[EXAMPLES] = {0}, counts[SOURCES] = {0};
        add_step(batches, &examples, step, seen);
        for (size_t i = 0; i < EXAMPLES; i++) {
            counts[source_of(i)] += seen[i];
            all[i] += seen[i];
        }
        for (size_t s = 0; s < SOURCES; s++) {
            drawn[s] += counts[s];
            if (step % steps != steps - 1) assert_true(fabs(counts[s] - 10 * MIXED[s].share) <= 1.0 + 1e-9);
        }
    }
    for (size_t i = 0; i < EXAMPLES; i++) {
        size_t s = source_of(i);
        uint64_t trained = MIXED[s].examples - pare_batches_source_held(batches, s);
        assert_true(held[i] ? !all[i] : all[i] >= drawn[s] / trained && all[i] <= drawn[s] / trained + 1);
        if (!held[i] && !s) assert_int_equal(all[i], EPOCHS);
    }
    pare_batches_free(batches);
    free_examples(&examples);
}

/* A share that is too small for a place among an epoch's is not lost: there is one at its end. */
static void the_smallest_share_has_a_place(void **state) {
    (void)state;
    static const pare_batches_source shares[SOURCES] = {{60, 0.9998}, {25, 0.0001}, {18, 0.0001}};
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    pare_batches_options options = WAY;
    options.sources = shares;
    options.validation = 0;
    pare_batches *batches = make_batches(&examples, options);
    uint64_t steps = pare_batches_steps(batches);
    uint32_t counts[SOURCES] = {0};
    assert_int_equal(steps, 7); /* 62 places, at 10 each */
    for (uint64_t step = 0; step < EPOCHS * steps; step++) {
        uint32_t seen[EXAMPLES] = {0};
        add_step(batches, &examples, step, seen);
        for (size_t i = 0; i < EXAMPLES; i++)
            counts[source_of(i)] += seen[i];
    }
    assert_true(counts[0] == EPOCHS * 60 && counts[1] == EPOCHS && counts[2] == EPOCHS);
    pare_batches_free(batches);
    free_examples(&examples);
}

/* In all ways of making batches, a step is the same whatever came before it; and other seeds make others. */
static void any_step_at_any_time(void **state) {
    (void)state;
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    for (int way = 0; way < 4; way++) {
        pare_batches_options options = WAY;
        options.pack = way & 1;
        options.group_by_length = way & 2;
        options.length = options.pack ? 50 : LONGEST;
        pare_batches *forwards = make_batches(&examples, options), *anywhere = make_batches(&examples, options);
        options.seed++;
        pare_batches *seeded = make_batches(&examples, options);
        uint64_t steps = EPOCHS * pare_batches_steps(forwards);
        bool differ = false;
        for (uint64_t step = 0; step < steps; step++) {
            pare_batch one, other, third;
            assert_ok(pare_batches_step(forwards, step, &one));
            assert_ok(pare_batches_step(anywhere, step * 31 % steps, &other));
            assert_ok(pare_batches_step(anywhere, step, &other));
            assert_ok(pare_batches_step(seeded, step % pare_batches_steps(seeded), &third));
            size_t bytes = (size_t)(one.sequences * one.layout.length) * sizeof *one.ids;
            assert_true(one.sequences > 0 && one.sequences == other.sequences);
            assert_int_equal(one.layout.length, other.layout.length);
            assert_memory_equal(one.ids, other.ids, bytes);
            differ = differ || third.sequences != one.sequences || third.layout.length != one.layout.length ||
                     memcmp(one.ids, third.ids, bytes) != 0;
        }
        assert_true(differ);
        pare_batches_free(forwards);
        pare_batches_free(anywhere);
        pare_batches_free(seeded);
    }
    free_examples(&examples);
}

static void digest_of(const pare_examples *examples, const pare_batches_source *sources, size_t count, char *text) {
    pare_batches_options options = WAY;
    options.sources = sources;
    options.source_count = count;
    pare_batches *batches = make_batches(examples, options);
    assert_ok(pare_batches_digest(batches, text));
    pare_batches_free(batches);
}

static void digest_knows_the_mixture(void **state) {
    (void)state;
    static const pare_batches_source shares[SOURCES] = {{60, 0.5}, {25, 0.4}, {18, 0.1}},
                                     borders[SOURCES] = {{59, 0.6}, {26, 0.3}, {18, 0.1}};
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    char text[5][65];
    digest_of(&examples, MIXED, SOURCES, text[0]);
    digest_of(&examples, shares, SOURCES, text[1]);
    digest_of(&examples, borders, SOURCES, text[2]);
    digest_of(&examples, NULL, 0, text[3]);
    digest_of(&examples, MIXED, SOURCES, text[4]);
    for (int i = 1; i < 4; i++)
        assert_string_not_equal(text[0], text[i]);
    assert_string_equal(text[0], text[4]);
    free_examples(&examples);
}

static void refuse(const pare_examples *examples, const pare_batches_source *sources, uint32_t validation,
                   const char *part) {
    pare_batches_options options = WAY;
    pare_batches *batches;
    options.sources = sources;
    options.validation = validation;
    assert_int_equal(pare_batches_new(examples, &options, &batches), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), part));
}

static void what_makes_no_mixture_is_refused(void **state) {
    (void)state;
    static const pare_batches_source few[SOURCES] = {{60, 0.6}, {25, 0.3}, {17, 0.1}},
                                     less[SOURCES] = {{60, 0.6}, {25, 0.2}, {18, 0.1}},
                                     none[SOURCES] = {{60, 0.7}, {25, 0.3}, {18, 0.0}},
                                     rare[SOURCES] = {{60, 3e-6}, {25, 0.5}, {18, 0.5 - 3e-6}};
    pare_examples examples = make_examples(EXAMPLES, LONGEST);
    refuse(&examples, few, HELD, "102 of 103 examples");
    refuse(&examples, less, HELD, "sum to 0.9");
    refuse(&examples, none, HELD, "leave it out");
    refuse(&examples, rare, HELD, "give it more weight");
    refuse(&examples, MIXED, 70, "hold out fewer");
    free_examples(&examples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_batch_has_each_share),
        cmocka_unit_test(the_smallest_share_has_a_place),
        cmocka_unit_test(any_step_at_any_time),
        cmocka_unit_test(digest_knows_the_mixture),
        cmocka_unit_test(what_makes_no_mixture_is_refused),
    };
    return cmocka_run_group_tests_name("batches of a mixture", tests, NULL, NULL);
}
