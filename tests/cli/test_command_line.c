/* Every wrong command line ends with exit code 2 and one sentence that says what is wrong. */
#include "cli/program.h"

static void commands_that_do_not_exist(void **state) {
    (void)state;
    program_expect_failure(2, "--help", (const char *const[]){NULL});
    EXPECT_FAILURE(2, "did you mean 'prune'", "prun");
    EXPECT_FAILURE(2, "did you mean 'inspect'", "inpsect", "model");
    EXPECT_FAILURE(2, "--help", "xyz");
    EXPECT_FAILURE(2, NULL, "");
    EXPECT_FAILURE(2, NULL, "--ratio", "0.2");
    EXPECT_FAILURE(2, NULL, "--version", "prune");
    EXPECT_FAILURE(2, "did you mean 'eval'", "help", "evl");
    EXPECT_FAILURE(2, "one command", "help", "eval", "prune");
}

static void options_that_do_not_exist(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "did you mean --ratio?", "prune", "m", "--rato", "0.2");
    /* a known name and 64 letters more, or a whole word of such a length, is no known name */
    EXPECT_FAILURE(2, "unknown option", "prune", "m",
                   "--json-filexxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    EXPECT_FAILURE(2, "unknown option", "sweep", "m",
                   "--json-filexxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=r.json");
    EXPECT_FAILURE(2, "unknown option", "prune", "m",
                   "--xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=1");
    EXPECT_FAILURE(2, "did you mean --gamma?", "prune", "m", "--gama=0.2");
    EXPECT_FAILURE(2, "did you mean --temperature?", "generate", "m", "--temp", "1");
    EXPECT_FAILURE(2, "did you mean --output?", "prune", "m", "-output", "x");
    EXPECT_FAILURE(2, "did you mean --dry-run?", "prune", "m", "--dryrun");
    EXPECT_FAILURE(2, "pare inspect", "prune", "m", "--tensors");
    EXPECT_FAILURE(2, "--help", "prune", "m", "--qqqqqq");
    EXPECT_FAILURE(2, "--help", "prune", "m", "-x");
    EXPECT_FAILURE(2, NULL, "prune", "m", "--=3");
    EXPECT_FAILURE(2, NULL, "prune", "m", "--\nratio\x1b[31m");
}

static void options_without_what_they_need(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "needs a value", "prune", "m", "--ratio");
    EXPECT_FAILURE(2, "needs a value", "prune", "m", "--ratio", "--json");
    EXPECT_FAILURE(2, "needs a value", "prune", "m", "-o");
    EXPECT_FAILURE(2, "needs a value", "prune", "m", "--calib", "-o", "out");
    EXPECT_FAILURE(2, "needs a value", "eval", "m", "--text", "--window", "8");
    EXPECT_FAILURE(2, "must not be empty", "prune", "m", "--ratio=");
    EXPECT_FAILURE(2, "must not be empty", "prune", "m", "--output", "");
    EXPECT_FAILURE(2, "must not be empty", "eval", "m", "--text", "a", "");
    EXPECT_FAILURE(2, "takes no value", "prune", "m", "--json=yes");
    EXPECT_FAILURE(2, "twice", "prune", "m", "--ratio", "0.2", "--ratio=0.3");
    EXPECT_FAILURE(2, "twice", "prune", "m", "-o", "a", "--output", "b");
    EXPECT_FAILURE(2, "twice", "inspect", "m", "--json", "--json");
}

static void wrong_ratios(void **state) {
    (void)state;
    static const char *const ratios[] = {"0",   "1",    "1.5",   "-0.5", "-1",     "nan",   "NaN",
                                         "inf", "-inf", "1e400", "0.2x", "0x1p-2", "0,2",   ".",
                                         "e5",  " 0.2", "0.2 ",  "20%",  "--",     "1e-999"};
    for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++)
        EXPECT_FAILURE(2, "--ratio", "prune", "m", "-o", "out", "--ratio", ratios[i]);
}

static void wrong_numbers(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"--samples", "0"},
        {"--samples", "-3"},
        {"--samples", "1e3"},
        {"--samples", "2.5"},
        {"--samples", "99999999999999999999"},
        {"--length", "1"},
        {"--steps", "ten"},
        {"--steps", "4294967297"},
        {"--draws", "0"},
        {"--round-to", "0"},
        {"--window", "1"},
        {"--max-windows", "0"},
        {"--threads", "0"},
        {"--threads", "-1"},
        {"--threads", "100000"},
        {"--seed", "-1"},
        {"--seed", "18446744073709551616"},
        {"--seed", "0x10"},
        {"--sigma", "-0.1"},
        {"--sigma", "nan"},
        {"--rho", "0"},
        {"--rho", "-1"},
        {"--gamma", "0"},
        {"--gamma", "inf"},
        {"--eta", "-1"},
        {"--eta", "1e999"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        EXPECT_FAILURE(2, cases[i][0], "prune", "m", "-o", "out", "--ratio", "0.2", cases[i][0], cases[i][1]);
    EXPECT_FAILURE(2, "--temperature", "generate", "m", "--prompt", "a", "--temperature", "-1");
    EXPECT_FAILURE(2, "--top-p", "generate", "m", "--prompt", "a", "--top-p", "1.1");
    EXPECT_FAILURE(2, "--tokens", "generate", "m", "--prompt", "a", "--tokens", "0");
    EXPECT_FAILURE(2, "--repeats", "bench", "m", "--repeats", "0");
}

static void wrong_units_ranges_and_choices(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"--memory", "8X"},  {"--memory", "8"},      {"--memory", "G"},     {"--memory", "-8G"},
        {"--memory", "inf"}, {"--memory", "1e30G"},  {"--memory", "0G"},    {"--memory", "8 G"},
        {"--params", "0"},   {"--params", "5.4Q"},   {"--params", "0.5"},   {"--params", "-1B"},
        {"--params", "nan"}, {"--params", "1e300"},  {"--params", "B"},     {"--layers", "3"},
        {"--layers", "3:"},  {"--layers", ":3"},     {"--layers", "3:3"},   {"--layers", "4:2"},
        {"--layers", "a:b"}, {"--layers", "-1:2"},   {"--layers", "1:2:3"}, {"--layers", "0:9999999999"},
        {"--method", "x"},   {"--method", "MOREAU"}, {"--compute", "fp64"}, {"--displace", "none"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        EXPECT_FAILURE(2, cases[i][0], "prune", "m", "-o", "out", cases[i][0], cases[i][1]);
    EXPECT_FAILURE(2, "did you mean moreau-gs?", "prune", "m", "--method", "moreau-sg");
    EXPECT_FAILURE(2, "did you mean 7b?", "bench", "--shape", "7B");
}

static void words_that_do_not_fit_together(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "MODEL", "prune", "-o", "out", "--ratio", "0.2");
    EXPECT_FAILURE(2, "only one", "prune", "m", "-o", "out", "--ratio", "0.2", "--params", "1M");
    EXPECT_FAILURE(2, "--ratio", "prune", "m", "-o", "out");
    EXPECT_FAILURE(2, "-o", "prune", "m", "--ratio", "0.2");
    EXPECT_FAILURE(2, "one MODEL", "prune", "m", "n", "-o", "out", "--ratio", "0.2");
    EXPECT_FAILURE(2, "MODEL", "prune", "", "-o", "out", "--ratio", "0.2");
    EXPECT_FAILURE(2, "--text", "eval", "m");
    EXPECT_FAILURE(2, "MODEL", "eval", "--text", "a");
    EXPECT_FAILURE(2, "--prompt", "generate", "m");
    EXPECT_FAILURE(2, "MODEL", "generate", "--prompt", "a");
    EXPECT_FAILURE(2, "MODEL", "inspect");
    EXPECT_FAILURE(2, "MODEL", "inspect", "--json");
    EXPECT_FAILURE(2, "--shape", "bench");
    EXPECT_FAILURE(2, "not both", "bench", "m", "--shape", "7b");
    EXPECT_FAILURE(2, "--layers", "bench", "m", "--layers", "2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_that_do_not_exist),
        cmocka_unit_test(options_that_do_not_exist),
        cmocka_unit_test(options_without_what_they_need),
        cmocka_unit_test(wrong_ratios),
        cmocka_unit_test(wrong_numbers),
        cmocka_unit_test(wrong_units_ranges_and_choices),
        cmocka_unit_test(words_that_do_not_fit_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
