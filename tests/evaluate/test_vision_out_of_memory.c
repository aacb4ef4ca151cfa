/* Opening, evaluating, comparing and asking a vision transformer on a machine whose memory ends at any allocation: one
 * sentence, or the result. */
#include "failing_memory.h"
#include "model/vision.h"

#define DIGITS PARE_SOURCE_DIR "/examples/vit-digits"

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

static pare_status classify(void *context) {
    const char *files[] = {DIGITS "/pictures/3/00001.png", context};
    pare_classify_options options = PARE_CLASSIFY_OPTIONS_INIT;
    pare_model *model = NULL;
    char *report = NULL;
    options.files = files;
    options.file_count = 2;
    pare_status status = pare_model_open(DIGITS, &model);
    if (status == PARE_OK) status = pare_classify(model, &options, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

static pare_status evaluate(void *context) {
    const char *sets[] = {context};
    pare_evaluate_options options = PARE_EVALUATE_OPTIONS_INIT;
    pare_model *model = NULL, *dense = NULL;
    char *report = NULL;
    options.texts = sets;
    options.text_count = 1;
    options.max_windows = 2;
    pare_status status = pare_model_open(DIGITS, &model);
    if (status == PARE_OK) status = pare_model_open(DIGITS, &dense);
    options.against = dense;
    if (status == PARE_OK) status = pare_evaluate(model, &options, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    pare_model_close(dense);
    return status;
}

/* One picture of a digit, one that is damaged, and a text. */
static char *odd_folder(void) {
    char *folder = tiny_folder(), *picture = pare_path_join(folder, "0.png");
    assert_int_equal(symlink(DIGITS "/pictures/5/00002.png", picture), 0);
    tiny_write_text(folder, "1.png", "\x89PNG\r\n\x1a\n and no more");
    tiny_write_text(folder, "notes.txt", "one day");
    free(picture);
    return folder;
}

static void classifying(void **state) {
    (void)state;
    char *folder = odd_folder();
    memory_fail_everywhere(&(memory_run){classify, NULL, folder}, 40);
    tiny_remove(folder);
    free(folder);
}

static void evaluating(void **state) {
    (void)state;
    char set[] = DIGITS "/pictures", *flat = odd_folder();
    memory_fail_everywhere(&(memory_run){evaluate, NULL, set}, 30);
    memory_fail_everywhere(&(memory_run){evaluate, NULL, flat}, 30);
    tiny_remove(flat);
    free(flat);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(classifying), cmocka_unit_test(evaluating)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
