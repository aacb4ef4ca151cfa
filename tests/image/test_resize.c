/* Resizing against Pillow and torchvision. Nearest, and what keeps the length of one side, are Pillow's bit for bit;
 * the rest is one grey level off at most, because both round to 8 bits between their two steps and pare does not. */
#include "image/resize.h"
#include "pictures.h"

static void test_expected(void **state) {
    (void)state;
    json_t *json = load_expected();
    const json_t *rows = json_object_get(json, "resized"), *row;
    size_t i, exact = 0, others = 0;
    assert_true(json_array_size(rows) > 30);
    json_array_foreach(rows, i, row) {
        char *path = picture_path(row);
        uint64_t height = (uint64_t)number(row, "height"), width = (uint64_t)number(row, "width");
        pare_resample resample = (pare_resample)number(row, "resample");
        pare_image image;
        assert_ok(pare_image_read(path, 3, &image));
        bool kept = image.height == height || image.width == width || resample == PARE_RESAMPLE_NEAREST;
        assert_ok(pare_image_resize(&image, path, width, height, resample));
        assert_int_equal(image.height, height);
        assert_int_equal(image.width, width);
        size_t bytes = (size_t)(height * width * 3);
        uint8_t *pillow = bytes_of(text(row, "pillow"), bytes);
        assert_in_range(largest_difference(image.pixels, pillow, bytes), 0, kept ? 0 : 1);
        exact += kept;
        free(pillow);
        if (json_object_get(row, "torchvision")) {
            uint8_t *torchvision = bytes_of(text(row, "torchvision"), bytes);
            assert_in_range(largest_difference(image.pixels, torchvision, bytes), 0, 1);
            others++;
            free(torchvision);
        }
        pare_image_free(&image);
        free(path);
    }
    assert_true(exact > 10 && others > 10);
    json_decref(json);
}

/* A picture of one colour keeps it, whatever the filter: its weights sum to one. */
static void test_constant(void **state) {
    (void)state;
    for (int resample = 0; resample < PARE_RESAMPLE_COUNT; resample++)
        for (int level = 0; level < 256; level += 51) {
            pare_image image;
            assert_ok(pare_image_new("grey", 37, 11, 1, &image));
            memset(image.pixels, level, 37 * 11);
            assert_ok(pare_image_resize(&image, "grey", 16, 50, (pare_resample)resample));
            for (int i = 0; i < 16 * 50; i++)
                assert_int_equal(image.pixels[i], level);
            pare_image_free(&image);
        }
}

static void test_too_large(void **state) {
    (void)state;
    pare_image image;
    assert_ok(pare_image_new("a.png", 2, 1, 1, &image));
    memset(image.pixels, 0, 2);
    assert_refused(pare_image_resize(&image, "a.png", 65536, 1, PARE_RESAMPLE_BILINEAR), PARE_UNSUPPORTED, "a.png",
                   "65536 x 1");
    assert_refused(pare_image_resize(&image, "a.png", 60000, 60000, PARE_RESAMPLE_BOX), PARE_UNSUPPORTED, "a.png",
                   "60000");
    assert_refused(pare_image_resize(&image, "a.png", 3, 0, PARE_RESAMPLE_NEAREST), PARE_UNSUPPORTED, "a.png", "3 x 0");
    pare_image_free(&image);
}

/* 3 x 3 of 1 to 9: the middle, and zeros around it. An odd rest goes to the right and to the bottom. */
static void test_crop(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height;
        uint8_t pixels[16];
    } cases[] = {{1, 1, {5}},
                 {2, 2, {1, 2, 4, 5}},
                 {3, 1, {4, 5, 6}},
                 {4, 4, {1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 0, 0, 0, 0}},
                 {5, 1, {0, 4, 5, 6, 0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_image image;
        assert_ok(pare_image_new("a.png", 3, 3, 1, &image));
        for (int p = 0; p < 9; p++)
            image.pixels[p] = (uint8_t)(p + 1);
        assert_ok(pare_image_crop(&image, "a.png", cases[i].width, cases[i].height));
        assert_memory_equal(image.pixels, cases[i].pixels, (size_t)cases[i].width * cases[i].height);
        pare_image_free(&image);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected),
        cmocka_unit_test(test_constant),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_crop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
