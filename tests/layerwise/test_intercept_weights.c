/* Biases in the pruning of single weights: whatever repairs a matrix, its bias makes up for the mean of what the masked
 * and changed weights give, and nothing else of the model changes. */
#include "biased.h"
#include "layerwise/weights.h"
#include "options/resolve.h"
#include "support/memory.h"

static const char *const names[] = {"gpt2", "opt", "qwen2", "starcoder2", "llama biases"};
enum { NAMES = sizeof names / sizeof *names };

typedef struct way {
    const char *method, *compensate; /* NULL: the method's own */
    bool biased;
} way;

static const way ways[] = {{"wanda", NULL, false},      {"wanda", "bias", true},      {"magnitude", "bias", true},
                           {"wanda", "ls", true},       {"sparsegpt", NULL, true},    {"admm", NULL, true},
                           {"best-sparse", NULL, true}, {"sparseswaps", "bias", true}};
enum { WAYS = sizeof ways / sizeof *ways };

typedef struct pruned {
    pare_repaired repaired;
    pare_matrix_result *results; /* [tensor_count] */
} pruned;

static pruned prune(const biased *b, const way *w) {
    const pare_model *model = b->m.model;
    pare_setting settings[4] = {
        {"true_sequential", "no"}, {"dense", "0"}, {"final_norm", "no"}, {"compensate", w->compensate}};
    pare_prune_options options = {.method = w->method,
                                  .sparsity = {.share = 0.5},
                                  .sigma = -1.0,
                                  .eta = -1.0,
                                  .settings = settings,
                                  .setting_count = w->compensate ? 4 : 3};
    pare_recipe recipe;
    pruned p;
    if (pare_recipe_resolve(&options, &recipe) != PARE_OK) fail_msg("%s", pare_message());
    recipe.metric = PARE_METRIC_PLAIN; /* the loss is not asked here */
    recipe.element.allocation = PARE_ALLOCATE_UNIFORM;
    bool *all = calloc(model->tensor_count, sizeof *all);
    double *sparsity = calloc(model->tensor_count, sizeof *sparsity), *got = calloc(model->tensor_count, sizeof *got);
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, role);
            all[id] = !pare_tensor_is_absent(model->tensors[id]);
            sparsity[id] = 0.5;
        }
    pare_weights_job job = {.source = &b->source,
                            .recipe = &recipe,
                            .ids = b->all.ids,
                            .sequences = FAMILY_SEQUENCES,
                            .length = FAMILY_LENGTH,
                            .pruned = all,
                            .sparsity = sparsity};
    p.results = calloc(model->tensor_count, sizeof *p.results);
    pare_layerwise_memory plan;
    assert_int_equal(pare_weights_measure(&job, &plan), PARE_OK);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_weights_run(&job, &p.repaired, p.results, got), PARE_OK);
    uint64_t planned = plan.hidden + plan.statistics + plan.weights + plan.activations + plan.repaired;
    /* Not planned: tables by tensor, and lists of a row's length. */
    assert_true(pare_memory_peak() - before < planned + (64 << 10));
    free(all);
    free(sparsity);
    free(got);
    return p;
}

static void pruned_free(pruned *p) {
    pare_repaired_free(&p->repaired);
    free(p->results);
}

/* Of a matrix of the first block, all of whose inputs are the dense model's. */
static void check_matrix(const biased *b, const pruned *p, pare_role role, const double *x, const way *w) {
    const pare_model *model = b->m.model;
    size_t id = pare_tensor_id(0, role), bias_id = pare_tensor_id_in(&model->config, 0, pare_roles[role].bias);
    bool has = pare_has_role(&model->config.architecture, pare_roles[role].bias);
    int64_t rows, columns;
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    assert_true(p->results[id].pruned);
    assert_int_equal(p->results[id].bias, has && w->biased);
    if (!has) return;
    if (!w->biased) {
        assert_null(p->repaired.matrix[bias_id]);
        return;
    }
    const float *now = p->repaired.matrix[id], *bias = p->repaired.matrix[bias_id];
    float *was = biased_values(&b->source, id), *bias_was = biased_values(&b->source, bias_id);
    assert_non_null(bias);
    for (int64_t i = 0; i < rows; i++) {
        double missing = 0.0, size = 0.0;
        for (int64_t j = 0; j < columns; j++) {
            double mean = 0.0;
            for (int64_t t = 0; t < FAMILY_TOKENS; t++)
                mean += x[t * columns + j] / FAMILY_TOKENS;
            missing += ((double)was[i * columns + j] - (double)now[i * columns + j]) * mean;
            size += fabs((double)was[i * columns + j] * mean);
        }
        assert_true(fabs((double)bias[i] - (double)bias_was[i] - missing) < 1e-6 * (size + 1.0));
    }
    free(was);
    free(bias_was);
}

static void biases_make_up_for_the_mean(void **state) {
    (void)state;
    for (size_t n = 0; n < NAMES; n++) {
        biased b = biased_open(names[n]);
        biased_block dense = biased_run(&b, &b.source, 0);
        for (size_t i = 0; i < WAYS; i++) {
            pruned p = prune(&b, &ways[i]);
            for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
                if (pare_has_role(&b.m.model->config.architecture, role))
                    check_matrix(&b, &p, role, dense.inputs[pare_input_of(role)], &ways[i]);
            pruned_free(&p);
        }
        biased_block_free(&dense);
        biased_close(&b);
    }
}

/* Without a gate's bias in it: the same inputs, and the same weights but for what the biases let them do. */
static double error_of_queries(const biased *b, const way *w) {
    pare_architecture *a = &b->m.model->config.architecture;
    uint32_t roles = a->roles;
    biased_block dense = biased_run(b, &b->source, 0);
    const double *x = dense.inputs[PARE_INPUT_QKV];
    double *wanted = biased_outputs(&b->source, 0, PARE_ROLE_Q, x), error = 0.0;
    int64_t columns, rows;
    size_t id = pare_tensor_id(0, PARE_ROLE_Q), bias_id = pare_tensor_id_in(&b->m.model->config, 0, PARE_ROLE_Q_BIAS);
    pare_tensor_matrix(b->m.model->tensors[id], &rows, &columns);
    float *bias_was = biased_values(&b->source, bias_id);
    if (!w->biased)
        a->roles &=
            ~(pare_role_bit(PARE_ROLE_Q_BIAS) | pare_role_bit(PARE_ROLE_K_BIAS) | pare_role_bit(PARE_ROLE_V_BIAS));
    pruned p = prune(b, w);
    const float *now = p.repaired.matrix[id], *bias = w->biased ? p.repaired.matrix[bias_id] : bias_was;
    for (int64_t t = 0; t < FAMILY_TOKENS; t++)
        for (int64_t i = 0; i < rows; i++) {
            double made = (double)bias[i];
            for (int64_t j = 0; j < columns; j++)
                made += (double)now[i * columns + j] * x[t * columns + j];
            error += (made - wanted[t * rows + i]) * (made - wanted[t * rows + i]);
        }
    if (w->biased) assert_close("error", isnan(p.results[id].repaired) ? error : p.results[id].repaired, error, 1e-3);
    a->roles = roles;
    pruned_free(&p);
    free(wanted);
    free(bias_was);
    biased_block_free(&dense);
    return error;
}

static void biases_make_no_fit_worse(void **state) {
    (void)state;
    static const char *const repairs[] = {"bias", "ls", "obs", "admm"};
    for (size_t n = 0; n < NAMES; n++) {
        biased b = biased_open(names[n]);
        double cut = error_of_queries(&b, &(way){"wanda", NULL, false});
        for (size_t i = 0; i < sizeof repairs / sizeof *repairs; i++) {
            double with = error_of_queries(&b, &(way){"wanda", repairs[i], true});
            double without = i ? error_of_queries(&b, &(way){"wanda", repairs[i], false}) : cut;
            print_message("%s %s: cut %.4g, without %.4g, with %.4g\n", names[n], repairs[i], cut, without, with);
            assert_true(with < without);
        }
        biased_close(&b);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(biases_make_up_for_the_mean),
        cmocka_unit_test(biases_make_no_fit_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
