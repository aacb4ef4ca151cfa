/* Memory accounting, and sizes that no memory holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static void bytes_are_counted(void **state) {
    (void)state;
    uint64_t before = pare_memory_current();
    float *a, *b;
    unsigned char *none;
    pare_memory_peak_reset();
    assert_int_equal(pare_alloc(&a, 1000, sizeof *a, "numbers"), PARE_OK);
    assert_int_equal(pare_alloc_uninitialized(&b, 500, sizeof *b, "numbers"), PARE_OK);
    assert_int_equal(pare_alloc(&none, 0, 1, "nothing"), PARE_OK);
    assert_non_null(none);
    assert_int_equal((uintptr_t)a % 64 + (uintptr_t)b % 64 + (uintptr_t)none % 64, 0);
    assert_int_equal(pare_memory_current() - before, 6000);
    for (int i = 0; i < 1000; i++)
        assert_true(a[i] == 0.0f);
    pare_free(a);
    assert_int_equal(pare_memory_current() - before, 2000);
    assert_int_equal(pare_memory_peak() - before, 6000);
    pare_memory_peak_reset();
    assert_int_equal(pare_memory_peak() - before, 2000);
    pare_free(b);
    pare_free(none);
    pare_free(NULL);
    assert_int_equal(pare_memory_current(), before);
}

static void impossible_sizes(void **state) {
    (void)state;
    uint64_t before = pare_memory_current();
    const size_t sizes[][2] = {{SIZE_MAX, 2}, {SIZE_MAX / 4 + 1, 4}, {SIZE_MAX, 1}, {SIZE_MAX - 100, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *data = &before;
        assert_int_equal(pare_alloc(&data, sizes[i][0], sizes[i][1], "the impossible"), PARE_OUT_OF_MEMORY);
        assert_null(data);
        assert_non_null(strstr(pare_message(), "the impossible"));
    }
    assert_int_equal(pare_memory_current(), before);
}

/* A limit of the process's address space, as a small machine would have; sanitizers need more than any limit, and
 * qemu-user takes none for what it runs. */
static void refusal_by_the_system(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(PARE_EMULATOR)
    fprintf(stderr, "skipped: limits of address space, which sanitizers and emulators do not live with\n");
    skip();
#endif
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_AS, &limit), 0);
    small = limit;
    small.rlim_cur = (rlim_t)1 << 30;
    assert_int_equal(setrlimit(RLIMIT_AS, &small), 0);
    void *data;
    pare_status status = pare_alloc(&data, (size_t)1 << 31, 1, "block inputs");
    assert_int_equal(setrlimit(RLIMIT_AS, &limit), 0);
    assert_int_equal(status, PARE_OUT_OF_MEMORY);
    assert_null(data);
    assert_non_null(strstr(pare_message(), "block inputs (2048.0 MiB)"));
}

/* Touched pages show in what the kernel counts. */
static void resident_memory_is_seen(void **state) {
    (void)state;
    uint64_t before = pare_memory_anonymous_resident();
    unsigned char *data;
    size_t size = (size_t)32 << 20;
    assert_int_equal(pare_alloc_uninitialized(&data, size, 1, "pages"), PARE_OK);
    memset(data, 1, size);
    uint64_t after = pare_memory_anonymous_resident();
    assert_true(before > 0 && after >= before + size / 2);
    assert_true(pare_memory_available() > 0);
    pare_free(data);
}

static void products_of_sizes(void **state) {
    (void)state;
    uint64_t product;
    assert_true(pare_multiply_size(UINT64_MAX, 1, &product) && product == UINT64_MAX);
    assert_true(pare_multiply_size(0, UINT64_MAX, &product) && product == 0);
    assert_false(pare_multiply_size(1ull << 32, 1ull << 32, &product));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_counted),     cmocka_unit_test(impossible_sizes),
        cmocka_unit_test(refusal_by_the_system), cmocka_unit_test(resident_memory_is_seen),
        cmocka_unit_test(products_of_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
