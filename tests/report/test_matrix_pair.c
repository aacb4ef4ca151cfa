/* Matrices of pruned models beside those that they were cut from, where both are stored in their own ways. */
#include "checkpoint/view.h"
#include "model/families.h"
#include "report/matrix_pair.h"

typedef struct pair_run {
    char *dense, *pruned;
    pare_matrix_source from, to;
} pair_run;

/* The case, and half of its units gone. */
static pair_run prune_case(const char *name) {
    families all = families_load();
    pair_run r = {.dense = family_write(family_case(&all, name), (family_form){0})};
    families_free(&all);
    r.pruned = tiny_folder();
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    options.method = "magnitude-l2";
    options.ratio = 0.5;
    options.output = r.pruned;
    options.force = true;
    pare_runtime runtime = PARE_RUNTIME_INIT;
    runtime.threads = 1;
    char *report = NULL;
    assert_int_equal(pare_matrix_source_open(r.dense, &r.from), PARE_OK);
    if (pare_prune(r.from.model, &options, &runtime, &report) != PARE_OK) fail_msg("%s", pare_message());
    pare_text_free(report);
    assert_int_equal(pare_matrix_source_open(r.pruned, &r.to), PARE_OK);
    return r;
}

static void prune_close(pair_run *r) {
    pare_matrix_source_close(&r->from);
    pare_matrix_source_close(&r->to);
    tiny_remove(r->dense);
    tiny_remove(r->pruned);
    free(r->dense);
    free(r->pruned);
}

static float *values_of(const pare_named_matrix *matrix) {
    size_t count = (size_t)(matrix->rows * matrix->columns);
    float *values = malloc(count * sizeof *values);
    pare_tensor_values(matrix->tensor, 0, count, values);
    return values;
}

/* Every weight that is left is the dense model's at the place that the pair says. */
static void expect_the_same(pair_run *r, const char *name) {
    pare_named_matrix matrix;
    pare_matrix_pair pair;
    assert_int_equal(pare_matrix_find(&r->to, name, &matrix), PARE_OK);
    if (pare_matrix_pair_find(&r->from, &r->to, &matrix, &pair) != PARE_OK) fail_msg("%s", pare_message());
    assert_true(pair.dense.rows * pair.dense.columns > matrix.rows * matrix.columns);
    assert_false(pair.rescaled);
    float *left = values_of(&matrix), *dense = values_of(&pair.dense);
    for (int64_t i = 0; i < matrix.rows; i++)
        for (int64_t j = 0; j < matrix.columns; j++) {
            int64_t row = pair.rows ? pair.rows[i] : i, column = pair.columns ? pair.columns[j] : j;
            assert_true(left[i * matrix.columns + j] == dense[row * pair.dense.columns + column]);
        }
    free(left);
    free(dense);
    pare_matrix_pair_free(&pair);
}

/* Phi-3, fused, becomes a Mistral, whose matrices are apart. */
static void parts_of_fused_matrices(void **state) {
    (void)state;
    pair_run r = prune_case("phi3");
    expect_the_same(&r, "layers.1.self_attn.q_proj");
    expect_the_same(&r, "layers.1.self_attn.v_proj");
    expect_the_same(&r, "layers.0.self_attn.o_proj");
    expect_the_same(&r, "layers.1.mlp.gate_proj");
    expect_the_same(&r, "layers.1.mlp.down_proj");
    prune_close(&r);
}

/* GPT-NeoX becomes a Phi, which has one norm for two: it is folded in. */
static void folded_norms(void **state) {
    (void)state;
    pair_run r = prune_case("gpt_neox");
    pare_named_matrix matrix;
    pare_matrix_pair pair;
    assert_int_equal(pare_matrix_find(&r.to, "layers.1.mlp.up_proj", &matrix), PARE_OK);
    assert_int_equal(pare_matrix_pair_find(&r.from, &r.to, &matrix, &pair), PARE_OK);
    assert_true(pair.rescaled);
    pare_matrix_pair_free(&pair);
    expect_the_same(&r, "layers.1.mlp.down_proj");
    prune_close(&r);
}

/* GPT-J turns pairs of neighbours, Phi halves of a head: rows of queries and keys lie otherwise. */
static void rows_in_another_order(void **state) {
    (void)state;
    pair_run r = prune_case("gptj");
    pare_named_matrix matrix;
    pare_matrix_pair pair;
    assert_int_equal(pare_matrix_find(&r.to, "layers.1.self_attn.k_proj", &matrix), PARE_OK);
    assert_int_equal(pare_matrix_pair_find(&r.from, &r.to, &matrix, &pair), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "orders the rows of queries and keys otherwise"));
    pare_matrix_pair_free(&pair);
    expect_the_same(&r, "layers.1.self_attn.v_proj");
    prune_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_of_fused_matrices),
        cmocka_unit_test(folded_norms),
        cmocka_unit_test(rows_in_another_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
