/* Times of widths: straight lines between measured points, sums over the halves; and targets that go by them. */
#include "golden.h"
#include "select/target.h"
#include "tiny_model.h"

static const pare_width_costs costs = {
    .rest = 1000,
    .attention = {.count = 3, .width = {0, 1, 4}, .time = {0, 100, 160}},
    .ffn = {.count = 3, .width = {0, 12, 24}, .time = {0, 120, 120}},
};

static void lines_between_points(void **state) {
    (void)state;
    static const uint64_t heads[] = {0, 100, 120, 140, 160, 160}, ffn[] = {0, 10, 20, 30};
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(pare_curve_cost(&costs.attention, i), heads[i]);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(pare_curve_cost(&costs.ffn, i), ffn[i]);
    assert_int_equal(pare_curve_cost(&costs.ffn, 12), 120);
    assert_int_equal(pare_curve_cost(&costs.ffn, 23), 120);
    assert_int_equal(pare_curve_cost(&costs.ffn, 1000), 120);
}

static pare_model *open_tiny(char **folder) {
    pare_model *model;
    *folder = tiny_model_write((tiny_model){.layers = 3, .heads = 8, .kv_heads = 4, .ffn = 24});
    assert_int_equal(pare_model_open(*folder, &model), PARE_OK);
    return model;
}

static void close_tiny(pare_model *model, char *folder) {
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

static void models_cost_their_halves(void **state) {
    (void)state;
    char *folder;
    pare_model *model = open_tiny(&folder);
    static const pare_widths widths[] = {{8, 4, 24}, {2, 1, 6}, {0, 0, 0}};
    assert_int_equal(pare_width_cost(&costs, model, widths), 1000 + 160 + 120 + 100 + 60);
    assert_int_equal(pare_width_cost(NULL, model, widths), pare_parameters_with(model, widths, model->config.hidden));
    close_tiny(model, folder);
}

/* The least ratio whose widths keep to the share of 1000 + 3 (160 + 120) that is asked for; what nothing reaches is
 * refused with what is left. */
static void goals_keep_to_a_share(void **state) {
    (void)state;
    char *folder;
    pare_model *model = open_tiny(&folder);
    pare_goal goal;
    pare_target target = {.attention = {0, 3}, .ffn = {0, 3}, .latency = 0.9, .costs = &costs};
    assert_int_equal(pare_goal_new(model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(pare_target_budget(model, &target, &goal), 1656);
    uint64_t cost = pare_width_cost(&costs, model, goal.widths);
    assert_true(cost <= 1656);
    target.latency = 0.0;
    target.costs = NULL;
    target.ratio = goal.ratio - 0.03; /* a channel less of each layer */
    pare_goal less;
    assert_int_equal(pare_goal_new(model, &target, 1.0, &less), PARE_OK);
    assert_true(pare_width_cost(&costs, model, less.widths) > 1656);
    assert_int_equal(pare_target_budget(model, &target, &less), less.parameters);
    pare_goal_free(&less);
    pare_goal_free(&goal);
    target.latency = 0.5;
    target.costs = &costs;
    assert_int_equal(pare_goal_new(model, &target, 1.0, &goal), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--latency 0.5 cannot be reached"));
    close_tiny(model, folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_between_points),
        cmocka_unit_test(models_cost_their_halves),
        cmocka_unit_test(goals_keep_to_a_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
