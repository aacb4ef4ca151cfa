/* A damaged or hostile safetensors file: whatever its header says, it is refused in one sentence or read as it is. */
#define ONE_FILE "model.safetensors"
#include "one_file.h"

#include "checkpoint/safetensors.h"

/* A file of `bytes` bytes of data 0, 1, 2, ... behind the header. */
static void write_file(const char *header, size_t bytes) {
    unsigned char data[64];
    assert_true(bytes <= sizeof data);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (unsigned char)i;
    tiny_write_safetensors(folder, ONE_FILE, header, data, bytes);
}

static void expect_refusal(pare_status expected, const char *word) {
    pare_safetensors file;
    pare_status status = pare_safetensors_open(path, &file);
    expect_status(status, expected, word);
    assert_null(file.tensors);
    assert_null(file.mapping.path);
}

/* Two matrices, an empty tensor and a scalar, over 12 + 12 + 0 + 4 bytes. */
static const char sound[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                            "\"b\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[12,24]},"
                            "\"empty\":{\"dtype\":\"F32\",\"shape\":[0,7],\"data_offsets\":[24,24]},"
                            "\"a\":{\"dtype\":\"BF16\",\"shape\":[6],\"data_offsets\":[0,12]},"
                            "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[24,28]}} ";
enum { SOUND_DATA = 28 };

/* All that must hold of a file that was accepted although a bit of its header was turned: the data is as it was. */
static void check_unchanged(const pare_safetensors *file) {
    static const struct {
        pare_dtype dtype;
        uint64_t count, begin;
    } expected[] = {{PARE_DTYPE_BF16, 6, 0}, {PARE_DTYPE_F16, 6, 12}, {PARE_DTYPE_F32, 0, 24}, {PARE_DTYPE_F32, 1, 24}};
    assert_int_equal(file->count, 4);
    for (size_t i = 0; i < 4; i++) {
        const pare_tensor *tensor = &file->tensors[i];
        const unsigned char *data = tensor->data;
        assert_int_equal(tensor->dtype, expected[i].dtype);
        assert_int_equal(tensor->count, expected[i].count);
        for (size_t k = 0; k < tensor->bytes; k++)
            assert_int_equal(data[k], expected[i].begin + k);
    }
}

static void reads_a_sound_file(void **state) {
    (void)state;
    write_file(sound, SOUND_DATA);
    pare_safetensors file;
    assert_int_equal(pare_safetensors_open(path, &file), PARE_OK);
    check_unchanged(&file);
    assert_string_equal(file.tensors[1].name, "b");
    assert_int_equal(file.tensors[1].rank, 2);
    assert_int_equal(file.tensors[1].shape[1], 3);
    assert_int_equal(file.tensors[3].rank, 0);
    pare_safetensors_close(&file);
}

static void survives_every_turned_bit(void **state) {
    (void)state;
    size_t front = 8 + strlen(sound), accepted = 0;
    unsigned char file[8 + sizeof sound + SOUND_DATA] = {0};
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)strlen(sound) >> (8 * i));
    memcpy(file + 8, sound, strlen(sound));
    for (unsigned i = 0; i < SOUND_DATA; i++)
        file[front + i] = (unsigned char)i;
    for (size_t bit = 0; bit < 8 * front; bit++) {
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
        tiny_write_file(folder, ONE_FILE, file, front + SOUND_DATA);
        pare_safetensors opened;
        pare_status status = pare_safetensors_open(path, &opened);
        if (status == PARE_OK) {
            check_unchanged(&opened);
            accepted++;
        } else if (status != PARE_FORMAT_ERROR && status != PARE_UNSUPPORTED) {
            fail_msg("bit %zu: status %d: %s", bit, status, pare_message());
        }
        pare_safetensors_close(&opened);
        file[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    /* Letters of names may turn into others; nothing else may pass. */
    assert_in_range(accepted, 1, 8 * strlen("formatptbemptyascalar") + 8);
}

static void refuses_every_truncation(void **state) {
    (void)state;
    write_file(sound, SOUND_DATA);
    for (off_t length = (off_t)(8 + strlen(sound) + SOUND_DATA) - 1; length >= 0; length--) {
        assert_int_equal(truncate(path, length), 0);
        expect_refusal(PARE_FORMAT_ERROR, "");
    }
    write_file(sound, SOUND_DATA + 1);
    expect_refusal(PARE_FORMAT_ERROR, "last 1 bytes");
}

static void refuses_impossible_lengths(void **state) {
    (void)state;
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, INT64_MAX, (uint64_t)1 << 32, 100000001, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        tiny_write_file(folder, ONE_FILE, &lengths[i], 8);
        assert_int_equal(truncate(path, 200000000), 0);
        expect_refusal(PARE_FORMAT_ERROR, "header");
    }
    assert_int_equal(unlink(path), 0);
    expect_refusal(PARE_FILE_ERROR, "cannot read");
}

typedef struct hazard {
    const char *header;
    size_t bytes;
    const char *word;
} hazard;

static void refuses(const hazard *hazards, size_t count, pare_status status) {
    for (size_t i = 0; i < count; i++) {
        write_file(hazards[i].header, hazards[i].bytes);
        expect_refusal(status, hazards[i].word);
    }
}

#define ENTRY(name, dtype, shape, offsets)                                                                             \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void refuses_what_is_no_header(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {"", 0, "not JSON"},
        {"[]", 0, "not JSON"},
        {" {}", 0, "not JSON"},
        {"{", 0, "not JSON"},
        {"{}}", 0, "not JSON"},
        {"{\"a\xff\":1}", 0, "not JSON"},
        {"{\"a\":1}", 0, "tensor a"},
        {"{\"a\":{}}", 0, "tensor a"},
        {"{\"\":{}}", 0, "name is empty"},
        {"{\"a\\u001b[2J\":{}}", 0, "control characters"},
        {"{\"__metadata__\":[]}", 0, "__metadata__"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "__metadata__"},
        {"{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("a", "F32", "[1]", "[4,8]") "}", 8, "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"strides\":[1]}}", 4, "alone"},
        {"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "no shape"},
    };
    refuses(hazards, sizeof hazards / sizeof *hazards, PARE_FORMAT_ERROR);
}

static void refuses_bad_shapes_and_offsets(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {"{" ENTRY("a", "F32", "[-1]", "[0,4]") "}", 4, "natural number"},
        {"{" ENTRY("a", "F32", "[1.0]", "[0,4]") "}", 4, "natural number"},
        {"{" ENTRY("a", "F32", "[\"1\"]", "[0,4]") "}", 4, "natural number"},
        {"{" ENTRY("a", "F32", "[18446744073709551617]", "[0,4]") "}", 4, "not JSON"},
        {"{" ENTRY("a", "F32", "[9223372036854775807,9223372036854775807]", "[0,4]") "}", 4, "too large"},
        {"{" ENTRY("a", "F32", "[4294967296,4294967296]", "[0,0]") "}", 0, "too large"},
        {"{" ENTRY("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0, "too large"},
        {"{" ENTRY("a", "F32", "[2147483648,2147483649]", "[0,4]") "}", 4, "too large"},
        {"{" ENTRY("a", "F32", "[1]", "[0]") "}", 4, "two natural numbers"},
        {"{" ENTRY("a", "F32", "[1]", "[0,4,8]") "}", 4, "two natural numbers"},
        {"{" ENTRY("a", "F32", "[1]", "[-4,0]") "}", 4, "two natural numbers"},
        {"{" ENTRY("a", "F32", "[1]", "[0,4.0]") "}", 4, "two natural numbers"},
        {"{" ENTRY("a", "F32", "[1]", "{}") "}", 4, "two natural numbers"},
        {"{" ENTRY("a", "F32", "[1]", "[4,0]") "}", 4, "lies at"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "}", 7, "lies at"},
        {"{" ENTRY("a", "F32", "[1]", "[9223372036854775803,9223372036854775807]") "}", 4, "lies at"},
        {"{" ENTRY("a", "F32", "[2]", "[0,4]") "}", 4, "4 bytes where its shape and dtype need 8"},
        {"{" ENTRY("a", "BF16", "[1]", "[0,4]") "}", 4, "need 2"},
        {"{" ENTRY("a", "F32", "[0]", "[0,4]") "}", 4, "need 0"},
    };
    refuses(hazards, sizeof hazards / sizeof *hazards, PARE_FORMAT_ERROR);
}

static void refuses_overlaps_and_holes(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[2]", "[4,12]") "}", 12, "inside another"},
        {"{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("b", "F32", "[1]", "[0,4]") "}", 4, "inside another"},
        {"{" ENTRY("a", "F32", "[2]", "[0,8]") "," ENTRY("b", "F32", "[0]", "[4,4]") "}", 8, "inside another"},
        {"{" ENTRY("a", "F32", "[1]", "[0,4]") "," ENTRY("b", "F32", "[1]", "[8,12]") "}", 12, "belong to no tensor"},
        {"{" ENTRY("a", "F32", "[1]", "[4,8]") "}", 8, "belong to no tensor"},
        {"{" ENTRY("a", "F32", "[1]", "[0,4]") "}", 8, "last 4 bytes"},
        {"{}", 1, "last 1 bytes"},
    };
    refuses(hazards, sizeof hazards / sizeof *hazards, PARE_FORMAT_ERROR);
}

static void refuses_kinds_it_does_not_know(void **state) {
    (void)state;
    static const hazard hazards[] = {
        {"{" ENTRY("a", "I64", "[1]", "[0,8]") "}", 8, "tensor a has dtype I64"},
        {"{" ENTRY("q", "F8_E4M3", "[4]", "[0,4]") "}", 4, "tensor q has dtype F8_E4M3"},
        {"{" ENTRY("a", "f32", "[1]", "[0,4]") "}", 4, "dtype f32"},
        {"{" ENTRY("a", "F32", "[1,1,1,1,1]", "[0,4]") "}", 4, "5 dimensions"},
    };
    refuses(hazards, sizeof hazards / sizeof *hazards, PARE_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_sound_file),         cmocka_unit_test(survives_every_turned_bit),
        cmocka_unit_test(refuses_every_truncation),   cmocka_unit_test(refuses_impossible_lengths),
        cmocka_unit_test(refuses_what_is_no_header),  cmocka_unit_test(refuses_bad_shapes_and_offsets),
        cmocka_unit_test(refuses_overlaps_and_holes), cmocka_unit_test(refuses_kinds_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
