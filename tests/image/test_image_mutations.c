/* Files with a byte changed, a part cut off or one put in: each is read, or refused with one sentence that names it,
 * and nothing of it is kept. */
#include "image/idx.h"
#include "mutate.h"
#include "pictures.h"

enum { MUTATIONS = 60, MOST = 4096 };

typedef pare_status open_fn(const char *path);

static pare_status open_picture(const char *path) {
    pare_image image;
    pare_status status = pare_image_read(path, 3, &image);
    if (status == PARE_OK) pare_image_free(&image);
    return status;
}

static pare_status open_idx(const char *path) {
    pare_idx idx;
    pare_status status = pare_idx_open(path, &idx);
    if (status == PARE_OK) pare_idx_close(&idx);
    return status;
}

static void check(const char *name, const unsigned char *data, size_t bytes, open_fn *open) {
    pare_random random = {.seed = 7, .stream = bytes};
    uint64_t held = pare_memory_current();
    size_t refused = 0;
    for (int i = 0; i < MUTATIONS; i++) {
        unsigned char copy[MOST + 1];
        memcpy(copy, data, bytes);
        size_t left = mutate(copy, bytes, &random);
        char *path = put(name, copy, left);
        pare_status status = open(path);
        if (status != PARE_OK && status != PARE_FORMAT_ERROR && status != PARE_UNSUPPORTED)
            fail_msg("%s, mutation %d: status %d, %s", name, i, (int)status, pare_message());
        if (status != PARE_OK) assert_sentence(path, NULL);
        refused += status != PARE_OK;
        assert_int_equal(pare_memory_current(), held);
        free(path);
    }
    assert_true(refused > MUTATIONS / 5); /* a cut is never read */
}

static void test_pictures(void **state) {
    (void)state;
    static const char *const names[] = {"rgb_interlaced.png", "palette_4.png", "grey_alpha.png",
                                        "rgb_420.jpg",        "grey.jpg",      "rgb_progressive.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = pare_path_join(PICTURES, names[i]);
        pare_mapping file;
        assert_ok(pare_mapping_open(path, &file));
        assert_true(file.bytes <= MOST);
        check(names[i], file.data, (size_t)file.bytes, open_picture);
        pare_mapping_close(&file);
        free(path);
    }
}

static void test_idx(void **state) {
    (void)state;
    unsigned char data[16 + 30] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 5};
    check("pictures", data, sizeof data, open_idx);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_idx),
    };
    return cmocka_run_group_tests(tests, make_workplace, remove_workplace);
}
