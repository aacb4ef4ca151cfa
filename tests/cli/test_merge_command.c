/* An adapter that is kept apart: merged it is the model that recover would have written, beside the weights it computes
 * the same, and what does not belong together is refused. */
#include "cli/training_rows.h"

#include <math.h>
#include <sys/resource.h>

#define TRAINING                                                                                                       \
    "--steps", "6", "--batch", "4", "--rate", "1e-2", "--val", "0", "--threads", "1", "--quiet", "--compute", "fp32"

/* The adapter's folder, trained; freed with free(). */
static char *train(const workplace *place) {
    char *rows = write_rows(place), *adapter = pare_path_join(place->folder, "adapter");
    program_result result =
        EXPECT_SUCCESS("recover", place->model, "-o", adapter, "--data", rows, "--adapter", TRAINING);
    program_result_free(&result);
    free(rows);
    return adapter;
}

static void merging_later_gives_the_same(void **state) {
    workplace *place = *state;
    char *adapter = train(place), *rows = pare_path_join(place->folder, "rows.json");
    char *at_once = pare_path_join(place->folder, "at-once");
    program_result result = EXPECT_SUCCESS("recover", place->model, "-o", at_once, "--data", rows, TRAINING);
    program_result_free(&result);
    result = EXPECT_SUCCESS("merge", place->model, "--adapter", adapter, "-o", place->output, "--json");
    json_t *report = json_loads(result.out, 0, NULL);
    json_int_t all, changed, rank, parameters;
    assert_int_equal(json_unpack(report, "{s:{s:I,s:I},s:{s:I},s:{s:I}}", "tensors", "all", &all, "changed", &changed,
                                 "adapter", "rank", &rank, "model", "parameters", &parameters),
                     0);
    assert_true(changed > 0 && changed < all && changed % 7 == 0);
    assert_int_equal(rank, 8);
    assert_true(parameters > 0);
    json_decref(report);
    program_result_free(&result);
    workplace_expect_same_file(at_once, place->output, "model.safetensors");
    workplace_expect_same_file(place->model, place->output, "config.json");
    workplace_expect_same_file(place->model, place->output, "tokenizer.json");
    workplace_expect_same_file(adapter, place->output, "recovery.json");
    free(at_once);
    free(rows);
    free(adapter);
}

/* The report of an evaluation of MODEL, with more words. */
static json_t *evaluate(const workplace *place, const char *tasks, const char *model, const char *option,
                        const char *value) {
    program_result result =
        EXPECT_SUCCESS("eval", model, "--text", place->text, "--window", "32", "--max-windows", "4", "--tasks", "piqa",
                       "--data", tasks, "--compute", "fp32", "--json", "--against", place->model, option, value);
    json_t *report = json_loads(result.out, 0, NULL);
    assert_non_null(report);
    program_result_free(&result);
    return report;
}

static char *write_task(const workplace *place) {
    tiny_write_text(place->folder, "piqa.jsonl",
                    "{\"goal\":\"once upon a time\",\"sol1\":\"a dog\",\"sol2\":\"the dog ran\",\"label\":1}\n"
                    "{\"goal\":\"a boy\",\"sol1\":\"he sat\",\"sol2\":\"cat\",\"label\":0}\n");
    return pare_path_join(place->folder, "piqa.jsonl");
}

/* Sums of the likelihoods that --save-items writes. */
static double likelihoods(const char *path) {
    json_t *item;
    double sum = 0;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while ((item = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL))) {
        json_t *choice;
        size_t i;
        json_array_foreach(json_object_get(item, "choices"), i, choice) sum +=
            json_real_value(json_object_get(choice, "ll"));
        json_decref(item);
    }
    fclose(file);
    return sum;
}

static double task_likelihoods(const workplace *place, const char *tasks, const char *model, const char *option,
                               const char *value) {
    char *items = pare_path_join(place->folder, "items.jsonl");
    program_result result = EXPECT_SUCCESS("eval", model, "--tasks", "piqa", "--data", tasks, "--compute", "fp32",
                                           "--json", "--save-items", items, option, value);
    double sum = likelihoods(items);
    program_result_free(&result);
    free(items);
    return sum;
}

static void beside_the_weights_is_as_merged(void **state) {
    workplace *place = *state;
    char *adapter = train(place), *tasks = write_task(place);
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("merge", place->model, "--adapter", adapter, "-o", place->output, "--quiet");
    assert_non_null(strstr(result.out, "tensors changed"));
    assert_non_null(strstr(result.out, "of rank 8 on q_proj"));
    program_result_free(&result);
    json_t *beside = evaluate(place, tasks, place->model, "--adapter", adapter);
    json_t *merged = evaluate(place, tasks, place->output, "--seed", "0");
    json_t *dense = evaluate(place, tasks, place->model, "--seed", "0");
    assert_string_equal(json_string_value(json_object_get(beside, "adapter")), adapter);
    assert_true(fabs(at(beside, "texts.0.nll") - at(merged, "texts.0.nll")) < 5e-3); /* weights of 16 bits */
    assert_true(fabs(at(beside, "texts.0.kl") - at(merged, "texts.0.kl")) < 1e-2);
    assert_true(fabs(at(dense, "texts.0.nll") - at(merged, "texts.0.nll")) > 0.1);
    double sums[] = {task_likelihoods(place, tasks, place->model, "--adapter", adapter),
                     task_likelihoods(place, tasks, place->output, "--seed", "0"),
                     task_likelihoods(place, tasks, place->model, "--seed", "0")};
    assert_true(fabs(sums[0] - sums[1]) < 0.1);
    assert_true(fabs(sums[2] - sums[1]) > 0.5);
    json_decref(beside);
    json_decref(merged);
    json_decref(dense);
    free(tasks);
    free(adapter);
}

/* It writes as the merged model does, and its own text is the likeliest to itself. */
static void it_writes_beside_the_weights(void **state) {
    workplace *place = *state;
    char *adapter = train(place);
    program_result merge = EXPECT_SUCCESS("merge", place->model, "--adapter", adapter, "-o", place->output, "--quiet");
    program_result_free(&merge);
#define TALK "--prompt", "one day", "--tokens", "24", "--compute", "fp32"
    program_result beside = EXPECT_SUCCESS("generate", place->model, "--adapter", adapter, TALK);
    program_result merged = EXPECT_SUCCESS("generate", place->output, TALK);
    program_result dense = EXPECT_SUCCESS("generate", place->model, TALK);
    assert_string_equal(beside.out, merged.out);
    assert_string_not_equal(beside.out, dense.out);
    program_result_free(&beside);
    program_result_free(&merged);
    program_result_free(&dense);
#define SELF "--text", "self", "--window", "16", "--max-windows", "8", "--compute", "fp32", "--json"
    program_result own = EXPECT_SUCCESS("eval", place->model, "--adapter", adapter, SELF);
    program_result other = EXPECT_SUCCESS("eval", place->model, "--adapter", adapter, SELF, "--against", place->model);
    json_t *mine = json_loads(own.out, 0, NULL), *theirs = json_loads(other.out, 0, NULL);
    assert_true(at(mine, "texts.0.nll") < at(theirs, "texts.0.nll"));
    json_decref(mine);
    json_decref(theirs);
    program_result_free(&own);
    program_result_free(&other);
    free(adapter);
}

static void what_does_not_belong_together_is_refused(void **state) {
    workplace *place = *state;
    char *adapter = train(place), *smaller = pare_path_join(place->folder, "smaller");
    char *inside = pare_path_join(adapter, "out"), *weights = pare_path_join(adapter, "adapter_model.safetensors");
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", smaller, "--method", "magnitude-l1", "--ratio", "0.5", "--quiet");
    program_result_free(&result);
#define REFUSED(code, part, ...) EXPECT_NOTHING_LEFT(place, code, part, "merge", __VA_ARGS__, "--quiet")
    REFUSED(2, "MODEL is missing", "--adapter", adapter, "-o", place->output);
    REFUSED(2, "--adapter DIR is missing", place->model, "-o", place->output);
    REFUSED(2, "-o OUT is missing", place->model, "--adapter", adapter);
    REFUSED(1, "adapter_config.json", place->model, "--adapter", place->model, "-o", place->output);
    REFUSED(1, "belongs to another model", smaller, "--adapter", adapter, "-o", place->output);
    REFUSED(1, "exists already", place->model, "--adapter", adapter, "-o", smaller);
    REFUSED(2, "lies in --adapter", place->model, "--adapter", adapter, "-o", inside);
    REFUSED(1, "raise --memory", place->model, "--adapter", adapter, "-o", place->output, "--memory", "1M");
    EXPECT_NOTHING_LEFT(place, 1, "belongs to another model", "generate", smaller, "--prompt", "a", "--adapter",
                        adapter);
    EXPECT_NOTHING_LEFT(place, 2, "belongs to one MODEL", "eval", place->model, smaller, "--text", place->model,
                        "--adapter", adapter);
    EXPECT_NOTHING_LEFT(place, 1, "belongs to another model", "eval", smaller, "--text", place->model, "--adapter",
                        adapter);
    size_t bytes;
    unsigned char *data = workplace_read(weights, &bytes);
    tiny_write_file(adapter, "adapter_model.safetensors", data, bytes - 100);
    REFUSED(1, "adapter_model.safetensors", place->model, "--adapter", adapter, "-o", place->output);
    memset(data + bytes - 8, 0xff, 8);
    tiny_write_file(adapter, "adapter_model.safetensors", data, bytes);
    REFUSED(1, "NaN or infinity", place->model, "--adapter", adapter, "-o", place->output);
    free(data);
    free(weights);
    free(inside);
    free(smaller);
    free(adapter);
}

static void only_small_files(void) {
    enum { MOST = 100000 };
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = MOST, .rlim_max = MOST});
}

/* As on a full disk: one sentence, and nothing half written. */
static void files_that_may_not_grow_leave_nothing(void **state) {
    workplace *place = *state;
    char *adapter = train(place), *rows = pare_path_join(place->folder, "rows.json");
    char *before = workplace_list(place->folder);
    const char *const merge[] = {"merge", place->model, "--adapter", adapter, "-o", place->output, NULL};
    const char *const recover[] = {"recover", place->model, "-o", place->output, "--data", rows, TRAINING, NULL};
    const char *const *const runs[] = {merge, recover};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        program_result result = program_run_prepared(runs[i], only_small_files);
        assert_int_equal(result.code, 1);
        assert_non_null(strstr(result.err, "cannot write"));
        program_result_free(&result);
        workplace_expect_entries(place->folder, before);
    }
    free(before);
    free(rows);
    free(adapter);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(merging_later_gives_the_same),
        IN_A_WORKPLACE(beside_the_weights_is_as_merged),
        IN_A_WORKPLACE(it_writes_beside_the_weights),
        IN_A_WORKPLACE(files_that_may_not_grow_leave_nothing),
        IN_A_WORKPLACE(what_does_not_belong_together_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
