/* What the kernel counts of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/memory.h"
#include "support/usage.h"

#include <string.h>

enum { BYTES = 48 << 20 };

static void processor_time_grows(void **state) {
    (void)state;
    double start = pare_usage_now().processor_seconds, now = start;
    volatile double work = 1.0;
    for (int i = 0; i < 1 << 30 && now - start < 0.02; i++) {
        work = work * 1.0000001;
        if (i % 4096 == 0) now = pare_usage_now().processor_seconds;
    }
    assert_true(now - start >= 0.02);
}

/* Seen although nobody looked while it was held, but for the one who gave it back. */
static void a_large_block_is_seen(void **state) {
    (void)state;
    char *block;
    pare_resident_reset(PARE_RESIDENT_STAGE);
    uint64_t before = pare_resident_now().anonymous;
    assert_true(before > 0 && pare_resident_now().mapped > 0);
    assert_int_equal(pare_alloc_uninitialized(&block, BYTES, 1, "a block"), PARE_OK);
    memset(block, 1, BYTES);
    pare_free(block);
    assert_true(pare_resident_peak(PARE_RESIDENT_STAGE).anonymous >= before + BYTES / 16 * 15);
    assert_true(pare_resident_peak(PARE_RESIDENT_RUN).anonymous >= before + BYTES / 16 * 15);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what is freed for a while */
    pare_resident_reset(PARE_RESIDENT_STAGE);
    assert_true(pare_resident_peak(PARE_RESIDENT_STAGE).anonymous < before + BYTES / 2);
    assert_true(pare_resident_peak(PARE_RESIDENT_RUN).anonymous >= before + BYTES / 16 * 15);
    pare_memory_peak_reset();
    assert_true(pare_resident_peak(PARE_RESIDENT_RUN).anonymous < before + BYTES / 2);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(processor_time_grows),
        cmocka_unit_test(a_large_block_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
