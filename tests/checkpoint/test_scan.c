/* Weights that are no numbers, anywhere in a model, and digests that do not belong to the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/scan.h"
#include "tiny_model.h"

/* Tensor "a", then "b", at odd or even bytes of the file as `at` is; element `at` of "b" has the bits given. */
static pare_status scan_bits(pare_dtype dtype, uint64_t count, uint64_t at, uint32_t bits, pare_scan *scan) {
    char *folder = tiny_folder();
    uint64_t size = pare_dtype_size(dtype), bytes = size * count;
    char *header = pare_format("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                               "\"b\":{\"dtype\":\"%s\",\"shape\":[%llu],\"data_offsets\":[2,%llu]}} %s",
                               pare_dtype_name(dtype), (unsigned long long)count, (unsigned long long)(2 + bytes),
                               at % 2 ? " " : "");
    unsigned char *data = malloc(2 + bytes);
    memset(data, 0x11, 2 + bytes);
    memcpy(data + 2 + at * size, &bits, size);
    tiny_write_safetensors(folder, "model.safetensors", header, data, 2 + bytes);
    pare_checkpoint *checkpoint;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    pare_status status = pare_checkpoint_scan(checkpoint, NULL, scan);
    pare_checkpoint_close(checkpoint);
    free(data);
    free(header);
    tiny_remove(folder);
    free(folder);
    return status;
}

static void finds_every_kind_of_non_number(void **state) {
    (void)state;
    static const struct {
        pare_dtype dtype;
        uint32_t bits;
        const char *word;
    } cases[] = {
        {PARE_DTYPE_F32, 0x7f800000u, "infinite"}, {PARE_DTYPE_F32, 0xff800000u, "infinite"},
        {PARE_DTYPE_F32, 0x7f800001u, "NaN"},      {PARE_DTYPE_F32, 0xffffffffu, "NaN"},
        {PARE_DTYPE_F16, 0x7c00u, "infinite"},     {PARE_DTYPE_F16, 0xfe00u, "NaN"},
        {PARE_DTYPE_BF16, 0xff80u, "infinite"},    {PARE_DTYPE_BF16, 0x7f81u, "NaN"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (uint64_t at = 0; at < 37; at++) {
            pare_scan scan;
            assert_int_equal(scan_bits(cases[i].dtype, 37, at, cases[i].bits, &scan), PARE_NUMERIC_ERROR);
            char *word = pare_format("element %llu of tensor b is %s", (unsigned long long)at, cases[i].word);
            if (!strstr(pare_message(), word)) fail_msg("no \"%s\" in: %s", word, pare_message());
            free(word);
        }
}

static void accepts_the_largest_numbers(void **state) {
    (void)state;
    static const struct {
        pare_dtype dtype;
        uint32_t bits;
        uint64_t zeros;
    } cases[] = {{PARE_DTYPE_F32, 0x7f7fffffu, 0}, {PARE_DTYPE_F32, 0x80000000u, 1}, {PARE_DTYPE_F32, 1, 0},
                 {PARE_DTYPE_F16, 0x7bffu, 0},     {PARE_DTYPE_F16, 0, 1},           {PARE_DTYPE_BF16, 0xff7fu, 0},
                 {PARE_DTYPE_BF16, 0x8000u, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_scan scan;
        assert_int_equal(scan_bits(cases[i].dtype, 37, 5, cases[i].bits, &scan), PARE_OK);
        assert_int_equal(scan.zeros[0], 0);
        assert_int_equal(scan.zeros[1], cases[i].zeros);
        pare_scan_free(&scan);
    }
}

/* An element that lies in two pieces of the pass, and its neighbours. */
static void finds_non_numbers_at_the_border_of_pieces(void **state) {
    (void)state;
    uint64_t piece = (4 << 20) / 4;
    for (uint64_t at = piece - 60; at < piece + 4; at++) {
        pare_scan scan;
        assert_int_equal(scan_bits(PARE_DTYPE_F32, piece + 5, at, 0x7fc00000u, &scan), PARE_NUMERIC_ERROR);
        char *word = pare_format("element %llu of", (unsigned long long)at);
        assert_non_null(strstr(pare_message(), word));
        free(word);
    }
    pare_scan scan;
    assert_int_equal(scan_bits(PARE_DTYPE_F32, piece + 5, piece - 1, 0, &scan), PARE_OK);
    assert_int_equal(scan.zeros[1], 1);
    pare_scan_free(&scan);
}

static void looks_into_every_shard(void **state) {
    (void)state;
    char *folder = tiny_folder();
    tiny_write_safetensors(folder, "one.safetensors",
                           "{\"e\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
                           "\"empty\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}",
                           "\0\0\0\0", 4);
    tiny_write_safetensors(folder, "two.safetensors",
                           "{\"f\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]}}", "\0\0\200\177", 4);
    tiny_write_text(folder, "model.safetensors.index.json",
                    "{\"weight_map\": {\"e\": \"one.safetensors\", \"f\": \"two.safetensors\"}}");
    pare_checkpoint *checkpoint;
    pare_scan scan;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    assert_int_equal(pare_checkpoint_scan(checkpoint, NULL, &scan), PARE_NUMERIC_ERROR);
    assert_non_null(strstr(pare_message(), "two.safetensors: element 1 of tensor f is infinite"));
    pare_checkpoint_close(checkpoint);
    tiny_remove(folder);
    free(folder);
}

static void digests_are_those_of_the_files(void **state) {
    (void)state;
    char *folder = tiny_folder();
    static const char header[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    tiny_write_safetensors(folder, "model.safetensors", header, "\0\0\200\77", 4);
    pare_checkpoint *checkpoint;
    pare_scan scan;
    for (int threads = 1; threads <= 2; threads++) {
        pare_runtime runtime = {.threads = threads};
        assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
        assert_int_equal(pare_checkpoint_scan(checkpoint, &runtime, &scan), PARE_OK);
        /* sha256sum model.safetensors */
        assert_string_equal(scan.file_digests[0], "938a1286932d19c8c3799f0861ecdee467405712d99a11a69e79dd47387d40de");
        assert_string_equal(scan.digest, scan.file_digests[0]);
        pare_scan_free(&scan);
        pare_checkpoint_close(checkpoint);
    }
    tiny_remove(folder);
    free(folder);
}

static void digest_of_shards(void **state) {
    (void)state;
    char *folder = tiny_folder();
    tiny_write_safetensors(folder, "one.safetensors",
                           "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "\0\0\200\77", 4);
    tiny_write_safetensors(folder, "two.safetensors",
                           "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", "\0\0\200\77", 4);
    tiny_write_text(folder, "model.safetensors.index.json",
                    "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\"}}");
    pare_checkpoint *checkpoint;
    pare_scan scan;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    assert_int_equal(pare_checkpoint_scan(checkpoint, NULL, &scan), PARE_OK);
    /* sha256sum one.safetensors two.safetensors | sha256sum */
    assert_string_equal(scan.digest, "9bfacca8f3f6c1a8a2fca1941099fa207100a7c4e9246851b82d1e37aba935b1");
    pare_scan_free(&scan);
    pare_checkpoint_close(checkpoint);
    tiny_remove(folder);
    free(folder);
}

static void stops_when_interrupted(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){0});
    pare_checkpoint *checkpoint;
    pare_scan scan;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    pare_interrupt();
    assert_int_equal(pare_checkpoint_scan(checkpoint, NULL, &scan), PARE_INTERRUPTED);
    assert_null(scan.zeros);
    pare_interrupt_clear();
    assert_int_equal(pare_checkpoint_scan(checkpoint, NULL, &scan), PARE_OK);
    pare_scan_free(&scan);
    pare_checkpoint_close(checkpoint);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_every_kind_of_non_number),
        cmocka_unit_test(accepts_the_largest_numbers),
        cmocka_unit_test(finds_non_numbers_at_the_border_of_pieces),
        cmocka_unit_test(looks_into_every_shard),
        cmocka_unit_test(digests_are_those_of_the_files),
        cmocka_unit_test(digest_of_shards),
        cmocka_unit_test(stops_when_interrupted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
