/* Training, and merging what was trained, on a machine whose memory ends at any allocation: one sentence and nothing
 * left behind, or the result. */
#include "failing_memory.h"
#include "golden.h"
#include "prune/prune_run.h"

typedef struct scene {
    char *folder, *rows, *adapter, *output, *before;
    pare_recover_options recover;
    pare_merge_options merge;
} scene;

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

static pare_status recover(void *context) {
    scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_recover(model, &s->recover, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

static pare_status merge(void *context) {
    scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_merge(model, &s->merge, &runtime, &report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

/* A model where the call succeeded, and nothing where it failed. */
static void nothing_half_written(void *context, pare_status status) {
    scene *s = context;
    assert_int_equal(pare_file_exists(s->output), status == PARE_OK);
    if (status == PARE_OK) {
        pare_model *written;
        assert_int_equal(pare_model_open(s->output, &written), PARE_OK);
        pare_model_close(written);
        tiny_remove(s->output);
    }
    prune_run_assert_holds(s->folder, s->before);
}

static scene scene_open(void) {
    scene s = {.folder = tiny_folder(), .recover = PARE_RECOVER_OPTIONS_INIT, .merge = PARE_MERGE_OPTIONS_INIT};
    s.rows = pare_path_join(s.folder, "rows.jsonl");
    s.adapter = pare_path_join(s.folder, "adapter");
    s.output = pare_path_join(s.folder, "output");
    tiny_write_text(s.folder, "rows.jsonl",
                    "{\"text\": \"one day, a dog found a ball.\"}\n{\"instruction\": \"say\", \"output\": \"a ball\"}\n"
                    "{\"text\": \"a little girl went to the park.\"}\n");
    s.recover.data = s.rows;
    s.recover.output = s.output;
    s.recover.steps = 2;
    s.recover.batch = 2;
    s.recover.validation = 1;
    s.recover.validate_every = 1;
    s.merge.adapter = s.adapter;
    s.merge.output = s.output;
    return s;
}

static void scene_close(scene *s) {
    tiny_remove(s->folder);
    free(s->folder);
    free(s->rows);
    free(s->adapter);
    free(s->output);
    free(s->before);
}

static void training(void **state) {
    (void)state;
    scene s = scene_open();
    s.before = prune_run_list(s.folder);
    memory_fail_everywhere(&(memory_run){recover, nothing_half_written, &s}, 12);
    scene_close(&s);
}

/* What the teacher said may stay, whole: whoever comes next reads it. */
static void the_cache_is_whole(void *context, pare_status status) {
    scene *s = context;
    nothing_half_written(s, status);
    if (!s->recover.teacher_cache || !pare_file_exists(s->recover.teacher_cache)) return;
    assert_int_equal(recover(s), PARE_OK);
    tiny_remove(s->output);
    unlink(s->recover.teacher_cache);
}

static void taught(bool cached) {
    scene s = scene_open();
    char *teacher = tiny_model_write((tiny_model){.vocabulary = 1024, .positions = 256}), *kept = tiny_folder();
    char *cache = pare_path_join(kept, "cache");
    s.before = prune_run_list(s.folder);
    s.recover.teacher = teacher;
    s.recover.teacher_cache = cached ? cache : NULL;
    memory_fail_everywhere(&(memory_run){recover, the_cache_is_whole, &s}, 10);
    prune_run_assert_holds(kept, "");
    tiny_remove(teacher);
    tiny_remove(kept);
    free(teacher);
    free(kept);
    free(cache);
    scene_close(&s);
}

static void training_with_a_teacher(void **state) {
    (void)state;
    taught(false);
}

static void training_with_what_it_said(void **state) {
    (void)state;
    taught(true);
}

static void merging(void **state) {
    (void)state;
    scene s = scene_open();
    s.recover.output = s.adapter;
    s.recover.adapter = true;
    assert_int_equal(recover(&s), PARE_OK);
    s.before = prune_run_list(s.folder);
    memory_fail_everywhere(&(memory_run){merge, nothing_half_written, &s}, 25);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(training), cmocka_unit_test(training_with_a_teacher),
                                       cmocka_unit_test(training_with_what_it_said), cmocka_unit_test(merging)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
