/* Which pictures lie in a place, in which order, and with which labels. */
#include "image/set.h"
#include "pictures.h"

static const char *const classes[] = {"cat", "dog", "owl"};

static char *place(const char *name) {
    return pare_path_join(workplace, name);
}

static void assert_picture(const pare_image_set *set, uint32_t index, const char *name, int32_t label) {
    char *expected = place(name), *found = pare_image_set_name(set, index);
    assert_string_equal(found, expected);
    assert_int_equal(pare_image_set_label(set, index), label);
    free(expected);
    free(found);
}

static void test_class_folders(void **state) {
    (void)state;
    put_picture("a/dog/b.png", "rgb.png");
    put_picture("a/dog/B.JPG", "grey.jpg");
    put_picture("a/dog/inner/a.png", "grey.png");
    put_picture("a/dog/named_otherwise", "rgba.png");
    put_picture("a/cat/10.png", "grey.png");
    put_picture("a/cat/9.png", "grey.png");
    put_picture("a/cat/.hidden.png", "grey.png");
    free(put("a/dog/notes.txt", "woof", 4));
    free(put("a/README.md", "animals", 7));
    free(put("a/owl/", NULL, 0));
    char *path = place("a");
    pare_image_set *set;
    assert_ok(pare_image_set_open(path, classes, 3, &set));
    assert_int_equal(pare_image_set_count(set), 6);
    assert_picture(set, 0, "a/cat/10.png", 0);
    assert_picture(set, 1, "a/cat/9.png", 0);
    assert_picture(set, 2, "a/dog/B.JPG", 1);
    assert_picture(set, 3, "a/dog/b.png", 1);
    assert_picture(set, 4, "a/dog/inner/a.png", 1);
    assert_picture(set, 5, "a/dog/named_otherwise", 1);
    const char *note = pare_image_set_note(set);
    assert_non_null(note);
    assert_non_null(strstr(note, "a/owl holds no pictures"));
    assert_non_null(strstr(note, "a/dog/notes.txt is no picture"));
    assert_non_null(strstr(note, "1 file beside the class folders"));
    pare_image image;
    assert_ok(pare_image_set_read(set, 5, 3, &image));
    assert_int_equal(image.channels, 3);
    pare_image_free(&image);
    pare_image_set_close(set);
    free(path);
}

static void refused_place(const char *name, pare_status status, const char *words) {
    char *path = place(name);
    pare_image_set *set;
    assert_refused(pare_image_set_open(path, classes, 3, &set), status, path, words);
    assert_null(set);
    free(path);
}

static void test_refused(void **state) {
    (void)state;
    put_picture("b/cat/a.png", "rgb.png");
    put_picture("b/fish/a.png", "rgb.png");
    refused_place("b", PARE_FORMAT_ERROR, "b/fish is no class");
    put_picture("c/train/cat/a.png", "rgb.png");
    refused_place("c", PARE_FORMAT_ERROR, "c/train");
    free(put("d/cat/", NULL, 0));
    free(put("d/dog/", NULL, 0));
    refused_place("d", PARE_FILE_ERROR, "holds no pictures");
    free(put("e/", NULL, 0));
    refused_place("e", PARE_FILE_ERROR, "holds no pictures");
    free(put("f/corpus.txt", "once upon a time", 16));
    refused_place("f", PARE_FILE_ERROR, "corpus.txt is none");
    refused_place("f/corpus.txt", PARE_FORMAT_ERROR, "is a text, not a picture");
    free(put("labels", "\0\0\x08\x01\0\0\0\1\7", 9));
    refused_place("labels", PARE_FORMAT_ERROR, "grey pictures have 3");
    refused_place("none", PARE_FILE_ERROR, NULL);
    put_picture("g/7/a.png", "rgb.png");
    refused_place("g", PARE_FORMAT_ERROR, "the model has no label 7");
}

static void test_flat(void **state) {
    (void)state;
    put_picture("h/b.png", "rgb.png");
    put_picture("h/a.jpg", "grey.jpg");
    char *path = place("h/");
    pare_image_set *set;
    assert_ok(pare_image_set_open(path, classes, 3, &set));
    assert_int_equal(pare_image_set_count(set), 2);
    assert_null(pare_image_set_note(set));
    assert_picture(set, 0, "h/a.jpg", -1);
    assert_picture(set, 1, "h/b.png", -1);
    pare_image_set_close(set);
    free(path);
}

static void test_list(void **state) {
    (void)state;
    put_picture("i/b.png", "rgb.png");
    put_picture("i/inner/c.png", "grey.png");
    char *file = place("h/b.png"), *folder = place("i"), *text_file = put("i.txt", "once", 4);
    const char *const paths[] = {file, folder, text_file}; /* what is named stands, and is refused when it is read */
    pare_image_set *set;
    assert_ok(pare_image_set_list(paths, 3, &set));
    assert_int_equal(pare_image_set_count(set), 4);
    assert_picture(set, 0, "h/b.png", -1);
    assert_picture(set, 1, "i/b.png", -1);
    assert_picture(set, 2, "i/inner/c.png", -1);
    assert_picture(set, 3, "i.txt", -1);
    pare_image image;
    assert_refused(pare_image_set_read(set, 3, 3, &image), PARE_FORMAT_ERROR, text_file, "is a text");
    pare_image_set_close(set);
    assert_ok(pare_image_set_open(file, classes, 3, &set));
    assert_int_equal(pare_image_set_count(set), 1);
    assert_picture(set, 0, "h/b.png", -1);
    pare_image_set_close(set);
    free(file);
    free(folder);
    free(text_file);
}

static void test_idx(void **state) {
    (void)state;
    static const unsigned char pictures[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 10, 20, 30, 40};
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 2, 0}, beyond[] = {0, 0, 8, 1, 0, 0, 0, 2, 2, 3};
    free(put("j/t-images-idx3-ubyte", pictures, sizeof pictures));
    free(put("j/t-labels-idx1-ubyte", labels, sizeof labels));
    char *path = place("j");
    pare_image_set *set;
    pare_image image;
    assert_ok(pare_image_set_open(path, classes, 3, &set));
    assert_int_equal(pare_image_set_count(set), 2);
    assert_picture(set, 1, "j/t-images-idx3-ubyte[1]", 0);
    assert_int_equal(pare_image_set_label(set, 0), 2);
    assert_ok(pare_image_set_read(set, 1, 3, &image));
    assert_memory_equal(image.pixels, ((const uint8_t[]){30, 30, 30, 40, 40, 40}), 6);
    pare_image_free(&image);
    pare_image_set_close(set);
    char *label_path = put("j/t-labels-idx1-ubyte", beyond, sizeof beyond);
    assert_refused(pare_image_set_open(path, classes, 3, &set), PARE_FORMAT_ERROR, label_path, "picture 1 has label 3");
    unlink(label_path);
    assert_ok(pare_image_set_open(path, classes, 3, &set));
    assert_int_equal(pare_image_set_label(set, 0), -1);
    assert_non_null(strstr(pare_image_set_note(set), "no file of labels"));
    pare_image_set_close(set);
    free(put("j/u-images-idx3-ubyte", pictures, sizeof pictures));
    assert_refused(pare_image_set_open(path, classes, 3, &set), PARE_FORMAT_ERROR, path, "2 idx files");
    free(label_path);
    free(path);
}

/* Every picture once, the same again from the same seed, another order from another, and each picture among the first
 * three as often as any. */
static void test_draw(void **state) {
    (void)state;
    unsigned char pictures[16 + 5] = {0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 1};
    char *path = put("five-idx3-ubyte", pictures, sizeof pictures);
    pare_image_set *set;
    enum { SEEDS = 2000 };
    int drawn[5] = {0}, different = 0;
    assert_ok(pare_image_set_open(path, NULL, 0, &set));
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        uint32_t order[5], again[5], all = 0;
        pare_image_set_draw(set, seed, order);
        pare_image_set_draw(set, seed, again);
        assert_memory_equal(order, again, sizeof order);
        for (int i = 0; i < 5; i++)
            all |= 1u << order[i];
        assert_int_equal(all, 31);
        for (int i = 0; i < 3; i++)
            drawn[order[i]]++;
        different += order[0] != 0;
    }
    /* 1200 of each are expected, with a deviation of 22; five of them are never met by chance */
    for (int i = 0; i < 5; i++)
        assert_in_range(drawn[i], 1090, 1310);
    assert_in_range(different, 1510, 1690);
    pare_image_set_close(set);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_class_folders), cmocka_unit_test(test_refused), cmocka_unit_test(test_flat),
        cmocka_unit_test(test_list),          cmocka_unit_test(test_idx),     cmocka_unit_test(test_draw),
    };
    return cmocka_run_group_tests(tests, make_workplace, remove_workplace);
}
