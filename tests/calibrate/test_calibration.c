/* Calibration sets from all their sources, and what is refused. */
#include "calibrate/calibration.h"
#include "golden.h"
#include "support/memory.h"
#include "tiny_model.h"

typedef struct fixture {
    char *folder;
    pare_model *model;
    pare_backend *backend;
} fixture;

static void open_fixture(fixture *f, tiny_model tiny) {
    f->folder = tiny_model_write(tiny);
    assert_int_equal(pare_model_open(f->folder, &f->model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &f->backend), PARE_OK);
}

static void close_fixture(fixture *f) {
    pare_backend_close(f->backend);
    pare_model_close(f->model);
    tiny_remove(f->folder);
    free(f->folder);
}

static pare_status load(const fixture *f, pare_calibration_options options, pare_windows *windows, char digest[65]) {
    pare_calibration_request request = {.options = &options, .seed = 3};
    return pare_calibration_load(f->model, f->backend, NULL, &request, windows, digest);
}

/* The file of that text, named until the next call. */
static const char *write_text(const fixture *f, const char *name, const char *text) {
    static char path[1024];
    tiny_write_text(f->folder, name, text);
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return path;
}

static void refused(const fixture *f, pare_calibration_options options, const char *sentence) {
    uint64_t before = pare_memory_current();
    pare_windows windows;
    char digest[65];
    assert_int_not_equal(load(f, options, &windows, digest), PARE_OK);
    if (!strstr(pare_message(), sentence)) fprintf(stderr, "%s\n", pare_message());
    assert_non_null(strstr(pare_message(), sentence));
    assert_null(windows.ids);
    assert_int_equal(pare_memory_current(), before);
}

static void text_of_its_own_by_default(void **state) {
    (void)state;
    fixture f;
    pare_windows windows, again;
    char digest[65], digest_again[65];
    open_fixture(&f, (tiny_model){.positions = 130});
    assert_int_equal(load(&f, (pare_calibration_options){0}, &windows, digest), PARE_OK);
    assert_true(windows.count == 10 && windows.length == 128 && strlen(digest) == 64);
    assert_int_equal(load(&f, (pare_calibration_options){.source = "self", .samples = 10}, &again, digest_again),
                     PARE_OK);
    assert_string_equal(digest, digest_again);
    pare_windows_free(&windows);
    pare_windows_free(&again);
    close_fixture(&f);
    open_fixture(&f, (tiny_model){.positions = 20});
    assert_int_equal(load(&f, (pare_calibration_options){0}, &windows, digest), PARE_OK);
    assert_int_equal(windows.length, 20);
    pare_windows_free(&windows);
    close_fixture(&f);
}

static void ready_ids_need_no_tokenizer(void **state) {
    (void)state;
    fixture f;
    pare_windows windows;
    char digest[65];
    open_fixture(&f, (tiny_model){0});
    const char *path = write_text(&f, "ids.json", "[[1, 2, 3], [4, 5, 31]]");
    assert_int_equal(load(&f, (pare_calibration_options){.source = path}, &windows, digest), PARE_OK);
    const uint32_t expected[] = {1, 2, 3, 4, 5, 31};
    assert_true(windows.count == 2 && windows.length == 3);
    assert_memory_equal(windows.ids, expected, sizeof expected);
    /* sha256 of the 24 bytes */
    assert_string_equal(digest, "9060f754fd3f5fb95266efa1010fb2381eed120e852083360b51c6d9b53ce4dc");
    pare_windows_free(&windows);
    close_fixture(&f);
}

static void what_the_model_cannot_take_is_refused(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){.positions = 8});
    refused(&f, (pare_calibration_options){.length = 1}, "take 2 or more");
    refused(&f, (pare_calibration_options){.length = 9}, "longer than the 8 positions");
    const char *path = write_text(&f, "ids.json", "[[1, 2, 32]]");
    refused(&f, (pare_calibration_options){.source = path}, "the token id 32");
    path = write_text(&f, "ids.json", "[[1, 2, 3, 4, 5, 6, 7, 8, 9]]");
    refused(&f, (pare_calibration_options){.source = path}, "longer than the 8 positions");
    path = write_text(&f, "ids.json", "[[1], [2]]");
    refused(&f, (pare_calibration_options){.source = path}, "ids.json");
    path = write_text(&f, "texts.json", "[{\"text\": \"a text and no tokenizer\"}]");
    refused(&f, (pare_calibration_options){.source = path, .length = 4}, "tokenizer");
    path = write_text(&f, "words.txt", "a text and no tokenizer");
    refused(&f, (pare_calibration_options){.source = path, .length = 4}, "tokenizer");
    refused(&f, (pare_calibration_options){.source = "/nowhere/ids.json"}, "/nowhere/ids.json");
    close_fixture(&f);
}

/* A real tokenizer: windows begin with BOS or inside a document, and depend on the seed alone. */
static void texts_are_tokenized(void **state) {
    (void)state;
    fixture f = {0};
    pare_windows windows;
    char digests[2][65];
    pare_calibration_options options = {.source = golden_path(GOLDEN_TEXT), .samples = 4, .length = 32};
    assert_int_equal(pare_model_open(golden_path(GOLDEN_MODEL), &f.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &f.backend), PARE_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(load(&f, options, &windows, digests[i]), PARE_OK);
        assert_true(windows.count == 4 && windows.length == 32);
        pare_windows_free(&windows);
    }
    assert_string_equal(digests[0], digests[1]);
    pare_calibration_request request = {.options = &options, .seed = 4};
    assert_int_equal(pare_calibration_load(f.model, f.backend, NULL, &request, &windows, digests[1]), PARE_OK);
    assert_string_not_equal(digests[0], digests[1]);
    pare_windows_free(&windows);
    pare_backend_close(f.backend);
    pare_model_close(f.model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_its_own_by_default),
        cmocka_unit_test(ready_ids_need_no_tokenizer),
        cmocka_unit_test(what_the_model_cannot_take_is_refused),
        cmocka_unit_test(texts_are_tokenized),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
