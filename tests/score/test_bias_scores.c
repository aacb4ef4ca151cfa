/* Biases are part of units' scores: families with biases against torch's gradients in fp64
 * (tests/oracle/bias_scores.py), in one micro-batch and in several, with what the plan counts. */
#include "model/families.h"
#include "options/resolve.h"
#include "score/score.h"

/* Methods of other names come down to these where there is no noise: one proximal step of size rho is the gradient. */
static const struct {
    const char *method, *golden;
} methods[] = {{"taylor", NULL},         {"taylor-second", NULL}, {"taylor-mix", NULL},    {"taylor-vector", NULL},
               {"taylor-rownorm", NULL}, {"magnitude-l1", NULL},  {"magnitude-l2", NULL},  {"wanda-structured", NULL},
               {"moreau", "taylor"},     {"moreau-l1", "taylor"}, {"moreau-gs", "taylor"}, {"smoothgrad", "taylor"}};
enum { METHODS = sizeof methods / sizeof *methods };

typedef struct scene {
    const pare_model *model;
    pare_backend *backend;
    const uint32_t *ids;
} scene;

static pare_score_result score(const scene *s, const char *method, int64_t micro_batch) {
    uint32_t layers = s->model->config.layers;
    pare_prune_options options = {.method = method, .steps = 1, .draws = 1, .rho = 0.05, .gamma = 0.05};
    pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_target target = {.attention = {0, layers}, .ffn = {0, layers}};
    pare_calibration_plan plan;
    pare_score_result result;
    pare_recipe recipe;
    if (strncmp(method, "moreau", 6) != 0) options.draws = 0, options.rho = options.gamma = 0.0;
    if (strncmp(method, "moreau", 6) != 0 && strcmp(method, "smoothgrad") != 0) options.steps = 0;
    assert_int_equal(pare_recipe_resolve(&options, &recipe), PARE_OK);
    recipe.moreau.sigma = recipe.moreau.eta = 0.0;
    if (strcmp(method, "taylor-rownorm") == 0) recipe.moreau.steps = 1;
    pare_plan_request request = {.recipe = &recipe,
                                 .target = &target,
                                 .displace = PARE_DISPLACE_SCORED,
                                 .sequences = FAMILY_SEQUENCES,
                                 .length = FAMILY_LENGTH};
    assert_int_equal(pare_plan_new(s->model, s->backend, &runtime, &request, &plan), PARE_OK);
    plan.shape.micro_batch = micro_batch;
    pare_score_request asked = {.model = s->model,
                                .backend = s->backend,
                                .recipe = &recipe,
                                .plan = &plan,
                                .runtime = &runtime,
                                .ids = s->ids,
                                .batches = 1};
    assert_int_equal(pare_score_units(&asked, &result), PARE_OK);
    pare_plan_free(&plan);
    return result;
}

/* Worst error, relative to the largest score. */
static double compare(const double *actual, const json_t *expected, uint32_t count) {
    double worst = 0.0, largest = 0.0;
    assert_int_equal(json_array_size(expected), count);
    for (uint32_t i = 0; i < count; i++) {
        double wanted = json_number_value(json_array_get(expected, i));
        largest = fmax(largest, wanted);
        worst = family_worse(worst, fabs(actual[i] - wanted));
    }
    return worst / largest;
}

static size_t check_method(const scene *s, const json_t *one, size_t m, int64_t micro_batch) {
    const char *golden = methods[m].golden ? methods[m].golden : methods[m].method;
    /* Without rotation the loss does not depend on the keys' biases: their gradients are rounding, whose signs
     * taylor-rownorm takes at full weight. */
    double bound = strcmp(golden, "taylor-rownorm") ? 1e-4 : 2e-3, worst = 0.0;
    pare_score_result result = score(s, methods[m].method, micro_batch);
    for (uint32_t layer = 0; layer < s->model->config.layers; layer++) {
        const json_t *wanted = json_object_get(json_array_get(json_object_get(one, "layers"), layer), golden);
        const pare_widths *w = &s->model->config.widths[layer];
        worst = family_worse(worst, compare(result.scores.heads[layer], json_array_get(wanted, 0), w->kv_heads));
        worst = family_worse(worst, compare(result.scores.ffn[layer], json_array_get(wanted, 1), w->ffn));
    }
    pare_score_free(&result);
    if (worst > bound) fprintf(stderr, "%s, %s: off by %.2g\n", family_name(one), methods[m].method, worst);
    return worst > bound;
}

static void units_score_with_their_biases(void **state) {
    (void)state;
    families all = families_load();
    json_t *golden = load_json(PARE_SOURCE_DIR "/tests/data/bias_scores.json"), *one;
    scene s = {.ids = all.ids};
    size_t i, wrong = 0;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &s.backend), PARE_OK);
    json_array_foreach(golden, i, one) {
        family_model m = family_open(family_case(&all, family_name(one)), (family_form){0});
        s.model = m.model;
        for (size_t method = 0; method < METHODS; method++)
            for (int64_t micro_batch = 1; micro_batch <= FAMILY_SEQUENCES; micro_batch++)
                wrong += check_method(&s, one, method, micro_batch);
        family_close(&m);
    }
    pare_backend_close(s.backend);
    json_decref(golden);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(units_score_with_their_biases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
