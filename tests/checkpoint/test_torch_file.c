/* Files that torch itself wrote (tests/oracle/pytorch_files.py): every form has the same tensors, bit by bit, as the
 * safetensors file of the same model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/scan.h"
#include "checkpoint/torch_file.h"
#include "checkpoint/view.h"
#include "support/memory.h"
#include "tiny_model.h"

#define DATA PARE_SOURCE_DIR "/tests/data/pytorch/"

static const pare_tensor *find(const pare_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    fail_msg("there is no tensor %s", name);
    return NULL;
}

/* By pieces of 7, which rows and parts do not divide. */
static void expect_elements(const pare_tensor *expected, const pare_tensor *found) {
    size_t size = pare_dtype_size(expected->dtype);
    assert_int_equal(found->dtype, expected->dtype);
    assert_int_equal(found->rank, expected->rank);
    assert_memory_equal(found->shape, expected->shape, (size_t)expected->rank * sizeof *expected->shape);
    assert_int_equal(found->count, expected->count);
    assert_int_equal(found->bytes, expected->bytes);
    for (uint64_t at = 0; at < expected->count; at += 7) {
        char buffer[7 * sizeof(float)];
        uint64_t n = expected->count - at < 7 ? expected->count - at : 7;
        const void *elements = pare_tensor_elements(found, at, n, buffer);
        if (memcmp(elements, (const char *)expected->data + at * size, n * size) != 0)
            fail_msg("tensor %s differs within elements %llu to %llu", expected->name, (unsigned long long)at,
                     (unsigned long long)(at + n));
    }
}

/* Both checkpoints have the same tensors, and the scan counts the same zeros. */
static void expect_model(const char *path) {
    pare_checkpoint *expected, *found;
    pare_scan of_expected, of_found;
    assert_int_equal(pare_checkpoint_open(DATA "HF", &expected), PARE_OK);
    if (pare_checkpoint_open(path, &found) != PARE_OK) fail_msg("%s: %s", path, pare_message());
    assert_int_equal(pare_checkpoint_count(found), pare_checkpoint_count(expected));
    assert_int_equal(pare_checkpoint_scan(expected, NULL, &of_expected), PARE_OK);
    assert_int_equal(pare_checkpoint_scan(found, NULL, &of_found), PARE_OK);
    for (size_t i = 0; i < pare_checkpoint_count(expected); i++) {
        const pare_tensor *tensor = pare_checkpoint_at(expected, i);
        const pare_tensor *other = pare_checkpoint_find(found, tensor->name);
        if (!other) fail_msg("%s has no tensor %s", path, tensor->name);
        expect_elements(tensor, other);
        assert_int_equal(of_found.zeros[other - pare_checkpoint_at(found, 0)], of_expected.zeros[i]);
    }
    assert_false(pare_checkpoint_is_archive(found));
    pare_scan_free(&of_expected);
    pare_scan_free(&of_found);
    pare_checkpoint_close(expected);
    pare_checkpoint_close(found);
}

static void every_form_has_the_same_bits(void **state) {
    (void)state;
    static const char *const paths[] = {DATA "zip",
                                        DATA "zip/pytorch_model.bin",
                                        DATA "legacy",
                                        DATA "sharded",
                                        DATA "sharded/pytorch_model.bin.index.json",
                                        DATA "sharded/pytorch_model-00002-of-00002.bin",
                                        DATA "meta1",
                                        DATA "meta2",
                                        DATA "meta2/consolidated.01.pth",
                                        DATA "meta1/params.json",
                                        DATA "mistral",
                                        DATA "mistral/consolidated.safetensors"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        expect_model(paths[i]);
}

/* Nothing but what other strides or 64 bits ask for is copied. */
static void what_lies_in_one_piece_stays_in_the_mapping(void **state) {
    (void)state;
    pare_safetensors file;
    assert_int_equal(pare_torch_file_open(DATA "zip/pytorch_model.bin", &file), PARE_OK);
    assert_null(file.image.data);
    for (size_t i = 0; i < file.count; i++) {
        const unsigned char *data = file.tensors[i].data;
        assert_true(data >= file.mapping.data && data < file.mapping.data + file.mapping.bytes);
        if (i) assert_true(data > (const unsigned char *)file.tensors[i - 1].data);
    }
    pare_safetensors_close(&file);
}

static void strides_shares_and_doubles_read_right(void **state) {
    (void)state;
    static const char *const paths[] = {DATA "kinds/zip.pt", DATA "kinds/legacy.pt"};
    pare_safetensors expected;
    assert_int_equal(pare_safetensors_open(DATA "kinds.safetensors", &expected), PARE_OK);
    for (int i = 0; i < 2; i++) {
        uint64_t before = pare_memory_current();
        pare_safetensors file;
        if (pare_torch_file_open(paths[i], &file) != PARE_OK) fail_msg("%s", pare_message());
        assert_int_equal(file.count, expected.count);
        for (size_t k = 0; k < expected.count; k++)
            expect_elements(&expected.tensors[k], find(&file, expected.tensors[k].name));
        assert_ptr_equal(find(&file, "tied")->data, find(&file, "tied.again")->data);
        assert_true(file.copied);
        pare_safetensors_close(&file);
        assert_int_equal(pare_memory_current(), before);
    }
    pare_safetensors_close(&expected);
}

/* As in a folder: copied tensors and those that share bytes are scanned once each. */
static void the_scan_sees_all_of_them(void **state) {
    (void)state;
    char *folder = tiny_folder();
    pare_mapping from;
    assert_int_equal(pare_mapping_open(DATA "kinds/zip.pt", &from), PARE_OK);
    tiny_write_file(folder, "pytorch_model.bin", from.data, from.bytes);
    pare_mapping_close(&from);
    pare_checkpoint *checkpoint;
    pare_scan scan;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    assert_int_equal(pare_checkpoint_scan(checkpoint, NULL, &scan), PARE_OK);
    static const char *const names[] = {"plain", "transposed", "cube", "steps", "double", "tied", "tied.again"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(scan.zeros[pare_checkpoint_find(checkpoint, names[i]) - pare_checkpoint_at(checkpoint, 0)], 1);
    pare_scan_free(&scan);
    pare_checkpoint_close(checkpoint);
    tiny_remove(folder);
    free(folder);
}

static void safetensors_go_first(void **state) {
    (void)state;
    char *folder = tiny_model_write((tiny_model){0});
    tiny_write_text(folder, "pytorch_model.bin", "not even a file of torch");
    pare_checkpoint *checkpoint;
    assert_int_equal(pare_checkpoint_open(folder, &checkpoint), PARE_OK);
    assert_non_null(strstr(pare_checkpoint_file(checkpoint, 0), "model.safetensors"));
    pare_checkpoint_close(checkpoint);
    char *named = pare_path_join(folder, "pytorch_model.bin");
    assert_int_equal(pare_checkpoint_open(named, &checkpoint), PARE_FORMAT_ERROR);
    assert_non_null(strstr(pare_message(), "begins neither as a ZIP file nor as a pickle"));
    free(named);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_has_the_same_bits),
        cmocka_unit_test(what_lies_in_one_piece_stays_in_the_mapping),
        cmocka_unit_test(strides_shares_and_doubles_read_right),
        cmocka_unit_test(the_scan_sees_all_of_them),
        cmocka_unit_test(safetensors_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
