/* One width for all layers: the cheapest pair of heads and channels for the budget, found by trying all. */
#include "select/random_units.h"

/* Sum of the `steps` lowest of `count` scores. */
static double lowest(const double *scores, uint32_t count, uint32_t steps) {
    double total = 0.0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t below = 0;
        for (uint32_t j = 0; j < count; j++)
            below += scores[j] < scores[i] || (scores[j] == scores[i] && j < i);
        if (below < steps) total += scores[i];
    }
    return total;
}

/* For every number of heads the most channels that the budget leaves to remove. */
static pare_widths by_trying(const shape *s, const pare_unit_scores *scores, uint64_t budget) {
    pare_widths best = {0}, all[SHAPE_LAYERS];
    double least = INFINITY;
    uint32_t layers = s->model.config.layers, kv = s->widths[0].kv_heads, ffn = s->widths[0].ffn;
    uint32_t shared = s->widths[0].heads / kv;
    for (uint32_t heads = 1; heads <= kv; heads++)
        for (uint32_t channels = 1; channels <= ffn; channels++) {
            for (uint32_t i = 0; i < layers; i++)
                all[i] = (pare_widths){heads * shared, heads, channels};
            if (shape_parameters(s, all) < budget) continue;
            double cost = 0.0;
            for (uint32_t i = 0; i < layers; i++)
                cost += lowest(scores->heads[i], kv, kv - heads) + lowest(scores->ffn[i], ffn, ffn - channels);
            bool tight = shape_parameters(s, all) - budget < 3ull * s->model.config.hidden * layers;
            if (tight && cost < least) {
                least = cost;
                best = all[0];
            }
            break; /* more channels for these heads are not tight */
        }
    return best;
}

static void the_cheapest_pair(void **state) {
    (void)state;
    shape *s = shape_new(3, 16, (pare_widths){8, 4, 30}, 4, 8);
    static const double weights[] = {0.1, 2.0, 5.0, 100.0};
    uint32_t seen = 0;
    for (size_t w = 0; w < 4; w++)
        for (uint64_t seed = 0; seed < 10; seed++)
            for (int percent = 10; percent <= 60; percent += 10) {
                pare_unit_scores scores = random_units(s, seed, weights[w]);
                pare_target target = whole_model(s, PARE_RANK_UNIFORM, percent / 100.0);
                pare_widths widths[3];
                pare_goal goal;
                pare_selection kept = random_select(s, &scores, &target, &goal, widths);
                pare_widths expected = by_trying(s, &scores, goal.parameters);
                for (int i = 0; i < 3; i++)
                    assert_memory_equal(&widths[i], &expected, sizeof expected);
                assert_true(shape_parameters(s, widths) >= goal.parameters);
                seen |= 1u << widths[0].kv_heads;
                pare_selection_free(&kept);
                pare_goal_free(&goal);
                pare_unit_scores_free(&scores);
            }
    assert_true(seen == 0x1e); /* every number of groups was best for some scores */
    free(s);
}

static void layers_of_other_widths_are_refused(void **state) {
    (void)state;
    shape *s = shape_new(3, 16, (pare_widths){8, 4, 30}, 4, 8);
    s->widths[2].ffn = 20;
    pare_unit_scores scores = random_units(s, 1, 1.0);
    pare_target target = whole_model(s, PARE_RANK_UNIFORM, 0.5);
    pare_goal goal;
    pare_selection kept;
    assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(pare_select(&s->model, &scores, &target, &goal, &kept), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "layer 2"));
    pare_goal_free(&goal);
    pare_unit_scores_free(&scores);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_pair),
        cmocka_unit_test(layers_of_other_widths_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
