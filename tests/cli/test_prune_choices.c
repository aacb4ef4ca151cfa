/* The choices of a method on the command line: what each option takes, what it refuses before the model is opened, what
 * contradicts, and that a choice arrives in the report. */
#include "cli/program.h"
#include "pare.h"

#include <jansson.h>

static const char model[] = PARE_SOURCE_DIR "/examples/tiny-stories";

static void wrong_choices(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"--mode", "blocks", "did you mean block?"},
        {"--mode", "Block", "block, channel, layer"},
        {"--select", "locl", "did you mean local?"},
        {"--gqa", "heads", "kv, query"},
        {"--salience", "l3", "param_first"},
        {"--grouping", "average", "mean"},
        {"--compat", "llm", "llm-pruner"},
        {"--choose", "obss", "did you mean obs?"},
        {"--compensate", "yes", "none, ls"},
        {"--metric", "l2", "plain, fisher"},
        {"--final-norm", "true", "no, yes"},
        {"--protocol", "papr", "did you mean paper?"},
        {"--keep-min", "1.1", "from 0 to 1"},
        {"--keep-min", "nan", "from 0 to 1"},
        {"--rise", "-0.5", "from 0 to 1"},
        {"--readers", "2", "from 0 to 1"},
        {"--dense", "1.5", "from 0 to 1"},
        {"--damping", "-1", "from 0"},
        {"--iterations", "0", "from 1 to 1000"},
        {"--iterations", "1001", "from 1 to 1000"},
        {"--tail", "0", "from 1"},
        {"--eta", "q0", "q0.3"},
        {"--eta", "q1", "q0.3"},
        {"--eta", "q", "q0.3"},
        {"--eta", "qq0.3", "q0.3"},
        {"--eta", "q0.3x", "q0.3"},
        {"--eta", "Q0.3", "q0.3"},
        {"--attention-layers", "2", "or none"},
        {"--attention-layers", "None", "or none"},
        {"--ffn-layers", "3:3", "or none"},
        {"--ffn-layers", "none:3", "or none"},
        {"--bytes", "10X", "size"},
        {"--bytes", "0", "size"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        EXPECT_FAILURE(2, cases[i][0], "prune", "m", "-o", "out", cases[i][0], cases[i][1]);
        EXPECT_FAILURE(2, cases[i][2], "prune", "m", "-o", "out", cases[i][0], cases[i][1]);
    }
    EXPECT_FAILURE(2, "A:B", "prune", "m", "-o", "out", "--layers", "none");
    EXPECT_FAILURE(2, "twice", "prune", "m", "-o", "out", "--eta", "q0.3", "--eta", "1e-5");
}

static void wrong_lists_of_shares(void **state) {
    (void)state;
    static const char *const lists[] = {"0.1,",    ",0.1",    "0.1,,0.2", "0.1,1",       "0.1,-0.1", "0.1, 0.2",
                                        "0.1;0.2", "0.1,nan", "0.1,0.2x", "0.1,0.2,1e9", ",",        "0.1,1.0"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        EXPECT_FAILURE(2, "one for each layer", "prune", "m", "-o", "out", "--ratio", lists[i]);
}

static void words_that_contradict(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "only one", "prune", "m", "-o", "out", "--ratio", "0.2", "--bytes", "1M");
    EXPECT_FAILURE(2, "only one", "prune", "m", "-o", "out", "--params", "1M", "--bytes", "1M");
    EXPECT_FAILURE(2, "only one", "prune", "m", "-o", "out", "--ratio", "0.2,0.2", "--bytes", "1M");
    EXPECT_FAILURE(2, "not both", "prune", "m", "-o", "out", "--ratio", "0.2", "--method", "taylor", "--recipe", "r");
    EXPECT_FAILURE(2, "--resume", "prune", "m", "--dry-run", "--ratio", "0.2", "--resume");
}

/* What only a model or a recipe can tell: still the command line that is wrong. */
static void choices_that_contradict(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "6 layers", "prune", model, "--dry-run", "--quiet", "--ratio", "0.2,0.3");
    EXPECT_FAILURE(2, "--select local", "prune", model, "--dry-run", "--quiet", "--ratio", "0,0,0.1,0.1,0.2,0.2",
                   "--select", "global");
    EXPECT_FAILURE(2, "leave out --layers", "prune", model, "--dry-run", "--quiet", "--ratio", "0.2", "--method",
                   "taylor", "--mode", "channel", "--layers", "1:3");
    EXPECT_FAILURE(2, "reads no signal", "prune", model, "--dry-run", "--quiet", "--ratio", "0.2", "--method", "taylor",
                   "--salience", "l1");
    EXPECT_FAILURE(2, "--mode block", "prune", model, "--dry-run", "--quiet", "--ratio", "0.2", "--mode", "channel");
    EXPECT_FAILURE(2, "no layer is left", "prune", model, "--dry-run", "--quiet", "--ratio", "0.2",
                   "--attention-layers", "none", "--ffn-layers", "none");
    EXPECT_FAILURE(2, "--attention-layers 2:9", "prune", model, "--dry-run", "--quiet", "--ratio", "0.2",
                   "--attention-layers", "2:9");
    EXPECT_FAILURE(2, "removes nothing", "prune", model, "--dry-run", "--quiet", "--ratio", "0.2", "--ffn-layers",
                   "none");
}

static json_t *report_of(program_result *result) {
    json_t *report = json_loads(result->out, 0, NULL);
    if (!report) fprintf(stderr, "%s\n%s\n", result->out, result->err);
    assert_non_null(report);
    program_result_free(result);
    return report;
}

static void choices_arrive_in_the_report(void **state) {
    (void)state;
    program_result result =
        EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--quiet", "--method", "magnitude-l1", "--ratio",
                       "0,0.1,0.2,0.3,0.4,0.5", "--salience", "l2", "--grouping", "max", "--attention-layers", "none",
                       "--ffn-layers", "2:6", "--keep-min", "0.25", "--gqa=query");
    json_t *report = report_of(&result), *recipe = json_object_get(report, "recipe");
    assert_string_equal(json_string_value(json_object_get(recipe, "salience")), "l2");
    assert_string_equal(json_string_value(json_object_get(recipe, "reduction")), "max");
    assert_string_equal(json_string_value(json_object_get(recipe, "gqa")), "query");
    assert_true(json_number_value(json_object_get(recipe, "keep_min")) == 0.25);
    json_t *layers = json_object_get(report, "layers");
    static const size_t kept[] = {384, 384, 307, 268, 230, 192}; /* trunc(384 (1 - share)) */
    for (size_t i = 0; i < 6; i++) {
        json_t *layer = json_array_get(layers, i);
        assert_int_equal(json_array_size(json_object_get(layer, "kv_heads_kept")), 4);
        assert_int_equal(json_array_size(json_object_get(layer, "query_heads_kept")), 8);
        assert_int_equal(json_array_size(json_object_get(layer, "ffn_channels_kept")), kept[i]);
    }
    json_decref(report);
}

static void a_threshold_by_quantile(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--quiet", "--method", "moreau-gs",
                                           "--ratio", "0.25", "--samples", "2", "--length", "16", "--steps", "2",
                                           "--sigma", "0", "--eta", "q0.3", "--threads", "1");
    json_t *report = report_of(&result), *trace = json_object_get(report, "trace");
    assert_int_equal(json_array_size(trace), 2);
    double zero = json_number_value(json_object_get(json_array_get(trace, 0), "zero_groups"));
    assert_true(zero > 0.2 && zero < 0.4);
    assert_true(json_number_value(json_object_get(json_object_get(report, "recipe"), "eta_quantile")) == 0.3);
    json_decref(report);
}

static void bytes_are_reached(void **state) {
    (void)state;
    program_result result =
        EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--quiet", "--method", "random", "--bytes", "2M");
    json_t *report = report_of(&result);
    double after = json_number_value(json_object_get(json_object_get(report, "bytes"), "after"));
    assert_true(after <= 2 * 1024 * 1024 && after > 1.9 * 1024 * 1024);
    json_decref(report);
}

static void what_has_no_meaning_is_told(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("prune", model, "--dry-run", "--json", "--quiet", "--method", "random",
                                           "--ratio", "0.25", "--metric", "plain", "--eta", "q0.5");
    json_t *report = report_of(&result), *warnings = json_object_get(report, "warnings");
    assert_int_equal(json_array_size(warnings), 2);
    assert_non_null(strstr(json_string_value(json_array_get(warnings, 0)), "--metric"));
    assert_non_null(strstr(json_string_value(json_array_get(warnings, 1)), "--eta"));
    json_decref(report);
}

/* Every option of the table that belongs to prune, with its choices, and every method. */
static void help_lists_everything(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("help", "prune", "--all");
    static const char *const options[] = {
        "--recipe FILE",
        "--bytes SIZE",
        "--mode MODE",
        "--attention-layers A:B",
        "--ffn-layers A:B",
        "--select HOW",
        "--gqa UNIT",
        "--keep-min S",
        "--rise S",
        "--iterations N",
        "--salience NAME",
        "--grouping NAME",
        "--compat llm-pruner",
        "--choose HOW",
        "--compensate HOW",
        "--metric HOW",
        "--readers B",
        "--final-norm yes|no",
        "--damping D",
        "--dense A",
        "--protocol NAME",
        "--tail N",
        "--resume",
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (!strstr(result.out, options[i])) fprintf(stderr, "no %s\n", options[i]);
        assert_non_null(strstr(result.out, options[i]));
    }
    for (size_t i = 0; pare_recipe_name(i); i++)
        assert_non_null(strstr(result.out, pare_recipe_name(i)));
    for (size_t i = 0; pare_setting_key(i); i++) {
        if (strcmp(pare_setting_key(i), "signal") == 0 || strcmp(pare_setting_key(i), "prox") == 0) continue;
        for (size_t j = 0; pare_setting_choice(pare_setting_key(i), j); j++)
            assert_non_null(strstr(result.out, pare_setting_choice(pare_setting_key(i), j)));
    }
    for (size_t i = 0; pare_protocol_name(i); i++)
        assert_non_null(strstr(result.out, pare_protocol_name(i)));
    program_result_free(&result);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_choices),
        cmocka_unit_test(wrong_lists_of_shares),
        cmocka_unit_test(words_that_contradict),
        cmocka_unit_test(choices_that_contradict),
        cmocka_unit_test(choices_arrive_in_the_report),
        cmocka_unit_test(a_threshold_by_quantile),
        cmocka_unit_test(bytes_are_reached),
        cmocka_unit_test(what_has_no_meaning_is_told),
        cmocka_unit_test(help_lists_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
