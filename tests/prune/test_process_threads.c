/* What belongs to the whole process, the numbers of threads of OpenMP and OpenBLAS, is after every call as the caller
 * had set it, whether the call succeeded, failed or was stopped. */
#include "prune/prune_run.h"

#include <omp.h>

/* Of OpenBLAS's cblas.h. */
void openblas_set_num_threads(int threads);
int openblas_get_num_threads(void);

static void set_own(int blas) {
    omp_set_num_threads(3);
    omp_set_dynamic(1);
    openblas_set_num_threads(blas);
    if (omp_get_max_threads() != 3) omp_set_num_threads(3); /* OpenBLAS on OpenMP sets it, too */
}

static void expect_own(int blas) {
    assert_int_equal(omp_get_max_threads(), 3);
    assert_int_equal(omp_get_dynamic(), 1);
    assert_int_equal(openblas_get_num_threads(), blas);
}

static int set(void **state) {
    set_own(2);
    static int blas;
    blas = openblas_get_num_threads(); /* fewer where the machine has fewer */
    *state = &blas;
    return 0;
}

static void after_pruning(void **state) {
    static const char *const methods[] = {"taylor", "best", "moreau", "sparsegpt", "best-sparse"};
    int blas = *(int *)*state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        prune_run r = prune_run_open((tiny_model){0});
        prune_run_method(&r, methods[i]);
        r.runtime.threads = 1;
        json_decref(prune_run_report(&r));
        expect_own(blas);
        prune_run_close(&r);
    }
}

static void after_failures(void **state) {
    int blas = *(int *)*state;
    char *report;
    prune_run r = prune_run_open((tiny_model){0});
    r.options.method = "best";
    r.runtime.memory_limit = 1;
    assert_int_not_equal(pare_prune(r.model, &r.options, &r.runtime, &report), PARE_OK);
    expect_own(blas);
    r.runtime.memory_limit = 0;
    r.runtime.threads = -1;
    assert_int_equal(pare_prune(r.model, &r.options, &r.runtime, &report), PARE_BAD_ARGUMENT);
    expect_own(blas);
    r.runtime.threads = 1;
    pare_interrupt();
    assert_int_equal(pare_prune(r.model, &r.options, &r.runtime, &report), PARE_INTERRUPTED);
    pare_interrupt_clear();
    expect_own(blas);
    prune_run_close(&r);
}

static void after_evaluation(void **state) {
    int blas = *(int *)*state;
    char *report;
    prune_run r = prune_run_open((tiny_model){0});
    const char *texts[] = {r.ids};
    pare_evaluate_options options = PARE_EVALUATE_OPTIONS_INIT;
    options.texts = texts;
    options.text_count = 1;
    options.window = 9;
    assert_int_equal(pare_evaluate(r.model, &options, &r.runtime, &report), PARE_OK);
    pare_text_free(report);
    expect_own(blas);
    pare_bench_options bench = PARE_BENCH_OPTIONS_INIT;
    bench.samples = 1;
    bench.length = 8;
    bench.repeats = 1;
    assert_int_equal(pare_bench(r.model, &bench, &r.runtime, &report), PARE_OK);
    pare_text_free(report);
    expect_own(blas);
    prune_run_close(&r);
}

static void after_a_study(void **state) {
    int blas = *(int *)*state;
    static const char *const methods[] = {"taylor"}, *const changes[] = {"threads"};
    char *report;
    prune_run r = prune_run_open((tiny_model){0});
    pare_robust_options options = PARE_ROBUST_OPTIONS_INIT;
    options.prune = &r.options;
    options.methods = methods;
    options.changes = changes;
    options.method_count = options.change_count = 1;
    options.lipschitz = true;
    assert_int_equal(pare_robust(r.model, &options, &r.runtime, &report), PARE_OK);
    pare_text_free(report);
    expect_own(blas);
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_pruning),
        cmocka_unit_test(after_failures),
        cmocka_unit_test(after_evaluation),
        cmocka_unit_test(after_a_study),
    };
    return cmocka_run_group_tests(tests, set, NULL);
}
