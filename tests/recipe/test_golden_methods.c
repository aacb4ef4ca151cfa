/* Every method of the family against the fp64 oracle, noise off, in fp32: unit scores, kept sets, loss traces,
 * displacement norms, and the perplexity of what is left. */
#include "evaluate/perplexity.h"
#include "golden.h"
#include "recipe/score.h"
#include "select/select.h"
#include "surgery/mask.h"

typedef struct entry {
    const char *golden;
    pare_prune_options options;
} entry;

enum { BEGIN = 1, END = 4, TEXT_BYTES = 400000 };

#define UNSET .sigma = -1.0, .eta = -1.0
static const entry entries[] = {
    {"taylor_param_first", {.method = "taylor", UNSET}},
    {"l1", {.method = "magnitude-l1", UNSET}},
    {"l2", {.method = "magnitude-l2", UNSET}},
    {"moreau rho=.05 gamma=1e-3 T=10", {.method = "moreau", .sigma = 0.0, .eta = -1.0}},
    {"moreau-gs rho=.2 gamma=2e-4 eta=5e-6 T=10", {.method = "moreau-gs", .sigma = 0.0, .eta = -1.0}},
    {"moreau-gs rho=.05 gamma=.05 eta=.02 T=3",
     {.method = "moreau-gs", .steps = 3, .sigma = 0.0, .rho = 0.05, .gamma = 0.05, .eta = 0.02}},
    {"moreau-l1 rho=.05 gamma=.02 eta=1e-3 T=5",
     {.method = "moreau-l1", .steps = 5, .sigma = 0.0, .rho = 0.05, .gamma = 0.02, .eta = 1e-3}},
};

typedef struct fixture {
    json_t *golden;
    pare_model *model;
    pare_backend *backend;
    uint32_t *ids;
    size_t sequences, length;
    pare_windows text;
} fixture;

static void load_text(fixture *f) {
    char path[] = "/tmp/pare-test-XXXXXX", *bytes = malloc(TEXT_BYTES);
    FILE *from = fopen(shared_path("data/tinystories/tinystories_lowercase_excerpt.txt"), "rb");
    const pare_tokenizer *tokenizer;
    assert_non_null(from);
    assert_int_equal(fread(bytes, 1, TEXT_BYTES, from), TEXT_BYTES);
    fclose(from);
    int file = mkstemp(path);
    assert_int_equal(write(file, bytes, TEXT_BYTES), TEXT_BYTES);
    close(file);
    assert_int_equal(pare_model_tokenizer(f->model, &tokenizer), PARE_OK);
    json_t *expected = json_object_get(f->golden, "ppl_text");
    uint32_t windows = (uint32_t)json_integer_value(json_object_get(expected, "windows"));
    assert_int_equal(pare_windows_stream(tokenizer, path, NULL, 128, windows, &f->text), PARE_OK);
    assert_int_equal(f->text.count, windows);
    json_t *first = json_object_get(expected, "first_ids");
    for (size_t i = 0; i < json_array_size(first); i++)
        assert_int_equal(f->text.ids[i], json_integer_value(json_array_get(first, i)));
    unlink(path);
    free(bytes);
}

static int set_up(void **state) {
    static fixture f;
    *state = &f;
    if (access(shared_path("golden/stories260K_structured.json"), R_OK) != 0) return 0;
    f.golden = load_golden();
    f.ids = load_golden_ids(&f.sequences, &f.length);
    assert_int_equal(pare_model_open(shared_path("models/stories260K-hf"), &f.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 0, &f.backend), PARE_OK);
    load_text(&f);
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    pare_windows_free(&f->text);
    pare_backend_close(f->backend);
    pare_model_close(f->model);
    free(f->ids);
    json_decref(f->golden);
    return 0;
}

static void compare_scores(const fixture *f, const char *name, const pare_unit_scores *scores, json_t *expected) {
    char what[160];
    for (uint32_t layer = 0; layer < scores->layers; layer++) {
        json_t *of_layer = json_array_get(expected, layer);
        json_t *heads = json_object_get(of_layer, "heads"), *ffn = json_object_get(of_layer, "ffn");
        assert_int_equal(json_array_size(heads), f->model->config.widths[layer].kv_heads);
        assert_int_equal(json_array_size(ffn), f->model->config.widths[layer].ffn);
        snprintf(what, sizeof what, "%s, layer %u", name, layer);
        for (size_t i = 0; i < json_array_size(heads); i++)
            assert_close(what, scores->heads[layer][i], json_number_value(json_array_get(heads, i)), 1e-4);
        for (size_t i = 0; i < json_array_size(ffn); i++)
            assert_close(what, scores->ffn[layer][i], json_number_value(json_array_get(ffn, i)), 1e-4);
    }
}

static void compare_kept(const pare_selection *selection, json_t *expected) {
    for (uint32_t layer = 0; layer < selection->layers; layer++) {
        json_t *of_layer = json_array_get(expected, layer);
        json_t *heads = json_object_get(of_layer, "heads"), *ffn = json_object_get(of_layer, "ffn");
        assert_int_equal(selection->layer[layer].kv_heads, json_array_size(heads));
        assert_int_equal(selection->layer[layer].ffn, json_array_size(ffn));
        for (size_t i = 0; i < json_array_size(heads); i++)
            assert_int_equal(selection->layer[layer].kv_head[i], json_integer_value(json_array_get(heads, i)));
        for (size_t i = 0; i < json_array_size(ffn); i++)
            assert_int_equal(selection->layer[layer].ffn_channel[i], json_integer_value(json_array_get(ffn, i)));
    }
}

static void check_pruned(const fixture *f, const char *name, const pare_unit_scores *scores, json_t *method,
                         double ratio, const char *kept_key, const char *ppl_key) {
    pare_widths widths[8];
    pare_target target = {.ratio = ratio, .layer_begin = BEGIN, .layer_end = END};
    pare_selection selection;
    pare_mask mask;
    double nll;
    assert_int_equal(pare_widths_after(f->model, &target, widths), PARE_OK);
    assert_int_equal(pare_select_local(f->model, scores, widths, &selection), PARE_OK);
    compare_kept(&selection, json_object_get(method, kept_key));
    assert_int_equal(pare_mask_new(f->model, &selection, NULL, &mask), PARE_OK);
    pare_source source = {.model = f->model, .backend = f->backend};
    pare_mask_apply(&mask, &source);
    pare_evaluation evaluation = {
        .model = f->model, .source = &source, .backend = f->backend, .windows = &f->text, .name = "tinystories"};
    assert_int_equal(pare_perplexity(&evaluation, &nll), PARE_OK);
    assert_close(name, exp(nll), json_number_value(json_object_get(method, ppl_key)), 1e-3);
    pare_mask_free(&mask);
    pare_selection_free(&selection);
}

static void compare_trace(const fixture *f, const char *name, const pare_score_result *result) {
    json_t *trace = json_object_get(json_object_get(f->golden, "moreau_traces"), name);
    json_t *losses = json_object_get(trace, "loss"), *norms = json_object_get(trace, "delta_l2");
    double squares = 0.0;
    const char *tensor;
    json_t *norm;
    assert_non_null(trace);
    assert_int_equal(result->steps, json_array_size(losses));
    for (int32_t t = 0; t < result->steps; t++)
        assert_close(name, result->trace[t].loss, json_number_value(json_array_get(losses, (size_t)t)), 1e-5);
    json_object_foreach(norms, tensor, norm) squares += json_number_value(norm) * json_number_value(norm);
    assert_close(name, result->trace[result->steps - 1].delta_l2, sqrt(squares), 1e-4);
}

static void methods_equal_the_oracle(void **state) {
    const fixture *f = *state;
    need_shared("golden/stories260K_structured.json");
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        json_t *method = json_object_get(json_object_get(f->golden, "methods"), entries[i].golden);
        pare_recipe recipe;
        pare_calibration_plan plan;
        pare_score_result result;
        assert_non_null(method);
        assert_int_equal(pare_recipe_resolve(&entries[i].options, &recipe), PARE_OK);
        pare_plan_request request = {.recipe = &recipe,
                                     .layer_begin = BEGIN,
                                     .layer_end = END,
                                     .score_all = true,
                                     .sequences = (int64_t)f->sequences,
                                     .length = (int64_t)f->length};
        assert_int_equal(pare_plan_new(f->model, f->backend, NULL, &request, &plan), PARE_OK);
        assert_int_equal(pare_score_units(f->model, f->backend, &recipe, &plan, NULL, 0, f->ids, &result), PARE_OK);
        compare_scores(f, entries[i].golden, &result.scores, json_object_get(method, "scores"));
        if (result.trace) compare_trace(f, entries[i].golden, &result);
        check_pruned(f, entries[i].golden, &result.scores, method, 0.25, "keep_0.25", "ppl_0.25");
        check_pruned(f, entries[i].golden, &result.scores, method, 0.5, "keep_0.5", "ppl_0.5");
        pare_score_free(&result);
        pare_plan_free(&plan);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(methods_equal_the_oracle)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
