/* pare recover as a person uses it: what is written, what goes on where, and refusals before any work. */
#include "cli/training_rows.h"

static void write_instruction(FILE *file, int i) {
    static const char *const names[] = {"dog", "cat", "girl", "boy", "bird", "fish"};
    fprintf(file,
            "{\"instruction\": \"tell of a %s\", \"input\": \"\", \"output\": \"one day, a little %s found a ball.\"}",
            names[i % 6], names[i % 6]);
}

/* Six rows of instructions, six times. */
static char *write_instructions(const workplace *place) {
    return write_rows_of(place, 36, write_instruction);
}

#define QUICK_TRAINING "--steps", "6", "--batch", "4", "--rate", "1e-3", "--val-every", "3", "--threads", "1"

static json_t *document(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static void expect_files(const char *folder, const char *const *names, bool there) {
    for (; *names; names++) {
        char *path = pare_path_join(folder, *names);
        if (pare_file_exists(path) != there) fail_msg("%s", path);
        free(path);
    }
}

static void a_model_is_written(void **state) {
    workplace *place = *state;
    char *rows = write_instructions(place);
    workplace_write_text(place);
    static const char *const files[] = {
        "config.json", "model.safetensors", "tokenizer.json", "recovery.json", "loss.csv", "loss.svg", NULL};
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--text",
                                           place->text, "--window", "32", QUICK_TRAINING);
    assert_non_null(strstr(result.out, "loss of held-out examples"));
    assert_non_null(strstr(result.out, "perplexity, "));
    assert_non_null(strstr(result.out, "6 steps on 33 examples, 3 held out"));
    assert_non_null(strstr(result.out, "written to "));
    assert_non_null(strstr(result.err, "6 steps of these"));
    expect_files(place->output, files, true);
    program_result_free(&result);
    result = EXPECT_SUCCESS("eval", place->output, "--text", place->text, "--window", "32", "--quiet");
    program_result_free(&result);
    EXPECT_NOTHING_LEFT(place, 1, "exists already", "recover", place->model, "-o", place->output, "--data", rows,
                        "--quiet", QUICK_TRAINING);
    free(rows);
}

static void the_report_is_one_document(void **state) {
    workplace *place = *state;
    char *rows = write_instructions(place), *prefix = pare_path_join(place->folder, "curve");
    static const char *const none[] = {"model.safetensors", "config.json", "loss.csv", NULL};
    static const char *const some[] = {"adapter_config.json", "adapter_model.safetensors", "recovery.json", NULL};
    static const char *const curves[] = {"curve.csv", "curve.svg", NULL};
    program_result result =
        EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--adapter", "--rank", "2",
                       "--targets", "q_proj", "down_proj", "--curve", prefix, "--quiet", "--json", QUICK_TRAINING);
    assert_string_equal(result.err, "");
    json_t *json = document(result.out);
    assert_true(at(json, "validation.best") < at(json, "validation.before"));
    assert_true(at(json, "loss.last") < at(json, "loss.first"));
    assert_int_equal((int)at(json, "data.examples"), 36);
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "output"), "kind")), "adapter");
    expect_files(place->output, some, true);
    expect_files(place->output, none, false);
    expect_files(place->folder, curves, true);
    json_decref(json);
    program_result_free(&result);
    free(prefix);
    free(rows);
}

static json_t *json_of(program_result *result) {
    json_t *json = document(result->out);
    program_result_free(result);
    return json;
}

/* What a preset says yes to can be had without; an adapter may take the place of an adapter, and only with --force. */
static void presets_give_way_and_adapters_are_replaced(void **state) {
    workplace *place = *state;
    char *rows = write_instructions(place);
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--adapter",
                                           "--preset", "loraprune", "--quiet", "--json", QUICK_TRAINING);
    json_t *json = json_of(&result);
    const json_t *settings = json_object_get(json, "settings");
    assert_true(json_is_true(json_object_get(settings, "train_on_prompt")));
    assert_true(json_is_true(json_object_get(settings, "group_by_length")));
    json_decref(json);
    EXPECT_NOTHING_LEFT(place, 1, "exists already", "recover", place->model, "-o", place->output, "--data", rows,
                        "--adapter", "--quiet", QUICK_TRAINING);
    result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--adapter", "--force",
                            "--preset", "loraprune", "--train-on-prompt", "no", "--group-by-length", "no", "--quiet",
                            "--json", QUICK_TRAINING);
    json = json_of(&result);
    settings = json_object_get(json, "settings");
    assert_true(json_is_false(json_object_get(settings, "train_on_prompt")));
    assert_true(json_is_false(json_object_get(settings, "group_by_length")));
    json_decref(json);
    free(rows);
}

/* Number of the file, which every state that is kept changes; 0: there is none. */
static ino_t number_of(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 ? status.st_ino : 0;
}

/* Ends the run with the signal as soon as it keeps a state. */
static void stop_run(const char *const *words, const char *state, int signal_number) {
    ino_t before = number_of(state);
    pid_t child = program_start(words, -1, -1, NULL);
    for (int i = 0; i < 6000 && number_of(state) == before; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    kill(child, signal_number);
    int code = program_wait(child, 20);
    assert_int_equal(code, signal_number == SIGKILL ? 128 + SIGKILL : 1);
}

/* Killed, then interrupted, then finished: the same bytes as in one go, and no progress left. */
static void a_stopped_run_goes_on(void **state) {
    workplace *place = *state;
    char *rows = write_instructions(place), *progress = pare_format("%s.progress", place->output);
    char *kept = pare_path_join(progress, "training.state"), *whole = pare_path_join(place->folder, "whole");
    const char *const words[] = {
        "recover", place->model, "-o",      place->output, "--data",    rows, "--steps",      "80", "--batch", "4",
        "--rate",  "1e-3",       "--quiet", "--resume",    "--threads", "1",  "--save-every", "2",  NULL};
    stop_run(words, kept, SIGKILL);
    assert_true(pare_file_exists(kept));
    EXPECT_FAILURE(2, "another model, other settings or other data", "recover", place->model, "-o", place->output,
                   "--data", rows, "--steps", "80", "--batch", "4", "--rate", "2e-3", "--quiet", "--resume",
                   "--threads", "1");
    stop_run(words, kept, SIGINT);
    assert_true(pare_file_exists(kept));
    assert_false(pare_file_exists(place->output));
    program_result result = program_run(words);
    if (result.code) fail_msg("%s", result.err);
    program_result_free(&result);
    assert_false(pare_file_exists(progress));
    result = EXPECT_SUCCESS("recover", place->model, "-o", whole, "--data", rows, "--steps", "80", "--batch", "4",
                            "--rate", "1e-3", "--quiet", "--threads", "1");
    program_result_free(&result);
    workplace_expect_same_file(place->output, whole, "model.safetensors");
    free(rows);
    free(progress);
    free(kept);
    free(whole);
}

static void all_weights_can_be_trained(void **state) {
    workplace *place = *state;
    char *rows = write_instructions(place);
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", rows, "--full",
                                           "--fresh", "--json", "--quiet", QUICK_TRAINING);
    json_t *json = document(result.out);
    assert_true(at(json, "trained.share") > 0.999);
    assert_true(at(json, "validation.best") < at(json, "validation.before"));
    json_decref(json);
    program_result_free(&result);
    free(rows);
}

static double zeros_of(const char *folder) {
    program_result result = EXPECT_SUCCESS("inspect", folder, "--tensors", "--json");
    json_t *json = document(result.out), *tensor;
    double sum = 0;
    size_t i;
    json_array_foreach(json_object_get(json, "tensors"), i, tensor) {
        double share = json_number_value(json_object_get(tensor, "zeros"));
        sum += share;
    }
    json_decref(json);
    program_result_free(&result);
    return sum;
}

static void zeros_stay(void **state) {
    workplace *place = *state;
    char *rows = write_instructions(place), *sparse = pare_path_join(place->folder, "sparse");
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", sparse, "--method", "magnitude", "--sparsity", "0.5", "--quiet");
    program_result_free(&result);
    result = EXPECT_SUCCESS("recover", sparse, "-o", place->output, "--data", rows, "--keep-sparsity", "--quiet",
                            QUICK_TRAINING);
    program_result_free(&result);
    double before = zeros_of(sparse), after = zeros_of(place->output);
    assert_true(before > 1.0);
    assert_true(after >= before && after < before * 1.001);
    free(sparse);
    free(rows);
}

static void nonsense_is_refused(void **state) {
    workplace *place = *state;
    char *rows = write_instructions(place);
#define REFUSED(code, part, ...)                                                                                       \
    EXPECT_NOTHING_LEFT(place, code, part, "recover", place->model, "-o", place->output, "--data", rows, "--quiet",    \
                        __VA_ARGS__)
    EXPECT_NOTHING_LEFT(place, 2, "MODEL is missing", "recover", "-o", place->output, "--data", rows);
    EXPECT_NOTHING_LEFT(place, 2, "--data FILE is missing", "recover", place->model, "-o", place->output);
    EXPECT_NOTHING_LEFT(place, 2, "-o OUT is missing", "recover", place->model, "--data", rows);
    EXPECT_NOTHING_LEFT(place, 1, "nowhere.json", "recover", place->model, "-o", place->output, "--data",
                        "nowhere.json", "--quiet");
    REFUSED(2, "choose among q_proj", "--targets", "head");
    REFUSED(2, "give --full with it", "--fresh");
    REFUSED(2, "leave out --rank", "--full", "--rank", "4");
    REFUSED(2, "--adapter cannot keep zeros", "--adapter", "--keep-sparsity");
    REFUSED(2, "leave out one of them", "--adapter", "--full");
    REFUSED(2, "without dropout", "--keep-sparsity", "--dropout", "0.1");
    REFUSED(2, "not both", "--steps", "4", "--epochs", "2");
    REFUSED(2, "only 4 steps", "--steps", "4", "--warmup", "5");
    REFUSED(2, "2 are left after the warm-up", "--steps", "4", "--warmup", "2", "--decay", "3");
    REFUSED(2, "some must be left to train on", "--val", "36");
    REFUSED(2, "positions", "--cutoff", "100000");
    REFUSED(2, "paper, lamini", "--preset", "papers");
    REFUSED(2, "give --resume with it", "--save-every", "4");
    REFUSED(2, "both excluded", "--beta1", "1");
    REFUSED(2, "must be one of no, yes", "--group-by-length", "maybe");
    REFUSED(2, "let the model before pruning write", "--text", "self");
    REFUSED(1, "raise --memory", "--memory", "1M", "--rank", "64");
    free(rows);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(a_model_is_written),
        IN_A_WORKPLACE(the_report_is_one_document),
        IN_A_WORKPLACE(presets_give_way_and_adapters_are_replaced),
        IN_A_WORKPLACE(a_stopped_run_goes_on),
        IN_A_WORKPLACE(all_weights_can_be_trained),
        IN_A_WORKPLACE(zeros_stay),
        IN_A_WORKPLACE(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
