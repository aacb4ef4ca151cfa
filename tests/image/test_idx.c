/* idx files: plain and packed, with their labels and without, and one sentence for each that is not as it says. */
#include "image/idx.h"
#include "pictures.h"

#include <zlib.h>

static const unsigned char two_pictures[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2,  0,  0,
                                             0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const unsigned char two_labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 7, 3};
enum { HEADER = 16 };

static void put_packed(const char *name, const void *data, size_t bytes) {
    char *path = put(name, "", 0);
    gzFile file = gzopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, (unsigned)bytes), (int)bytes);
    assert_int_equal(gzclose(file), Z_OK);
    free(path);
}

static void take_away(const char *name) {
    char *path = pare_path_join(workplace, name);
    unlink(path);
    free(path);
}

static void check(const char *name, bool labels) {
    char *path = pare_path_join(workplace, name);
    pare_idx idx;
    assert_true(pare_idx_begins(path));
    assert_ok(pare_idx_open(path, &idx));
    assert_int_equal(idx.count, 2);
    assert_int_equal(idx.height, 2);
    assert_int_equal(idx.width, 3);
    assert_memory_equal(idx.pixels, two_pictures + HEADER, 12);
    if (labels)
        assert_memory_equal(idx.labels, "\7\3", 2);
    else
        assert_null(idx.labels);
    pare_idx_close(&idx);
    free(path);
}

static void test_plain(void **state) {
    (void)state;
    free(put("t-images-idx3-ubyte", two_pictures, sizeof two_pictures));
    check("t-images-idx3-ubyte", false);
    free(put("t-labels-idx1-ubyte", two_labels, sizeof two_labels));
    check("t-images-idx3-ubyte", true);
    take_away("t-labels-idx1-ubyte");
    put_packed("t-labels-idx1-ubyte.gz", two_labels, sizeof two_labels);
    check("t-images-idx3-ubyte", true);
    take_away("t-labels-idx1-ubyte.gz");
}

static void test_packed(void **state) {
    (void)state;
    put_packed("u-images.idx3-ubyte.gz", two_pictures, sizeof two_pictures);
    put_packed("u-labels.idx1-ubyte.gz", two_labels, sizeof two_labels);
    check("u-images.idx3-ubyte.gz", true);
    take_away("u-labels.idx1-ubyte.gz");
    free(put("u-labels.idx1-ubyte", two_labels, sizeof two_labels));
    check("u-images.idx3-ubyte.gz", true);
    take_away("u-labels.idx1-ubyte");
    free(put("digits", two_pictures, sizeof two_pictures));
    check("digits", false);
}

static void refused_pictures(size_t at, unsigned char value, size_t bytes, pare_status status, const char *words) {
    unsigned char copy[sizeof two_pictures + 1] = {0};
    memcpy(copy, two_pictures, sizeof two_pictures);
    copy[at] = value;
    char *path = put("odd", copy, bytes);
    pare_idx idx;
    assert_refused(pare_idx_open(path, &idx), status, path, words);
    assert_null(idx.pixels);
    free(path);
}

static void test_refused_pictures(void **state) {
    (void)state;
    size_t all = sizeof two_pictures;
    refused_pictures(0, 1, all, PARE_FORMAT_ERROR, "two zero bytes");
    refused_pictures(2, 0x0D, all, PARE_UNSUPPORTED, "type 0D");
    refused_pictures(3, 4, all, PARE_FORMAT_ERROR, "4 dimensions");
    refused_pictures(7, 3, all, PARE_FORMAT_ERROR, "12 bytes behind its header, which announces 18");
    refused_pictures(7, 0, all, PARE_FORMAT_ERROR, "announces 0");
    refused_pictures(4, 255, all, PARE_FORMAT_ERROR, "announces");
    refused_pictures(0, 0, all - 1, PARE_FORMAT_ERROR, "11 bytes");
    refused_pictures(0, 0, all + 1, PARE_FORMAT_ERROR, "13 bytes");
    refused_pictures(0, 0, 15, PARE_FORMAT_ERROR, "truncated");
    refused_pictures(0, 0, 0, PARE_FORMAT_ERROR, "two zero bytes");
    unsigned char none[HEADER] = {0, 0, 8, 3};
    char *path = put("none", none, sizeof none);
    pare_idx idx;
    assert_refused(pare_idx_open(path, &idx), PARE_FORMAT_ERROR, path, "0 pictures");
    free(path);
    /* 2^32 - 1 on each side: more than 64 bits count */
    unsigned char huge[HEADER];
    memset(huge, 255, sizeof huge);
    memcpy(huge, two_pictures, 4);
    path = put("huge", huge, sizeof huge);
    assert_refused(pare_idx_open(path, &idx), PARE_FORMAT_ERROR, path, "announces");
    free(path);
}

static void test_refused_labels(void **state) {
    (void)state;
    static const unsigned char three[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 3, 1};
    char *pictures = put("v-images-idx3-ubyte", two_pictures, sizeof two_pictures);
    char *labels = put("v-labels-idx1-ubyte", three, sizeof three);
    pare_idx idx;
    assert_refused(pare_idx_open(pictures, &idx), PARE_FORMAT_ERROR, labels, "3 labels");
    free(put("v-labels-idx1-ubyte", two_labels, sizeof two_labels - 1));
    assert_refused(pare_idx_open(pictures, &idx), PARE_FORMAT_ERROR, labels, "announces 2");
    free(put("v-labels-idx1-ubyte", two_pictures, sizeof two_pictures));
    assert_refused(pare_idx_open(pictures, &idx), PARE_FORMAT_ERROR, labels, "3 dimensions; labels have 1");
    free(pictures);
    free(labels);
}

static void test_damaged_gzip(void **state) {
    (void)state;
    put_packed("w-images-idx3-ubyte.gz", two_pictures, sizeof two_pictures);
    char *path = pare_path_join(workplace, "w-images-idx3-ubyte.gz");
    pare_idx idx;
    assert_int_equal(truncate(path, 30), 0);
    assert_refused(pare_idx_open(path, &idx), PARE_FORMAT_ERROR, path, "cut off");
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_refused_pictures),
        cmocka_unit_test(test_refused_labels),
        cmocka_unit_test(test_damaged_gzip),
    };
    return cmocka_run_group_tests(tests, make_workplace, remove_workplace);
}
