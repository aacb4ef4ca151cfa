/* Files of every kind: the pixels that Pillow reads, byte for byte, and one sentence for each that is not read. */
#include "pictures.h"

static void check_mode(const char *path, const json_t *expected, uint32_t channels) {
    pare_image image;
    pare_digest *digest;
    char sum[PARE_DIGEST_TEXT];
    assert_ok(pare_image_read(path, channels, &image));
    assert_int_equal(image.height, json_integer_value(json_array_get(json_object_get(expected, "size"), 0)));
    assert_int_equal(image.width, json_integer_value(json_array_get(json_object_get(expected, "size"), 1)));
    assert_int_equal(image.channels, channels);
    size_t i;
    const json_t *first;
    json_array_foreach(json_object_get(expected, "first"), i, first)
        assert_int_equal(image.pixels[i], json_integer_value(first));
    assert_ok(pare_digest_new(&digest));
    pare_digest_add(digest, image.pixels, (size_t)image.width * image.height * channels);
    pare_digest_finish(digest, sum);
    if (strcmp(sum, text(expected, "sha256")) != 0) fail_msg("%s with %u channels has other pixels", path, channels);
    pare_image_free(&image);
}

static void test_read(void **state) {
    (void)state;
    json_t *json = load_expected();
    const json_t *rows = json_object_get(json, "read"), *row;
    size_t i;
    assert_true(json_array_size(rows) > 20);
    json_array_foreach(rows, i, row) {
        char *path = picture_path(row);
        check_mode(path, json_object_get(row, "L"), 1);
        check_mode(path, json_object_get(row, "RGB"), 3);
        free(path);
    }
    json_decref(json);
}

static void test_refused(void **state) {
    (void)state;
    json_t *json = load_expected();
    const json_t *rows = json_object_get(json, "refused"), *row;
    size_t i;
    assert_true(json_array_size(rows) > 20);
    uint64_t held = pare_memory_current();
    json_array_foreach(rows, i, row) {
        char *path = picture_path(row);
        pare_image image;
        pare_status status = strcmp(text(row, "status"), "format") == 0 ? PARE_FORMAT_ERROR : PARE_UNSUPPORTED;
        assert_refused(pare_image_read(path, 3, &image), status, path, text(row, "words"));
        assert_null(image.pixels);
        assert_int_equal(pare_memory_current(), held);
        free(path);
    }
    json_decref(json);
}

static void test_not_there(void **state) {
    (void)state;
    pare_image image;
    assert_refused(pare_image_read(PICTURES "/none.png", 3, &image), PARE_FILE_ERROR, PICTURES "/none.png", NULL);
    assert_int_not_equal(pare_image_read(PICTURES, 3, &image), PARE_OK);
    assert_sentence(PICTURES, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
