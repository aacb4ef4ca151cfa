/* Evaluating and generating on a machine whose memory ends at any allocation: one sentence, or the result. */
#include "failing_memory.h"
#include "golden.h"
#include "tiny_model.h"

static const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};

typedef struct scene {
    char *folder, *text, *task;
} scene;

static pare_status evaluate(void *context) {
    scene *s = context;
    const char *texts[] = {s->text}, *names[] = {"boolq"};
    pare_model *model = NULL;
    pare_tasks *tasks = NULL;
    char *report = NULL;
    pare_tasks_options choice = PARE_TASKS_OPTIONS_INIT;
    choice.names = names;
    choice.name_count = 1;
    choice.data = s->task;
    pare_evaluate_options options = PARE_EVALUATE_OPTIONS_INIT;
    options.texts = texts;
    options.text_count = 1;
    options.window = 16;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_tasks_open(&choice, &tasks);
    options.tasks = tasks;
    options.against = model;
    if (status == PARE_OK) status = pare_evaluate(model, &options, &runtime, &report);
    pare_text_free(report);
    pare_tasks_close(tasks);
    pare_model_close(model);
    return status;
}

static bool take(void *user, const char *piece, size_t bytes) {
    (void)user, (void)piece, (void)bytes;
    return true;
}

static pare_status generate(void *context) {
    (void)context;
    pare_model *model = NULL;
    pare_generate_options options = PARE_GENERATE_OPTIONS_INIT;
    options.prompt = "one day";
    options.tokens = 2;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_generate(model, &options, &runtime, take, NULL);
    pare_model_close(model);
    return status;
}

static pare_status describe(void *context) {
    (void)context;
    pare_model *model = NULL;
    char *json = NULL;
    pare_status status = pare_model_open(BUNDLED_MODEL, &model);
    if (status == PARE_OK) status = pare_model_describe(model, true, &json);
    pare_text_free(json);
    pare_model_close(model);
    return status;
}

static void evaluating(void **state) {
    (void)state;
    scene s = {.folder = tiny_folder()};
    s.text = pare_path_join(s.folder, "text.txt");
    s.task = pare_path_join(s.folder, "boolq.jsonl");
    tiny_write_text(s.folder, "text.txt", "one day, a little girl went to the park and found a big red ball there.");
    tiny_write_text(s.folder, "boolq.jsonl",
                    "{\"question\": \"is the ball red\", \"passage\": \"the ball is red\", \"label\": 1}\n");
    memory_fail_everywhere(&(memory_run){evaluate, NULL, &s}, 30);
    tiny_remove(s.folder);
    free(s.folder);
    free(s.text);
    free(s.task);
}

static void generating(void **state) {
    (void)state;
    memory_fail_everywhere(&(memory_run){generate, NULL, NULL}, 30);
}

static void describing(void **state) {
    (void)state;
    memory_fail_everywhere(&(memory_run){describe, NULL, NULL}, 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(evaluating), cmocka_unit_test(generating),
                                       cmocka_unit_test(describing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
