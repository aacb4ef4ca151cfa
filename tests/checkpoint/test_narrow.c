/* Weights of 64 bits are read as the nearest 32-bit floats, whatever lies beside them in the file, and what a float
 * cannot hold is not taken for a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/scan.h"
#include "tiny_model.h"

static const double values[] = {1.0, -0.1, 1e-300, 3.0000000001, 0.0};

/* Five doubles, and a bf16 tensor before them that leaves them at an odd address. */
static char *make(double last) {
    static const char header[] = "{\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                                 "\"a\":{\"dtype\":\"F64\",\"shape\":[5],\"data_offsets\":[2,42]}}";
    char data[42] = "\x80\x3f", *folder = tiny_folder();
    memcpy(data + 2, values, sizeof values);
    memcpy(data + 34, &last, sizeof last);
    tiny_write_safetensors(folder, "model.safetensors", header, data, sizeof data);
    return folder;
}

static void doubles_are_rounded_once(void **state) {
    (void)state;
    char *folder = make(0.0);
    pare_checkpoint *checkpoint;
    if (pare_checkpoint_open(folder, &checkpoint) != PARE_OK) fail_msg("%s", pare_message());
    const pare_tensor *a = pare_checkpoint_find(checkpoint, "a"), *b = pare_checkpoint_find(checkpoint, "b");
    assert_int_equal(a->dtype, PARE_DTYPE_F32);
    assert_int_equal(a->bytes, 5 * sizeof(float));
    assert_int_equal(b->dtype, PARE_DTYPE_BF16);
    assert_memory_equal(b->data, "\x80\x3f", 2);
    for (int i = 0; i < 5; i++)
        assert_true(((const float *)a->data)[i] == (float)values[i]);
    assert_false(pare_checkpoint_is_archive(checkpoint));
    pare_scan scan;
    assert_int_equal(pare_checkpoint_scan(checkpoint, NULL, &scan), PARE_OK);
    assert_int_equal(scan.zeros[a - pare_checkpoint_at(checkpoint, 0)], 2); /* 1e-300 is none as a float */
    pare_scan_free(&scan);
    pare_checkpoint_close(checkpoint);
    tiny_remove(folder);
    free(folder);
}

static void numbers_beyond_a_float_are_refused(void **state) {
    (void)state;
    const double bad[] = {1e300, -1e39, NAN, INFINITY};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *folder = make(bad[i]);
        pare_checkpoint *checkpoint;
        pare_scan scan;
        assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
        assert_int_equal(pare_checkpoint_scan(checkpoint, NULL, &scan), PARE_NUMERIC_ERROR);
        assert_non_null(strstr(pare_message(), "element 4 of tensor a"));
        pare_checkpoint_close(checkpoint);
        tiny_remove(folder);
        free(folder);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_rounded_once),
        cmocka_unit_test(numbers_beyond_a_float_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
