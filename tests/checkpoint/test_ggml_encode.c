/* Numbers become the blocks that ggml's reference makes of them (tests/data/ggml_encoded.json.gz): with scales of one
 * step bit for bit; with fits, whose sums run in another order here, at most 2 % farther from the numbers than its are,
 * with nine of ten bytes the same. */
#include "checkpoint/ggml_types.h"
#include "packed.h"

#include <math.h>

enum { ROW = 256 };

static json_t *data;
static float *values, importance[ROW];
static size_t count;

static void load_bits(const json_t *bits, float *out) {
    for (size_t i = 0; i < json_array_size(bits); i++) {
        uint32_t one = (uint32_t)json_integer_value(json_array_get(bits, i));
        memcpy(&out[i], &one, sizeof one);
    }
}

static int load(void **state) {
    (void)state;
    data = load_packed("ggml_encoded.json.gz");
    const json_t *bits = json_object_get(data, "values"), *weights = json_object_get(data, "importance");
    count = json_array_size(bits);
    values = malloc(count * sizeof *values);
    load_bits(bits, values);
    assert_int_equal(json_array_size(weights), ROW);
    load_bits(weights, importance);
    return 0;
}

static int forget(void **state) {
    (void)state;
    free(values);
    json_decref(data);
    return 0;
}

static unsigned char *expected_of(const char *how, const pare_ggml_type *type, size_t *bytes) {
    const char *hex = json_string_value(json_object_get(json_object_get(data, how), type->name));
    assert_non_null(hex);
    *bytes = strlen(hex) / 2;
    assert_int_equal(*bytes, count / type->elements * type->bytes);
    unsigned char *blocks = malloc(*bytes);
    for (size_t i = 0; i < *bytes; i++) {
        unsigned value;
        sscanf(hex + 2 * i, "%2x", &value);
        blocks[i] = (unsigned char)value;
    }
    return blocks;
}

static unsigned char *encoded(const pare_ggml_type *type) {
    unsigned char *blocks = malloc(count / type->elements * type->bytes);
    type->encode(values, count / type->elements, blocks);
    return blocks;
}

static void simple_types_are_ggmls_bits(void **state) {
    (void)state;
    static const char *const names[] = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const pare_ggml_type *type = pare_ggml_type_named(names[i]);
        size_t bytes;
        unsigned char *expected = expected_of("blocks", type, &bytes), *actual = encoded(type);
        for (size_t at = 0; at < bytes; at++)
            if (actual[at] != expected[at])
                fail_msg("%s: byte %zu of block %zu is %02x, not %02x", type->name, at % type->bytes, at / type->bytes,
                         actual[at], expected[at]);
        free(expected);
        free(actual);
    }
}

static double error_of(const pare_ggml_type *type, const unsigned char *blocks) {
    float *read = malloc(count * sizeof *read);
    double sum = 0;
    pare_ggml_values(type, blocks, 0, count, read);
    for (size_t i = 0; i < count; i++)
        sum += ((double)read[i] - (double)values[i]) * ((double)read[i] - (double)values[i]);
    free(read);
    return sum;
}

static void fitted_types_are_as_close(void **state) {
    (void)state;
    static const char *const names[] = {"Q4_K", "Q5_K", "Q6_K"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const pare_ggml_type *type = pare_ggml_type_named(names[i]);
        size_t bytes, same = 0;
        unsigned char *expected = expected_of("blocks", type, &bytes), *actual = encoded(type);
        double theirs = error_of(type, expected), ours = error_of(type, actual);
        for (size_t at = 0; at < bytes; at++)
            same += actual[at] == expected[at];
        if (!(ours <= 1.02 * theirs)) fail_msg("%s: squared error %g, ggml's is %g", type->name, ours, theirs);
        if (!((double)same >= 0.9 * (double)bytes))
            fail_msg("%s: %zu of %zu bytes are ggml's", type->name, same, bytes);
        free(expected);
        free(actual);
    }
}

/* Squares of what the blocks of a row are apart from the numbers, times the importance of their columns. */
static double weighed_error_of(const pare_ggml_type *type, const unsigned char *blocks, size_t row) {
    float read[ROW];
    double sum = 0;
    size_t per_row = ROW / type->elements * type->bytes;
    pare_ggml_values(type, blocks + row * per_row, 0, ROW, read);
    for (size_t i = 0; i < ROW; i++) {
        double apart = (double)read[i] - (double)values[row * ROW + i];
        sum += apart * apart * (double)importance[i];
    }
    return sum;
}

/* Geometric mean over the rows of how much larger errors are than those of other blocks. */
static double mean_ratio(const pare_ggml_type *type, const unsigned char *blocks, const unsigned char *others) {
    double logs = 0;
    size_t rows = 0;
    for (size_t row = 0; row < count / ROW; row++) {
        double here = weighed_error_of(type, blocks, row), there = weighed_error_of(type, others, row);
        if (!(there > 0)) continue;
        logs += log(here / there);
        rows++;
    }
    assert_true(rows > 4);
    return exp(logs / (double)rows);
}

/* Sums of fits run in another order, which a row of such weights may turn to another fit: as close on average, with
 * nine of ten bytes the same, and far closer than without the importance. Q8_0 does not feel it. */
static void importance_weighs_as_ggmls_does(void **state) {
    (void)state;
    static const char *const names[] = {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const pare_ggml_type *type = pare_ggml_type_named(names[i]);
        size_t bytes, same = 0, per_row = ROW / type->elements;
        unsigned char *expected = expected_of("weighed", type, &bytes), *plain = encoded(type), *actual = malloc(bytes);
        for (size_t row = 0; row < count / ROW; row++)
            type->weighed(values + row * ROW, importance, per_row, actual + row * per_row * type->bytes);
        for (size_t at = 0; at < bytes; at++)
            same += actual[at] == expected[at];
        double of_theirs = mean_ratio(type, actual, expected), of_plain = mean_ratio(type, actual, plain);
        if (!(of_theirs <= 1.02)) fail_msg("%s: weighed errors are %g of ggml's", type->name, of_theirs);
        if (!(of_plain < 0.6)) fail_msg("%s: weighed errors are %g of those without importance", type->name, of_plain);
        if (!((double)same >= 0.9 * (double)bytes))
            fail_msg("%s: %zu of %zu bytes are ggml's", type->name, same, bytes);
        free(expected);
        free(plain);
        free(actual);
    }
    for (size_t i = 0; pare_ggml_type_at(i); i++) {
        const pare_ggml_type *type = pare_ggml_type_at(i);
        bool felt = !type->plain && type->encode && strcmp(type->name, "Q8_0") != 0;
        assert_int_equal(type->weighed != NULL, felt);
    }
}

/* So do numbers that are none of fp16, and have no inverse in fp32. */
static void zeros_stay_zeros(void **state) {
    (void)state;
    float zeros[2][256] = {{0}}, read[256];
    for (int at = 0; at < 256; at++)
        zeros[1][at] = at % 3 ? 1e-42f : -3e-43f;
    for (size_t i = 0; pare_ggml_type_at(i / 2); i++) {
        const pare_ggml_type *type = pare_ggml_type_at(i / 2);
        unsigned char block[1024];
        if (!type->encode || (i % 2 && type->plain)) continue;
        memset(block, 0xAA, sizeof block);
        type->encode(zeros[i % 2], 256 / type->elements, block);
        pare_ggml_values(type, block, 0, 256, read);
        for (int at = 0; at < 256; at++)
            if (fpclassify(read[at]) != FP_ZERO) fail_msg("%s makes %g of 0", type->name, (double)read[at]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_types_are_ggmls_bits), cmocka_unit_test(fitted_types_are_as_close),
        cmocka_unit_test(importance_weighs_as_ggmls_does), cmocka_unit_test(zeros_stay_zeros)};
    return cmocka_run_group_tests(tests, load, forget);
}
