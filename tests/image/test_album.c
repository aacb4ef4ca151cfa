/* Pictures as a model reads them: kept, skipped with a sentence, cut into patches, digested. */
#include "image/album.h"
#include "pictures.h"

static pare_image_processor processor_of(uint32_t width, uint32_t height, uint32_t channels) {
    pare_image_processor processor;
    assert_ok(pare_image_processor_read(workplace, "vit", width, height, channels, &processor));
    return processor;
}

static pare_image_set *open_set(const char *name) {
    char *path = pare_path_join(workplace, name);
    pare_image_set *set;
    assert_ok(pare_image_set_open(path, NULL, 2, &set));
    free(path);
    return set;
}

static pare_album *new_album(uint32_t width, uint32_t height, uint32_t channels) {
    pare_image_processor processor = processor_of(width, height, channels);
    pare_album *album;
    assert_ok(pare_album_new(&processor, &album));
    return album;
}

static uint32_t add_all(pare_album *album, const pare_image_set *set, pare_skipped *skipped) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < pare_image_set_count(set); i++) {
        bool added;
        assert_ok(pare_album_add(album, set, i, skipped, &added));
        count += added;
    }
    return count;
}

static void test_skipped(void **state) {
    (void)state;
    put_picture("a/0/good.png", "rgb.png");
    put_picture("a/0/cmyk.jpg", "cmyk.jpg");
    put_picture("a/1/animated.png", "animated.png");
    put_picture("a/1/cut.png", "truncated.png");
    put_picture("a/1/fine.jpg", "grey.jpg");
    put_picture("a/1/photo.webp", "photo.webp");
    pare_image_set *set = open_set("a");
    pare_album *album = new_album(6, 5, 3);
    pare_skipped skipped = {0};
    assert_null(pare_skipped_note(&skipped));
    assert_int_equal(add_all(album, set, &skipped), 2);
    assert_int_equal(pare_album_count(album), 2);
    assert_int_equal(skipped.count, 4);
    assert_int_equal(pare_album_label(album, 0), 0);
    assert_int_equal(pare_album_label(album, 1), 1);
    assert_string_equal(
        pare_skipped_note(&skipped),
        "4 of 6 pictures were skipped: 0/cmyk.jpg is a JPEG file in CMYK, 1/animated.png is an animated "
        "PNG file, 1/cut.png is truncated, and 1 more");
    pare_image_processor processor = processor_of(6, 5, 3);
    char *path = pare_path_join(PICTURES, "rgb.png");
    pare_image image;
    assert_ok(pare_image_read(path, 3, &image));
    assert_ok(pare_image_fit(&processor, path, &image));
    assert_memory_equal(pare_album_pixels(album, 0), image.pixels, 6 * 5 * 3);
    pare_image_free(&image);
    free(path);
    pare_skipped_free(&skipped);
    pare_album_release(album);
    pare_image_set_close(set);
}

/* What cannot be read at all is no odd picture. */
static void test_unreadable(void **state) {
    (void)state;
    put_picture("b/0/a.png", "rgb.png");
    pare_image_set *set = open_set("b");
    pare_album *album = new_album(6, 5, 3);
    char *path = pare_path_join(workplace, "b/0/a.png");
    bool added;
    pare_skipped skipped = {0};
    unlink(path);
    assert_refused(pare_album_add(album, set, 0, &skipped, &added), PARE_FILE_ERROR, path, NULL);
    assert_false(added);
    assert_int_equal(pare_album_count(album), 0);
    pare_album_release(album);
    pare_image_set_close(set);
    free(path);
}

/* Patches of 2 x 3 of a picture of 5 x 7: the row and the column that are left over are not read. */
static void test_patches(void **state) {
    (void)state;
    enum {
        HEIGHT = 5,
        WIDTH = 7,
        CHANNELS = 3,
        ROWS = 2,
        COLUMNS = 3,
        ACROSS = 2,
        PATCHES = 4,
        SIZE = CHANNELS * ROWS * COLUMNS
    };
    pare_album *album = new_album(WIDTH, HEIGHT, CHANNELS);
    assert_ok(pare_album_add_noise(album, 3, 2, 10));
    const uint8_t *pixels = pare_album_pixels(album, 1);
    float patches[PATCHES * SIZE];
    pare_album_patches(album, 1, ROWS, COLUMNS, patches);
    for (int p = 0; p < PATCHES; p++)
        for (int c = 0; c < CHANNELS; c++)
            for (int y = 0; y < ROWS; y++)
                for (int x = 0; x < COLUMNS; x++) {
                    int row = p / ACROSS * ROWS + y, column = p % ACROSS * COLUMNS + x;
                    uint8_t pixel = pixels[(row * WIDTH + column) * CHANNELS + c];
                    float expected = pare_album_processor(album)->values[c][pixel];
                    assert_true(patches[p * SIZE + (c * ROWS + y) * COLUMNS + x] == expected);
                }
    pare_album_release(album);
}

/* Pixels of the noise are of all levels, and labels of all below what was asked for. */
static void test_noise(void **state) {
    (void)state;
    pare_album *album = new_album(8, 8, 1), *other = new_album(8, 8, 1);
    int levels[256] = {0}, labels[3] = {0}, seen = 0;
    assert_ok(pare_album_add_noise(album, 5, 100, 3));
    for (uint32_t i = 0; i < 100; i++) {
        for (int p = 0; p < 64; p++)
            levels[pare_album_pixels(album, i)[p]]++;
        assert_in_range(pare_album_label(album, i), 0, 2);
        labels[pare_album_label(album, i)]++;
    }
    for (int level = 0; level < 256; level++)
        seen += levels[level] > 0;
    assert_int_equal(seen, 256);
    assert_true(labels[0] > 10 && labels[1] > 10 && labels[2] > 10);
    uint32_t first[100], second[100];
    for (uint32_t i = 0; i < 100; i++)
        first[i] = i, second[i] = 100 + i;
    char one[PARE_DIGEST_TEXT], two[PARE_DIGEST_TEXT];
    assert_ok(pare_album_add_noise(other, 5, 100, 3));
    assert_ok(pare_album_digest(album, first, 1, 100, one));
    assert_ok(pare_album_digest(other, first, 1, 100, two));
    assert_string_equal(one, two);
    assert_ok(pare_album_add_noise(other, 6, 100, 3));
    assert_ok(pare_album_digest(other, second, 1, 100, two));
    assert_string_not_equal(one, two);
    pare_album_release(album);
    pare_album_release(other);
}

/* SHA-256 of what the header says, made by another path; of pictures in any order, the last one of the album first. */
static void test_digest(void **state) {
    (void)state;
    static const uint32_t pictures[] = {2, 9, 0}; /* every second one */
    pare_album *album = new_album(2, 3, 1);
    assert_ok(pare_album_add_noise(album, 1, 3, 300));
    unsigned char expected[12 + 2 * (4 + 6)] = {3, 0, 0, 0, 2, 0, 0, 0, 1};
    for (uint32_t i = 0; i < 2; i++) {
        int32_t label = pare_album_label(album, pictures[2 * i]);
        expected[12 + i * 10] = (unsigned char)label;
        expected[13 + i * 10] = (unsigned char)(label >> 8);
        memcpy(expected + 16 + i * 10, pare_album_pixels(album, pictures[2 * i]), 6);
    }
    pare_digest *digest;
    char wanted[PARE_DIGEST_TEXT], found[PARE_DIGEST_TEXT];
    assert_ok(pare_digest_new(&digest));
    pare_digest_add(digest, expected, sizeof expected);
    pare_digest_finish(digest, wanted);
    assert_ok(pare_album_digest(album, pictures, 2, 2, found));
    assert_string_equal(found, wanted);
    pare_album_release(album);
}

/* Above 64 MiB a scratch file holds the pictures: they stay what they were, and memory does not grow with them. */
static void test_large(void **state) {
    (void)state;
    enum { SIDE = 1536, COUNT = 33, HEADER = 16 }; /* 2.25 MiB each: room for 16 is in memory, for 32 is not */
    unsigned char header[HEADER] = {0, 0, 8,         3,          0, 0, 0,         COUNT,
                                    0, 0, SIDE >> 8, SIDE & 255, 0, 0, SIDE >> 8, SIDE & 255};
    char *path = put("large", header, sizeof header);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (int i = 0; i < COUNT; i++) { /* zeros, which need no room on the disk, and its number in the last byte */
        assert_int_equal(fseek(file, HEADER + (long)SIDE * SIDE * (i + 1) - 1, SEEK_SET), 0);
        assert_int_equal(fputc(i + 1, file), i + 1);
    }
    assert_int_equal(fclose(file), 0);
    pare_image_set *set;
    pare_album *album = new_album(SIDE, SIDE, 1);
    assert_ok(pare_image_set_open(path, NULL, 2, &set));
    assert_int_equal(add_all(album, set, &(pare_skipped){0}), COUNT);
    for (uint32_t i = 0; i < COUNT; i++) {
        const uint8_t *pixels = pare_album_pixels(album, i);
        assert_int_equal(pixels[0], 0);
        assert_int_equal(pixels[SIDE * SIDE - 1], i + 1);
    }
    assert_true(pare_memory_current() < 8u << 20);
    pare_image_set_close(set);
    pare_album_release(album);
    free(path);
}

static void test_holders(void **state) {
    (void)state;
    uint64_t held = pare_memory_current();
    pare_album *album = new_album(4, 4, 1);
    assert_ok(pare_album_add_noise(album, 1, 3, 2));
    assert_ptr_equal(pare_album_retain(album), album);
    pare_album_release(album);
    assert_int_equal(pare_album_count(album), 3);
    pare_album_release(album);
    pare_album_release(NULL);
    assert_int_equal(pare_memory_current(), held);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skipped), cmocka_unit_test(test_unreadable), cmocka_unit_test(test_patches),
        cmocka_unit_test(test_noise),   cmocka_unit_test(test_digest),     cmocka_unit_test(test_large),
        cmocka_unit_test(test_holders),
    };
    return cmocka_run_group_tests(tests, make_workplace, remove_workplace);
}
