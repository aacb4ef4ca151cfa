/* Pruning of single weights that is interrupted at any of its reports leaves nothing and holds nothing. */
#include "prune/sparse_run.h"

static void check(const char *method, const pare_setting *settings, size_t count) {
    prune_run r = sparse_run_open(sparse_tiny, method, 0.5);
    prune_countdown c = {.stop_at = 1};
    uint64_t memory = pare_memory_current();
    r.options.settings = settings;
    r.options.setting_count = count;
    r.runtime.progress = prune_count_down;
    r.runtime.progress_user = &c;
    for (;; c = (prune_countdown){.stop_at = c.stop_at + 1}) {
        pare_status status = prune_run_try(&r);
        pare_interrupt_clear();
        if (c.backwards) fprintf(stderr, "%s counts backwards in '%s'\n", method, c.stage);
        assert_false(c.backwards);
        assert_true(pare_memory_current() == memory);
        if (status == PARE_OK) break;
        assert_int_equal(status, PARE_INTERRUPTED);
        prune_run_assert_holds(r.folder, "ids.json model ");
    }
    assert_true(c.calls < c.stop_at);
    assert_true(c.stop_at > 10);
    prune_run_close(&r);
}

static void every_preset(void **state) {
    (void)state;
    for (size_t i = 0; sparse_run_method(i); i++)
        check(sparse_run_method(i), NULL, 0);
}

static void other_ways(void **state) {
    (void)state;
    static const pare_setting global = {"compare", "global"},
                              rounds[] = {{"region_rounds", "2"}, {"region_samples", "2"}};
    check("wanda", &global, 1);
    check("magnitude", &global, 1);
    check("wanda++", rounds, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_preset), cmocka_unit_test(other_ways)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
