/* What a target means in units before any score is known: lists of ratios, bytes, shares that stay, rising shares,
 * query heads, hidden channels, layers, part of the way, and what is refused. */
#include "select/shape.h"
#include "tiny_model.h"

/* 4 layers, 8 query heads over 4 groups of size 8, 100 channels, hidden size 64. */
static shape *small(void) {
    return shape_new(4, 64, (pare_widths){8, 4, 100}, 8, 32);
}

static pare_target whole(double ratio) {
    return (pare_target){.ratio = ratio, .attention = {0, 4}, .ffn = {0, 4}};
}

static void expect(const shape *s, const pare_target *target, double share, const pare_widths *widths) {
    pare_goal goal;
    pare_status status = pare_goal_new(&s->model, target, share, &goal);
    if (status) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    assert_memory_equal(goal.widths, widths, s->model.config.layers * sizeof *widths);
    assert_true(goal.parameters == shape_parameters(s, widths));
    pare_goal_free(&goal);
}

static void refuse(const shape *s, pare_target target, double share, const char *sentence) {
    pare_goal goal;
    assert_int_equal(pare_goal_new(&s->model, &target, share, &goal), PARE_BAD_ARGUMENT);
    if (!strstr(pare_message(), sentence)) fprintf(stderr, "%s\n", pare_message());
    assert_non_null(strstr(pare_message(), sentence));
    assert_null(goal.widths);
}

static void a_share_for_each_layer(void **state) {
    (void)state;
    shape *s = small();
    double ratios[] = {0.0, 0.25, 0.5, 0.75};
    pare_target target = whole(0.0);
    target.ratios = ratios;
    expect(s, &target, 1.0, (pare_widths[]){{8, 4, 100}, {6, 3, 75}, {4, 2, 50}, {2, 1, 25}});
    target.ffn = (pare_layer_range){3, 4};
    target.attention = (pare_layer_range){0, 3};
    expect(s, &target, 1.0, (pare_widths[]){{8, 4, 100}, {6, 3, 100}, {4, 2, 100}, {8, 4, 25}});
    target = whole(0.0);
    target.ratios = ratios;
    expect(s, &target, 0.5, (pare_widths[]){{8, 4, 100}, {8, 4, 87}, {6, 3, 75}, {6, 3, 62}});
    ratios[2] = 1.0;
    refuse(s, target, 1.0, "layer 2");
    ratios[2] = -0.1;
    refuse(s, target, 1.0, "layer 2");
    ratios[2] = NAN;
    refuse(s, target, 1.0, "layer 2");
    memset(ratios, 0, sizeof ratios);
    refuse(s, target, 1.0, "no layer loses anything");
    free(s);
}

static void part_of_the_way(void **state) {
    (void)state;
    shape *s = small();
    pare_target target = whole(0.5);
    pare_widths half[4], third[4];
    for (int i = 0; i < 4; i++) {
        half[i] = (pare_widths){6, 3, 75};
        third[i] = (pare_widths){8, 4, 83}; /* trunc(100 (1 - 1/6)); two thirds of a group */
    }
    expect(s, &target, 0.5, half);
    expect(s, &target, 1.0 / 3.0, third);
    target.ratio = 0.02; /* the way there begins with nothing */
    for (int i = 0; i < 4; i++)
        third[i] = (pare_widths){8, 4, 99};
    expect(s, &target, 0.001, third);
    free(s);
}

static void shares_that_stay(void **state) {
    (void)state;
    shape *s = small();
    pare_target target = whole(0.75);
    target.keep_min = 0.51;
    expect(s, &target, 1.0, (pare_widths[]){{6, 3, 51}, {6, 3, 51}, {6, 3, 51}, {6, 3, 51}});
    target.keep_min = 0.25;
    expect(s, &target, 1.0, (pare_widths[]){{2, 1, 25}, {2, 1, 25}, {2, 1, 25}, {2, 1, 25}});
    target.keep_min = 0.51;
    target.round_to = 8; /* multiples hold for them, too */
    expect(s, &target, 1.0, (pare_widths[]){{6, 3, 56}, {6, 3, 56}, {6, 3, 56}, {6, 3, 56}});
    target.keep_min = 1.0;
    refuse(s, target, 1.0, "removes nothing");
    free(s);
}

static void shares_that_rise(void **state) {
    (void)state;
    shape *s = small();
    pare_target target = whole(0.5);
    target.ranking = PARE_RANK_RISING;
    target.rise = 0.5; /* 1/4, 5/12, 7/12, 3/4 */
    expect(s, &target, 1.0, (pare_widths[]){{6, 3, 75}, {6, 3, 58}, {4, 2, 41}, {2, 1, 25}});
    expect(s, &target, 0.5, (pare_widths[]){{8, 4, 87}, {8, 4, 79}, {6, 3, 70}, {6, 3, 62}});
    target.rise = 0.0;
    expect(s, &target, 1.0, (pare_widths[]){{4, 2, 50}, {4, 2, 50}, {4, 2, 50}, {4, 2, 50}});
    target.rise = 0.5; /* over the layers in range: 1/4, 3/4 */
    target.attention = target.ffn = (pare_layer_range){1, 3};
    expect(s, &target, 1.0, (pare_widths[]){{8, 4, 100}, {6, 3, 75}, {2, 1, 25}, {8, 4, 100}});
    target.attention = target.ffn = (pare_layer_range){1, 2};
    expect(s, &target, 1.0, (pare_widths[]){{8, 4, 100}, {4, 2, 50}, {8, 4, 100}, {8, 4, 100}});
    free(s);
}

static void query_heads_inside_groups(void **state) {
    (void)state;
    shape *s = shape_new(2, 64, (pare_widths){12, 3, 40}, 8, 32);
    pare_target target = {.ratio = 0.5, .query_heads = true, .attention = {0, 2}, .ffn = {0, 2}};
    expect(s, &target, 1.0, (pare_widths[]){{6, 3, 20}, {6, 3, 20}});
    target.ratio = 0.3;
    expect(s, &target, 1.0, (pare_widths[]){{9, 3, 28}, {9, 3, 28}});
    target.keep_min = 0.75;
    target.ratio = 0.6;
    expect(s, &target, 1.0, (pare_widths[]){{9, 3, 30}, {9, 3, 30}});
    free(s);
    shape *alone = small();
    for (int i = 0; i < 4; i++)
        alone->widths[i] = (pare_widths){4, 4, 100};
    target = whole(0.5);
    target.query_heads = true; /* one head per group: none can go */
    target.ffn = (pare_layer_range){0, 0};
    refuse(alone, target, 1.0, "removes nothing");
    free(alone);
}

static void hidden_channels(void **state) {
    (void)state;
    shape *s = small();
    pare_goal goal;
    pare_target target = whole(0.3);
    target.mode = PARE_MODE_CHANNEL;
    assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(goal.hidden, 44); /* trunc(44.8) */
    assert_int_equal(goal.layers, 4);
    assert_memory_equal(goal.widths, s->widths, 4 * sizeof *goal.widths);
    assert_true(goal.parameters == pare_parameters_with(&s->model, s->widths, 44));
    pare_goal_free(&goal);
    target.round_to = 16;
    assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(goal.hidden, 48);
    pare_goal_free(&goal);
    target.round_to = 0;
    target.ratio = 0.99;
    refuse(s, target, 1.0, "hidden channel");
    free(s);
}

static void whole_layers(void **state) {
    (void)state;
    shape *s = small();
    pare_goal goal;
    pare_target target = whole(0.5);
    target.mode = PARE_MODE_LAYER;
    assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(goal.layers, 2);
    s->model.config.layers = 2;
    assert_true(goal.parameters == shape_parameters(s, s->widths));
    s->model.config.layers = 4;
    pare_goal_free(&goal);
    target.ratio = 0.34; /* of the three layers in range */
    target.attention = target.ffn = (pare_layer_range){1, 4};
    assert_int_equal(pare_goal_new(&s->model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(goal.layers, 2);
    pare_goal_free(&goal);
    target = whole(0.9);
    target.mode = PARE_MODE_LAYER;
    refuse(s, target, 1.0, "without a single layer");
    free(s);
}

/* A real model, stored in two bytes per weight: the smallest ratio that reaches the bytes. */
static void a_target_in_bytes(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){.ffn = 40, .dtype = PARE_DTYPE_BF16});
    pare_model *model;
    pare_goal goal;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    uint64_t all = pare_model_bytes(model);
    for (int percent = 98; percent >= 60; percent -= 7) {
        pare_target target = {.bytes = all * (unsigned)percent / 100, .attention = {0, 2}, .ffn = {0, 2}};
        assert_int_equal(pare_goal_new(model, &target, 1.0, &goal), PARE_OK);
        assert_true(goal.bytes <= target.bytes && goal.bytes == 2 * goal.parameters);
        pare_target less = {.ratio = goal.ratio - 1e-9, .attention = {0, 2}, .ffn = {0, 2}};
        pare_goal_free(&goal);
        if (pare_goal_new(model, &less, 1.0, &goal) == PARE_OK) assert_true(goal.bytes > target.bytes);
        pare_goal_free(&goal);
    }
    pare_target target = {.bytes = all, .attention = {0, 2}, .ffn = {0, 2}};
    assert_int_equal(pare_goal_new(model, &target, 1.0, &goal), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--bytes"));
    target.bytes = 1;
    assert_int_equal(pare_goal_new(model, &target, 1.0, &goal), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--bytes 1"));
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

static void nothing_to_remove(void **state) {
    (void)state;
    shape *s = small();
    pare_target target = whole(0.2);
    target.ffn = (pare_layer_range){0, 0}; /* a fifth of four groups */
    refuse(s, target, 1.0, "removes nothing");
    target.attention = (pare_layer_range){0, 0};
    refuse(s, target, 1.0, "no layer is left to prune");
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_share_for_each_layer),
        cmocka_unit_test(part_of_the_way),
        cmocka_unit_test(shares_that_stay),
        cmocka_unit_test(shares_that_rise),
        cmocka_unit_test(query_heads_inside_groups),
        cmocka_unit_test(hidden_channels),
        cmocka_unit_test(whole_layers),
        cmocka_unit_test(a_target_in_bytes),
        cmocka_unit_test(nothing_to_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
