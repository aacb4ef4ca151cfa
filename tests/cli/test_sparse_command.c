/* pare prune --sparsity and --pattern as a person uses them: what the options take, what is refused before any work,
 * what is noted as ignored, and what the report, archives, sweeps and recipe files say. */
#include "cli/workplace.h"

#define OUT(place) "-o", (place)->output
#define SPARSELY "--samples", "2", "--length", "16", "--quiet"

static const char model[] = PARE_SOURCE_DIR "/examples/tiny-stories";

#define REFUSED(part, ...) EXPECT_FAILURE(2, part, "prune", model, "--dry-run", "--quiet", __VA_ARGS__)

static json_t *parse(program_result *result) {
    json_t *json = json_loads(result->out, 0, NULL);
    if (!json) fprintf(stderr, "%s\n%s\n", result->out, result->err);
    assert_non_null(json);
    program_result_free(result);
    return json;
}

static void help_lists_the_options(void **state) {
    (void)state;
    static const char *const parts[] = {
        "--sparsity S",      "--pattern N:M",    "--targets NAMES",    "--skip NAMES",        "--compare HOW",
        "--threshold HOW",   "--slab N",         "--allocate HOW",     "--owl-times M",       "--owl-lambda L",
        "--reach S",         "--permute HOW",    "--alpha A",          "--alpha-scaling HOW", "--gradient-norm l1|l2",
        "--exponent A",      "--order P",        "--balance L",        "--share B",           "--refine HOW",
        "--refine-scope",    "--cycles N",       "--epsilon E",        "--reweight PHASE",    "--swap-cycles N",
        "--admm-iterations", "--admm-gradual N", "--admm-rho R",       "--cg-iterations N",   "--true-sequential",
        "--hidden-states",   "--measure-errors", "--region-rounds N",  "--region-samples N",  "--region-rate R",
        "--densities FILE",  "--archive",        "--dense-propagation"};
    program_result result = EXPECT_SUCCESS("help", "prune", "--all");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(result.out, parts[i])) fprintf(stderr, "no %s\n", parts[i]);
        assert_non_null(strstr(result.out, parts[i]));
    }
    program_result_free(&result);
}

static void wrong_amounts(void **state) {
    (void)state;
    static const char *const shares[] = {"1.1", "-0.1", "nan", "50%", "0.5,", ",", "0.5,2", "half", "0.5,0.5,x"};
    static const char *const patterns[] = {"5:4", "4",   "2:4:8", "a:b",   "2:",    ":4",
                                           "2:0", "0:0", "-2:4",  "2.0:4", "1:1025"};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        REFUSED("--sparsity must be", "--sparsity", shares[i]);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        REFUSED("--pattern must be N:M", "--pattern", patterns[i]);
    REFUSED("6 layers", "--method", "wanda", "--sparsity", "0.5,0.5");
    REFUSED("only one", "--sparsity", "0.5", "--pattern", "2:4");
    REFUSED("only one", "--sparsity", "0", "--pattern", "2:4");
    REFUSED("only one", "--sparsity", "0.5", "--ratio", "0.2");
    REFUSED("only one", "--pattern", "2:4", "--bytes", "1M");
    REFUSED("say how much", "--method", "wanda");
    REFUSED("--sparsity 0.5 or --pattern 2:4", "--method", "wanda", "--ratio", "0.2");
    REFUSED("--mode element removes single weights", "--ratio", "0.2", "--mode", "element");
}

static void units_and_weights_do_not_mix(void **state) {
    (void)state;
    REFUSED("--iterations", "--sparsity", "0.5", "--iterations", "2");
    REFUSED("--densities", "--sparsity", "0.5", "--scores", "s.json");
    REFUSED("leave out --mode layer", "--method", "wanda", "--sparsity", "0.5", "--mode", "layer");
    REFUSED("leave out --mode channel", "--method", "taylor", "--sparsity", "0.5", "--mode", "channel");
    REFUSED("layer-first does not", "--method", "layer-first", "--pattern", "2:4");
    REFUSED("--choose obs", "--method", "obs", "--sparsity", "0.5");
    REFUSED("--round-to", "--method", "wanda", "--sparsity", "0.5", "--round-to", "8");
    REFUSED("--resume", "--method", "magnitude", "--sparsity", "0.5", "--resume");
    REFUSED("--archive", "--ratio", "0.2", "--archive");
    REFUSED("--densities", "--ratio", "0.2", "--densities", "d.json");
    REFUSED("--targets and --skip", "--ratio", "0.2", "--targets", "mlp");
    REFUSED("--targets and --skip", "--ratio", "0.2", "--skip", "mlp");
    REFUSED("--compensate ls", "--method", "taylor", "--ratio", "0.2", "--compensate", "admm");
    REFUSED("single weights", "--ratio", "0.2", "--method", "taylor", "--salience", "gblm");
}

static void choices_that_contradict(void **state) {
    (void)state;
    REFUSED("neither a pattern nor a list", "--method", "wanda-owl", "--pattern", "2:4");
    REFUSED("neither a pattern nor a list", "--method", "wanda", "--allocate", "owl", "--sparsity", "0,0,0,0,0,1");
    REFUSED("--compare global", "--method", "wanda-owl", "--sparsity", "0.5", "--compare", "global");
    REFUSED("--compare global", "--method", "wanda", "--sparsity", "0,0,0,0,0,1", "--compare", "global");
    REFUSED("--permute", "--method", "wanda", "--sparsity", "0.5", "--permute", "assign");
    REFUSED("--dense-propagation", "--method", "wanda", "--sparsity", "0.5", "--true-sequential",
            "--dense-propagation");
    REFUSED("--true-sequential", "--method", "wanda", "--sparsity", "0.5", "--dense", "0.5");
    REFUSED("--dense above 0", "--method", "wanda", "--sparsity", "0.5", "--final-norm", "yes");
    REFUSED("needs a gradient", "--method", "wanda", "--sparsity", "0.5", "--salience", "gblm");
}

static void names_of_matrices(void **state) {
    (void)state;
    static const char *const wrong[] = {"q_prj", "lm_head", "layers.9", "q_proj,nosuch", "q_proj,", ",", "weight"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        REFUSED("names no matrix", "--method", "magnitude", "--sparsity", "0.5", "--targets", wrong[i]);
        REFUSED("names no matrix", "--method", "magnitude", "--sparsity", "0.5", "--skip", wrong[i]);
    }
    REFUSED("'nosuch'", "--method", "magnitude", "--sparsity", "0.5", "--targets", "mlp,nosuch");
    REFUSED("leave no matrix", "--method", "magnitude", "--sparsity", "0.5", "--skip", "*");
    REFUSED("leave no matrix", "--method", "magnitude", "--sparsity", "0.5", "--layers", "1:3", "--targets",
            "layers.0");
}

/* Every amount that makes sense, on the report's matrices. */
static void amounts_are_exact(void **state) {
    (void)state;
    static const struct {
        const char *option, *value;
        double share;
    } cases[] = {{"--sparsity", "0", 0},    {"--sparsity", "0.5", 0.5}, {"--sparsity", "1", 1},
                 {"--pattern", "2:4", 0.5}, {"--pattern", "4:8", 0.5},  {"--pattern", "3:4", 0.25},
                 {"--pattern", "0:4", 1},   {"--pattern", "4:4", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        program_result result = EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--method", "magnitude",
                                               cases[i].option, cases[i].value, "--targets", "q_proj", SPARSELY);
        json_t *report = parse(&result), *sparsity = json_object_get(report, "sparsity");
        json_t *matrices = json_object_get(sparsity, "matrices");
        assert_int_equal(json_array_size(matrices), 6);
        for (size_t j = 0; j < 6; j++)
            assert_true(json_number_value(json_object_get(json_array_get(matrices, j), "sparsity")) == cases[i].share);
        assert_true(json_number_value(json_object_get(sparsity, "share")) == cases[i].share);
        assert_null(json_object_get(report, "kept_sha256"));
        assert_null(json_object_get(report, "calibration_loss"));
        json_decref(report);
    }
}

static void what_has_no_meaning_is_told(void **state) {
    (void)state;
    program_result result =
        EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--method", "magnitude", "--pattern", "2:4", "--compare",
                       "row", "--allocate", "cost", "--keep-min", "0.2", "--swap-cycles", "3", SPARSELY);
    json_t *report = parse(&result), *warnings = json_object_get(report, "warnings");
    static const char *const parts[] = {"--compare", "--allocate", "--keep-min", "--swap-cycles"};
    assert_int_equal(json_array_size(warnings), 4);
    for (size_t i = 0; i < 4; i++)
        assert_non_null(strstr(json_string_value(json_array_get(warnings, i)), parts[i]));
    json_decref(report);
}

/* Methods made for units remove single weights, too. */
static void other_methods_work(void **state) {
    (void)state;
    program_result result =
        EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--method", "taylor", "--sparsity", "0.5", SPARSELY);
    json_t *report = parse(&result), *recipe = json_object_get(report, "recipe");
    assert_string_equal(json_string_value(json_object_get(recipe, "salience")), "param_first");
    assert_true(json_is_real(json_object_get(report, "calibration_loss")));
    json_decref(report);
    result = EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--method", "best", "--pattern", "2:4", "--layers",
                            "0:1", "--samples", "1", "--length", "8", "--quiet");
    report = parse(&result);
    assert_string_equal(json_string_value(json_object_get(report, "method")), "best-sparse");
    json_decref(report);
}

static double perplexity_of(const char *folder, const char *text) {
    program_result result = EXPECT_SUCCESS("eval", folder, "--text", text, "--window", "32", "--max-windows", "4",
                                           "--compute", "fp32", "--quiet", "--json");
    json_t *report = parse(&result), *first = json_array_get(json_object_get(report, "texts"), 0);
    double perplexity = json_number_value(json_object_get(first, "perplexity"));
    assert_true(perplexity > 1.0);
    json_decref(report);
    return perplexity;
}

static void archives_hold_the_same_model(void **state) {
    const workplace *place = *state;
    char *archived = pare_path_join(place->folder, "archived"), *densities = pare_path_join(place->folder, "d.json");
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("prune", model, OUT(place), "--method", "wanda", "--sparsity", "0.5",
                                           "--densities", densities, SPARSELY);
    program_result_free(&result);
    result =
        EXPECT_SUCCESS("prune", model, "-o", archived, "--method", "wanda", "--sparsity", "0.5", "--archive", SPARSELY);
    program_result_free(&result);
    assert_true(perplexity_of(place->output, place->text) == perplexity_of(archived, place->text));
    result = EXPECT_SUCCESS("inspect", archived);
    assert_string_equal(result.err, "");
    program_result_free(&result);
    json_t *masks = json_load_file(densities, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(masks, "matrices")), 42);
    json_decref(masks);
    free(densities);
    free(archived);
}

/* A run that is refused or fails leaves nothing behind. */
static void nothing_is_left(void **state) {
    const workplace *place = *state;
    char *nowhere = pare_path_join(place->folder, "nowhere/d.json");
    EXPECT_NOTHING_LEFT(place, 1, "no folder", "prune", model, OUT(place), "--method", "magnitude", "--sparsity", "0.5",
                        "--densities", nowhere, SPARSELY);
    EXPECT_NOTHING_LEFT(place, 1, "raise --memory", "prune", model, OUT(place), "--method", "sparsegpt", "--sparsity",
                        "0.5", "--memory", "1M", SPARSELY);
    EXPECT_NOTHING_LEFT(place, 2, "names no matrix", "prune", model, OUT(place), "--sparsity", "0.5", "--skip", "q",
                        "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "is the same as", "prune", model, OUT(place), "--method", "magnitude", "--sparsity",
                        "0.5", "--densities", place->output, SPARSELY);
    free(nowhere);
}

static void sweeps(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("sweep", model, "--over", "sparsity=0.4:0.6:0.1", "--over",
                                           "method=magnitude,wanda", "--json", SPARSELY);
    json_t *document = parse(&result), *rows = json_object_get(document, "rows");
    assert_int_equal(json_array_size(rows), 6);
    for (size_t i = 2; i < 6; i++) {
        double before = json_number_value(json_object_get(json_array_get(rows, i - 2), "kept_share"));
        assert_true(json_number_value(json_object_get(json_array_get(rows, i), "kept_share")) < before);
    }
    json_decref(document);
    result = EXPECT_SUCCESS("sweep", model, "--over", "pattern=2:4,4:8", "--method", "magnitude", "--json", SPARSELY);
    document = parse(&result);
    assert_int_equal(json_array_size(json_object_get(document, "rows")), 2);
    json_decref(document);
    EXPECT_FAILURE(2, "--pattern must be", "sweep", model, "--over", "pattern=2:4,5:4", "--quiet");
    EXPECT_FAILURE(2, "at method=wanda", "sweep", model, "--over", "method=wanda,taylor", "--ratio", "0.2", "--quiet");
}

static void robust_compares_units(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "wanda removes single weights", "robust", model, "--methods", "wanda", "--quiet");
    EXPECT_FAILURE(2, "taylor removes single weights", "robust", model, "--methods", "taylor", "--mode", "element");
}

static void recipe_files(void **state) {
    const workplace *place = *state;
    char *path = pare_path_join(place->folder, "r.json");
    static const struct {
        const char *text, *part, *option, *value;
    } cases[] = {
        {"{\"base\": \"wanda\",\n\"slab\": 3}", "line 2: slab has no meaning", "--sparsity", "0.5"},
        {"{\"base\": \"wanda\",\n\"refine\": \"swap\"}", "line 2: refine 'swap': choose", "--sparsity", "0.5"},
        {"{\"base\": \"wanda\",\n\"true_sequential\": true,\n\"dense_propagation\": true}", "line 2", "--sparsity",
         "0.5"},
        {"{\"base\": \"wanda\",\n\n\"allocate\": \"owl\"}", "line 3: --allocate owl", "--pattern", "2:4"},
        {"{\"base\": \"wanda\",\n\n\"permute\": \"assign\"}", "line 3: --permute", "--sparsity", "0.5"},
        {"{\"base\": \"wanda\",\n\"dense\": 0.5}", "line 2: --dense", "--sparsity", "0.5"},
        {"{\"base\": \"sparsegpt\",\n\"compare\": \"global\"}", "line 2: --compare global", "--sparsity", "0.5"},
        {"{\"base\": \"best-sparse\",\n\"keep_min\": 0.1}", "line 2: keep_min", "--sparsity", "0.5"},
        {"{\"mode\": \"element\"}", "say how many", "--ratio", "0.2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tiny_write_file(place->folder, "r.json", cases[i].text, strlen(cases[i].text));
        REFUSED(cases[i].part, "--recipe", path, cases[i].option, cases[i].value);
    }
    static const char mode[] = "{\"base\": \"taylor\", \"mode\": \"element\", \"compare\": \"row\"}";
    tiny_write_file(place->folder, "r.json", mode, sizeof mode - 1);
    program_result result =
        EXPECT_SUCCESS("prune", model, "--dry-run", "--recipe", path, "--sparsity", "0.5", SPARSELY);
    program_result_free(&result);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_lists_the_options),
        cmocka_unit_test(wrong_amounts),
        cmocka_unit_test(units_and_weights_do_not_mix),
        cmocka_unit_test(choices_that_contradict),
        cmocka_unit_test(names_of_matrices),
        cmocka_unit_test(amounts_are_exact),
        cmocka_unit_test(what_has_no_meaning_is_told),
        cmocka_unit_test(other_methods_work),
        IN_A_WORKPLACE(archives_hold_the_same_model),
        IN_A_WORKPLACE(nothing_is_left),
        cmocka_unit_test(sweeps),
        cmocka_unit_test(robust_compares_units),
        IN_A_WORKPLACE(recipe_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
