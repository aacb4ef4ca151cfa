/* Manual pages and completions name every command and every option of each, as its help does; groff and bash take them.
 */
#include "cli/help_page.h"

#include "support/file.h"
#include "tiny_model.h"

/* The words that begin entries of a page of help: what stands two columns from the left. */
typedef struct entries {
    char (*list)[64];
    size_t count;
} entries;

static char *output(const char *const *words) {
    program_result result = program_run(words);
    assert_int_equal(result.code, 0);
    char *text = strdup(result.out);
    program_result_free(&result);
    return text;
}

#define OUTPUT(...) output((const char *const[]){__VA_ARGS__, NULL})

static void add(entries *e, const char *word, size_t length) {
    e->list = realloc(e->list, (e->count + 1) * sizeof *e->list);
    assert_true(e->list && length < sizeof *e->list);
    memcpy(e->list[e->count], word, length);
    e->list[e->count++][length] = 0;
}

static entries commands(void) {
    char *page = OUTPUT("--help"), *at = strstr(page, "\nCommands\n");
    entries e = {0};
    assert_non_null(at);
    for (at += strlen("\nCommands\n"); strncmp(at, "  help ", 7) != 0; at = strchr(at, '\n') + 1)
        if (strncmp(at, "   ", 3) != 0) add(&e, at + 2, strcspn(at + 2, " \n"));
    assert_true(e.count > 9);
    free(page);
    return e;
}

/* With their dashes. */
static entries options(const char *command) {
    char *page = OUTPUT("help", command, "--all");
    entries e = {0};
    for (const char *line = page; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, "  -", 3) == 0) {
            const char *name = line + 2 + (line[3] == '-' ? 0 : 4);
            add(&e, name, strcspn(name, " \n"));
        }
    assert_true(e.count > 1);
    free(page);
    return e;
}

/* True if `word` is there and no letter goes on with it. */
static bool names(const char *text, const char *word) {
    size_t length = strlen(word);
    for (; (text = strstr(text, word)); text += length)
        if (!text[length] ||
            (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-", text[length]) && strncmp(text + length, "\\-", 2) != 0))
            return true;
    return false;
}

static void expect_named(const char *text, const char *what, const char *word) {
    if (!names(text, word)) fprintf(stderr, "%s lacks %s\n", what, word);
    assert_true(names(text, word));
}

/* "--max-windows" as it stands in a page. */
static void as_in_a_page(const char *name, char out[160]) {
    for (; *name; name++) {
        if (*name == '-') *out++ = '\\';
        *out++ = *name;
    }
    *out = 0;
}

/* Pages are installed by the names of these files (cmake/documents.cmake). */
static void expect_source(const char *command) {
    char *path = pare_format("%s/src/cli/cmd_%s.c", PARE_SOURCE_DIR, command);
    if (!pare_file_exists(path)) fail_msg("%s is not there, and no page of %s is installed", path, command);
    free(path);
}

static void pages_have_every_option(void **state) {
    (void)state;
    entries all = commands();
    char *program = OUTPUT("help", "--man");
    for (size_t i = 0; i < all.count; i++) {
        char name[160], *page = OUTPUT("help", "--man", all.list[i]);
        expect_source(all.list[i]);
        entries o = options(all.list[i]);
        snprintf(name, sizeof name, "pare %s", all.list[i]);
        expect_named(program, "pare.1", name);
        for (size_t j = 0; j < o.count; j++) {
            as_in_a_page(o.list[j], name);
            expect_named(page, all.list[i], name);
        }
        free(o.list);
        free(page);
    }
    free(program);
    free(all.list);
}

/* The text from where the command's options begin to where those of the next one do. */
static char *part_of(const char *text, const char *begin, const char *end) {
    const char *at = strstr(text, begin), *close = at ? strstr(at + strlen(begin), end) : NULL;
    if (!at) fprintf(stderr, "there is no %s\n", begin);
    assert_non_null(at);
    return close ? strndup(at, (size_t)(close - at)) : strdup(at);
}

static void completions_have_every_option(void **state) {
    (void)state;
    entries all = commands();
    char *bash = OUTPUT("help", "--completion", "bash"), *zsh = OUTPUT("help", "--completion", "zsh"),
         *fish = OUTPUT("help", "--completion", "fish");
    for (size_t i = 0; i < all.count; i++) {
        char begin[3][120];
        snprintf(begin[0], sizeof begin[0], "\n    %s)\n", all.list[i]);
        snprintf(begin[1], sizeof begin[1], "\n        (%s)\n", all.list[i]);
        snprintf(begin[2], sizeof begin[2], "__fish_seen_subcommand_from %s'", all.list[i]);
        char *parts[] = {part_of(bash, begin[0], "\n        ;;\n"), part_of(zsh, begin[1], "\n        ;;\n")};
        entries o = options(all.list[i]);
        for (size_t j = 0; j < o.count; j++) {
            char line[200];
            snprintf(line, sizeof line, "%s -l %s", begin[2], o.list[j] + 2);
            expect_named(parts[0], "the completion of bash", o.list[j]);
            expect_named(parts[1], "the completion of zsh", o.list[j]);
            expect_named(fish, "the completion of fish", line);
        }
        free(parts[0]);
        free(parts[1]);
        free(o.list);
    }
    free(bash);
    free(zsh);
    free(fish);
    free(all.list);
}

/* What a shell command prints, both streams; it must succeed. */
static char *shell(const char *format, const char *a, const char *b) {
    char *command = pare_format(format, a, b), text[8192];
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(text, 1, sizeof text - 1, pipe);
    text[length] = 0;
    int code = pclose(pipe);
    if (code) fprintf(stderr, "%s: %s\n", command, text);
    assert_int_equal(code, 0);
    free(command);
    return strdup(text);
}

static bool has_program(const char *name) {
    char *command = pare_format("command -v %s >/dev/null 2>&1", name);
    bool found = system(command) == 0;
    free(command);
    if (!found) fprintf(stderr, "skipped: %s is not there\n", name);
    return found;
}

static void groff_takes_the_pages(void **state) {
    (void)state;
    if (!has_program("groff")) skip();
    entries all = commands();
    for (size_t i = 0; i <= all.count; i++) {
        const char *command = i < all.count ? all.list[i] : "";
        char *said = shell("'%s' help --man %s | groff -man -Tascii -ww -z 2>&1", PARE_PROGRAM, command);
        assert_string_equal(said, "");
        free(said);
    }
    char *page = shell("'%s' help --man %s | groff -man -Tascii -P-c -P-b -P-u 2>&1", PARE_PROGRAM, "generate");
    expect_named(page, "the page", "--top-p");
    free(page);
    free(all.list);
}

/* What bash offers for the words, of which the last is being written. */
static char *offered(const char *folder, const char *words) {
    return shell("cd '%s' && bash -c '. ./pare.bash; COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _pare; "
                 "printf \"%%s \" \"${COMPREPLY[@]}\"'",
                 folder, words);
}

static void expect_offered(const char *folder, const char *words, const char *expected) {
    char *text = offered(folder, words);
    if (strcmp(text, expected) != 0) fprintf(stderr, "%s: %s\n", words, text);
    assert_string_equal(text, expected);
    free(text);
}

static void bash_completes(void **state) {
    (void)state;
    char *folder = tiny_folder(), *script = OUTPUT("help", "--completion", "bash");
    tiny_write_text(folder, "pare.bash", script);
    tiny_write_text(folder, "wiki text.txt", "");
    expect_offered(folder, "pare re", "recover report ");
    expect_offered(folder, "pare prune --no-", "--no-report --no-card ");
    expect_offered(folder, "pare prune --method magnitude-l", "magnitude-l1 magnitude-l2 ");
    expect_offered(folder, "pare prune --method = magnitude-l", "magnitude-l1 magnitude-l2 ");
    expect_offered(folder, "pare recover m --preset lam", "lamini ");
    expect_offered(folder, "pare eval m --text wi", "wiki text.txt ");
    expect_offered(folder, "pare inspect pare.b", "pare.bash ");
    expect_offered(folder, "pare prune --ratio \"\"", " ");
    expect_offered(folder, "pare help mod", "models ");
    free(script);
    tiny_remove(folder);
    free(folder);
}

static void others_are_refused(void **state) {
    (void)state;
    program_expect_failure(2, "--completion makes", (const char *const[]){"help", "--completion", "tcsh", NULL});
    program_expect_failure(2, "--completion makes", (const char *const[]){"help", "--completion", NULL});
    program_expect_failure(2, "--man makes", (const char *const[]){"help", "--man", "shrink", NULL});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(pages_have_every_option),
                                       cmocka_unit_test(completions_have_every_option),
                                       cmocka_unit_test(groff_takes_the_pages), cmocka_unit_test(bash_completes),
                                       cmocka_unit_test(others_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
