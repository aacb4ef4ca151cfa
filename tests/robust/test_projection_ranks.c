/* Ranks of each projection's channels: of squared weights, added up here, element by element. And the files of --plot
 * and --csv: whole, readable, and not there where the run fails. */
#include "checkpoint/view.h"
#include "importance/projection_scores.h"
#include "prune/prune_run.h"
#include "report/markup.h"
#include "surgery/perturb.h"
#include "tiny_variants.h"

static const tiny_model tiny = {
    .layers = 3, .hidden = 16, .heads = 4, .kv_heads = 2, .head_size = 4, .ffn = 24, .scale = 0.3};

static const double size = 0.5; /* of the noise: large enough to change ranks */

static json_t *run(prune_run *r, const char *method, const char *plot, const char *csv) {
    static char change[] = "noise=0.5";
    const char *changes[] = {change}, *methods[] = {method, "magnitude-l1"};
    r->options.method = NULL;
    r->options.ratio = 0;
    r->options.output = NULL;
    r->options.seed = 9;
    pare_robust_options o = {.prune = &r->options,
                             .methods = methods,
                             .method_count = 2,
                             .changes = changes,
                             .change_count = 1,
                             .ranks = true,
                             .plot = plot,
                             .csv = csv};
    char *text = NULL;
    if (pare_robust(r->model, &o, &r->runtime, &text) != PARE_OK) return NULL;
    json_t *report = json_loads(text, 0, NULL);
    pare_text_free(text);
    assert_non_null(report);
    return report;
}

/* Sums of squares along the axis that is not cut; freed with free(). */
static double *sums(const pare_model *model, uint32_t layer, pare_role role, uint32_t *count) {
    const pare_tensor *tensor = pare_model_tensor(model, layer, role);
    int64_t rows = (int64_t)tensor->shape[0], columns = (int64_t)tensor->shape[1];
    bool by_column = role == PARE_ROLE_O || role == PARE_ROLE_DOWN;
    float *values = malloc((size_t)(rows * columns) * sizeof *values);
    *count = (uint32_t)(by_column ? columns : rows);
    double *out = calloc(*count, sizeof *out);
    pare_tensor_values(tensor, 0, (size_t)(rows * columns), values);
    for (int64_t i = 0; i < rows * columns; i++)
        out[by_column ? i % columns : i / columns] += (double)values[i] * (double)values[i];
    free(values);
    return out;
}

/* How many are smaller. */
static uint32_t rank_of(const double *scores, uint32_t count, uint32_t of) {
    uint32_t rank = 0;
    for (uint32_t i = 0; i < count; i++)
        rank += scores[i] < scores[of];
    return rank;
}

static void check_ranks(const json_t *list, const double *scores, uint32_t count) {
    assert_int_equal(json_array_size(list), count);
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(json_integer_value(json_array_get(list, i)), rank_of(scores, count, i));
}

/* 1 - 6 sum d^2 / (n (n^2 - 1)), where no two scores are equal. */
static double spearman(const double *a, const double *b, uint32_t count) {
    double squares = 0.0, n = count;
    for (uint32_t i = 0; i < count; i++)
        squares += pow((double)rank_of(a, count, i) - (double)rank_of(b, count, i), 2.0);
    return 1.0 - 6.0 * squares / (n * (n * n - 1.0));
}

static void ranks_of_squared_weights(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    json_t *report = run(&r, "magnitude-l2", NULL, NULL);
    assert_non_null(report);
    const json_t *ranks = json_array_get(json_object_get(report, "ranks"), 0);
    const json_t *projections = json_object_get(ranks, "projections");
    pare_perturbation noise = {.kind = PARE_PERTURB_NOISE, .epsilon = size, .seed = 9};
    pare_temporary_model changed;
    assert_int_equal(pare_perturbed_model_new(r.model, &noise, NULL, &r.runtime, &changed), PARE_OK);
    assert_int_equal(json_array_size(projections), 3 * 7);
    bool moved = false;
    for (size_t i = 0; i < 21; i++) {
        const json_t *one = json_array_get(projections, i);
        uint32_t count, layer = (uint32_t)(i / 7);
        pare_role role = (pare_role)(i % 7);
        double *before = sums(r.model, layer, role, &count), *after = sums(changed.model, layer, role, &count);
        assert_int_equal(json_integer_value(json_object_get(one, "layer")), layer);
        assert_string_equal(json_string_value(json_object_get(one, "projection")), pare_roles[role].name);
        check_ranks(json_object_get(one, "before"), before, count);
        check_ranks(json_object_get(one, "after"), after, count);
        double correlation = json_number_value(json_object_get(one, "rank_correlation"));
        assert_true(fabs(correlation - spearman(before, after, count)) < 1e-9);
        moved |= correlation < 0.95;
        free(before);
        free(after);
    }
    assert_true(moved);
    pare_temporary_model_free(&changed);
    json_decref(report);
    prune_run_close(&r);
}

static size_t count_files(const char *folder, const char *part) {
    DIR *directory = opendir(folder);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += strstr(entry->d_name, part) != NULL;
    closedir(directory);
    return count;
}

static void pictures_and_tables(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    char *plot = pare_path_join(r.folder, "figure"), *csv = pare_path_join(r.folder, "table.csv");
    const char *texts[] = {r.ids};
    size_t bytes;
    r.options.texts = texts;
    r.options.text_count = 1;
    r.options.window = 9;
    json_t *report = run(&r, "taylor", plot, csv);
    assert_non_null(report);
    /* Two methods by a change and the two against each other, three layers each. */
    assert_int_equal(count_files(r.folder, ".svg"), 9);
    char *svg = tiny_read(r.folder, "figure-ranks-taylor-magnitude-l1-layer1.svg", &bytes);
    assert_true(markup_check(svg) > 0);
    assert_int_equal(markup_count(svg, "_proj: rank correlation"), 2 * 7); /* shown, and as labels */
    char *table = tiny_read(r.folder, "figure-ranks.csv", &bytes);
    size_t lines = 0;
    for (const char *c = table; *c; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 1 + 2 * 3 * (16 + 8 + 8 + 16 + 3 * 24));
    char *perplexities = tiny_read(r.folder, "table.csv", &bytes), *line = strchr(perplexities, '\n') + 1;
    const json_t *text = json_array_get(
        json_object_get(
            json_array_get(json_object_get(json_array_get(json_object_get(report, "comparisons"), 0), "seeds"), 0),
            "texts"),
        0);
    double unpruned, perplexity, changed, difference;
    char *at = strstr(line, ",taylor,0.2,noise=0.5,");
    assert_non_null(at);
    assert_int_equal(sscanf(at, ",taylor,0.2,noise=0.5,%lf,%lf,%lf,%lf", &unpruned, &perplexity, &changed, &difference),
                     4);
    assert_close("unpruned", unpruned, json_number_value(json_object_get(text, "unpruned")), 1e-10);
    assert_close("changed", changed, json_number_value(json_object_get(text, "changed")), 1e-10);
    assert_close("difference", difference, fabs(perplexity - changed), 1e-6);
    free(svg);
    free(table);
    free(perplexities);
    json_decref(report);
    free(plot);
    free(csv);
    prune_run_close(&r);
}

static void places_that_fail(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    char *missing = pare_path_join(r.folder, "missing/"), *inside = pare_path_join(r.model_folder, "table.csv");
    assert_null(run(&r, "magnitude-l2", missing, NULL));
    assert_non_null(strstr(pare_message(), "there is no folder"));
    assert_null(run(&r, "magnitude-l2", NULL, inside));
    assert_non_null(strstr(pare_message(), "lies in the model"));
    assert_int_equal(count_files(r.folder, ".csv"), 0);
    free(missing);
    free(inside);
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_of_squared_weights),
        cmocka_unit_test(pictures_and_tables),
        cmocka_unit_test(places_that_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
