/* Choosing a token from logits. */
#include "generate/sampling.h"
#include "golden.h"

enum { VOCABULARY = 6, DRAWS = 40000 };

/* log of .4 .25 .2 .1 .05 0 */
static const float logits[VOCABULARY] = {-0.91629073f, -1.3862944f, -1.6094379f, -2.3025851f, -2.9957323f, -INFINITY};

static void draw(double temperature, double top_p, double share[VOCABULARY]) {
    pare_sampler *sampler;
    pare_random random = {.seed = 9, .stream = 4};
    assert_int_equal(pare_sampler_new(VOCABULARY, temperature, top_p, &sampler), PARE_OK);
    memset(share, 0, VOCABULARY * sizeof *share);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t token;
        assert_int_equal(pare_sample(sampler, logits, &random, &token), PARE_OK);
        assert_true(token < VOCABULARY);
        share[token] += 1.0 / (double)DRAWS;
    }
    assert_int_equal(random.position, temperature > 0 ? DRAWS : 0);
    pare_sampler_free(sampler);
}

static void expect(const double share[VOCABULARY], const double expected[VOCABULARY]) {
    for (int i = 0; i < VOCABULARY; i++) {
        if (expected[i] == 0.0) assert_true(share[i] == 0.0);
        /* four standard deviations of a share */
        assert_true(fabs(share[i] - expected[i]) <= 4.0 * sqrt(0.25 / (double)DRAWS));
    }
}

static void greedy_takes_the_likeliest(void **state) {
    (void)state;
    double share[VOCABULARY];
    draw(0.0, 0.5, share);
    expect(share, (double[]){1, 0, 0, 0, 0, 0});
}

static void full_distribution_at_temperature_one(void **state) {
    (void)state;
    double share[VOCABULARY];
    draw(1.0, 0.0, share);
    expect(share, (double[]){.4, .25, .2, .1, .05, 0});
}

/* p^2, renormalised */
static void temperature_sharpens(void **state) {
    (void)state;
    double share[VOCABULARY], sum = .16 + .0625 + .04 + .01 + .0025;
    draw(0.5, 1.0, share);
    expect(share, (double[]){.16 / sum, .0625 / sum, .04 / sum, .01 / sum, .0025 / sum, 0});
}

static void top_p_keeps_the_fewest_that_reach_it(void **state) {
    (void)state;
    double share[VOCABULARY];
    draw(1.0, 0.7, share);
    expect(share, (double[]){.4 / .85, .25 / .85, .2 / .85, 0, 0, 0});
    draw(1.0, 1e-9, share);
    expect(share, (double[]){1, 0, 0, 0, 0, 0});
}

static void ties_go_to_the_lower_id(void **state) {
    (void)state;
    const float equal[VOCABULARY] = {0, 1, 1, 0, 1, 0};
    pare_sampler *sampler;
    pare_random random = {0};
    uint32_t token;
    assert_int_equal(pare_sampler_new(VOCABULARY, 0.0, 0.0, &sampler), PARE_OK);
    assert_int_equal(pare_sample(sampler, equal, &random, &token), PARE_OK);
    assert_int_equal(token, 1);
    pare_sampler_free(sampler);
}

static void broken_logits_and_options_are_refused(void **state) {
    (void)state;
    pare_sampler *sampler;
    assert_int_equal(pare_sampler_new(VOCABULARY, -1.0, 0.0, &sampler), PARE_BAD_ARGUMENT);
    assert_int_equal(pare_sampler_new(VOCABULARY, NAN, 0.0, &sampler), PARE_BAD_ARGUMENT);
    assert_int_equal(pare_sampler_new(VOCABULARY, 1.0, 1.5, &sampler), PARE_BAD_ARGUMENT);
    assert_int_equal(pare_sampler_new(VOCABULARY, 1.0, 0.0, &sampler), PARE_OK);
    const float broken[][VOCABULARY] = {{0, NAN, 0, 0, 0, 0},
                                        {NAN, 0, 0, 0, 0, 0},
                                        {0, INFINITY, 0, 0, 0, 0},
                                        {-INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY}};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        pare_random random = {0};
        uint32_t token;
        assert_int_equal(pare_sample(sampler, broken[i], &random, &token), PARE_NUMERIC_ERROR);
    }
    pare_sampler_free(sampler);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_takes_the_likeliest), cmocka_unit_test(full_distribution_at_temperature_one),
        cmocka_unit_test(temperature_sharpens),       cmocka_unit_test(top_p_keeps_the_fewest_that_reach_it),
        cmocka_unit_test(ties_go_to_the_lower_id),    cmocka_unit_test(broken_logits_and_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
