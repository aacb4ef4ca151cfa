/* Calibration data, targets and outputs that cannot work: one sentence, the right exit code, nothing left behind. */
#include "cli/workplace.h"

#include <sys/mount.h>
#include <sys/prctl.h>

#include <linux/capability.h>

enum { REFUSED = 1, WRONG_COMMAND_LINE = 2 };

#define PRUNE(place)                                                                                                   \
    "prune", (place)->model, "-o", (place)->output, "--ratio", "0.25", "--calib", (place)->text, QUICKLY

static void calibration_without_text(void **state) {
    const workplace *place = *state;
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", PRUNE(place));
    tiny_write_text(place->folder, "text.txt", "");
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", PRUNE(place));
    tiny_write_text(place->folder, "text.txt", "\n\n \n");
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", PRUNE(place));
    tiny_write_text(place->folder, "text.txt", "once upon a time.");
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", PRUNE(place));
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", PRUNE(place), "--calib-stream");
}

static void calibration_of_binary_data(void **state) {
    const workplace *place = *state;
    unsigned char data[20000];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof data; i++) {
        random = random * 1664525u + 1013904223u;
        data[i] = (unsigned char)(random >> 24);
    }
    tiny_write_file(place->folder, "text.txt", data, sizeof data);
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", PRUNE(place));
}

static void calibration_rows_that_are_wrong(void **state) {
    const workplace *place = *state;
    static const char *const files[][2] = {
        {"a.jsonl", "{\"text\": \"broken\n"},
        {"b.jsonl", "{\"content\": \"the text has another key\"}\n"},
        {"c.json", "[[1, 2, 3], [4, 5]]"},
        {"d.json", "[[1, 2, 999999], [4, 5, 6]]"},
        {"e.json", "[[1, -2, 3]]"},
        {"f.json", "{}"},
        {"g.json", "[]"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        tiny_write_text(place->folder, files[i][0], files[i][1]);
        char *path = pare_path_join(place->folder, files[i][0]);
        EXPECT_NOTHING_LEFT(place, REFUSED, files[i][0], "prune", place->model, "-o", place->output, "--ratio", "0.25",
                            "--calib", path, "--steps", "1", "--quiet");
        free(path);
    }
}

static void evaluation_without_text(void **state) {
    const workplace *place = *state;
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", "eval", place->model, "--text", place->text, "--quiet");
    tiny_write_text(place->folder, "text.txt", "too short");
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", "eval", place->model, "--text", place->text, "--quiet");
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", PRUNE(place), "--text", place->text);
}

static void targets_that_this_model_does_not_have(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    EXPECT_NOTHING_LEFT(place, WRONG_COMMAND_LINE, "7", PRUNE(place), "--layers", "2:7");
    EXPECT_NOTHING_LEFT(place, WRONG_COMMAND_LINE, "90", PRUNE(place), "--layers", "80:90");
    EXPECT_NOTHING_LEFT(place, WRONG_COMMAND_LINE, NULL, "prune", place->model, "-o", place->output, "--ratio", "0.999",
                        "--calib", place->text, QUICKLY);
    EXPECT_NOTHING_LEFT(place, WRONG_COMMAND_LINE, NULL, "prune", place->model, "-o", place->output, "--params", "1K",
                        "--calib", place->text, QUICKLY);
    EXPECT_NOTHING_LEFT(place, WRONG_COMMAND_LINE, NULL, "prune", place->model, "-o", place->output, "--params", "7B",
                        "--calib", place->text, QUICKLY);
}

static void output_that_is_the_input(void **state) {
    const workplace *place = *state;
    char *same = pare_path_join(place->model, "."), *listed = workplace_list(place->model);
    size_t before, after;
    unsigned char *data = workplace_read(place->weights, &before);
    workplace_write_text(place);
    EXPECT_NOTHING_LEFT(place, WRONG_COMMAND_LINE, NULL, "prune", place->model, "-o", place->model, "--ratio", "0.25",
                        "--force", "--calib", place->text, QUICKLY);
    EXPECT_NOTHING_LEFT(place, WRONG_COMMAND_LINE, NULL, "prune", place->model, "-o", same, "--ratio", "0.25",
                        "--force", "--calib", place->text, QUICKLY);
    workplace_expect_entries(place->model, listed);
    unsigned char *again = workplace_read(place->weights, &after);
    assert_int_equal(before, after);
    assert_memory_equal(data, again, before);
    free(again);
    free(data);
    free(listed);
    free(same);
}

static void output_that_exists(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    assert_int_equal(mkdir(place->output, 0755), 0);
    tiny_write_text(place->output, "precious", "kept");
    EXPECT_NOTHING_LEFT(place, REFUSED, "--force", PRUNE(place));
    workplace_expect_entries(place->output, ".\n..\nprecious\n");
}

static void output_without_a_parent(void **state) {
    const workplace *place = *state;
    char *deep = pare_path_join(place->text, "out");
    workplace_write_text(place);
    EXPECT_NOTHING_LEFT(place, REFUSED, "text.txt", "prune", place->model, "-o", deep, "--ratio", "0.25", "--calib",
                        place->text, QUICKLY);
    free(deep);
}

/* Root may write anywhere, so that the program is started without that power. */
static void give_up_power(void) {
    if (geteuid() == 0 && prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)) _exit(126);
}

static void output_without_permission(void **state) {
    const workplace *place = *state;
    char *locked = pare_path_join(place->folder, "locked"), *output = pare_path_join(locked, "out");
    workplace_write_text(place);
    assert_int_equal(mkdir(locked, 0500), 0);
    const char *const words[] = {"prune", place->model, "-o",        output,  "--ratio",
                                 "0.25",  "--calib",    place->text, QUICKLY, NULL};
    program_result result = program_run_prepared(words, give_up_power);
    workplace_expect_entries(locked, ".\n..\n");
    int code = result.code;
    bool said = program_is_sentence(result.err);
    program_result_free(&result);
    free(output);
    free(locked);
    if (code == 126) {
        fputs("skipped: root cannot give up its power to write anywhere here\n", stderr);
        skip();
    }
    assert_int_equal(code, REFUSED);
    assert_true(said);
}

static void full_disk(void **state) {
    const workplace *place = *state;
    char *small = pare_path_join(place->folder, "small"), *output = pare_path_join(small, "out");
    workplace_write_text(place);
    assert_int_equal(mkdir(small, 0755), 0);
    bool mounted = mount("none", small, "tmpfs", 0, "size=1m") == 0;
    if (mounted) {
        const char *const words[] = {"prune", place->model, "-o",        output,  "--ratio",
                                     "0.25",  "--calib",    place->text, QUICKLY, NULL};
        program_result result = program_run(words);
        char *left = workplace_list(small);
        umount(small);
        assert_int_equal(result.code, REFUSED);
        assert_true(program_is_sentence(result.err));
        assert_string_equal(left, ".\n..\n");
        program_result_free(&result);
        free(left);
    }
    free(output);
    free(small);
    if (mounted) return;
    fputs("skipped: only root can mount the small disk that this test fills\n", stderr);
    skip();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(calibration_without_text),
        IN_A_WORKPLACE(calibration_of_binary_data),
        IN_A_WORKPLACE(calibration_rows_that_are_wrong),
        IN_A_WORKPLACE(evaluation_without_text),
        IN_A_WORKPLACE(targets_that_this_model_does_not_have),
        IN_A_WORKPLACE(output_that_is_the_input),
        IN_A_WORKPLACE(output_that_exists),
        IN_A_WORKPLACE(output_without_a_parent),
        IN_A_WORKPLACE(output_without_permission),
        IN_A_WORKPLACE(full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
