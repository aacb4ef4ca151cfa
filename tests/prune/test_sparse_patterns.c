/* Every preset leaves N:M patterns in every row, where the columns are no multiple of M too. */
#include "prune/sparse_run.h"

/* A group at the end keeps ceil(length keep / of). */
static void check_row(const float *x, int64_t columns, int64_t keep, int64_t of) {
    for (int64_t first = 0; first < columns; first += of) {
        int64_t length = columns - first < of ? columns - first : of, kept = (length * keep + of - 1) / of;
        assert_int_equal(sparse_run_zeros(x + first, length), length - kept);
    }
}

static void check(tiny_model tiny, const char *method, uint32_t keep, uint32_t of) {
    prune_run r = sparse_run_open(tiny, method, 0.0);
    sparse_run_pattern(&r, keep, of);
    prune_run_do(&r);
    pare_model *after = sparse_run_model(r.output);
    for (size_t id = 0; id < after->tensor_count; id++) {
        if (!sparse_run_is_matrix(after, id)) continue;
        float *x = sparse_run_floats(after->tensors[id]);
        int64_t rows, columns;
        pare_tensor_matrix(after->tensors[id], &rows, &columns);
        for (int64_t row = 0; row < rows; row++)
            check_row(x + row * columns, columns, keep, of);
        free(x);
    }
    pare_model_close(after);
    prune_run_close(&r);
}

/* OWL and other allocations spread shares, which patterns do not have. */
static bool takes_patterns(const char *method) {
    prune_run r = sparse_run_open(sparse_tiny, method, 0.5);
    sparse_run_pattern(&r, 2, 4);
    pare_status status = pare_prune_check(r.model, &r.options);
    prune_run_close(&r);
    return status == PARE_OK;
}

static void every_preset(void **state) {
    (void)state;
    size_t refused = 0;
    for (size_t i = 0; sparse_run_method(i); i++) {
        const char *method = sparse_run_method(i);
        tiny_model half = sparse_tiny;
        half.dtype = PARE_DTYPE_BF16;
        if (takes_patterns(method)) {
            check(sparse_tiny, method, 2, 4);
            check(half, method, 3, 7);
        } else {
            refused++;
        }
    }
    assert_int_equal(refused, 1); /* wanda-owl */
}

/* Nothing stays, everything stays, and groups longer than any row. */
static void patterns_at_the_edge(void **state) {
    (void)state;
    static const char *const methods[] = {"wanda", "sparsegpt", "dsnot", "sparseswaps", "admm", "wanda++"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        check(sparse_tiny, methods[i], 4, 4);
        check(sparse_tiny, methods[i], 1, 100);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_preset), cmocka_unit_test(patterns_at_the_edge)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
