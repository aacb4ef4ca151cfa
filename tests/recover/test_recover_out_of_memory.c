/* Training, and merging what was trained, on a machine whose memory ends at any allocation: one sentence and nothing
 * left behind, or the result. */
#include "prune/memory_job.h"

typedef struct scene {
    char *folder, *rows, *adapter, *output;
    pare_recover_options recover;
    pare_merge_options merge;
} scene;

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
}

/* Training, or merging, with what is in the folder now. */
static memory_job job_of(const scene *s, bool merging) {
    return (memory_job){.model = BUNDLED_MODEL,
                        .folder = s->folder,
                        .output = s->output,
                        .before = prune_run_list(s->folder),
                        .recover = merging ? NULL : &s->recover,
                        .merge = merging ? &s->merge : NULL,
                        .runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32}};
}

static void training(void **state) {
    (void)state;
    scene s = scene_open();
    memory_job job = job_of(&s, false);
    memory_fail_everywhere(&(memory_run){memory_job_run, memory_job_whole, &job}, 12);
    free(job.before);
    scene_close(&s);
}

/* What the teacher said may stay, whole: whoever comes next reads it. */
static void the_cache_is_whole(void *context, pare_status status) {
    const memory_job *job = context;
    const char *cache = job->recover->teacher_cache;
    memory_job_whole(context, status);
    if (!cache || !pare_file_exists(cache)) return;
    assert_int_equal(memory_job_run(context), PARE_OK);
    tiny_remove(job->output);
    unlink(cache);
}

static void taught(bool cached) {
    scene s = scene_open();
    char *teacher = tiny_model_write((tiny_model){.vocabulary = 1024, .positions = 256}), *kept = tiny_folder();
    char *cache = pare_path_join(kept, "cache");
    memory_job job = job_of(&s, false);
    s.recover.teacher = teacher;
    s.recover.teacher_cache = cached ? cache : NULL;
    memory_fail_everywhere(&(memory_run){memory_job_run, the_cache_is_whole, &job}, 10);
    prune_run_assert_holds(kept, "");
    tiny_remove(teacher);
    tiny_remove(kept);
    free(teacher);
    free(kept);
    free(cache);
    free(job.before);
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
    memory_job first = job_of(&s, false);
    assert_int_equal(memory_job_run(&first), PARE_OK);
    memory_job job = job_of(&s, true);
    memory_fail_everywhere(&(memory_run){memory_job_run, memory_job_whole, &job}, 25);
    free(first.before);
    free(job.before);
    scene_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(training), cmocka_unit_test(training_with_a_teacher),
                                       cmocka_unit_test(training_with_what_it_said), cmocka_unit_test(merging)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
