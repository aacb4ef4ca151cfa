/* Pruning and training a vision transformer on a machine whose memory ends at any allocation: one sentence and nothing
 * left behind, or the result. */
#include "failing_memory.h"
#include "model/vision.h"
#include "prune_run.h"

typedef struct scene {
    json_t *golden;
    vision_model m;
    char *folder, *output;
    pare_prune_options prune;
    pare_recover_options recover;
} scene;

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

static int setup(void **state) {
    scene *s = *state = calloc(1, sizeof *s);
    s->golden = load_json(VISION_GOLDEN);
    s->m = vision_open(json_array_get(json_object_get(s->golden, "cases"), 0));
    s->folder = tiny_folder();
    s->output = pare_path_join(s->folder, "output");
    s->prune = (pare_prune_options)PARE_PRUNE_OPTIONS_INIT;
    s->recover = (pare_recover_options)PARE_RECOVER_OPTIONS_INIT;
    s->prune.output = s->recover.output = s->output;
    s->prune.calibration.source = s->recover.data = s->m.pictures;
    s->prune.texts = s->recover.texts = (const char *const *)&s->m.pictures;
    s->prune.text_count = s->recover.text_count = 1;
    s->prune.ratio = 0.5;
    s->recover.steps = 1;
    return 0;
}

static int teardown(void **state) {
    scene *s = *state;
    vision_close(&s->m);
    tiny_remove(s->folder);
    free(s->folder);
    free(s->output);
    json_decref(s->golden);
    free(s);
    return 0;
}

static pare_status prune(void *context) {
    scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(s->m.opened.folder, &model);
    if (status == PARE_OK) status = pare_prune(model, &s->prune, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

static pare_status recover(void *context) {
    scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(s->m.opened.folder, &model);
    if (status == PARE_OK) status = pare_recover(model, &s->recover, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

/* A model where the call succeeded, and nothing where it failed. */
static void nothing_half_written(void *context, pare_status status) {
    scene *s = context;
    assert_int_equal(pare_file_exists(s->output), status == PARE_OK);
    if (status == PARE_OK) tiny_remove(s->output);
    prune_run_assert_holds(s->folder, "");
}

static void by_gradients(void **state) {
    scene *s = *state;
    s->prune.method = "taylor";
    memory_fail_everywhere(&(memory_run){prune, nothing_half_written, s}, 40);
}

static void while_training(void **state) {
    scene *s = *state;
    static const pare_setting settings[] = {{"train_steps", "2"}, {"prune_every", "1"}};
    s->prune.method = "loraprune";
    s->prune.settings = settings;
    s->prune.setting_count = 2;
    memory_fail_everywhere(&(memory_run){prune, nothing_half_written, s}, 20);
}

static void training(void **state) {
    memory_fail_everywhere(&(memory_run){recover, nothing_half_written, *state}, 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_gradients, setup, teardown),
        cmocka_unit_test_setup_teardown(while_training, setup, teardown),
        cmocka_unit_test_setup_teardown(training, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
