/* How much is gone at a step, at its borders and by hand in between; and which units go next. */
#include "golden.h"
#include "select/gradual.h"

static void the_ratio_rises_between_warmup_and_cooldown(void **state) {
    (void)state;
    const pare_cubic_schedule s = {.first = 0.0, .last = 0.5, .warmup = 0.1, .cooldown = 0.1, .total = 200};
    assert_true(pare_cubic_ratio(&s, 0) == 0.0);
    assert_true(pare_cubic_ratio(&s, 20) == 0.0);
    assert_close("first step", pare_cubic_ratio(&s, 21), 0.00931652832031, 1e-11);
    assert_close("half way", pare_cubic_ratio(&s, 100), 0.4375, 1e-12);
    assert_close("last step but one", pare_cubic_ratio(&s, 179), 0.499999877929688, 1e-12);
    assert_close("border", pare_cubic_ratio(&s, 180), 0.5, 1e-12);
    assert_true(pare_cubic_ratio(&s, 181) == 0.5 && pare_cubic_ratio(&s, 5000) == 0.5);
}

static void a_schedule_may_begin_anywhere_and_have_no_borders(void **state) {
    (void)state;
    const pare_cubic_schedule s = {.first = 0.2, .last = 0.6, .total = 10};
    assert_true(pare_cubic_ratio(&s, 0) == 0.2);
    assert_close("one", pare_cubic_ratio(&s, 1), 0.3084, 1e-12);
    assert_close("five", pare_cubic_ratio(&s, 5), 0.55, 1e-12);
    assert_close("all", pare_cubic_ratio(&s, 10), 0.6, 1e-12);
}

static void assert_kept(const double *kept, const char *expected) {
    for (size_t i = 0; expected[i]; i++)
        assert_true(kept[i] == (expected[i] == '1' ? 1.0 : 0.0));
}

static void the_lowest_go_first_and_stay_gone(void **state) {
    (void)state;
    double kept[6] = {1, 1, 1, 1, 1, 1};
    const double first[6] = {5, 1, 4, 2, 6, 3}, later[6] = {1, 9, 2, 8, 3, 4};
    assert_int_equal(pare_prune_lowest(first, 6, 2, kept), PARE_OK);
    assert_kept(kept, "101011");
    assert_int_equal(pare_prune_lowest(later, 6, 3, kept), PARE_OK);
    assert_kept(kept, "001011");
    assert_int_equal(pare_prune_lowest(first, 6, 3, kept), PARE_OK);
    assert_kept(kept, "001011");
    assert_int_equal(pare_prune_lowest(first, 6, 1, kept), PARE_OK);
    assert_kept(kept, "001011");
    assert_int_equal(pare_count_kept(kept, 6), 3);
}

/* A unit that is gone goes before one whose score is zero, too. */
static void of_equal_scores_the_lower_index_goes(void **state) {
    (void)state;
    double kept[5] = {1, 1, 1, 1, 1}, some[5] = {1, 1, 1, 0, 1};
    const double equal[5] = {2, 2, 2, 2, 2}, zero[5] = {0};
    assert_int_equal(pare_prune_lowest(equal, 5, 3, kept), PARE_OK);
    assert_kept(kept, "00011");
    assert_int_equal(pare_prune_lowest(zero, 5, 2, some), PARE_OK);
    assert_kept(some, "01101");
    assert_int_equal(pare_prune_lowest(equal, 5, 5, some), PARE_OK);
    assert_kept(some, "00000");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ratio_rises_between_warmup_and_cooldown),
        cmocka_unit_test(a_schedule_may_begin_anywhere_and_have_no_borders),
        cmocka_unit_test(the_lowest_go_first_and_stay_gone),
        cmocka_unit_test(of_equal_scores_the_lower_index_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
