/* Pages of methods agree with what the program does: an option that a page does not show is refused, or told of as
 * without meaning. */
#include "cli/help_page.h"
#include "cli/workplace.h"

#include <jansson.h>
#include <pare.h>

#define MODEL PARE_SOURCE_DIR "/examples/tiny-stories"

/* What makes a difference between methods: an option, and a value that it takes ("": none, where it is a flag). */
static const char *const particular[][2] = {
    {"--ratio", "0.3"},
    {"--params", "1M"},
    {"--bytes", "2M"},
    {"--latency", "0.7"},
    {"--latency-table", "times.json"},
    {"--sparsity", "0.5"},
    {"--pattern", "2:4"},
    {"--targets", "mlp"},
    {"--skip", "q_proj"},
    {"--mode", "channel"},
    {"--effort", "quick"},
    {"--layers", "1:3"},
    {"--attention-layers", "1:3"},
    {"--ffn-layers", "1:3"},
    {"--select", "global"},
    {"--gqa", "query"},
    {"--keep-min", "0.1"},
    {"--rise", "0.1"},
    {"--search-steps", "5"},
    {"--search-rounds", "2"},
    {"--search-moves", "random"},
    {"--drop-halves", "yes"},
    {"--iterations", "2"},
    {"--round-to", "8"},
    {"--salience", "l1"},
    {"--grouping", "max"},
    {"--compat", "llm-pruner"},
    {"--choose", "obs"},
    {"--compensate", "ls"},
    {"--reconstruct", "1"},
    {"--reconstruct-rate", "1e-4"},
    {"--reconstruct-rank", "4"},
    {"--reconstruct-metric", "fisher"},
    {"--reconstruct-dense", "0.5"},
    {"--metric", "fisher"},
    {"--readers", "0.5"},
    {"--final-norm", "yes"},
    {"--damping", "0.05"},
    {"--dense", "0.5"},
    {"--compare", "matrix"},
    {"--threshold", "released"},
    {"--slab", "64"},
    {"--allocate", "owl"},
    {"--owl-times", "4"},
    {"--owl-lambda", "0.05"},
    {"--reach", "0.2"},
    {"--permute", "allocate"},
    {"--alpha", "50"},
    {"--alpha-scaling", "paper"},
    {"--gradient-norm", "l1"},
    {"--exponent", "0.7"},
    {"--order", "3"},
    {"--balance", "2"},
    {"--share", "0.2"},
    {"--refine", "swaps"},
    {"--refine-scope", "all"},
    {"--residual-rank", "4"},
    {"--cycles", "7"},
    {"--epsilon", "0.2"},
    {"--reweight", "grow"},
    {"--swap-cycles", "3"},
    {"--admm-iterations", "9"},
    {"--admm-gradual", "3"},
    {"--admm-rho", "0.5"},
    {"--cg-iterations", "3"},
    {"--true-sequential", "yes"},
    {"--dense-propagation", "yes"},
    {"--hidden-states", "bf16"},
    {"--measure-errors", "yes"},
    {"--region-rounds", "1"},
    {"--region-samples", "3"},
    {"--region-rate", "1e-5"},
    {"--calib", "self"},
    {"--wording", "alpaca"},
    {"--protocol", "paper"},
    {"--field", "words"},
    {"--calib-stream", ""},
    {"--samples", "3"},
    {"--length", "16"},
    {"--steps", "3"},
    {"--draws", "2"},
    {"--sigma", "0.1"},
    {"--rho", "0.3"},
    {"--gamma", "1e-5"},
    {"--eta", "1e-5"},
    {"--tail", "2"},
    {"--displace", "scored"},
    {"--experts", "merge"},
    {"--router", "fit"},
    {"--gate-steps", "5"},
    {"--gate-batch", "2"},
    {"--gate-rate", "0.1"},
    {"--gate-kd", "1"},
    {"--gate-ce", "0.5"},
    {"--train-epochs", "3"},
    {"--train-steps", "5"},
    {"--train-batch", "4"},
    {"--train-rate", "1e-3"},
    {"--train-clip", "2"},
    {"--cutoff", "64"},
    {"--train-on-prompt", "no"},
    {"--group-by-length", "no"},
    {"--lora-rank", "4"},
    {"--lora-alpha", "4"},
    {"--lora-dropout", "0.1"},
    {"--lora-score", "magnitude"},
    {"--average", "0.5"},
    {"--init-ratio", "0.1"},
    {"--warmup-share", "0.2"},
    {"--cooldown-share", "0.2"},
    {"--prune-every", "5"},
    {"--final-cut", "released"},
    {"--resume", ""},
    {"--scores", "scores.json"},
    {"--densities", "densities.json"},
    {"--archive", ""},
};
enum { PARTICULAR = sizeof particular / sizeof *particular };

/* These mean the same to all methods. */
static const char *const general[] = {
    "--method",
    "--drop-layers",
    "--recover",
    "--recover-preset",
    "--recover-epochs",
    "--recover-steps",
    "--recover-batch",
    "--recover-rate",
    "--calib-share",
    "--teacher",
    "--ce",
    "--kd",
    "--eval",
    "--text",
    "--window",
    "--max-windows",
    "--continuations",
    "--output",
    "--type",
    "--images",
    "--force",
    "--dry-run",
    "--json",
    "--quiet",
    "--seed",
    "--compute",
    "--threads",
    "--memory",
    "--keep-activations",
    "--scratch",
    "--help",
    "--report",
    "--no-report",
    "--no-card",
    "--remote-code",
    "--figures",
    "--imatrix",
};

static bool removes_weights(size_t method) {
    return strcmp(pare_recipe_kind(method), "weights") == 0;
}

static bool trains(size_t method) {
    return strcmp(pare_recipe_kind(method), "training") == 0;
}

static char *page_of(size_t method) {
    program_result result = EXPECT_SUCCESS("help", "prune", "--method", pare_recipe_name(method));
    assert_string_equal(result.err, "");
    free(result.err);
    return result.out;
}

static void every_method_has_a_page(void **state) {
    (void)state;
    for (size_t i = 0; pare_recipe_name(i); i++) {
        char *page = page_of(i), *title = pare_format("pare prune --method %s\n\n", pare_recipe_name(i));
        char *word = pare_format("--method %s", pare_recipe_name(i));
        assert_int_equal(strncmp(page, title, strlen(title)), 0);
        assert_true(page_width(page) <= 80);
        assert_non_null(strstr(page, "\nSource: "));
        assert_non_null(strstr(page, "\nRemoves: "));
        assert_non_null(strstr(page, "\nExample\n  pare prune "));
        assert_non_null(strstr(strstr(page, "\nExample\n"), word));
        for (size_t j = 0; j < sizeof general / sizeof *general; j++)
            if (!page_find(page, general[j])) fail_msg("%s: %s is missing", pare_recipe_name(i), general[j]);
        assert_null(page_find(page, "--recipe"));
        free(page);
        free(title);
        free(word);
    }
}

/* The lists above are all there is. */
static void every_option_is_tried(void **state) {
    (void)state;
    program_result all = EXPECT_SUCCESS("help", "prune", "--all");
    size_t entries = 0, known = 1; /* --recipe */
    for (const char *at = all.out; (at = strstr(at, "\n  -")); at++)
        entries += at[4] == '-' || strncmp(at + 5, ", --", 4) == 0;
    for (size_t i = 0; i < PARTICULAR; i++)
        known += page_find(all.out, particular[i][0]) != NULL;
    for (size_t i = 0; i < sizeof general / sizeof *general; i++)
        known += page_find(all.out, general[i]) != NULL;
    assert_int_equal(known, entries);
    program_result_free(&all);
}

static void add_amount(page_words *w, size_t method) {
    page_add(w, removes_weights(method) ? "--sparsity" : "--ratio", "0.5");
}

/* True if the page of the method says that the option has no meaning there. */
static bool is_told(const char *page, const char *option) {
    const char *list = strstr(page, "\nWithout meaning here: ");
    for (const char *at = list; at && (at = strstr(at, option)); at++)
        if (at[-1] == ' ' && page_is_word(at, option)) return at < strstr(list + 1, "\n\n");
    return false;
}

static bool is_amount(const char *option) {
    static const char *const amounts[] = {"--ratio", "--params", "--bytes", "--sparsity", "--pattern"};
    for (size_t i = 0; i < sizeof amounts / sizeof *amounts; i++)
        if (strcmp(amounts[i], option) == 0) return true;
    return false;
}

/* The method with one option more must be refused before any work. */
static void expect_refusal(size_t method, const char *const option[2]) {
    page_words w = {.count = 0};
    bool resumes = strcmp(option[0], "--resume") == 0;
    page_add(&w, "prune", MODEL);
    page_add(&w, "--method", pare_recipe_name(method));
    page_add(&w, option[0], option[1]);
    if (!is_amount(option[0])) add_amount(&w, method);
    if (trains(method)) page_add(&w, "--calib", MODEL "/tokenizer.json");
    page_add(&w, resumes ? "--output" : "--dry-run", resumes ? "never-written" : "");
    program_expect_failure(2, NULL, w.list);
}

/* Choices that are refused together with the method, rather than without meaning there. */
static bool contradicts(size_t method, const char *option) {
    bool layers = strcmp(pare_recipe_kind(method), "layers") == 0;
    if (strcmp(option, "--salience") == 0) return layers || trains(method);
    if (strcmp(option, "--reconstruct") == 0) return trains(method);
    if (strcmp(option, "--residual-rank") == 0) return !removes_weights(method);
    if (strcmp(option, "--effort") == 0) return true;
    if (strcmp(option, "--region-rounds") == 0) return removes_weights(method);
    return strcmp(option, "--choose") == 0 && (layers || removes_weights(method));
}

/* With the options that have a value all at once, the page says which of them mean nothing. */
static char *page_with_hidden(size_t method, const char *page) {
    page_words help = {.count = 0};
    page_add(&help, "help", "prune");
    page_add(&help, "--method", pare_recipe_name(method));
    for (size_t i = 0; i < PARTICULAR; i++)
        if (!is_amount(particular[i][0]) && !page_find(page, particular[i][0]) &&
            !contradicts(method, particular[i][0]))
            page_add(&help, particular[i][0], particular[i][1]);
    program_result told = program_expect_success(help.list);
    free(told.err);
    return told.out;
}

static void expect_warnings(const char *const *work, size_t expected) {
    program_result result = program_expect_success(work);
    json_t *report = json_loads(result.out, 0, NULL), *warning;
    size_t found = 0, index;
    json_array_foreach(json_object_get(report, "warnings"), index, warning) found +=
        strstr(json_string_value(warning), "has no meaning for --method") != NULL;
    assert_int_equal(found, expected);
    json_decref(report);
    program_result_free(&result);
}

/* The options that the page does not show: refused, or told of as without meaning; by runs, too. */
static void expect_hidden_to_be_idle(size_t method) {
    char *page = page_of(method), *told = page_with_hidden(method, page);
    page_words work = {.count = 0};
    size_t expected = 0;
    page_add(&work, "prune", MODEL);
    page_add(&work, "--method", pare_recipe_name(method));
    add_amount(&work, method);
    page_add(&work, "--dry-run", "--json");
    page_add(&work, "--quiet", "");
    if (page_find(page, "--samples")) page_add(&work, "--samples", "2");
    if (page_find(page, "--length")) page_add(&work, "--length", "16");
    for (size_t i = 0; i < PARTICULAR; i++) {
        if (page_find(page, particular[i][0])) continue;
        bool widths = removes_weights(method) && strcmp(particular[i][0], "--round-to") == 0;
        if (widths || is_amount(particular[i][0]) || !is_told(told, particular[i][0])) {
            expect_refusal(method, particular[i]);
            continue;
        }
        expected++;
        page_add(&work, particular[i][0], particular[i][1]);
    }
    if (!trains(method)) expect_warnings(work.list, expected);
    free(page);
    free(told);
}

static void what_a_page_hides_is_refused_or_told(void **state) {
    (void)state;
    static const char *const methods[] = {"moreau-gs",       "best",  "obs",       "random",     "loraprune",
                                          "layer-influence", "wanda", "magnitude", "best-sparse"};
    for (size_t i = 0; pare_recipe_name(i); i++)
        for (size_t j = 0; j < sizeof methods / sizeof *methods; j++)
            if (strcmp(methods[j], pare_recipe_name(i)) == 0) expect_hidden_to_be_idle(i);
}

static void methods_are_listed_by_what_goes(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("help", "methods");
    static const char *const headings[][2] = {{"units", "\nMethods for units"},
                                              {"layers", "\nMethods for whole layers"},
                                              {"experts", "\nMethods for whole experts"},
                                              {"training", "\nMethods that prune while they train"},
                                              {"weights", "\nMethods for single weights"}};
    for (size_t i = 0; pare_recipe_name(i); i++) {
        char *line = pare_format("\n  %s ", pare_recipe_name(i));
        const char *at = strstr(result.out, line), *last = NULL, *kind = NULL;
        assert_non_null(at);
        assert_null(strstr(at + 1, line));
        for (size_t j = 0; j < sizeof headings / sizeof *headings; j++) {
            const char *heading = strstr(result.out, headings[j][1]);
            assert_non_null(heading);
            if (heading < at && heading > last) {
                last = heading;
                kind = headings[j][0];
            }
        }
        assert_string_equal(kind, pare_recipe_kind(i));
        free(line);
    }
    program_result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_has_a_page),
        cmocka_unit_test(every_option_is_tried),
        cmocka_unit_test(what_a_page_hides_is_refused_or_told),
        cmocka_unit_test(methods_are_listed_by_what_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
