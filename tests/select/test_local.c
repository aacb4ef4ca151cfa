/* Which units stay: the highest scores of each layer, of equal ones the later. */
#include "shape.h"
#include "support/random.h"

static pare_selection select_from(const shape *s, const pare_unit_scores *scores, const pare_widths *widths) {
    pare_selection selection;
    assert_int_equal(pare_select_at_widths(&s->model, scores, widths, false, &selection), PARE_OK);
    assert_int_equal(selection.layers, s->model.config.layers);
    return selection;
}

static void equal_scores_go_from_the_front(void **state) {
    (void)state;
    shape *s = shape_new(1, 16, (pare_widths){8, 4, 6}, 4, 8);
    pare_unit_scores scores;
    assert_int_equal(pare_unit_scores_new(&s->model, &scores), PARE_OK);
    static const double heads[] = {1.0, 0.0, 1.0, 1.0}, ffn[] = {2.0, 1.0, 1.0, 1.0, 3.0, -0.0};
    memcpy(scores.heads[0], heads, sizeof heads);
    memcpy(scores.ffn[0], ffn, sizeof ffn);
    pare_selection kept = select_from(s, &scores, (pare_widths[]){{4, 2, 3}});
    assert_int_equal(kept.layer[0].kv_heads, 2);
    assert_memory_equal(kept.layer[0].kv_head, ((uint32_t[]){2, 3}), 8);
    assert_memory_equal(kept.layer[0].ffn_channel, ((uint32_t[]){0, 3, 4}), 12);
    pare_selection_free(&kept);
    memset(scores.ffn[0], 0, sizeof ffn);
    scores.ffn[0][3] = -0.0; /* equal to the others */
    kept = select_from(s, &scores, (pare_widths[]){{8, 4, 2}});
    assert_memory_equal(kept.layer[0].ffn_channel, ((uint32_t[]){4, 5}), 8);
    assert_memory_equal(kept.layer[0].kv_head, ((uint32_t[]){0, 1, 2, 3}), 16);
    pare_selection_free(&kept);
    pare_unit_scores_free(&scores);
    free(s);
}

/* Among few distinct values, so that ties abound: a unit stays exactly if fewer than `keep` are ahead of it. */
static void check_layer(const double *scores, uint32_t count, const uint32_t *kept, uint32_t keep) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t ahead = 0;
        for (uint32_t j = 0; j < count; j++)
            ahead += scores[j] > scores[i] || (scores[j] == scores[i] && j > i);
        if (ahead >= keep) continue;
        assert_true(at < keep);
        assert_int_equal(kept[at++], i);
    }
    assert_int_equal(at, keep);
}

static void layers_are_ranked_by_themselves(void **state) {
    (void)state;
    shape *s = shape_new(4, 16, (pare_widths){0, 0, 0}, 4, 8);
    pare_widths widths[4];
    pare_unit_scores scores;
    pare_random random = {.seed = 3};
    for (int i = 0; i < 4; i++) {
        uint32_t kv = 3 + (uint32_t)i, ffn = 200 + 31 * (uint32_t)i;
        s->widths[i] = (pare_widths){2 * kv, kv, ffn};
        widths[i] = (pare_widths){2 * (kv - (uint32_t)i), kv - (uint32_t)i, ffn / (1 + (uint32_t)i)};
    }
    assert_int_equal(pare_unit_scores_new(&s->model, &scores), PARE_OK);
    for (int i = 0; i < 4; i++) {
        for (uint32_t j = 0; j < s->widths[i].kv_heads; j++)
            scores.heads[i][j] = (double)pare_random_below(&random, 3) * pow(10.0, i);
        for (uint32_t j = 0; j < s->widths[i].ffn; j++)
            scores.ffn[i][j] = (double)pare_random_below(&random, 20) * pow(10.0, -i);
    }
    pare_selection kept = select_from(s, &scores, widths);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(kept.layer[i].kv_heads, widths[i].kv_heads);
        assert_int_equal(kept.layer[i].ffn, widths[i].ffn);
        check_layer(scores.heads[i], s->widths[i].kv_heads, kept.layer[i].kv_head, widths[i].kv_heads);
        check_layer(scores.ffn[i], s->widths[i].ffn, kept.layer[i].ffn_channel, widths[i].ffn);
    }
    pare_selection_free(&kept);
    pare_unit_scores_free(&scores);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_scores_go_from_the_front),
        cmocka_unit_test(layers_are_ranked_by_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
