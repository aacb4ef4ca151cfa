/* Help for every command: on standard output, exit code 0, of a readable width, and the same however it is asked for.
 */
#include "cli/program.h"

static const char *const commands[] = {"prune", "recover",  "merge",   "sweep", "robust",
                                       "eval",  "generate", "inspect", "bench"};

static void expect_readable(const char *text) {
    for (const char *line = text; *line;) {
        size_t length = strcspn(line, "\n");
        assert_in_range(length, 0, 80);
        assert_true(length == 0 || line[length - 1] != ' ');
        assert_int_equal(line[length], '\n');
        line += length + 1;
    }
}

static void help_names_every_command(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("--help"), same = EXPECT_SUCCESS("help");
    assert_string_equal(result.out, same.out);
    assert_string_equal(result.err, "");
    expect_readable(result.out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        assert_non_null(strstr(result.out, commands[i]));
    program_result_free(&result);
    program_result_free(&same);
}

static void each_command_explains_itself(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        program_result result = EXPECT_SUCCESS("help", commands[i]);
        program_result same = EXPECT_SUCCESS(commands[i], "model", "--nonsense", "--help");
        assert_string_equal(result.out, same.out);
        assert_string_equal(result.err, "");
        expect_readable(result.out);
        assert_non_null(strstr(result.out, "Usage: pare"));
        assert_non_null(strstr(result.out, "\nExamples\n"));
        program_result_free(&result);
        program_result_free(&same);
    }
}

static void prune_lists_options_and_methods(void **state) {
    (void)state;
    static const char *const parts[] = {
        "--method",      "--ratio",        "--params", "--layers",  "--round-to", "--calib",   "--field",
        "--samples",     "--length",       "--steps",  "--draws",   "--sigma",    "--rho",     "--gamma",
        "--eta",         "--displace",     "--seed",   "--compute", "--scores",   "--text",    "--window",
        "--max-windows", "--threads",      "--memory", "--scratch", "--dry-run",  "--force",   "--quiet",
        "--json",        "--calib-stream", "--output", "taylor",    "moreau-gs",  "moreau-l1", "magnitude-l1",
        "magnitude-l2",  "random",
    };
    program_result result = EXPECT_SUCCESS("help", "prune", "--all");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(result.out, parts[i]));
    program_result_free(&result);
}

static void version_is_one_line(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("--version");
    assert_int_equal(strncmp(result.out, "pare ", 5), 0);
    assert_ptr_equal(strchr(result.out, '\n'), result.out + strlen(result.out) - 1);
    program_result_free(&result);
}

static void output_that_cannot_be_written_is_a_failure(void **state) {
    (void)state;
    int full = open("/dev/full", O_WRONLY);
    if (full < 0) skip();
    FILE *err = tmpfile();
    assert_non_null(err);
    const char *const words[] = {"--help", NULL};
    int code = program_wait(program_start(words, full, fileno(err), NULL), PROGRAM_SECONDS);
    char *said = program_captured(err);
    assert_int_equal(code, 1);
    assert_true(program_is_sentence(said));
    free(said);
    close(full);
}

static void a_reader_that_left_is_no_news(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    FILE *err = tmpfile();
    assert_non_null(err);
    const char *const words[] = {"help", "prune", NULL};
    int code = program_wait(program_start(words, ends[1], fileno(err), NULL), PROGRAM_SECONDS);
    char *said = program_captured(err);
    assert_int_equal(code, 1);
    assert_string_equal(said, "");
    free(said);
    close(ends[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_every_command),
        cmocka_unit_test(each_command_explains_itself),
        cmocka_unit_test(prune_lists_options_and_methods),
        cmocka_unit_test(version_is_one_line),
        cmocka_unit_test(output_that_cannot_be_written_is_a_failure),
        cmocka_unit_test(a_reader_that_left_is_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
