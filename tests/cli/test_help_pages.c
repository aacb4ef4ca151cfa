/* Pages of commands, topics and options: short at first, whole when asked for, as wide as the terminal and no wider,
 * and the same whichever way they are asked for. */
#include "cli/help_page.h"

#include <sys/ioctl.h>
#include <termios.h>

static const char *const commands[] = {"prune", "recover",  "merge",   "sweep", "robust",
                                       "eval",  "generate", "inspect", "bench"};
static const char *const topics[] = {"comparison", "target",    "units",    "scoring",  "single-weights", "calibration",
                                     "constants",  "training",  "recovery", "examples", "evaluation",     "tasks",
                                     "text",       "measuring", "merging",  "output",   "memory"};
enum { COMMANDS = sizeof commands / sizeof *commands, TOPICS = sizeof topics / sizeof *topics };

static void narrow(void) {
    setenv("COLUMNS", "60", 1);
}

static void wide(void) {
    setenv("COLUMNS", "96", 1);
}

static void wider(void) {
    setenv("COLUMNS", "200", 1);
}

static void nonsense(void) {
    setenv("COLUMNS", "12x", 1);
}

static void unset(void) {
    unsetenv("COLUMNS");
}

/* Options that have an entry, each counted once. */
static size_t count_entries(const char *page) {
    size_t entries = 0;
    for (const char *at = page; (at = strstr(at, "\n  -")); at++)
        entries += at[4] == '-' || strncmp(at + 5, ", --", 4) == 0;
    return entries;
}

static void first_pages_are_short(void **state) {
    (void)state;
    static void (*const widths[])(void) = {unset, wide};
    for (size_t i = 0; i < 2 * COMMANDS; i++) {
        program_result result =
            program_run_prepared((const char *const[]){"help", commands[i / 2], NULL}, widths[i % 2]);
        const char *common = strstr(result.out, "\nOptions that most people need\n");
        if (page_lines(result.out) > 45) fail_msg("%s: %zu lines", commands[i / 2], page_lines(result.out));
        if (common) {
            char *part = strndup(common, (size_t)(strstr(common, "\n\nExamples\n") - common));
            assert_in_range(count_entries(part), 10, 16);
            free(part);
            assert_non_null(strstr(common, "\nThe rest: pare help "));
            assert_non_null(strstr(common, "\n  --OPTION, --all "));
        }
        program_result_free(&result);
    }
}

/* Every option of `--all` stands in one topic, and every option of a topic in `--all`. */
static void topics_share_out_the_options(void **state) {
    (void)state;
    for (size_t i = 0; i < COMMANDS; i++) {
        program_result all = EXPECT_SUCCESS("help", commands[i], "--all");
        size_t together = 0;
        for (size_t j = 0; j < TOPICS; j++) {
            program_result topic = program_run((const char *const[]){"help", commands[i], topics[j], NULL});
            if (topic.code == 0) together += count_entries(topic.out);
            for (const char *at = topic.out; (at = strstr(at, "\n  -")); at++) {
                char name[64];
                if (sscanf(at + (at[4] == '-' ? 3 : 7), "%60[a-z0-9-]", name) == 1)
                    assert_non_null(page_find(all.out, name));
            }
            program_result_free(&topic);
        }
        char *options = strndup(all.out, (size_t)(strstr(all.out, "\nExamples\n") - all.out));
        assert_int_equal(together, count_entries(options));
        assert_true(together > 1);
        free(options);
        program_result_free(&all);
    }
}

static void expect_width(const char *const *words, void (*prepare)(void), size_t width) {
    program_result result = program_run_prepared(words, prepare);
    assert_int_equal(result.code, 0);
    if (page_width(result.out) > width) fail_msg("%s %s: %zu columns", words[0], words[1], page_width(result.out));
    program_result_free(&result);
}

static void no_line_is_wider_than_the_page(void **state) {
    (void)state;
    static const struct {
        void (*prepare)(void);
        size_t width;
    } widths[] = {{narrow, 60}, {wide, 96}, {wider, 96}, {nonsense, 80}, {unset, 80}};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        expect_width((const char *const[]){"help", NULL}, widths[i].prepare, widths[i].width);
        expect_width((const char *const[]){"help", "methods", NULL}, widths[i].prepare, widths[i].width);
        expect_width((const char *const[]){"help", "--seed", NULL}, widths[i].prepare, widths[i].width);
        for (size_t j = 0; i < 2 && j < COMMANDS; j++) {
            expect_width((const char *const[]){"help", commands[j], NULL}, widths[i].prepare, widths[i].width);
            expect_width((const char *const[]){"help", commands[j], "--all", NULL}, widths[i].prepare, widths[i].width);
            expect_width((const char *const[]){"help", commands[j], "memory", NULL}, widths[i].prepare,
                         widths[i].width);
        }
    }
}

/* On a terminal of 70 columns, whose lines end with CR and LF. */
static void a_terminal_has_its_own_width(void **state) {
    (void)state;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) || unlockpt(terminal)) skip();
    int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    struct winsize size = {.ws_row = 24, .ws_col = 70};
    if (other < 0 || ioctl(other, TIOCSWINSZ, &size)) skip();
    const char *const words[] = {"help", "merge", NULL};
    pid_t child = program_start(words, other, -1, unset);
    char page[8192];
    size_t used = 0, widest = 0;
    while (used < sizeof page - 1 && !strstr((page[used] = 0, page), "--help ")) {
        ssize_t got = read(terminal, page + used, sizeof page - 1 - used);
        if (got <= 0) break;
        used += (size_t)got;
    }
    page[used] = 0;
    assert_int_equal(program_wait(child, PROGRAM_SECONDS), 0);
    for (const char *line = page; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] != 0)) {
        size_t length = strcspn(line, "\r\n");
        widest = length > widest ? length : widest;
    }
    assert_in_range(widest, 62, 70);
    close(other);
    close(terminal);
}

/* One page, asked for in two ways. */
static void expect_same(const char *const *words, const char *const *others) {
    program_result one = program_expect_success(words), other = program_expect_success(others);
    assert_string_equal(one.out, other.out);
    assert_string_equal(one.err, "");
    program_result_free(&one);
    program_result_free(&other);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void both_ways_of_asking_are_one(void **state) {
    (void)state;
    expect_same(WORDS("help", "prune"), WORDS("prune", "-h"));
    expect_same(WORDS("help", "prune"), WORDS("prune", "my-model", "--ratio", "0.2", "--help"));
    expect_same(WORDS("help", "prune", "--all"), WORDS("prune", "--help", "--all"));
    expect_same(WORDS("help", "prune", "calibration"), WORDS("prune", "--help", "calibration"));
    expect_same(WORDS("help", "calibration"), WORDS("prune", "--help", "calibration"));
    expect_same(WORDS("help", "prune", "units"), WORDS("help", "units"));
    expect_same(WORDS("help", "prune", "--ratio"), WORDS("prune", "--help", "--ratio"));
    expect_same(WORDS("help", "prune", "--ratio"), WORDS("help", "prune", "--ratio", "0.2"));
    expect_same(WORDS("help", "prune", "--output"), WORDS("help", "prune", "-o"));
    expect_same(WORDS("help", "prune", "--method", "wanda"), WORDS("prune", "--help", "--method=wanda"));
    expect_same(WORDS("help", "prune", "--method", "wanda"), WORDS("help", "--method", "wanda"));
    expect_same(WORDS("help", "recover", "--preset", "lamini"), WORDS("help", "--preset", "lamini"));
    expect_same(WORDS("help", "recover", "--preset", "lamini"), WORDS("help", "prune", "--recover-preset", "lamini"));
    expect_same(WORDS("help", "methods"), WORDS("help", "prune", "methods"));
}

static void an_option_is_explained_everywhere(void **state) {
    (void)state;
    program_result result = EXPECT_SUCCESS("help", "--ratio");
    assert_non_null(strstr(result.out, "pare prune, pare sweep (topic target:"));
    assert_non_null(strstr(result.out, "pare robust (topic comparison:"));
    assert_non_null(strstr(result.out, "  --ratio R "));
    assert_non_null(strstr(result.out, "  --ratio R,... "));
    program_result_free(&result);
    result = EXPECT_SUCCESS("help", "prune", "--pattern");
    assert_non_null(strstr(result.out, "KEEP N of every M"));
    assert_non_null(strstr(result.out, "topic target"));
    assert_non_null(strstr(result.out, "pare sweep."));
    program_result_free(&result);
}

static void words_that_lead_nowhere_are_refused(void **state) {
    (void)state;
    EXPECT_FAILURE(2, "did you mean 'calibration'?", "help", "calibratoin");
    EXPECT_FAILURE(2, "did you mean 'calibration'?", "help", "prune", "calibratoin");
    EXPECT_FAILURE(2, "did you mean 'calibration'?", "prune", "--help", "calibratoin");
    EXPECT_FAILURE(2, "did you mean 'recover'?", "help", "recovre");
    EXPECT_FAILURE(2, "did you mean '--method wanda'?", "help", "prune", "wanda");
    EXPECT_FAILURE(2, "did you mean '--ratio'?", "help", "prune", "ratio");
    EXPECT_FAILURE(2, "did you mean --ratio?", "help", "--rtaio");
    EXPECT_FAILURE(2, "did you mean --ratio?", "help", "prune", "--rtaio");
    EXPECT_FAILURE(2, "one of pare prune", "help", "eval", "--ratio");
    EXPECT_FAILURE(2, "did you mean wanda?", "help", "prune", "--method", "wandaa");
    EXPECT_FAILURE(2, "did you mean wanda?", "prune", "m", "--ratio", "0.2", "--method", "wandaa");
    EXPECT_FAILURE(2, "did you mean paper?", "help", "recover", "--preset", "papre");
    EXPECT_FAILURE(2, "no topic 'zzz'", "help", "prune", "zzz");
    EXPECT_FAILURE(2, "no command or topic", "help", "zzz");
    EXPECT_FAILURE(2, "--all is all of one command", "help", "--all");
    EXPECT_FAILURE(2, "at a time", "help", "prune", "units", "scoring");
    EXPECT_FAILURE(2, "at a time", "help", "prune", "--ratio", "--params");
    EXPECT_FAILURE(2, "at a time", "help", "prune", "recover");
    EXPECT_FAILURE(2, "not both", "help", "prune", "--method", "wanda", "--recipe", "r.json");
    EXPECT_FAILURE(2, NULL, "help", "prune", "--method", "moreau-gs", "--gamma", "7");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_pages_are_short),
        cmocka_unit_test(topics_share_out_the_options),
        cmocka_unit_test(no_line_is_wider_than_the_page),
        cmocka_unit_test(a_terminal_has_its_own_width),
        cmocka_unit_test(both_ways_of_asking_are_one),
        cmocka_unit_test(an_option_is_explained_everywhere),
        cmocka_unit_test(words_that_lead_nowhere_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
