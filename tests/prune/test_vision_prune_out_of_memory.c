/* Pruning and training a vision transformer on a machine whose memory ends at any allocation: one sentence and nothing
 * left behind, or the result. */
#include "memory_job.h"
#include "model/vision.h"

typedef struct scene {
    vision_place place;
    memory_job job;
    pare_prune_options prune;
    pare_recover_options recover;
} scene;

static int setup(void **state) {
    scene *s = *state = calloc(1, sizeof *s);
    vision_place *place = &s->place;
    vision_place_open(place, "vit");
    s->prune = (pare_prune_options)PARE_PRUNE_OPTIONS_INIT;
    s->recover = (pare_recover_options)PARE_RECOVER_OPTIONS_INIT;
    s->prune.output = s->recover.output = place->output;
    s->prune.calibration.source = s->recover.data = place->m.pictures;
    s->prune.texts = s->recover.texts = place->texts;
    s->prune.text_count = s->recover.text_count = 1;
    s->prune.ratio = 0.5;
    s->recover.steps = 1;
    s->job = (memory_job){.model = place->m.opened.folder,
                          .folder = place->folder,
                          .output = place->output,
                          .before = prune_run_list(place->folder),
                          .runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32}};
    return 0;
}

static int teardown(void **state) {
    scene *s = *state;
    free(s->job.before);
    vision_place_close(&s->place);
    free(s);
    return 0;
}

static void fail_everywhere(scene *s, size_t most) {
    memory_fail_everywhere(&(memory_run){memory_job_run, memory_job_whole, &s->job}, most);
}

static void by_gradients(void **state) {
    scene *s = *state;
    s->prune.method = "taylor";
    s->job.prune = &s->prune;
    fail_everywhere(s, 40);
}

static void while_training(void **state) {
    scene *s = *state;
    static const pare_setting settings[] = {{"train_steps", "2"}, {"prune_every", "1"}};
    s->prune.method = "loraprune";
    s->prune.settings = settings;
    s->prune.setting_count = 2;
    s->job.prune = &s->prune;
    fail_everywhere(s, 20);
}

static void training(void **state) {
    scene *s = *state;
    s->job.recover = &s->recover;
    fail_everywhere(s, 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_gradients, setup, teardown),
        cmocka_unit_test_setup_teardown(while_training, setup, teardown),
        cmocka_unit_test_setup_teardown(training, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
