/* A target in parameters: the ratio that is solved for reaches it, and no smaller one does. */
#include "shape.h"

/* With nothing removed where the ratio is too small for that. */
static uint64_t parameters_at(shape *s, pare_target target, double ratio, pare_widths *widths) {
    target.parameters = 0;
    target.ratio = ratio;
    pare_goal goal;
    memcpy(widths, s->widths, s->model.config.layers * sizeof *widths);
    if (pare_goal_new(&s->model, &target, 1.0, &goal) != PARE_OK) {
        assert_non_null(strstr(pare_message(), "removes nothing"));
        return shape_parameters(s, widths);
    }
    memcpy(widths, goal.widths, s->model.config.layers * sizeof *widths);
    uint64_t parameters = pare_parameters_with(&s->model, widths, s->model.config.hidden);
    assert_true(goal.parameters == parameters && goal.ratio == ratio);
    pare_goal_free(&goal);
    return parameters;
}

static double solve(shape *s, pare_target target) {
    pare_widths again[SHAPE_LAYERS];
    pare_goal goal;
    assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_OK);
    assert_true(goal.ratio > 0.0 && goal.ratio < 1.0);
    assert_true(goal.parameters <= target.parameters);
    assert_true(goal.parameters == pare_parameters_with(&s->model, goal.widths, s->model.config.hidden));
    parameters_at(s, target, goal.ratio, again);
    assert_memory_equal(goal.widths, again, s->model.config.layers * sizeof *again);
    double ratio = goal.ratio, smaller = fmin(nextafter(ratio, 0.0), ratio - 0x1p-59);
    assert_true(parameters_at(s, target, smaller, again) > target.parameters);
    pare_goal_free(&goal);
    return ratio;
}

static void targets_are_reached_and_not_overshot(void **state) {
    (void)state;
    shape *shapes[] = {shape_llama_7b(), shape_llama_13b(), shape_llama3_8b(), shape_tinyllama(),
                       shape_new(3, 64, (pare_widths){8, 4, 171}, 8, 512)};
    static const double shares[] = {0.999999, 0.99, 0.9, 0.8047, 0.75, 0.6};
    static const uint32_t multiples[] = {0, 16};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint32_t layers = shapes[i]->model.config.layers;
        uint64_t all = pare_parameters_with(&shapes[i]->model, shapes[i]->widths, shapes[i]->model.config.hidden);
        for (size_t j = 0; j < sizeof shares / sizeof *shares; j++)
            for (size_t k = 0; k < 2; k++)
                solve(shapes[i], (pare_target){.parameters = (uint64_t)(shares[j] * (double)all),
                                               .attention = {layers > 8 ? 1 : 0, layers},
                                               .ffn = {layers > 8 ? 1 : 0, layers},
                                               .round_to = multiples[k]});
        free(shapes[i]);
    }
}

/* What a ratio leaves is a target that at most that ratio reaches, with the same widths. */
static void a_count_leads_back_to_its_widths(void **state) {
    (void)state;
    shape *s = shape_llama_7b();
    pare_widths wanted[SHAPE_LAYERS];
    pare_goal found;
    static const double ratios[] = {0.1, 0.2, 0.25, 0.5, 0.625};
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
        pare_target target = {.attention = {4, 30}, .ffn = {4, 30}};
        target.parameters = parameters_at(s, target, ratios[i], wanted);
        assert_true(solve(s, target) <= ratios[i]);
        assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &found), PARE_OK);
        assert_memory_equal(wanted, found.widths, 32 * sizeof *wanted);
        pare_goal_free(&found);
    }
    free(s);
}

static void impossible_targets(void **state) {
    (void)state;
    shape *s = shape_llama_7b();
    pare_goal goal;
    static const uint64_t targets[] = {6738415616u, 6738415617u, UINT64_MAX, 1000000000u, 1};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        pare_target target = {.parameters = targets[i], .attention = {4, 30}, .ffn = {4, 30}};
        assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), "--params"));
    }
    free(s);
}

/* Reachable on paper only, with layers that have nothing left: said in terms of what was asked for. */
static void a_target_that_empties_layers(void **state) {
    (void)state;
    shape *s = shape_new(2, 64, (pare_widths){2, 2, 100}, 8, 32);
    pare_goal goal;
    pare_target target = {.parameters = 32 * 64 * 2 + 5 * 64 + 100, .attention = {0, 2}, .ffn = {0, 2}};
    assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--params 4516"));
    assert_null(strstr(pare_message(), "--ratio"));
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_are_reached_and_not_overshot),
        cmocka_unit_test(a_count_leads_back_to_its_widths),
        cmocka_unit_test(impossible_targets),
        cmocka_unit_test(a_target_that_empties_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
