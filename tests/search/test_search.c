/* The search on models of which all is known: sums of rises with and without what parts do to each other. */
#include "search/search_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { PARTS = 6, LEVELS = 5 };

typedef struct world {
    double cost[PARTS][LEVELS], between[PARTS][PARTS];
    uint64_t size[LEVELS];
    pare_search_part part[PARTS];
    uint32_t measured, rough; /* rough measures are half of what is */
    bool has_rough;
    bool broken;    /* everything is infinite but the beginning */
    uint32_t limit; /* levels from here on are no numbers; 0: all are */
} world;

static double value_of(const world *w, const uint32_t *level) {
    double sum = 1.0;
    for (int i = 0; i < PARTS; i++) {
        sum += w->cost[i][level[i]];
        for (int j = 0; j < i; j++)
            sum += w->between[i][j] * level[i] * level[j];
    }
    return sum;
}

static bool is_beyond(const world *w, const uint32_t *level) {
    bool beyond = false;
    for (int i = 0; i < PARTS; i++)
        beyond = beyond || (w->limit && level[i] >= w->limit);
    return beyond;
}

static pare_status measure(void *context, const uint32_t *level, bool roughly, double *value) {
    world *w = context;
    w->rough += roughly;
    *value = (w->broken && w->measured) || is_beyond(w, level) ? NAN : value_of(w, level) * (roughly ? 0.5 : 1.0);
    w->measured++;
    return PARE_OK;
}

/* Every part has levels of sizes 10, 8, 6, 4, 2; steeper ones behind. together: what two parts add for each level. */
static void make(world *w, double together) {
    memset(w, 0, sizeof *w);
    for (int j = 0; j < LEVELS; j++)
        w->size[j] = (uint64_t)(10 - 2 * j);
    for (int i = 0; i < PARTS; i++) {
        for (int j = 0; j < LEVELS; j++)
            w->cost[i][j] = 0.1 * (1 + (i * 7) % 5) * j * j;
        for (int k = 0; k < i; k++)
            w->between[i][k] = together * ((i + k) % 3);
        w->part[i] = (pare_search_part){.layer = (uint32_t)i, .count = LEVELS, .size = w->size, .shape = w->cost[i]};
    }
}

static pare_search_space space_of(world *w, uint32_t steps) {
    return (pare_search_space){.parts = w->part,
                               .count = PARTS,
                               .budget = PARTS * 6,
                               .steps = steps,
                               .seed = 3,
                               .measure = measure,
                               .rough = w->has_rough,
                               .context = w};
}

static uint64_t size_of(const world *w, const uint32_t *level) {
    uint64_t size = 0;
    for (int i = 0; i < PARTS; i++)
        size += w->size[level[i]];
    return size;
}

/* Over all combinations within the budget. */
static double brute_force(const world *w, uint64_t budget) {
    uint32_t at[PARTS] = {0};
    double best = INFINITY;
    for (;;) {
        if (size_of(w, at) <= budget) best = fmin(best, value_of(w, at));
        int i = 0;
        while (i < PARTS && ++at[i] == LEVELS)
            at[i++] = 0;
        if (i == PARTS) return best;
    }
}

static void run(world *w, uint32_t steps, double *end, uint32_t *level) {
    pare_search_found found;
    pare_search_space space = space_of(w, steps);
    for (int i = 0; i < PARTS; i++)
        level[i] = 2;
    double start = value_of(w, level);
    assert_int_equal(pare_search_run(&space, level, &found), PARE_OK);
    assert_true(size_of(w, level) <= space.budget);
    assert_true(found.start == start && found.end <= found.program && found.program <= found.start);
    assert_true(found.end == value_of(w, level));
    assert_int_equal(found.steps, w->measured);
    assert_true(found.steps <= steps);
    *end = found.end;
}

/* Where rises add up, the first program is the best there is. */
static void sums_are_solved(void **state) {
    world w;
    uint32_t level[PARTS];
    double end;
    (void)state;
    make(&w, 0.0);
    run(&w, 40, &end, level);
    assert_true(fabs(end - brute_force(&w, PARTS * 6)) < 1e-12);
}

/* Where they do not, what is measured decides: the end is the best of all here, which the sum alone would miss. */
static void parts_that_meet(void **state) {
    world w;
    uint32_t level[PARTS];
    double end;
    (void)state;
    make(&w, 0.05);
    run(&w, 400, &end, level);
    assert_true(end <= 1.02 * brute_force(&w, PARTS * 6));
}

static void runs_repeat(void **state) {
    world w;
    uint32_t a[PARTS], b[PARTS];
    double first, second;
    (void)state;
    make(&w, 0.05);
    run(&w, 60, &first, a);
    make(&w, 0.05);
    run(&w, 60, &second, b);
    assert_true(first == second);
    assert_memory_equal(a, b, sizeof a);
}

/* Rough measures of another size, for sensitivities alone: what they say comes to the same. */
static void rough_measures_serve_sensitivities(void **state) {
    world w;
    uint32_t a[PARTS], b[PARTS];
    double end, roughly;
    (void)state;
    make(&w, 0.0);
    run(&w, 60, &end, a);
    assert_int_equal(w.rough, 0);
    make(&w, 0.0);
    w.has_rough = true;
    run(&w, 60, &roughly, b);
    assert_true(w.rough > PARTS && w.rough < w.measured);
    assert_true(fabs(end - roughly) < 1e-12);
}

/* Nothing is felt: only pairs are tried, until all steps are used, and each that helps is kept. */
static void moves_at_random_use_all_steps(void **state) {
    world w;
    uint32_t level[PARTS];
    pare_search_found found;
    (void)state;
    make(&w, 0.05);
    w.has_rough = true;
    for (int i = 0; i < PARTS; i++)
        level[i] = 2;
    pare_search_space space = space_of(&w, 300);
    space.random = true;
    assert_int_equal(pare_search_run(&space, level, &found), PARE_OK);
    assert_true(found.steps == 300 && w.measured == 300 && w.rough == 0 && found.rounds == 0 && found.moves > 0);
    assert_true(found.end < found.start && found.end == value_of(&w, level) && size_of(&w, level) <= space.budget);
}

/* However few steps there are, the budget and the beginning hold; what is no number is no better than anything. */
static void few_steps_and_no_numbers(void **state) {
    world w;
    uint32_t level[PARTS];
    double end, before;
    (void)state;
    for (uint32_t steps = 1; steps < 30; steps++) {
        make(&w, 0.05);
        run(&w, steps, &end, level);
    }
    make(&w, 0.0);
    for (int i = 0; i < PARTS; i++)
        level[i] = 2;
    before = value_of(&w, level);
    w.broken = true;
    pare_search_found found;
    pare_search_space space = space_of(&w, 100);
    assert_int_equal(pare_search_run(&space, level, &found), PARE_OK);
    assert_true(found.end == before && value_of(&w, level) == before);
}

/* Levels that are no numbers leave numbers beside them, or what is infinite: a program that weighs anything else may
 * choose what does not fit. */
static void rises_are_numbers(void **state) {
    world w;
    uint32_t level[PARTS], trial[PARTS], origin[PARTS];
    double rises[PARTS][LEVELS], *rise[PARTS], ahead;
    (void)state;
    make(&w, 0.05);
    w.limit = 3;
    pare_search_space space = space_of(&w, 1000);
    pare_search s = {.space = &space, .level = level, .trial = trial, .origin = origin, .rise = rise, .ahead = &ahead};
    for (int i = 0; i < PARTS; i++) {
        level[i] = 1;
        rise[i] = rises[i];
    }
    s.value = value_of(&w, level);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(pare_search_feel(&s, round > 0), PARE_OK);
        for (int i = 0; i < PARTS; i++)
            for (uint32_t j = 0; j < LEVELS; j++)
                assert_true(j < w.limit ? !isnan(rise[i][j]) : rise[i][j] == INFINITY);
        for (int i = 0; i < PARTS; i++)
            level[i] = 2;
        s.value = value_of(&w, level);
    }
}

/* Where looks and moves are what they always are, the counts of a plan are those of the search. */
static void counts_are_known_before(void **state) {
    static const struct {
        uint32_t steps;
        bool rough, random;
    } rows[] = {{18, true, false}, {18, false, false}, {9, true, false}, {1, true, false}, {20, true, true}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        world w;
        uint32_t level[PARTS];
        double end;
        make(&w, 0.0);
        w.has_rough = rows[i].rough;
        pare_search_space space = space_of(&w, rows[i].steps);
        space.random = rows[i].random;
        pare_search_counts counts = pare_search_expect(&space);
        assert_int_equal(counts.whole + counts.rough, rows[i].steps);
        if (rows[i].random) {
            assert_int_equal(counts.rough, 0);
            continue;
        }
        run(&w, rows[i].steps, &end, level);
        assert_int_equal(w.measured, rows[i].steps);
        assert_int_equal(w.rough, counts.rough);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_known_before),
        cmocka_unit_test(sums_are_solved),
        cmocka_unit_test(parts_that_meet),
        cmocka_unit_test(runs_repeat),
        cmocka_unit_test(few_steps_and_no_numbers),
        cmocka_unit_test(rises_are_numbers),
        cmocka_unit_test(rough_measures_serve_sensitivities),
        cmocka_unit_test(moves_at_random_use_all_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
