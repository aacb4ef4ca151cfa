/* Every preset for single weights removes exactly what is asked, where it compares: of each row, each slab of columns,
 * each matrix, or the model; what goes is +0 in the model's own type, and nothing else of the model changes. */
#include "prune/sparse_run.h"

static int64_t gone_of(int64_t n, double share) {
    return (int64_t)floor((double)n * share + 1e-9);
}

/* Columns [first, first + width) of all rows. */
static int64_t zeros_of_slab(const float *x, int64_t rows, int64_t columns, int64_t first, int64_t width) {
    int64_t zeros = 0;
    for (int64_t row = 0; row < rows; row++)
        zeros += sparse_run_zeros(x + row * columns + first, width);
    return zeros;
}

static void check_slabs(const float *x, int64_t rows, int64_t columns, int64_t slab, double share) {
    for (int64_t first = 0; first < columns; first += slab) {
        int64_t width = columns - first < slab ? columns - first : slab;
        assert_int_equal(zeros_of_slab(x, rows, columns, first, width), gone_of(rows * width, share));
    }
}

/* The cumulative variant comes as near as its bisection does: to 0.001 of the matrix, or to where scores begin to go
 * together. */
static void check_matrix(const pare_element_recipe *e, const pare_tensor *tensor, double share) {
    float *x = sparse_run_floats(tensor);
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    if (e->compare == PARE_COMPARE_ROW)
        for (int64_t row = 0; row < rows; row++)
            assert_int_equal(sparse_run_zeros(x + row * columns, columns), gone_of(columns, share));
    if (e->compare == PARE_COMPARE_MATRIX) check_slabs(x, rows, columns, columns, share);
    if (e->compare == PARE_COMPARE_SLAB) check_slabs(x, rows, columns, e->slab, share);
    if (e->compare == PARE_COMPARE_CUMULATIVE)
        assert_close("cumulative", (double)sparse_run_zeros(x, rows * columns) / (double)(rows * columns), share, 0.02);
    free(x);
}

static void check_rest(const pare_model *before, const pare_model *after) {
    assert_int_equal(before->tensor_count, after->tensor_count);
    for (size_t id = 0; id < before->tensor_count; id++) {
        assert_int_equal(before->tensors[id]->dtype, after->tensors[id]->dtype);
        if (!sparse_run_is_matrix(before, id)) sparse_run_assert_same(before->tensors[id], after->tensors[id]);
    }
}

/* Whether each matrix loses the same share, and none but matrices change. */
typedef struct traits {
    bool uniform, matrices_alone;
} traits;

static traits traits_of(const prune_run *r) {
    pare_recipe recipe;
    assert_int_equal(pare_recipe_resolve(&r->options, &recipe), PARE_OK);
    return (traits){recipe.element.allocation == PARE_ALLOCATE_UNIFORM, !recipe.final_norm};
}

static void check(tiny_model tiny, const char *method, double share) {
    prune_run r = sparse_run_open(tiny, method, share);
    json_t *report = prune_run_report(&r), *sparse = json_object_get(report, "sparsity");
    pare_model *after = sparse_run_model(r.output);
    pare_element_recipe e = sparse_run_element(&r);
    traits t = traits_of(&r);
    int64_t all, zeros = sparse_run_zeros_of_model(after, &all);
    if (json_integer_value(json_object_get(sparse, "removed")) != zeros) fprintf(stderr, "%s\n", method);
    assert_int_equal(json_integer_value(json_object_get(sparse, "removed")), zeros);
    assert_int_equal(json_integer_value(json_object_get(sparse, "weights")), all);
    if (t.matrices_alone) check_rest(r.model, after);
    for (size_t id = 0; id < after->tensor_count && t.uniform; id++)
        if (sparse_run_is_matrix(after, id)) check_matrix(&e, after->tensors[id], share);
    json_decref(report);
    pare_model_close(after);
    prune_run_close(&r);
}

static void every_preset(void **state) {
    static const double shares[] = {0.3, 0.5};
    (void)state;
    uint64_t before = pare_memory_current();
    for (size_t i = 0; sparse_run_method(i); i++)
        for (int j = 0; j < 2; j++) {
            tiny_model tiny = sparse_tiny;
            tiny.dtype = i % 3 == 0 ? PARE_DTYPE_F32 : i % 3 == 1 ? PARE_DTYPE_BF16 : PARE_DTYPE_F16;
            check(tiny, sparse_run_method(i), shares[j]);
        }
    assert_true(pare_memory_current() == before);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_preset)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
