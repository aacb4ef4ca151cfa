/* Sets of pictures as windows of one model: each is told of its own files, and a digest is of what windows name. */
#include "model/vision.h"

/* Of one picture that can be read, and one that cannot, of this name. */
static char *write_set(const vision_model *m, const char *damaged) {
    char *folder = tiny_folder(), *class = pare_path_join(folder, "0"), *picture = pare_path_join(class, "good.png");
    assert_int_equal(mkdir(class, 0777), 0);
    vision_write_picture(picture, &m->opened.model->config.vision, 0);
    tiny_write_text(class, damaged, "\x89PNG\r\n\x1a\n and no more");
    free(picture);
    free(class);
    return folder;
}

static void expect_note(const vision_model *m, const char *folder, const char *damaged) {
    pare_windows windows;
    if (pare_pictures_stream(m->opened.model, folder, 0, &windows) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(windows.count, 1);
    char *begin = pare_format("%s: 1 of 2 pictures was skipped: 0/%s ", folder, damaged);
    if (!windows.note || strncmp(windows.note, begin, strlen(begin)) != 0 || strchr(windows.note, ','))
        fail_msg("no \"%s\" alone: %s", begin, windows.note ? windows.note : "");
    free(begin);
    pare_windows_free(&windows);
}

static void every_set_names_its_own(void **state) {
    const vision_model *m = *state;
    static const char *const damaged[] = {"first.png", "second.png"};
    char *folders[2];
    for (int i = 0; i < 2; i++) {
        folders[i] = write_set(m, damaged[i]);
        expect_note(m, folders[i], damaged[i]);
    }
    for (int i = 0; i < 2; i++) {
        tiny_remove(folders[i]);
        free(folders[i]);
    }
}

/* Windows in another order, of which the last one of the album is the first. */
static void digest_of_windows_in_any_order(void **state) {
    const vision_model *m = *state;
    const pare_model *model = m->opened.model;
    static const uint32_t pictures[VISION_PICTURES] = {4, 1, 3, 0, 2};
    size_t length = m->windows.length;
    pare_windows shuffled;
    pare_album *album;
    char expected[PARE_DIGEST_TEXT], found[PARE_DIGEST_TEXT];
    assert_int_equal(pare_model_album(model, &album), PARE_OK);
    assert_int_equal(pare_album_count(album), VISION_PICTURES);
    assert_int_equal(pare_windows_copy(&m->windows, &shuffled), PARE_OK);
    for (size_t i = 0; i < VISION_PICTURES * length; i++)
        shuffled.ids[i] = pictures[i / length];
    assert_int_equal(pare_album_digest(album, pictures, 1, VISION_PICTURES, expected), PARE_OK);
    assert_int_equal(pare_pictures_digest(model, &shuffled, found), PARE_OK);
    assert_string_equal(found, expected);
    assert_int_equal(pare_pictures_digest(model, &m->windows, found), PARE_OK);
    assert_string_not_equal(found, expected);
    pare_windows_free(&shuffled);
}

static int setup(void **state) {
    static vision_model m;
    json_t *golden = load_json(VISION_GOLDEN);
    m = vision_open(json_array_get(json_object_get(golden, "cases"), 0));
    json_decref(golden);
    *state = &m;
    return 0;
}

static int teardown(void **state) {
    vision_close(*state);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_set_names_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(digest_of_windows_in_any_order, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
