/* Reading pictures on a machine whose memory ends at any allocation: one sentence, or the result. */
#include "failing_memory.h"
#include "image/album.h"
#include "pictures.h"

typedef struct scene {
    const char *place;
    uint32_t channels;
} scene;

static pare_status add_all(pare_album *album, const pare_image_set *set) {
    static const uint32_t first[] = {0, 1};
    char sum[PARE_DIGEST_TEXT];
    pare_skipped skipped = {0};
    pare_status status = PARE_OK;
    for (uint32_t i = 0; i < pare_image_set_count(set) && status == PARE_OK; i++) {
        bool added;
        status = pare_album_add(album, set, i, &skipped, &added);
    }
    if (status == PARE_OK && skipped.count && !pare_skipped_note(&skipped)) status = pare_whole();
    pare_skipped_free(&skipped);
    PARE_TRY(status);
    return pare_album_digest(album, first, 1, 2, sum);
}

static pare_status read_place(void *context) {
    static const char *const names[] = {"cat", "dog"};
    const scene *s = context;
    pare_image_processor processor;
    pare_image_set *set = NULL;
    pare_album *album = NULL;
    uint32_t order[4];
    pare_status status = pare_image_processor_read(workplace, "vit", 8, 8, s->channels, &processor);
    if (status == PARE_OK) status = pare_image_set_open(s->place, names, 2, &set);
    if (status == PARE_OK) pare_image_set_draw(set, 1, order);
    if (status == PARE_OK) status = pare_album_new(&processor, &album);
    if (status == PARE_OK) status = add_all(album, set);
    if (status == PARE_OK) status = pare_whole();
    pare_album_release(album);
    pare_image_set_close(set);
    return status;
}

static void test_folders(void **state) {
    (void)state;
    static const char config[] =
        "{\"size\": {\"height\": 9, \"width\": 10}, \"do_center_crop\": true, \"crop_size\": 8}";
    free(put("preprocessor_config.json", config, sizeof config - 1));
    put_picture("a/one/rgb.png", "rgb.png");
    put_picture("a/one/palette.png", "palette_4.png");
    put_picture("a/two/photo.jpg", "rgb_420.jpg");
    put_picture("a/two/cut.jpg", "truncated.jpg");
    free(put("a/two/notes.txt", "once", 4));
    char *path = pare_path_join(workplace, "a");
    scene s = {path, 3};
    memory_fail_everywhere(&(memory_run){read_place, NULL, &s}, 400);
    free(path);
}

static void test_idx(void **state) {
    (void)state;
    unsigned char pictures[16 + 2 * 6] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3};
    static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 2, 1, 0};
    free(put("b/t-images-idx3-ubyte", pictures, sizeof pictures));
    free(put("b/t-labels-idx1-ubyte", labels, sizeof labels));
    char *path = pare_path_join(workplace, "b");
    scene s = {path, 1};
    memory_fail_everywhere(&(memory_run){read_place, NULL, &s}, 400);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_idx),
    };
    return cmocka_run_group_tests(tests, make_workplace, remove_workplace);
}
