/* The dynamic program against all combinations, where these can be counted. */
#include "select/knapsack.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LISTS = 5, MOST = 4 };

typedef struct problem {
    uint64_t size[LISTS][MOST];
    double cost[LISTS][MOST];
    pare_knapsack_list list[LISTS];
    uint64_t budget;
} problem;

static uint32_t draw(uint64_t *state, uint32_t below) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33) % below;
}

static void make(problem *p, uint64_t *state, uint64_t scale) {
    uint64_t total = 0;
    for (int i = 0; i < LISTS; i++) {
        p->list[i] = (pare_knapsack_list){1 + draw(state, MOST), p->size[i], p->cost[i]};
        for (uint32_t j = 0; j < p->list[i].count; j++) {
            p->size[i][j] = scale * (1 + draw(state, 9));
            p->cost[i][j] = j && draw(state, 6) == 0 ? INFINITY : (double)draw(state, 100) - 20.0;
        }
        total += p->size[i][0];
    }
    p->budget = total * (2 + draw(state, 10)) / 8;
}

/* The least sum of costs of all combinations within the budget; INFINITY: there is none. */
static double brute_force(const problem *p) {
    uint32_t at[LISTS] = {0};
    double best = INFINITY;
    for (;;) {
        uint64_t size = 0;
        double cost = 0.0;
        for (int i = 0; i < LISTS; i++) {
            size += p->size[i][at[i]];
            cost += p->cost[i][at[i]];
        }
        if (size <= p->budget && cost < best) best = cost;
        int i = 0;
        while (i < LISTS && ++at[i] == p->list[i].count)
            at[i++] = 0;
        if (i == LISTS) return best;
    }
}

static void compare(const problem *p, double slack) {
    uint32_t chosen[LISTS];
    bool found;
    double best = brute_force(p), cost = 0.0;
    uint64_t size = 0;
    assert_int_equal(pare_knapsack_solve(p->list, LISTS, p->budget, chosen, &found), PARE_OK);
    assert_int_equal(found, !isinf(best));
    if (!found) return;
    for (int i = 0; i < LISTS; i++) {
        assert_true(chosen[i] < p->list[i].count);
        size += p->size[i][chosen[i]];
        cost += p->cost[i][chosen[i]];
    }
    assert_true(size <= p->budget);
    assert_true(fabs(cost - best) <= slack);
}

static void test_every_combination(void **state) {
    uint64_t random = 7;
    problem p;
    (void)state;
    for (int i = 0; i < 2000; i++) {
        make(&p, &random, i % 2 ? 1 : 1728);
        compare(&p, 1e-9);
    }
}

/* Without a divisor, sizes are rounded up: whatever comes out fits, and a budget with room to spare finds the least. */
static void test_sizes_without_a_divisor(void **state) {
    uint64_t random = 11;
    problem p;
    (void)state;
    for (int i = 0; i < 50; i++) {
        make(&p, &random, 1000003);
        p.size[0][0] += 1;
        double before = brute_force(&p);
        p.budget += LISTS * (p.budget / 60000 + 1);
        if (brute_force(&p) == before) compare(&p, 1e-9);
    }
}

static void test_ties_go_to_the_first(void **state) {
    uint64_t sizes[] = {5, 5, 3};
    double costs[] = {1.0, 1.0, 2.0};
    pare_knapsack_list lists[] = {{3, sizes, costs}, {3, sizes, costs}};
    uint32_t chosen[2];
    bool found;
    (void)state;
    assert_int_equal(pare_knapsack_solve(lists, 2, 8, chosen, &found), PARE_OK);
    assert_true(found);
    assert_int_equal(chosen[0], 0);
    assert_int_equal(chosen[1], 2);
    assert_int_equal(pare_knapsack_solve(lists, 2, 5, chosen, &found), PARE_OK);
    assert_false(found);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_sizes_without_a_divisor),
        cmocka_unit_test(test_ties_go_to_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
