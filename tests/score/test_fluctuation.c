/* FLAP: units by the variance of what O and down read, in standard deviations of their layer, against the inputs that
 * whole blocks show; ranked over all layers by that alone, with as many parameters left as local ranking leaves. */
#include "layerwise/biased.h"
#include "options/resolve.h"
#include "score/score.h"
#include "select/select.h"

static pare_score_result score(const biased *b, pare_recipe *recipe, pare_target *target) {
    pare_prune_options options = {.method = "flap", .sigma = -1.0, .eta = -1.0};
    pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    uint32_t layers = b->m.model->config.layers;
    pare_calibration_plan plan;
    pare_score_result result;
    assert_int_equal(pare_recipe_resolve(&options, recipe), PARE_OK);
    *target = (pare_target){
        .ranking = recipe->ranking, .ratio = 0.5, .attention = {0, layers}, .ffn = {0, layers}, .mode = recipe->mode};
    pare_plan_request request = {
        .recipe = recipe, .target = target, .sequences = FAMILY_SEQUENCES, .length = FAMILY_LENGTH};
    assert_int_equal(pare_plan_new(b->m.model, b->backend, &runtime, &request, &plan), PARE_OK);
    pare_score_request asked = {.model = b->m.model,
                                .backend = b->backend,
                                .recipe = recipe,
                                .plan = &plan,
                                .runtime = &runtime,
                                .ids = b->all.ids,
                                .batches = 1};
    assert_int_equal(pare_score_units(&asked, &result), PARE_OK);
    pare_plan_free(&plan);
    return result;
}

/* [width] ||W_:j||^2 sum over the tokens of (x_j - mean)^2, standardised; freed with free(). */
static double *standardized(const biased *b, uint32_t layer, pare_role role, const double *x, int64_t *width) {
    size_t id = pare_tensor_id(layer, role);
    int64_t rows, columns;
    pare_tensor_matrix(b->m.model->tensors[id], &rows, &columns);
    float *w = biased_values(&b->source, id);
    double *z = malloc((size_t)columns * sizeof *z), mean = 0.0, squares = 0.0;
    for (int64_t j = 0; j < columns; j++) {
        double of_x = 0.0, fluctuation = 0.0, norm = 0.0;
        for (int64_t t = 0; t < FAMILY_TOKENS; t++)
            of_x += x[t * columns + j] / FAMILY_TOKENS;
        for (int64_t t = 0; t < FAMILY_TOKENS; t++)
            fluctuation += (x[t * columns + j] - of_x) * (x[t * columns + j] - of_x);
        for (int64_t i = 0; i < rows; i++)
            norm += (double)w[i * columns + j] * (double)w[i * columns + j];
        z[j] = fluctuation * norm;
        mean += z[j] / (double)columns;
    }
    for (int64_t j = 0; j < columns; j++)
        squares += (z[j] - mean) * (z[j] - mean);
    for (int64_t j = 0; j < columns; j++)
        z[j] = (z[j] - mean) / sqrt(squares / (double)(columns - 1));
    free(w);
    *width = columns;
    return z;
}

/* Scores are around 1. */
static void check_units(const double *scores, uint32_t units, const double *z, int64_t width) {
    int64_t each = width / units;
    for (uint32_t i = 0; i < units; i++) {
        double wanted = 0.0;
        for (int64_t j = 0; j < each; j++)
            wanted += z[i * each + j] / (double)each;
        assert_true(fabs(scores[i] - wanted) < 1e-4);
    }
}

static void scores_are_standardized_fluctuations(void **state) {
    (void)state;
    static const char *const names[] = {"llama", "llama biases", "starcoder2", "gpt2"};
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        biased b = biased_open(names[n]);
        pare_recipe recipe;
        pare_target target;
        pare_score_result result = score(&b, &recipe, &target);
        for (uint32_t layer = 0; layer < b.m.model->config.layers; layer++) {
            const pare_widths *w = &b.m.model->config.widths[layer];
            biased_block block = biased_run(&b, &b.source, layer);
            int64_t width;
            double *z = standardized(&b, layer, PARE_ROLE_O, block.inputs[PARE_INPUT_O], &width);
            check_units(result.scores.heads[layer], w->kv_heads, z, width);
            check_units(result.scores.query[layer], w->heads, z, width);
            free(z);
            z = standardized(&b, layer, PARE_ROLE_DOWN, block.inputs[PARE_INPUT_DOWN], &width);
            check_units(result.scores.ffn[layer], w->ffn, z, width);
            free(z);
            biased_block_free(&block);
        }
        pare_score_free(&result);
        biased_close(&b);
    }
}

/* Channels all take the same room: those that went scored no more than those that stayed. */
static void the_lowest_scores_go(void **state) {
    (void)state;
    biased b = biased_open("llama");
    pare_recipe recipe;
    pare_target target;
    pare_goal goal;
    pare_selection kept;
    pare_score_result result = score(&b, &recipe, &target);
    assert_int_equal(pare_goal_new(b.m.model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(pare_select(b.m.model, &result.scores, &target, &goal, &kept), PARE_OK);
    double gone = -INFINITY, stays = INFINITY;
    uint32_t different = 0;
    for (uint32_t layer = 0; layer < kept.layers; layer++) {
        const pare_kept *k = &kept.layer[layer];
        different += k->ffn != kept.layer[0].ffn;
        for (uint32_t i = 0, at = 0; i < b.m.model->config.widths[layer].ffn; i++) {
            bool here = at < k->ffn && k->ffn_channel[at] == i;
            at += here;
            if (here && k->ffn > 1) stays = fmin(stays, result.scores.ffn[layer][i]);
            if (!here) gone = fmax(gone, result.scores.ffn[layer][i]);
        }
    }
    assert_true(gone <= stays);
    assert_true(different > 0);
    assert_true(pare_selection_parameters(b.m.model, &kept) >= goal.parameters);
    pare_selection_free(&kept);
    pare_goal_free(&goal);
    pare_score_free(&result);
    biased_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_standardized_fluctuations),
        cmocka_unit_test(the_lowest_scores_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
