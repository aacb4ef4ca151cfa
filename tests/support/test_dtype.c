/* Conversions between float and the two 16-bit types: every value there and back, ties, overflow, NaN, subnormals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/dtype.h"
#include "support/vectorize.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What distinguishes the two types: exponent bits, fraction bits, bias. */
typedef struct format {
    pare_dtype dtype;
    int exponent_bits, fraction_bits, bias;
} format;

static const format formats[] = {{PARE_DTYPE_F16, 5, 10, 15}, {PARE_DTYPE_BF16, 8, 7, 127}};

/* The number that `bits` stand for, by the definition of the format. */
static double value_of(const format *f, uint16_t bits) {
    int exponent = bits >> f->fraction_bits & ((1 << f->exponent_bits) - 1);
    double fraction = (double)(bits & ((1 << f->fraction_bits) - 1)), sign = bits >> 15 ? -1.0 : 1.0;
    if (exponent == (1 << f->exponent_bits) - 1) return fraction > 0.0 ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0) return sign * ldexp(fraction, 1 - f->bias - f->fraction_bits);
    return sign * ldexp(ldexp(1.0, f->fraction_bits) + fraction, exponent - f->bias - f->fraction_bits);
}

static uint16_t stored(const format *f, float value) {
    uint16_t bits;
    pare_from_float(&bits, f->dtype, &value, 1);
    return bits;
}

static void every_value_there_and_back(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const format *f = &formats[i];
        for (uint32_t bits = 0; bits < 65536; bits++) {
            uint16_t in = (uint16_t)bits;
            float value;
            pare_to_float(&value, &in, f->dtype, 1);
            double expected = value_of(f, in);
            uint16_t back = stored(f, value);
            if (isnan(expected)) {
                assert_true(isnan(value) && isnan(value_of(f, back)));
                continue;
            }
            assert_true((double)value == expected && !signbit(value) == !(in >> 15));
            assert_int_equal(back, in);
        }
    }
}

/* Between any two neighbours: the midpoint goes to the even one, everything else to the nearer one. The largest finite
 * number and infinity count as neighbours, half a step beyond the former rounding to infinity. */
static void rounding_between_neighbours(void **state) {
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const format *f = &formats[i];
        uint16_t infinity = (uint16_t)(((1 << f->exponent_bits) - 1) << f->fraction_bits);
        for (uint16_t low = 0; low < infinity; low++) {
            double a = value_of(f, low), b = value_of(f, (uint16_t)(low + 1));
            if (low + 1 == infinity) b = a + (a - value_of(f, (uint16_t)(low - 1)));
            float middle = (float)((a + b) / 2.0);
            uint16_t even = low & 1 ? low + 1 : low;
            assert_true((double)middle == (a + b) / 2.0);
            assert_int_equal(stored(f, middle), even);
            assert_int_equal(stored(f, nextafterf(middle, 0.0f)), low);
            assert_int_equal(stored(f, nextafterf(middle, INFINITY)), low + 1);
            assert_int_equal(stored(f, -middle), even | 0x8000);
        }
        assert_int_equal(stored(f, INFINITY), infinity);
        assert_int_equal(stored(f, -INFINITY), infinity | 0x8000);
        assert_int_equal(stored(f, 3.4028235e38f), infinity);
    }
}

/* No NaN may turn into a number or an infinity, whatever its payload. */
static void nan_payloads(void **state) {
    (void)state;
    for (uint32_t payload = 1; payload < 0x800000; payload += payload < 0x4000 ? 1 : 0x1fff)
        for (uint32_t sign = 0; sign < 2; sign++) {
            uint32_t bits = sign << 31 | 0x7f800000u | payload;
            for (size_t i = 0; i < 2; i++) {
                uint16_t out;
                pare_from_float(&out, formats[i].dtype, (const float *)(const void *)&bits, 1);
                assert_true(isnan(value_of(&formats[i], out)));
            }
        }
}

/* Any length and any alignment gives what single elements give, and nothing beyond the end is written. */
static void lengths_and_alignments(void **state) {
    (void)state;
    enum { MOST = 67 };
    float in[MOST], out[MOST + 1], single;
    for (int i = 0; i < MOST; i++)
        in[i] = (float)(i - 30) * 0.37f;
    const pare_dtype dtypes[] = {PARE_DTYPE_F32, PARE_DTYPE_F16, PARE_DTYPE_BF16};
    for (size_t d = 0; d < 3; d++)
        for (size_t n = 0; n <= MOST; n++)
            for (size_t offset = 0; offset < 4; offset++) {
                unsigned char memory[MOST * 4 + 8], element[4];
                size_t size = pare_dtype_size(dtypes[d]);
                memset(memory, 0xab, sizeof memory);
                out[n] = 99.0f;
                pare_from_float(memory + offset, dtypes[d], in, n);
                pare_to_float(out, memory + offset, dtypes[d], n);
                for (size_t i = 0; i < n; i++) {
                    pare_from_float(element, dtypes[d], in + i, 1);
                    pare_to_float(&single, element, dtypes[d], 1);
                    assert_true(out[i] == single);
                }
                assert_true(out[n] == 99.0f && memory[offset + n * size] == 0xab);
            }
}

static void names_and_sizes(void **state) {
    (void)state;
    assert_string_equal(pare_dtype_name(PARE_DTYPE_F32), "F32");
    assert_string_equal(pare_dtype_name(PARE_DTYPE_F16), "F16");
    assert_string_equal(pare_dtype_name(PARE_DTYPE_BF16), "BF16");
    assert_int_equal(pare_dtype_size(PARE_DTYPE_F32), 4);
    assert_int_equal(pare_dtype_size(PARE_DTYPE_F16), 2);
    assert_int_equal(pare_dtype_size(PARE_DTYPE_BF16), 2);
}

/* Under AddressSanitizer, which sees the conversions' ranges and not their elements: one element too many, at either
 * end of either side, ends the program. */
#ifdef PARE_ADDRESS_SANITIZER
static void overruns_are_seen(void **state) {
    (void)state;
    enum { FEW = 40, MANY = 60 };
    for (int way = 0; way < 8; way++) {
        bool widens = way & 1, short_is_wide = way & 2, before = way & 4;
        int how;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            float *wide = calloc(short_is_wide ? FEW : MANY, sizeof *wide);
            uint16_t *narrow = calloc(short_is_wide ? MANY : FEW, sizeof *narrow);
            float *wide_from = wide + (short_is_wide ? 0 : 10) - before;
            uint16_t *narrow_from = narrow + (short_is_wide ? 10 : 0) - before;
            if (!freopen("/dev/null", "w", stderr)) _exit(0);
            if (widens)
                pare_to_float(wide_from, narrow_from, PARE_DTYPE_BF16, FEW + !before);
            else
                pare_from_float(narrow_from, PARE_DTYPE_BF16, wide_from, FEW + !before);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_false(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_there_and_back),
        cmocka_unit_test(rounding_between_neighbours),
        cmocka_unit_test(nan_payloads),
        cmocka_unit_test(lengths_and_alignments),
        cmocka_unit_test(names_and_sizes),
#ifdef PARE_ADDRESS_SANITIZER
        cmocka_unit_test(overruns_are_seen),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
