/* How much goes: the published parameter counts, and the rounding of odd ratios. */
#include "shape.h"

static void check(shape *s, uint32_t begin, uint32_t end, double ratio, pare_widths removed, uint64_t before,
                  uint64_t after) {
    pare_widths widths[SHAPE_LAYERS];
    pare_target target = {.ratio = ratio, .attention = {begin, end}, .ffn = {begin, end}};
    assert_true(shape_parameters(s, s->widths) == before);
    assert_int_equal(shape_widths(s, &target, widths), PARE_OK);
    assert_true(shape_parameters(s, widths) == after);
    for (uint32_t i = 0; i < s->model.config.layers; i++) {
        bool inside = i >= begin && i < end;
        assert_int_equal(s->widths[i].heads - widths[i].heads, inside ? removed.heads : 0);
        assert_int_equal(s->widths[i].kv_heads - widths[i].kv_heads, inside ? removed.kv_heads : 0);
        assert_int_equal(s->widths[i].ffn - widths[i].ffn, inside ? removed.ffn : 0);
    }
    free(s);
}

static void published_counts(void **state) {
    (void)state;
    const uint64_t llama_7b = 6738415616u;
    check(shape_llama_7b(), 4, 30, 0.25, (pare_widths){8, 8, 2752}, llama_7b, 5422977024u);
    check(shape_llama_7b(), 4, 30, 0.20, (pare_widths){6, 6, 2202}, llama_7b, 5707747328u);
    check(shape_llama_7b(), 4, 30, 0.625, (pare_widths){20, 20, 6880}, llama_7b, 3449819136u);
    check(shape_llama_13b(), 4, 36, 0.25, (pare_widths){10, 10, 3456}, 13015864320u, 10478310400u);
    check(shape_llama3_8b(), 4, 30, 0.25, (pare_widths){8, 2, 3584}, 8030261248u, 6612586496u);
    check(shape_tinyllama(), 4, 18, 0.25, (pare_widths){8, 1, 1408}, 1100048384u, 945907712u);
    check(shape_new(8, 256, (pare_widths){8, 8, 688}, 32, 4096), 1, 7, 0.25, (pare_widths){2, 2, 172}, 8425728,
          7239936);
    check(shape_new(8, 256, (pare_widths){8, 8, 688}, 32, 4096), 1, 7, 0.5, (pare_widths){4, 4, 344}, 8425728, 6054144);
}

static void tied_embeddings_count_once(void **state) {
    (void)state;
    shape *s = shape_new(5, 64, (pare_widths){8, 4, 172}, 8, 512);
    s->model.config.tied = true;
    check(s, 0, 5, 0.25, (pare_widths){2, 1, 43}, 5 * (64 * 8 * 24 + 3 * 64 * 172 + 128) + 512 * 64 + 64,
          5 * (64 * 8 * 18 + 3 * 64 * 129 + 128) + 512 * 64 + 64);
}

static pare_status widths_at(shape *s, double ratio, uint32_t round_to, pare_widths *widths) {
    uint32_t layers = s->model.config.layers;
    pare_target target = {.ratio = ratio, .attention = {0, layers}, .ffn = {0, layers}, .round_to = round_to};
    return shape_widths(s, &target, widths);
}

/* n - trunc(n (1 - ratio)) indices, of which heads take whole ones. */
static void any_ratio(void **state) {
    (void)state;
    shape *s = shape_new(2, 48, (pare_widths){12, 6, 97}, 10, 32);
    pare_widths widths[SHAPE_LAYERS], before = {12, 6, 97};
    for (int i = 1; i < 983; i++) {
        double ratio = i / 1000.0;
        uint32_t ffn = (uint32_t)(97.0 * (1.0 - ratio)), indices = (uint32_t)(60.0 * (1.0 - ratio));
        uint32_t kv = 6 - (60 - indices) / 10;
        if (kv == 0 || ffn == 0) continue;
        assert_int_equal(widths_at(s, ratio, 0, widths), PARE_OK);
        assert_int_equal(widths[1].ffn, ffn);
        assert_int_equal(widths[1].kv_heads, kv);
        assert_int_equal(widths[1].heads, 2 * kv);
        assert_true(widths[0].ffn <= before.ffn && widths[0].kv_heads <= before.kv_heads);
        before = widths[0];
    }
    free(s);
}

static void ratios_close_to_the_ends(void **state) {
    (void)state;
    shape *s = shape_new(2, 64, (pare_widths){8, 4, 1000}, 8, 32);
    pare_widths widths[SHAPE_LAYERS];
    static const double refused[] = {0.0, 1.0, 1.5, -0.25, NAN, INFINITY, -INFINITY};
    assert_int_equal(widths_at(s, 1e-9, 0, widths), PARE_OK);
    assert_int_equal(widths[0].kv_heads, 4);
    assert_int_equal(widths[0].ffn, 999);
    assert_int_equal(widths_at(s, 0.9687, 0, widths), PARE_OK);
    assert_int_equal(widths[0].kv_heads, 1);
    assert_int_equal(widths[0].ffn, 31);
    assert_int_equal(widths_at(s, 1.0 - 1e-9, 0, widths), PARE_BAD_ARGUMENT);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_int_equal(widths_at(s, refused[i], 0, widths), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), "--ratio"));
    }
    free(s);
}

static void a_layer_keeps_a_head_and_a_channel(void **state) {
    (void)state;
    pare_widths widths[SHAPE_LAYERS];
    shape *heads = shape_new(3, 64, (pare_widths){8, 8, 1000}, 8, 32),
          *channels = shape_new(3, 64, (pare_widths){8, 8, 3}, 8, 32);
    heads->widths[2] = (pare_widths){4, 1, 1000};
    assert_int_equal(widths_at(heads, 0.5, 0, widths), PARE_OK);
    assert_int_equal(widths[2].kv_heads, 1);
    assert_int_equal(widths_at(heads, 0.99, 0, widths), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "layer 0"));
    assert_non_null(strstr(pare_message(), "key/value head"));
    assert_int_equal(widths_at(channels, 0.7, 0, widths), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "FFN channel"));
    free(heads);
    free(channels);
}

static void kept_channels_round_up(void **state) {
    (void)state;
    shape *s = shape_llama_7b();
    pare_widths widths[SHAPE_LAYERS];
    assert_int_equal(widths_at(s, 0.2, 256, widths), PARE_OK);
    assert_int_equal(widths[0].ffn, 8960); /* of 8806 */
    assert_int_equal(widths[0].kv_heads, 26);
    assert_int_equal(widths_at(s, 0.25, 64, widths), PARE_OK);
    assert_int_equal(widths[0].ffn, 8256); /* a multiple already */
    assert_int_equal(widths_at(s, 0.2, 1, widths), PARE_OK);
    assert_int_equal(widths[0].ffn, 8806);
    assert_int_equal(widths_at(s, 0.2, 10000, widths), PARE_OK);
    assert_int_equal(widths[0].ffn, 10000);
    assert_int_equal(widths_at(s, 0.2, UINT32_MAX, widths), PARE_OK);
    assert_int_equal(widths[0].ffn, 11008); /* never more than there were */
    free(s);
}

static void layers_out_of_range(void **state) {
    (void)state;
    shape *s = shape_new(4, 64, (pare_widths){8, 4, 100}, 8, 32);
    pare_widths widths[SHAPE_LAYERS];
    static const uint32_t ranges[][2] = {{0, 5}, {4, 4}, {3, 2}, {2, 2}, {5, 6}, {0, UINT32_MAX}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        pare_target target = {
            .ratio = 0.25, .attention = {ranges[i][0], ranges[i][1]}, .ffn = {ranges[i][0], ranges[i][1]}};
        assert_int_equal(shape_widths(s, &target, widths), PARE_BAD_ARGUMENT);
        assert_non_null(strstr(pare_message(), "--layers"));
    }
    pare_target last = {.ratio = 0.25, .attention = {3, 4}, .ffn = {3, 4}};
    assert_int_equal(shape_widths(s, &last, widths), PARE_OK);
    assert_int_equal(widths[2].ffn, 100);
    assert_int_equal(widths[3].ffn, 75);
    free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_counts),
        cmocka_unit_test(tied_embeddings_count_once),
        cmocka_unit_test(any_ratio),
        cmocka_unit_test(ratios_close_to_the_ends),
        cmocka_unit_test(a_layer_keeps_a_head_and_a_channel),
        cmocka_unit_test(kept_channels_round_up),
        cmocka_unit_test(layers_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
