/* Every method of the family against the fp64 oracle, noise off, in fp32, through whole runs: unit scores, kept sets,
 * loss traces, displacement norms, and the perplexity of what is left. */
#include "golden.h"
#include "pare.h"
#include "tiny_model.h"

typedef struct entry {
    const char *golden, *method;
    const char *reduction; /* NULL: the method's */
    int32_t steps;
    double rho, gamma, eta;
    double bound; /* relative error of a score */
} entry;

#define PUBLISHED .eta = -1.0, .bound = 1e-4
static const entry entries[] = {
    {"taylor_param_first", "taylor", PUBLISHED},
    {"taylor_vectorize", "taylor-vector", .eta = -1.0, .bound = 2e-3}, /* signs cancel */
    {"taylor_param_second", "taylor-second", PUBLISHED},
    {"taylor_param_mix", "taylor-mix", PUBLISHED},
    {"taylor_param_first:mean", "taylor", "mean", PUBLISHED},
    {"taylor_param_first:max", "taylor", "max", PUBLISHED},
    {"taylor_param_first:prod", "taylor", "prod", PUBLISHED},
    {"taylor_param_first:first", "taylor", "first", PUBLISHED},
    {"l1", "magnitude-l1", PUBLISHED},
    {"l2", "magnitude-l2", PUBLISHED},
    {"moreau rho=.05 gamma=1e-3 T=10", "moreau", PUBLISHED},
    {"moreau-gs rho=.2 gamma=2e-4 eta=5e-6 T=10", "moreau-gs", PUBLISHED},
    {"moreau-gs rho=.05 gamma=.05 eta=.02 T=3", "moreau-gs", .steps = 3, .rho = 0.05, .gamma = 0.05, .eta = 0.02,
     .bound = 1e-4},
    {"moreau-l1 rho=.05 gamma=.02 eta=1e-3 T=5", "moreau-l1", .steps = 5, .rho = 0.05, .gamma = 0.02, .eta = 1e-3,
     .bound = 1e-4},
    {"as-released gamma=1e-3 eta=0 T=10", "moreau-released", .steps = 10, .gamma = 1e-3, .eta = 0.0, .bound = 1e-4},
    /* its factor 1 - eta / r cancels in single precision where a row's r is close to eta */
    {"as-released gamma=2e-4 eta=5e-6 T=10", "moreau-gs-released", .steps = 10, .gamma = 2e-4, .eta = 5e-6,
     .bound = 3e-3},
};
enum { ENTRIES = sizeof entries / sizeof *entries };

typedef struct fixture {
    json_t *golden;
    pare_model *model;
    char *folder, *text, *scores;
} fixture;

/* The text that the oracle read: at most the first 400,000 bytes. */
static void write_text(fixture *f) {
    enum { BYTES = 400000 };
    char *bytes = malloc(BYTES);
    FILE *from = fopen(golden_path(GOLDEN_TEXT), "rb");
    assert_non_null(from);
    size_t count = fread(bytes, 1, BYTES, from);
    fclose(from);
    tiny_write_file(f->folder, "text.txt", bytes, count);
    f->text = pare_path_join(f->folder, "text.txt");
    free(bytes);
}

static int set_up(void **state) {
    static fixture f;
    *state = &f;
    if (!golden_is_there()) return 0;
    f.golden = load_golden();
    assert_int_equal(pare_model_open(golden_path(GOLDEN_MODEL), &f.model), PARE_OK);
    f.folder = tiny_folder();
    f.scores = pare_path_join(f.folder, "scores.json");
    write_text(&f);
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    if (!f->golden) return 0;
    pare_model_close(f->model);
    json_decref(f->golden);
    tiny_remove(f->folder);
    free(f->folder);
    free(f->text);
    free(f->scores);
    return 0;
}

/* The report of a dry run over layers 1 to 3. with_text: perplexities too. */
static json_t *run(const fixture *f, const entry *e, double ratio, bool with_text, pare_cache *cache) {
    const char *texts[] = {f->text};
    pare_setting reduction = {"reduction", e->reduction};
    json_int_t windows = json_integer_value(json_object_get(json_object_get(f->golden, "ppl_text"), "windows"));
    pare_prune_options options = {.size = sizeof options,
                                  .method = e->method,
                                  .settings = &reduction,
                                  .setting_count = e->reduction ? 1 : 0,
                                  .ratio = ratio,
                                  .layer_begin = 1,
                                  .layer_end = 4,
                                  .calibration = {.source = golden_path(GOLDEN_IDS)},
                                  .steps = e->steps,
                                  .sigma = 0.0,
                                  .rho = e->rho,
                                  .gamma = e->gamma,
                                  .eta = e->eta,
                                  .dry_run = true,
                                  .scores = f->scores,
                                  .texts = texts,
                                  .text_count = with_text ? 1 : 0,
                                  .window = 128,
                                  .max_windows = (uint32_t)windows,
                                  .cache = cache};
    pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    char *text;
    pare_status status = pare_prune(f->model, &options, &runtime, &text);
    if (status) fprintf(stderr, "%s: %s\n", e->golden, pare_message());
    assert_int_equal(status, PARE_OK);
    json_t *report = json_loads(text, 0, NULL);
    pare_text_free(text);
    return report;
}

static void compare_lists(const char *what, json_t *actual, json_t *expected, double bound) {
    assert_int_equal(json_array_size(actual), json_array_size(expected));
    assert_true(json_array_size(expected) > 0);
    for (size_t i = 0; i < json_array_size(expected); i++)
        assert_close(what, json_number_value(json_array_get(actual, i)), json_number_value(json_array_get(expected, i)),
                     bound);
}

/* Of all layers, those that are not pruned too. */
static void compare_scores(const fixture *f, const entry *e, json_t *expected) {
    json_t *scores = load_json(f->scores), *layers = json_object_get(scores, "layers");
    assert_int_equal(json_array_size(layers), json_array_size(expected));
    for (size_t i = 0; i < json_array_size(expected); i++) {
        char what[160];
        json_t *actual = json_array_get(layers, i), *wanted = json_array_get(expected, i);
        snprintf(what, sizeof what, "%s, layer %zu", e->golden, i);
        compare_lists(what, json_object_get(actual, "heads"), json_object_get(wanted, "heads"), e->bound);
        compare_lists(what, json_object_get(actual, "ffn"), json_object_get(wanted, "ffn"), e->bound);
    }
    json_decref(scores);
}

static void compare_kept(const entry *e, json_t *report, json_t *expected) {
    json_t *layers = json_object_get(report, "layers");
    assert_int_equal(json_array_size(layers), json_array_size(expected));
    for (size_t i = 0; i < json_array_size(expected); i++) {
        json_t *actual = json_array_get(layers, i), *wanted = json_array_get(expected, i);
        bool same = json_equal(json_object_get(actual, "kv_heads_kept"), json_object_get(wanted, "heads")) &&
                    json_equal(json_object_get(actual, "ffn_channels_kept"), json_object_get(wanted, "ffn"));
        if (!same) fprintf(stderr, "%s: layer %zu keeps other units\n", e->golden, i);
        assert_true(same);
    }
}

/* The last displacement is a mean of several where the loop is as released: see calibrate/test_moreau_released. */
static void compare_trace(const fixture *f, const entry *e, json_t *report) {
    json_t *golden = json_object_get(json_object_get(f->golden, "moreau_traces"), e->golden);
    json_t *losses = json_object_get(golden, "loss"), *trace = json_object_get(report, "trace");
    double squares = 0.0;
    const char *tensor;
    json_t *norm, *step = NULL;
    assert_int_equal(json_array_size(trace), json_array_size(losses));
    for (size_t t = 0; t < json_array_size(losses); t++) {
        step = json_array_get(trace, t);
        assert_close(e->golden, json_number_value(json_object_get(step, "loss")),
                     json_number_value(json_array_get(losses, t)), 1e-5);
    }
    if (!golden || strncmp(e->golden, "as-released", 11) == 0) return;
    json_object_foreach(json_object_get(golden, "delta_l2"), tensor, norm) squares +=
        json_number_value(norm) * json_number_value(norm);
    assert_close(e->golden, json_number_value(json_object_get(step, "delta_l2")), sqrt(squares), 1e-4);
}

static double perplexity(json_t *report, const char *when) {
    json_t *text = json_array_get(json_object_get(report, "texts"), 0);
    return json_number_value(json_object_get(json_object_get(text, when), "perplexity"));
}

static void check(const fixture *f, const entry *e, double ratio, const char *keep, const char *ppl,
                  pare_cache *cache) {
    json_t *method = json_object_get(json_object_get(f->golden, "methods"), e->golden);
    json_t *expected = json_object_get(method, ppl);
    assert_non_null(method);
    json_t *report = run(f, e, ratio, expected != NULL, cache);
    compare_scores(f, e, json_object_get(method, "scores"));
    compare_kept(e, report, json_object_get(method, keep));
    compare_trace(f, e, report);
    if (expected) {
        assert_close("dense", perplexity(report, "before"), json_number_value(json_object_get(f->golden, "ppl_dense")),
                     1e-4);
        assert_close(e->golden, perplexity(report, "after"), json_number_value(expected), 1e-3);
    }
    json_decref(report);
}

static void methods_equal_the_oracle(void **state) {
    const fixture *f = *state;
    need_golden();
    assert_int_equal(json_object_size(json_object_get(f->golden, "methods")), ENTRIES);
    pare_cache *cache = pare_cache_new();
    for (size_t i = 0; i < ENTRIES; i++) {
        check(f, &entries[i], 0.25, "keep_0.25", "ppl_0.25", cache);
        check(f, &entries[i], 0.5, "keep_0.5", "ppl_0.5", cache);
    }
    pare_cache_free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(methods_equal_the_oracle)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
