/* Whole-buffer conversions. */
#include "backend/compare.h"

/* To an operand and back: exactly one rounding of the stored type, over the stride of the threads. */
static void conversions(void **state) {
    const backends *b = backends_of(state);
    const int64_t lengths[] = {0, 1, 17, 16384, 16385, 40000};
    for (int64_t i = 0; i < LENGTH(lengths); i++) {
        int64_t n = lengths[i];
        float *x = random_floats(n, 1, 1.0f, PARE_DTYPE_F32), *rounded = random_floats(n, 1, 1.0f, b->tested->operand);
        float *back = filled(n + 1, 77.0f);
        void *operand = buffer(n, pare_operand_size(b->tested));
        b->tested->operations->to_operand(b->tested, x, n, operand);
        b->tested->operations->from_operand(b->tested, operand, n, back);
        assert_memory_equal(back, rounded, (size_t)n * sizeof *back);
        assert_true(back[n] == 77.0f);
        RELEASE(x, rounded, back, operand);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {WITH_FP32(conversions), WITH_BF16(conversions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
