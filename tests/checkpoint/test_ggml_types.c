/* Blocks of every type are the numbers that the gguf package makes of them, bit for bit
 * (tests/data/ggml_types.json.gz). */
#include "checkpoint/ggml_types.h"
#include "packed.h"

static unsigned char *bytes_of(const char *hex) {
    size_t count = strlen(hex) / 2;
    unsigned char *bytes = malloc(count + 1);
    for (size_t i = 0; i < count; i++) {
        unsigned value;
        sscanf(hex + 2 * i, "%2x", &value);
        bytes[i] = (unsigned char)value;
    }
    return bytes;
}

/* Elements [first, first + count) at once. */
static void check_run(const pare_ggml_type *type, const unsigned char *blocks, const json_t *wanted, size_t first,
                      size_t count) {
    float *values = malloc(count * sizeof *values + 1);
    pare_ggml_values(type, blocks, first, count, values);
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        json_int_t expected = json_integer_value(json_array_get(wanted, first + i));
        if ((json_int_t)bits != expected)
            fail_msg("%s: element %zu is %08x, not %08llx", type->name, first + i, bits, (unsigned long long)expected);
    }
    free(values);
}

static void values_are_the_formats(void **state) {
    (void)state;
    json_t *rows = load_packed("ggml_types.json.gz"), *row;
    size_t i, seen = 0;
    json_array_foreach(rows, i, row) {
        const pare_ggml_type *type = pare_ggml_type_find((uint32_t)json_integer_value(json_object_get(row, "id")));
        const json_t *wanted = json_object_get(row, "values");
        size_t count = json_array_size(wanted);
        assert_non_null(type);
        assert_string_equal(type->name, json_string_value(json_object_get(row, "name")));
        assert_ptr_equal(pare_ggml_type_named(type->name), type);
        assert_int_equal(type->elements, json_integer_value(json_object_get(row, "elements")));
        assert_int_equal(type->bytes, json_integer_value(json_object_get(row, "bytes")));
        unsigned char *blocks = bytes_of(json_string_value(json_object_get(row, "blocks")));
        check_run(type, blocks, wanted, 0, count);
        check_run(type, blocks, wanted, 1, count - 1);
        check_run(type, blocks, wanted, 7, 5);
        check_run(type, blocks, wanted, count - 3, 2);
        free(blocks);
        seen += !type->plain;
    }
    for (i = 0; pare_ggml_type_at(i); i++)
        seen -= !pare_ggml_type_at(i)->plain && pare_ggml_type_at(i)->decode;
    assert_int_equal(seen, 0);
    json_decref(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_are_the_formats)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
