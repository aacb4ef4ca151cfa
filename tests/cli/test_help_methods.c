/* Pages of methods and presets agree with what the program does: an option that a page does not show is refused, or
 * told of as without meaning; the values it shows are those of the report. */
#include "cli/help_page.h"
#include "cli/workplace.h"

#include <jansson.h>
#include <math.h>
#include <pare.h>

#define MODEL PARE_SOURCE_DIR "/examples/tiny-stories"

/* What makes a difference between methods: an option, and a value that it takes ("": none, where it is a flag). */
static const char *const particular[][2] = {
    {"--ratio", "0.3"},
    {"--params", "1M"},
    {"--bytes", "2M"},
    {"--sparsity", "0.5"},
    {"--pattern", "2:4"},
    {"--targets", "mlp"},
    {"--skip", "q_proj"},
    {"--mode", "channel"},
    {"--layers", "1:3"},
    {"--attention-layers", "1:3"},
    {"--ffn-layers", "1:3"},
    {"--select", "global"},
    {"--gqa", "query"},
    {"--keep-min", "0.1"},
    {"--rise", "0.1"},
    {"--iterations", "2"},
    {"--round-to", "8"},
    {"--salience", "l1"},
    {"--grouping", "max"},
    {"--compat", "llm-pruner"},
    {"--choose", "obs"},
    {"--compensate", "ls"},
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
    "--method",         "--drop-layers",
    "--recover",        "--recover-preset",
    "--recover-epochs", "--recover-steps",
    "--recover-batch",  "--recover-rate",
    "--eval",           "--text",
    "--window",         "--max-windows",
    "--output",         "--force",
    "--dry-run",        "--json",
    "--quiet",          "--seed",
    "--compute",        "--threads",
    "--memory",         "--keep-activations",
    "--scratch",        "--help",
    "--wording",
};

typedef struct words {
    const char *list[PROGRAM_WORDS];
    size_t count;
} words;

static void add(words *w, const char *one, const char *two) {
    assert_true(w->count + 4 < PROGRAM_WORDS);
    w->list[w->count++] = one;
    if (*two) w->list[w->count++] = two;
    w->list[w->count] = NULL;
}

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
        for (size_t j = 0; j < sizeof general / sizeof *general - 1; j++)
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

static void add_amount(words *w, size_t method) {
    add(w, removes_weights(method) ? "--sparsity" : "--ratio", "0.5");
}

/* True if the page of the method says that the option has no meaning there. */
static bool is_told(const char *page, const char *option) {
    const char *list = strstr(page, "\nWithout meaning here: ");
    for (const char *at = list; at && (at = strstr(at, option)); at++)
        if (at[-1] == ' ' && page_is_word(at, option)) return at < strstr(list + 1, "\n\n");
    return false;
}

/* The method with one option more must be refused before any work. */
static void expect_refusal(size_t method, const char *const option[2]) {
    words w = {.count = 0};
    add(&w, "prune", MODEL);
    add(&w, "--method", pare_recipe_name(method));
    add(&w, option[0], option[1]);
    if (strcmp(option[0], "--ratio") != 0 && strcmp(option[0], "--params") != 0 && strcmp(option[0], "--bytes") != 0 &&
        strcmp(option[0], "--sparsity") != 0 && strcmp(option[0], "--pattern") != 0)
        add_amount(&w, method);
    if (trains(method) && strcmp(option[0], "--calib") != 0) add(&w, "--calib", MODEL "/tokenizer.json");
    add(&w, strcmp(option[0], "--resume") == 0 ? "--output" : "--dry-run",
        strcmp(option[0], "--resume") == 0 ? "never-written" : "");
    program_expect_failure(2, NULL, w.list);
}

/* The options that the page does not show: refused, or listed as without meaning, and then by a run, too, if `run`. */
static void expect_hidden_to_be_idle(size_t method, bool run) {
    char *page = page_of(method);
    words help = {.count = 0}, work = {.count = 0};
    add(&help, "help", "prune");
    add(&help, "--method", pare_recipe_name(method));
    for (size_t i = 0; i < PARTICULAR; i++)
        if (!page_find(page, particular[i][0])) add(&help, particular[i][0], particular[i][1]);
    if (!removes_weights(method)) assert_null(page_find(page, "--targets"));
    for (size_t i = 0; removes_weights(method) && i < help.count; i++) /* two amounts are one too many for the page */
        if (strcmp(help.list[i], "--ratio") == 0) help.list[i] = "--seed", help.list[i + 1] = "0";
    program_result told = program_expect_success(help.list);
    add(&work, "prune", MODEL);
    add(&work, "--method", pare_recipe_name(method));
    add_amount(&work, method);
    add(&work, "--samples", "2");
    add(&work, "--dry-run", "");
    add(&work, "--json", "--quiet");
    size_t expected = page_find(page, "--samples") ? 0 : 1;
    for (size_t i = 0; i < PARTICULAR; i++) {
        if (page_find(page, particular[i][0]) || strcmp(particular[i][0], "--samples") == 0) continue;
        if (!is_told(told.out, particular[i][0])) {
            expect_refusal(method, particular[i]);
            continue;
        }
        expected++;
        add(&work, particular[i][0], particular[i][1]);
    }
    if (page_find(page, "--length")) add(&work, "--length", "16");
    if (run) {
        program_result result = program_expect_success(work.list);
        json_t *report = json_loads(result.out, 0, NULL), *warnings = json_object_get(report, "warnings");
        size_t found = 0, index;
        json_t *warning;
        json_array_foreach(warnings, index, warning) found +=
            strstr(json_string_value(warning), "has no meaning for --method") != NULL;
        assert_int_equal(found, expected);
        json_decref(report);
        program_result_free(&result);
    }
    program_result_free(&told);
    free(page);
}

static void what_a_page_hides_is_refused_or_told(void **state) {
    (void)state;
    static const char *const runs[] = {"moreau-gs",       "taylor", "best",     "random",
                                       "layer-influence", "wanda",  "magnitude"};
    for (size_t i = 0; pare_recipe_name(i); i++) {
        bool run = false;
        for (size_t j = 0; j < sizeof runs / sizeof *runs; j++)
            run |= strcmp(runs[j], pare_recipe_name(i)) == 0;
        expect_hidden_to_be_idle(i, run);
    }
}

/* A report's setting under the name of its option; NULL: none has it. */
static const char *option_of(const char *key, char *out, size_t size) {
    snprintf(out, size, "--%s",
             strcmp(key, "reduction") == 0   ? "grouping"
             : strcmp(key, "alignment") == 0 ? "compat"
                                             : key);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
    return out;
}

static void expect_setting(const char *page, const char *key, const json_t *value) {
    char option[64], *shown;
    const char *file = strstr(page, "\nOnly in a recipe file");
    if (page_find(page, option_of(key, option, sizeof option))) {
        shown = page_value(page, option);
    } else {
        const char *at = file;
        while (at && (at = strstr(at, key)) && !(at[-1] == ' ' && at[strlen(key)] == ' '))
            at++;
        if (!at) fail_msg("%s is not on the page", key);
        at += strlen(key) + 1;
        at += strspn(at, " \n");
        shown = strndup(at, strcspn(at, " ,\n"));
    }
    if (json_is_string(value))
        assert_string_equal(shown, json_string_value(value));
    else
        assert_true(fabs(atof(shown) - json_number_value(value)) <= 1e-6 * fabs(json_number_value(value)));
    free(shown);
}

/* Everything under "recipe" of the report of such a run stands on the page with the same value, and so does the number
 * of calibration sequences. extra: words for both, or NULL. */
static void expect_same_settings(const char *method, const char *amount, const char *value, const char *const *extra) {
    words help = {.count = 0}, work = {.count = 0};
    add(&help, "help", "prune");
    add(&work, "prune", MODEL);
    add(&work, "--dry-run", "--json");
    add(&work, "--quiet", "");
    add(&work, amount, value);
    add(&work, "--method", method);
    add(&help, "--method", method);
    if (strcmp(amount, "--ratio") != 0) add(&help, amount, value);
    for (size_t i = 0; extra && extra[i]; i++) {
        add(&help, extra[i], "");
        add(&work, extra[i], "");
    }
    program_result page = program_expect_success(help.list), result = program_expect_success(work.list);
    json_t *report = json_loads(result.out, 0, NULL), *setting;
    const char *key;
    assert_non_null(report);
    json_object_foreach(json_object_get(report, "recipe"), key, setting) expect_setting(page.out, key, setting);
    json_t *sequences = json_object_get(json_object_get(report, "calibration"), "sequences");
    if (sequences && page_find(page.out, "--samples") && strcmp(method, "loraprune") != 0)
        expect_setting(page.out, "samples", sequences);
    json_decref(report);
    program_result_free(&page);
    program_result_free(&result);
}

static void shown_values_are_those_of_a_run(void **state) {
    (void)state;
    static const char *const shorter[] = {"--length", "16", NULL};
    static const char *const changed[] = {"--length", "16",       "--steps", "3", "--eta",
                                          "q0.3",     "--select", "global",  NULL};
    static const char *const sparse[] = {"--length", "16", "--refine", "dsnot", "--true-sequential", "yes", NULL};
    static const struct {
        const char *method, *amount, *value;
        const char *const *extra;
    } runs[] = {
        {"moreau-gs", "--ratio", "0.3", shorter},    {"moreau-gs", "--ratio", "0.3", changed},
        {"taylor-mix", "--ratio", "0.3", shorter},   {"best", "--ratio", "0.3", shorter},
        {"random", "--ratio", "0.3", NULL},          {"magnitude-l1", "--ratio", "0.3", NULL},
        {"smoothgrad", "--ratio", "0.3", shorter},   {"layer-influence", "--ratio", "0.3", shorter},
        {"wanda", "--sparsity", "0.5", shorter},     {"wanda", "--sparsity", "0.5", sparse},
        {"sparsegpt", "--sparsity", "0.5", shorter}, {"symmetric", "--sparsity", "0.5", NULL},
        {"magnitude", "--sparsity", "0.5", NULL},    {"taylor", "--sparsity", "0.5", shorter},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        expect_same_settings(runs[i].method, runs[i].amount, runs[i].value, runs[i].extra);
}

static void a_method_that_trains_is_shown_as_it_trains(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    const char *const extra[] = {"--calib",       place->text, "--train-steps", "10", "--cutoff", "32",
                                 "--prune-every", "2",         "--train-batch", "2",  NULL};
    expect_same_settings("loraprune", "--ratio", "0.3", extra);
    EXPECT_FAILURE(2, "--calib", "prune", place->model, "--method", "loraprune", "--ratio", "0.5", "--dry-run");
}

/* Presets of recoveries: what the report of a training says. */
static void presets_are_those_of_a_recovery(void **state) {
    const workplace *place = *state;
    static const char *const keys[][2] = {
        {"--rate", "rate"}, {"--batch", "batch"}, {"--clip", "clip"}, {"--wording", "wording"}};
    workplace_write_text(place);
    for (size_t i = 0; pare_recover_preset_name(i); i++) {
        const char *preset = pare_recover_preset_name(i);
        program_result page = EXPECT_SUCCESS("help", "recover", "--preset", preset);
        program_result run =
            EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--data", place->text, "--preset", preset,
                           "--steps", "1", "--val", "0", "--json", "--quiet", "--force");
        json_t *report = json_loads(run.out, 0, NULL), *settings = json_object_get(report, "settings");
        assert_non_null(settings);
        for (size_t j = 0; j < sizeof keys / sizeof *keys; j++) {
            char *shown = page_value(page.out, keys[j][0]);
            const json_t *value = json_object_get(settings, keys[j][1]);
            if (json_is_string(value))
                assert_string_equal(shown, json_string_value(value));
            else
                assert_true(fabs(atof(shown) - json_number_value(value)) <= 1e-9);
            free(shown);
        }
        char *rank = page_value(page.out, "--rank"), *prompt = page_value(page.out, "--train-on-prompt");
        assert_int_equal(atoi(rank), json_integer_value(json_object_get(json_object_get(settings, "lora"), "rank")));
        assert_string_equal(prompt, json_is_true(json_object_get(settings, "train_on_prompt")) ? "yes" : "no");
        assert_true(page_width(page.out) <= 80);
        free(rank);
        free(prompt);
        json_decref(report);
        program_result_free(&page);
        program_result_free(&run);
    }
    program_result full = EXPECT_SUCCESS("help", "recover", "--preset", "paper", "--full");
    assert_null(page_find(full.out, "--rank"));
    assert_non_null(page_find(full.out, "--fresh"));
    program_result_free(&full);
    EXPECT_FAILURE(2, "leave out --rank", "help", "recover", "--preset", "paper", "--full", "--rank", "4");
}

static void methods_are_listed_by_what_goes(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("help", "methods");
    static const char *const headings[][2] = {{"units", "\nMethods for units"},
                                              {"layers", "\nMethods for whole layers"},
                                              {"training", "\nMethods that prune while they train"},
                                              {"weights", "\nMethods for single weights"}};
    for (size_t i = 0; pare_recipe_name(i); i++) {
        char *line = pare_format("\n  %s ", pare_recipe_name(i));
        const char *at = strstr(result.out, line), *last = NULL, *kind = NULL;
        assert_non_null(at);
        assert_null(strstr(at + 1, line));
        for (size_t j = 0; j < 4; j++) {
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
        cmocka_unit_test(shown_values_are_those_of_a_run),
        IN_A_WORKPLACE(a_method_that_trains_is_shown_as_it_trains),
        IN_A_WORKPLACE(presets_are_those_of_a_recovery),
        cmocka_unit_test(methods_are_listed_by_what_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
