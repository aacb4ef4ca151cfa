/* Rankings over all layers: by score per parameter down to a budget, and as LLM-Pruner has it. */
#include "select/random_units.h"

/* The price per parameter of the dearest unit that went and of the cheapest that stayed. */
static void prices(const shape *s, const pare_unit_scores *scores, const pare_selection *kept, double *gone,
                   double *stays) {
    const pare_config *c = &s->model.config;
    *gone = 0.0;
    *stays = INFINITY;
    for (uint32_t i = 0; i < c->layers; i++)
        for (int ffn = 0; ffn < 2; ffn++) {
            const uint32_t *list = ffn ? kept->layer[i].ffn_channel : kept->layer[i].kv_head;
            uint32_t count = ffn ? s->widths[i].ffn : s->widths[i].kv_heads, left = 0;
            uint32_t most = ffn ? kept->layer[i].ffn : kept->layer[i].kv_heads;
            double cost = ffn ? 3.0 * c->hidden
                              : 2.0 * c->hidden * c->head_size * (1 + s->widths[i].heads / s->widths[i].kv_heads);
            for (uint32_t j = 0; j < count; j++) {
                double price = (ffn ? scores->ffn[i][j] : scores->heads[i][j]) / cost;
                bool here = left < most && list[left] == j;
                left += here;
                if (!here) *gone = fmax(*gone, price);
                if (here && most > 1) *stays = fmin(*stays, price); /* the last unit of a layer stays in any case */
            }
        }
}

static void the_cheapest_parameters_go(void **state) {
    (void)state;
    shape *s = shape_new(5, 16, (pare_widths){8, 4, 60}, 4, 8);
    uint64_t head = 2 * 16 * 4 * 3, channel = 3 * 16;
    for (uint64_t seed = 0; seed < 20; seed++)
        for (int percent = 10; percent <= 70; percent += 15) {
            pare_unit_scores scores = random_units(s, seed, 8.0);
            pare_target target = whole_model(s, PARE_RANK_GLOBAL, percent / 100.0);
            pare_widths widths[5];
            pare_goal goal;
            pare_selection kept = random_select(s, &scores, &target, &goal, widths);
            uint64_t left = shape_parameters(s, widths);
            double gone, stays;
            assert_true(left >= goal.parameters && left < goal.parameters + channel);
            prices(s, &scores, &kept, &gone, &stays);
            /* A head that no longer fits may be passed over for dearer channels: fewer of them than it has parameters.
             */
            uint64_t cheaper = 0;
            for (uint32_t i = 0; i < 5; i++)
                for (uint32_t j = 0, at = 0; j < 60; j++) {
                    bool here = at < kept.layer[i].ffn && kept.layer[i].ffn_channel[at] == j;
                    at += here;
                    cheaper += !here && scores.ffn[i][j] / (double)channel > stays;
                }
            assert_true(gone <= stays || cheaper * channel <= head);
            pare_selection_free(&kept);
            pare_goal_free(&goal);
            pare_unit_scores_free(&scores);
        }
    free(s);
}

static void shares_and_multiples_hold(void **state) {
    (void)state;
    shape *s = shape_new(4, 16, (pare_widths){8, 4, 60}, 4, 8);
    static const pare_ranking rankings[] = {PARE_RANK_GLOBAL, PARE_RANK_GLOBAL_RAW, PARE_RANK_UNIFORM};
    for (size_t r = 0; r < 3; r++) {
        pare_unit_scores scores = random_units(s, 4, 8.0);
        for (int i = 0; i < 60; i++)
            scores.ffn[2][i] *= 1e-6; /* a layer that would go at once */
        pare_target target = whole_model(s, rankings[r], 0.3);
        pare_widths widths[4];
        pare_goal goal;
        target.keep_min = 0.4;
        target.round_to = 7;
        pare_selection kept = random_select(s, &scores, &target, &goal, widths);
        for (int i = 0; i < 4; i++) {
            assert_true(widths[i].ffn >= 24 && widths[i].kv_heads >= 2);
            assert_true(widths[i].ffn % 7 == 0 || widths[i].ffn == 60);
        }
        if (rankings[r] != PARE_RANK_UNIFORM) assert_int_equal(widths[2].ffn, 28);
        if (rankings[r] != PARE_RANK_GLOBAL_RAW) assert_true(shape_parameters(s, widths) >= goal.parameters);
        assert_int_equal(kept.layer[2].ffn, widths[2].ffn);
        pare_selection_free(&kept);
        pare_goal_free(&goal);
        pare_unit_scores_free(&scores);
    }
    free(s);
}

static void only_layers_in_range_lose_units(void **state) {
    (void)state;
    shape *s = shape_new(6, 16, (pare_widths){8, 4, 60}, 4, 8);
    static const pare_ranking rankings[] = {PARE_RANK_GLOBAL, PARE_RANK_GLOBAL_RAW};
    for (size_t r = 0; r < 2; r++) {
        pare_unit_scores scores = random_units(s, 9, 1.0);
        pare_target target = whole_model(s, rankings[r], 0.5);
        pare_widths widths[6];
        pare_goal goal;
        target.attention = (pare_layer_range){0, 2};
        target.ffn = (pare_layer_range){3, 5};
        pare_selection kept = random_select(s, &scores, &target, &goal, widths);
        for (uint32_t i = 0; i < 6; i++) {
            if (i >= 2) assert_int_equal(widths[i].kv_heads, 4);
            if (i < 3 || i == 5) assert_int_equal(widths[i].ffn, 60);
        }
        assert_true(widths[3].ffn < 60 && widths[4].ffn < 60);
        pare_selection_free(&kept);
        pare_goal_free(&goal);
        pare_unit_scores_free(&scores);
    }
    free(s);
}

/* [4 heads + 48 channels] x 2 layers, a head summing over 128 indices: a quarter of the 104 units, and none is a head.
 */
static void raw_ranking_takes_channels(void **state) {
    (void)state;
    shape *s = shape_new(2, 32, (pare_widths){4, 4, 48}, 8, 32);
    pare_unit_scores scores = random_units(s, 2, 128.0);
    for (int i = 0; i < 2; i++)
        for (int j = 0; j < 4; j++)
            scores.heads[i][j] += 2.0;
    pare_target target = whole_model(s, PARE_RANK_GLOBAL_RAW, 0.25);
    pare_widths widths[2];
    pare_goal goal;
    pare_selection kept = random_select(s, &scores, &target, &goal, widths);
    assert_int_equal(widths[0].heads + widths[1].heads, 8);
    assert_int_equal(48 - widths[0].ffn + 48 - widths[1].ffn, 26);
    double least_kept = INFINITY, most_gone = 0.0;
    for (int i = 0; i < 2; i++)
        for (uint32_t j = 0, at = 0; j < 48; j++) {
            bool here = at < kept.layer[i].ffn && kept.layer[i].ffn_channel[at] == j;
            at += here;
            if (here) least_kept = fmin(least_kept, scores.ffn[i][j]);
            if (!here) most_gone = fmax(most_gone, scores.ffn[i][j]);
        }
    assert_true(most_gone < least_kept);
    pare_selection_free(&kept);
    pare_goal_free(&goal);
    pare_unit_scores_free(&scores);
    free(s);
}

/* Equals of the threshold go too, and a group that would lose everything keeps everything. */
static void raw_ranking_and_equals(void **state) {
    (void)state;
    shape *s = shape_new(2, 32, (pare_widths){2, 2, 10}, 8, 32);
    pare_unit_scores scores = random_units(s, 2, 100.0);
    pare_target target = whole_model(s, PARE_RANK_GLOBAL_RAW, 0.25); /* 6 of 24 */
    pare_widths widths[2];
    pare_goal goal;
    for (int j = 0; j < 10; j++) {
        scores.ffn[0][j] = j < 9 ? 1.0 : 5.0;
        scores.ffn[1][j] = 3.0;
    }
    for (int i = 0; i < 2; i++)
        scores.heads[i][0] = scores.heads[i][1] = 50.0;
    pare_selection kept = random_select(s, &scores, &target, &goal, widths);
    assert_int_equal(widths[0].ffn, 1);
    assert_int_equal(widths[1].ffn, 10);
    pare_selection_free(&kept);
    pare_goal_free(&goal);
    scores.ffn[0][9] = 1.0;
    kept = random_select(s, &scores, &target, &goal, widths);
    assert_int_equal(widths[0].ffn, 10);
    assert_int_equal(widths[1].ffn, 10);
    pare_selection_free(&kept);
    pare_goal_free(&goal);
    pare_unit_scores_free(&scores);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_parameters_go),      cmocka_unit_test(shares_and_multiples_hold),
        cmocka_unit_test(only_layers_in_range_lose_units), cmocka_unit_test(raw_ranking_takes_channels),
        cmocka_unit_test(raw_ranking_and_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
