/* Levels of shares: that of the walk's own share is what the walk writes, the others have their zeros; what a
 * combination is said to be away from the dense model is what the evaluation says of it; the number of zeros holds. */
#include "evaluate/divergence.h"
#include "layerwise/stories.h"
#include "layerwise/weights.h"
#include "search/weight_shares.h"

#include <math.h>

enum { WALKED = 12, SEARCHED = 4 };

typedef struct shares {
    stories s;
    pare_source source;
    pare_recipe recipe;
    pare_weight_levels levels;
    pare_repaired repaired;
    bool *pruned;
    double *asked, *used;
    pare_matrix_result *results;
} shares;

static shares *shares_open(const char *method) {
    shares *t = calloc(1, sizeof *t);
    t->s = stories_open(1);
    const pare_model *model = t->s.model;
    size_t tensors = model->tensor_count;
    assert_non_null(pare_recipe_find(method));
    pare_recipe_start(pare_recipe_find(method), &t->recipe);
    t->source = (pare_source){.model = model, .backend = t->s.backend};
    t->pruned = calloc(tensors, sizeof(bool));
    t->asked = calloc(tensors, sizeof(double));
    t->used = calloc(tensors, sizeof(double));
    t->results = calloc(tensors, sizeof *t->results);
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            t->pruned[id] = !pare_tensor_is_absent(model->tensors[id]);
            t->asked[id] = 0.5;
        }
    assert_int_equal(pare_weight_levels_new(model, t->pruned, 0.3, &t->levels), PARE_OK);
    assert_int_equal(pare_weight_levels_open(&t->levels, NULL), PARE_OK);
    pare_weights_job job = {.source = &t->source,
                            .recipe = &t->recipe,
                            .ids = t->s.ids,
                            .sequences = WALKED,
                            .length = t->s.length,
                            .pruned = t->pruned,
                            .sparsity = t->asked,
                            .levels = &t->levels};
    assert_int_equal(pare_weights_run(&job, &t->repaired, t->results, t->used), PARE_OK);
    return t;
}

static void shares_close(shares *t) {
    pare_weight_levels_free(&t->levels);
    pare_repaired_free(&t->repaired);
    stories_close(&t->s);
    free(t->pruned);
    free(t->asked);
    free(t->used);
    free(t->results);
    free(t);
}

static double zeros_of(const shares *t, size_t id, const void *matrix) {
    const pare_tensor *tensor = t->s.model->tensors[id];
    float *values = malloc((size_t)tensor->count * sizeof *values);
    uint64_t zeros = 0;
    pare_to_float(values, matrix, tensor->dtype, (size_t)tensor->count);
    for (uint64_t i = 0; i < (uint64_t)tensor->count; i++)
        zeros += values[i] == 0.0f;
    free(values);
    return (double)zeros / (double)tensor->count;
}

/* Rows lose whole numbers of weights: within one of a row's columns. */
static void levels_have_their_zeros(void **state) {
    (void)state;
    static const char *const methods[] = {"wanda", "sparsegpt"};
    for (size_t m = 0; m < 2; m++) {
        shares *t = shares_open(methods[m]);
        for (size_t id = 0; id < t->s.model->tensor_count; id++) {
            const pare_tensor *tensor = t->s.model->tensors[id];
            size_t bytes = (size_t)tensor->count * pare_dtype_size(tensor->dtype);
            int64_t rows, columns;
            if (!t->pruned[id]) continue;
            pare_tensor_matrix(tensor, &rows, &columns);
            for (uint32_t i = 0; i < t->levels.count; i++) {
                double share = pare_weight_level_share(&t->levels, i, 0.5);
                assert_true(fabs(zeros_of(t, id, t->levels.matrix[id][i]) - share) <= 2.0 / (double)columns);
                if (fabs(t->levels.offset[i]) <= 0.0)
                    assert_memory_equal(t->levels.matrix[id][i], t->repaired.matrix[id], bytes);
            }
        }
        shares_close(t);
    }
}

static void a_search_measures_what_it_says(void **state) {
    (void)state;
    shares *t = shares_open("wanda");
    const pare_model *model = t->s.model;
    pare_windows windows = {.ids = (uint32_t *)(uintptr_t)(t->s.ids + WALKED * t->s.length),
                            .count = SEARCHED,
                            .length = (uint32_t)t->s.length};
    pare_share_search search = {.levels = &t->levels,
                                .backend = t->s.backend,
                                .windows = {.ids = windows.ids,
                                            .sequences = SEARCHED,
                                            .length = t->s.length,
                                            .predictions = SEARCHED * (t->s.length - 1)},
                                .steps = 60};
    pare_search_found found;
    pare_selection all;
    pare_mask mask;
    pare_source source = t->source;
    pare_divergence_result result;
    double gone = 0.0, weights = 0.0;
    assert_int_equal(pare_selection_all(model, &all), PARE_OK);
    assert_int_equal(pare_mask_new(model, &all, &t->repaired, &mask), PARE_OK);
    pare_mask_apply(&mask, &source);
    pare_evaluation evaluation = {.model = model, .source = &source, .backend = t->s.backend, .windows = &windows};
    assert_int_equal(pare_divergence(&evaluation, model, &result, NULL), PARE_OK);
    assert_int_equal(pare_share_search_run(&search, t->used, &found), PARE_OK);
    assert_true(fabs(found.start - result.kl) <= 1e-5 * (1.0 + result.kl));
    assert_true(found.end <= found.start && found.steps <= 60);
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!t->pruned[id]) continue;
        gone += t->used[id] * (double)model->tensors[id]->count;
        weights += (double)model->tensors[id]->count;
        assert_true(t->used[id] >= 0.0 && t->used[id] < 1.0);
    }
    assert_true(fabs(gone / weights - 0.5) < 1e-4);
    pare_mask_free(&mask);
    pare_selection_free(&all);
    shares_close(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_have_their_zeros),
        cmocka_unit_test(a_search_measures_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
