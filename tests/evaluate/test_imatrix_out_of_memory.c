/* Measuring an importance matrix, and pruning by one, on a machine whose memory ends at any allocation: one sentence
 * and nothing left behind, or the result. */
#include "failing_memory.h"
#include "golden.h"
#include "tiny_model.h"

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

typedef struct scene {
    char *folder, *text, *file, *weighed;
} scene;

static pare_status measure(void *context) {
    const scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_imatrix_options options = PARE_IMATRIX_OPTIONS_INIT;
    options.output = s->file;
    options.calibration.source = s->text;
    options.calibration.samples = 2;
    options.calibration.length = 16;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_imatrix(model, &options, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

static void file_is_whole(void *context, pare_status status) {
    const scene *s = context;
    assert_int_equal(pare_file_exists(s->file), status == PARE_OK);
    unlink(s->file);
}

static pare_status prune(void *context) {
    const scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_prune_options options = PARE_PRUNE_OPTIONS_INIT;
    options.method = "wanda";
    options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    options.calibration.source = s->file;
    options.dry_run = true;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_prune(model, &options, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

static pare_status export(void *context) {
    const scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_export_options options = PARE_EXPORT_OPTIONS_INIT;
    options.output = s->weighed;
    options.type = "q4_0";
    options.importance = s->file;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_export(model, &options, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

/* Where the folder around it cannot be synced in the end, it is there, too, and the run fails all the same. */
static void export_is_whole(void *context, pare_status status) {
    const scene *s = context;
    assert_true(status != PARE_OK || pare_file_exists(s->weighed));
    unlink(s->weighed);
}

static int open_scene(void **state) {
    scene *s = calloc(1, sizeof *s);
    s->folder = tiny_folder();
    s->text = pare_path_join(s->folder, "text.txt");
    s->file = pare_path_join(s->folder, "model.imatrix.gguf");
    s->weighed = pare_path_join(s->folder, "weighed.gguf");
    tiny_write_text(s->folder, "text.txt",
                    "one day, a little girl went to the park and found a big red ball there. she took the ball home, "
                    "and her mother was very happy to see it. they played with it all day, and then they went to bed.");
    *state = s;
    return 0;
}

static int close_scene(void **state) {
    scene *s = *state;
    tiny_remove(s->folder);
    free(s->folder);
    free(s->text);
    free(s->file);
    free(s->weighed);
    free(s);
    return 0;
}

static void measuring(void **state) {
    memory_fail_everywhere(&(memory_run){measure, file_is_whole, *state}, 30);
}

static void using(void **state) {
    assert_int_equal(measure(*state), PARE_OK);
    memory_fail_everywhere(&(memory_run){prune, NULL, *state}, 20);
    memory_fail_everywhere(&(memory_run){export, export_is_whole, *state}, 12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(measuring), TEST(using)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
