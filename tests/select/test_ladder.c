/* Steps in which a part of a layer shrinks: their costs, what they remove, how many there are. */
#include "select/random_units.h"

static void steps_follow_the_scores(void **state) {
    (void)state;
    shape *s = shape_new(2, 16, (pare_widths){8, 4, 6}, 4, 8);
    pare_unit_scores scores = random_units(s, 1, 1.0);
    pare_target target = whole_model(s, PARE_RANK_GLOBAL, 0.5);
    static const double heads[] = {4.0, 1.0, 3.0, 2.0}, ffn[] = {0.5, 0.25, 8.0, 1.0, 2.0, 4.0};
    memcpy(scores.heads[1], heads, sizeof heads);
    memcpy(scores.ffn[1], ffn, sizeof ffn);
    target.attention.begin = 1;
    pare_ladders ladders;
    assert_int_equal(pare_ladders_new(&s->model, &scores, &target, &ladders), PARE_OK);
    assert_int_equal(ladders.heads[0].steps, 0);
    assert_int_equal(ladders.heads[1].steps, 3);
    assert_int_equal(ladders.ffn[1].steps, 5);
    for (uint32_t i = 0; i < 3; i++)
        assert_true(ladders.heads[1].cost[i] == (double)(i + 1));
    static const double sorted[] = {0.25, 0.5, 1.0, 2.0, 4.0};
    assert_memory_equal(ladders.ffn[1].cost, sorted, sizeof sorted);
    assert_true(ladders.heads[1].parameters == 2 * 16 * 4 * (2 + 1)); /* Q, O of two heads, K, V of one */
    assert_true(ladders.ffn[1].parameters == 3 * 16);
    pare_widths widths[2];
    pare_ladders_widths(&s->model, &target, (uint32_t[]){0, 2}, (uint32_t[]){1, 5}, widths);
    static const pare_widths left[] = {{8, 4, 5}, {4, 2, 1}};
    assert_memory_equal(widths, left, sizeof left);
    pare_ladders_free(&ladders);
    pare_unit_scores_free(&scores);
    free(s);
}

/* One head of every group at a time: the lowest of each. */
static void query_heads_go_together(void **state) {
    (void)state;
    shape *s = shape_new(1, 16, (pare_widths){6, 2, 6}, 4, 8);
    pare_unit_scores scores = random_units(s, 1, 1.0);
    pare_target target = whole_model(s, PARE_RANK_GLOBAL, 0.5);
    static const double query[] = {3.0, 1.0, 5.0, 40.0, 20.0, 10.0};
    memcpy(scores.query[0], query, sizeof query);
    target.query_heads = true;
    pare_ladders ladders;
    assert_int_equal(pare_ladders_new(&s->model, &scores, &target, &ladders), PARE_OK);
    assert_int_equal(ladders.heads[0].steps, 2);
    assert_true(ladders.heads[0].cost[0] == 11.0 && ladders.heads[0].cost[1] == 23.0);
    assert_true(ladders.heads[0].parameters == 2 * 2 * 16 * 4);
    pare_widths left;
    pare_ladders_widths(&s->model, &target, (uint32_t[]){2}, (uint32_t[]){0}, &left);
    assert_memory_equal(&left, (&(pare_widths){2, 2, 6}), sizeof left);
    pare_ladders_free(&ladders);
    pare_unit_scores_free(&scores);
    free(s);
}

static void curves_never_fall(void **state) {
    (void)state;
    shape *s = shape_new(1, 16, (pare_widths){4, 4, 5}, 4, 8);
    pare_target target = whole_model(s, PARE_RANK_GLOBAL, 0.5);
    double heads[] = {1.0, 4.0, 5.0, 90.0}, ffn[] = {2.0, 1.0, 3.0, 7.0, 9.0};
    double *curves[1][2] = {{heads, ffn}};
    pare_ladders ladders;
    assert_int_equal(pare_ladders_from_curves(&s->model, (double *const(*)[2])curves, &target, &ladders), PARE_OK);
    static const double head_costs[] = {1.0, 3.0, 3.0}, ffn_costs[] = {2.0, 2.0, 2.0, 4.0};
    assert_int_equal(ladders.heads[0].steps, 3);
    assert_int_equal(ladders.ffn[0].steps, 4);
    assert_memory_equal(ladders.heads[0].cost, head_costs, sizeof head_costs);
    assert_memory_equal(ladders.ffn[0].cost, ffn_costs, sizeof ffn_costs);
    assert_true(ladders.heads[0].parameters == 4 * 16 * 4 && ladders.ffn[0].parameters == 48);
    pare_ladders_free(&ladders);
    free(s);
}

/* Of the widths before any round, where they are given: a share that was used up allows no more steps. */
static void what_stays_is_a_share_of_what_was(void **state) {
    (void)state;
    shape *s = shape_new(1, 16, (pare_widths){4, 4, 6}, 4, 8);
    pare_unit_scores scores = random_units(s, 1, 1.0);
    pare_target target = whole_model(s, PARE_RANK_GLOBAL, 0.5);
    static const struct {
        double keep_min;
        pare_widths before;
        uint32_t heads, ffn;
    } cases[] = {{0.0, {4, 4, 6}, 3, 5}, {0.5, {4, 4, 6}, 2, 3},  {0.3, {4, 4, 6}, 2, 4}, {0.5, {8, 8, 11}, 0, 0},
                 {0.5, {6, 6, 8}, 1, 2}, {0.9, {8, 8, 20}, 0, 0}, {1.0, {4, 4, 6}, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_ladders ladders;
        target.keep_min = cases[i].keep_min;
        target.before = &cases[i].before;
        assert_int_equal(pare_ladders_new(&s->model, &scores, &target, &ladders), PARE_OK);
        assert_int_equal(ladders.heads[0].steps, cases[i].heads);
        assert_int_equal(ladders.ffn[0].steps, cases[i].ffn);
        pare_ladders_free(&ladders);
    }
    pare_unit_scores_free(&scores);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_follow_the_scores),
        cmocka_unit_test(query_heads_go_together),
        cmocka_unit_test(curves_never_fall),
        cmocka_unit_test(what_stays_is_a_share_of_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
