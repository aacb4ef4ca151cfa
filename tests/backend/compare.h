/* What the backend tests share: a pair of backends to compare, random data, and comparison under an error bound. */
#ifndef PARE_TESTS_BACKEND_COMPARE_H
#define PARE_TESTS_BACKEND_COMPARE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend/backend.h"
#include "support/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH(array) (int64_t)(sizeof(array) / sizeof *(array))

/* Half a unit in the last place of 1, relative: what one rounding of an fp32 or bf16 number may cost. */
#define UNIT_FP32 0x1p-24
#define UNIT_BF16 0x1p-8

typedef struct backends {
    pare_backend *tested, *reference;
    double unit; /* rounding of the tested backend's operands */
} backends;

static inline pare_backend *open_cpu(pare_compute compute, int threads) {
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(compute, threads, &backend), PARE_OK);
    return backend;
}

static const pare_compute compute_fp32 = PARE_COMPUTE_FP32, compute_bf16 = PARE_COMPUTE_BF16;

static inline int open_backends(void **state) {
    pare_compute compute = *(const pare_compute *)*state;
    backends *b = calloc(1, sizeof *b);
    if (!b) return -1;
    b->tested = open_cpu(compute, 2);
    b->unit = compute == PARE_COMPUTE_BF16 ? UNIT_BF16 : UNIT_FP32;
    *state = b;
    return pare_backend_open_reference(&b->reference) == PARE_OK ? 0 : -1;
}

static inline int close_backends(void **state) {
    backends *b = *state;
    pare_backend_close(b->tested);
    pare_backend_close(b->reference);
    free(b);
    return 0;
}

static inline const backends *backends_of(void **state) {
    return *state;
}

#define WITH_FP32(test)                                                                                                \
    { #test " fp32", test, open_backends, close_backends, (void *)(uintptr_t)&compute_fp32 }
#define WITH_BF16(test)                                                                                                \
    { #test " bf16", test, open_backends, close_backends, (void *)(uintptr_t)&compute_bf16 }

static inline void *buffer(int64_t n, size_t size) {
    void *data = calloc(n > 0 ? (size_t)n : 1, size);
    assert_non_null(data);
    return data;
}

static inline float *floats(int64_t n) {
    return buffer(n, sizeof(float));
}

static inline float *filled(int64_t n, float value) {
    float *x = floats(n);
    for (int64_t i = 0; i < n; i++)
        x[i] = value;
    return x;
}

/* n normal numbers times `scale`, rounded to what `dtype` can hold. */
static inline float *random_floats(int64_t n, uint64_t stream, float scale, pare_dtype dtype) {
    float *x = floats(n);
    pare_normal_fill(x, 12345, 0, stream, 0, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        float scaled = x[i] * scale;
        unsigned char stored[sizeof(float)];
        pare_from_float(stored, dtype, &scaled, 1);
        pare_to_float(x + i, stored, dtype, 1);
    }
    return x;
}

/* A new operand buffer that holds x, which must already be rounded to the operand type for this to be exact. */
static inline void *operand_of(const pare_backend *backend, const float *x, int64_t n) {
    void *operand = buffer(n, pare_operand_size(backend));
    pare_from_float(operand, backend->operand, x, (size_t)n);
    return operand;
}

static inline float *floats_of(const pare_backend *backend, const void *operand, int64_t n) {
    float *x = floats(n);
    pare_to_float(x, operand, backend->operand, (size_t)n);
    return x;
}

static inline float *absolute(const float *x, int64_t n) {
    float *y = floats(n);
    for (int64_t i = 0; i < n; i++)
        y[i] = fabsf(x[i]);
    return y;
}

/* |actual - expected| <= bound for one element; NaN anywhere fails. */
static inline void check_near(double actual, double expected, double bound, const char *what, int64_t index) {
    if (fabs(actual - expected) <= bound) return;
    fail_msg("%s[%lld] = %.9g, reference %.9g: off by %.3g, allowed %.3g", what, (long long)index, actual, expected,
             fabs(actual - expected), bound);
}

/* Every element within relative * size[i] + unit |expected[i]|, where size holds the sum of the absolute terms that
 * the element is made of. */
static inline void check_all(const float *actual, const float *expected, const float *size, int64_t n, double relative,
                             double unit, const char *what) {
    for (int64_t i = 0; i < n; i++) {
        double bound = relative * (double)size[i] + unit * fabs((double)expected[i]);
        check_near((double)actual[i], (double)expected[i], bound, what, i);
    }
}

static inline double norm(const float *x, int64_t n) {
    double squares = 0.0;
    for (int64_t i = 0; i < n; i++)
        squares += (double)x[i] * (double)x[i];
    return sqrt(squares);
}

/* The error of each row, as a vector, relative to that row's or the average row's norm; beside that `least` per
 * element, what a zero made of cancelling terms may leave. */
static inline void check_rows_beside(const float *actual, const float *expected, int64_t rows, int64_t head,
                                     double relative, double least, const char *what) {
    double average = norm(expected, rows * head) / sqrt((double)rows);
    for (int64_t row = 0; row < rows; row++) {
        double error = 0.0, size = norm(expected + row * head, head);
        for (int64_t i = row * head; i < (row + 1) * head; i++)
            error += ((double)actual[i] - (double)expected[i]) * ((double)actual[i] - (double)expected[i]);
        check_near(sqrt(error), 0.0, relative * fmax(size, average) + least * sqrt((double)head), what, row);
    }
}

/* Beside what terms of size 1 leave. */
static inline void check_rows(const float *actual, const float *expected, int64_t rows, int64_t head, double relative,
                              const char *what) {
    check_rows_beside(actual, expected, rows, head, relative, 1e-6, what);
}

static inline void release(size_t count, void *const pointers[]) {
    for (size_t i = 0; i < count; i++)
        free(pointers[i]);
}

#define RELEASE(...) release(sizeof((void *[]){__VA_ARGS__}) / sizeof(void *), (void *[]){__VA_ARGS__})

#endif
