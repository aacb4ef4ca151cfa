/* A model directory that is half there, replaces something it should not, or harms the input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint/output.h"
#include "support/memory.h"
#include "tiny_model.h"

#include <dirent.h>

/* base/source is a model; base/target is not there. */
static char *base, *source, *target;

static int make_folders(void **state) {
    (void)state;
    base = tiny_folder();
    source = pare_path_join(base, "source");
    target = pare_path_join(base, "target");
    tiny_check(mkdir(source, 0777) == 0, "mkdir");
    tiny_write_text(source, "config.json", "{}");
    return 0;
}

static int remove_folders(void **state) {
    (void)state;
    tiny_remove(base);
    free(base);
    free(source);
    free(target);
    return 0;
}

static size_t count_entries(const char *path) {
    DIR *folder = opendir(path);
    size_t count = 0;
    while (folder && readdir(folder))
        count++;
    if (folder) closedir(folder);
    return count < 2 ? 0 : count - 2;
}

static void expect_refusal(const char *to, const char *from, bool force, uint64_t needed, const char *word) {
    pare_output *output;
    size_t before = count_entries(base);
    pare_status status = pare_output_begin(to, from, force, needed, &output);
    bool own = strstr(word, "input") != NULL; /* the command asks for something senseless */
    if (status != (own ? PARE_BAD_ARGUMENT : PARE_FILE_ERROR) || !strstr(pare_message(), word))
        fail_msg("%s: status %d, no \"%s\" in: %s", to, status, word, pare_message());
    assert_null(output);
    assert_int_equal(count_entries(base), before);
}

static pare_output *begin(bool force) {
    pare_output *output;
    if (pare_output_begin(target, source, force, 1000, &output) != PARE_OK) fail_msg("%s", pare_message());
    return output;
}

static bool holds(const char *folder, const char *name, const char *text) {
    char *path = pare_path_join(folder, name), *found = NULL;
    bool same =
        pare_file_exists(path) && pare_file_read(path, 1000, &found, NULL) == PARE_OK && strcmp(found, text) == 0;
    pare_free(found);
    free(path);
    return same;
}

static void appears_whole(void **state) {
    (void)state;
    pare_output *output = begin(false);
    assert_int_equal(pare_output_write_text(output, "config.json", "new"), PARE_OK);
    assert_int_equal(pare_output_write_text(output, "config.json", "again"), PARE_FILE_ERROR);
    assert_false(pare_file_exists(target));
    assert_int_equal(pare_output_commit(output), PARE_OK);
    assert_true(holds(target, "config.json", "new"));
    assert_int_equal(count_entries(base), 2);
    struct stat made, usual;
    assert_int_equal(stat(target, &made), 0);
    assert_int_equal(stat(source, &usual), 0);
    assert_int_equal(made.st_mode, usual.st_mode);
}

static void abandoned_leaves_nothing(void **state) {
    (void)state;
    pare_output *output = begin(false);
    assert_int_equal(pare_output_write_text(output, "config.json", "new"), PARE_OK);
    char *inner = pare_path_join(pare_output_path(output), "folder");
    assert_int_equal(mkdir(inner, 0777), 0);
    tiny_write_text(inner, "file", "text");
    free(inner);
    assert_int_equal(count_entries(base), 3); /* with the lock */
    pare_output_abandon(output);
    pare_output_abandon(NULL);
    assert_int_equal(count_entries(base), 1);
    assert_true(holds(source, "config.json", "{}"));
}

static void does_not_replace_what_came_meanwhile(void **state) {
    (void)state;
    pare_output *output = begin(false);
    assert_int_equal(mkdir(target, 0777), 0);
    tiny_write_text(target, "config.json", "somebody's");
    assert_int_equal(pare_output_commit(output), PARE_FILE_ERROR);
    assert_true(holds(target, "config.json", "somebody's"));
    assert_int_equal(count_entries(base), 2);
}

static void replaces_models_only_by_force(void **state) {
    (void)state;
    assert_int_equal(mkdir(target, 0777), 0);
    expect_refusal(target, source, false, 0, "--force");
    pare_output *output = begin(true);
    assert_int_equal(pare_output_write_text(output, "config.json", "first"), PARE_OK);
    assert_int_equal(pare_output_commit(output), PARE_OK);
    tiny_write_text(target, "old", "old");
    expect_refusal(target, source, false, 0, "--force");
    output = begin(true);
    assert_int_equal(pare_output_write_text(output, "config.json", "second"), PARE_OK);
    assert_true(holds(target, "config.json", "first"));
    assert_int_equal(pare_output_commit(output), PARE_OK);
    assert_true(holds(target, "config.json", "second"));
    assert_int_equal(count_entries(target), 1);
    assert_int_equal(count_entries(base), 2);
    char *config = pare_path_join(target, "config.json");
    assert_int_equal(unlink(config), 0);
    free(config);
    tiny_write_text(target, "thesis.txt", "precious");
    expect_refusal(target, source, true, 0, "does not look like a model");
    assert_true(holds(target, "thesis.txt", "precious"));
}

static void replaces_through_a_link(void **state) {
    (void)state;
    char *real = pare_path_join(base, "real");
    assert_int_equal(mkdir(real, 0777), 0);
    assert_int_equal(symlink("real", target), 0);
    pare_output *output = begin(true);
    assert_int_equal(pare_output_write_text(output, "config.json", "new"), PARE_OK);
    assert_int_equal(pare_output_commit(output), PARE_OK);
    assert_true(holds(real, "config.json", "new"));
    struct stat link;
    assert_true(lstat(target, &link) == 0 && S_ISLNK(link.st_mode));
    tiny_remove(real);
    expect_refusal(target, source, true, 0, "link to nothing");
    free(real);
}

static void never_touches_the_input(void **state) {
    (void)state;
    char *link = pare_path_join(base, "link"), *inside = pare_path_join(source, "out"),
         *dots = pare_path_join(base, "x/../source");
    char *linked_inside = pare_path_join(link, "out"), *trailing = pare_path_join(source, "");
    char *x = pare_path_join(base, "x");
    assert_int_equal(mkdir(x, 0777), 0);
    assert_int_equal(symlink("source", link), 0);
    const char *const own[] = {source, link, inside, dots, linked_inside, trailing};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        expect_refusal(own[i], source, true, 0, "input model's own folder");
        expect_refusal(own[i], link, true, 0, "input model's own folder");
    }
    expect_refusal(base, source, true, 0, "has the input model");
    expect_refusal("/", source, true, 0, "has the input model");
    expect_refusal(base, link, false, 0, "has the input model");
    /* A name that merely begins alike is another folder. */
    char *alike = pare_format("%s-pruned", source);
    pare_output *output;
    assert_int_equal(pare_output_begin(alike, source, false, 0, &output), PARE_OK);
    pare_output_abandon(output);
    char *const all[] = {link, inside, dots, linked_inside, trailing, x, alike};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void refuses_impossible_places(void **state) {
    (void)state;
    char *file = pare_path_join(base, "file"), *below_file = pare_path_join(file, "out");
    char *orphan = pare_path_join(base, "missing/out"), *missing = pare_path_join(base, "missing");
    tiny_write_text(base, "file", "text");
    expect_refusal(file, source, true, 0, "not a folder");
    expect_refusal(below_file, source, true, 0, "no folder");
    expect_refusal(orphan, source, true, 0, "create it first");
    expect_refusal("", source, true, 0, "empty");
    expect_refusal(target, missing, false, 0, missing);
    expect_refusal(target, source, false, UINT64_MAX / 2, "it needs 9223372036854775807 bytes");
    char *locked = pare_path_join(base, "locked"), *in_locked = pare_path_join(locked, "out");
    assert_int_equal(mkdir(locked, 0555), 0);
    if (geteuid() != 0) expect_refusal(in_locked, source, false, 0, "cannot create files");
    char *const all[] = {file, below_file, orphan, missing, locked, in_locked};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void carries_over_what_belongs_to_a_model(void **state) {
    (void)state;
    static const char *const taken[] = {"tokenizer.json", "tokenizer.model",     "tokenizer_config.json",
                                        "LICENSE",        "LICENSE.txt",         "NOTICE",
                                        "USE_POLICY.md",  "chat_template.jinja", "merges.txt"};
    static const char *const left[] = {"README.md", "model.safetensors", "pytorch_model.bin", "tokenizer.json.bak"};
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        tiny_write_text(source, taken[i], taken[i]);
    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        tiny_write_text(source, left[i], left[i]);
    /* A hub cache holds links to files elsewhere. */
    tiny_write_text(base, "blob", "through a link");
    char *link = pare_path_join(source, "generation_config.json"), *folder = pare_path_join(source, "LICENSES");
    assert_int_equal(symlink("../blob", link), 0);
    assert_int_equal(mkdir(folder, 0777), 0);
    free(link);
    free(folder);
    pare_output *output = begin(false);
    assert_int_equal(pare_output_carry_over(output), PARE_OK);
    const char *path = pare_output_path(output);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        assert_true(holds(path, taken[i], taken[i]));
    assert_true(holds(path, "generation_config.json", "through a link"));
    assert_int_equal(count_entries(path), sizeof taken / sizeof *taken + 1);
    pare_output_abandon(output);
}

#define IN_FOLDERS(test) cmocka_unit_test_setup_teardown(test, make_folders, remove_folders)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDERS(appears_whole),
        IN_FOLDERS(abandoned_leaves_nothing),
        IN_FOLDERS(does_not_replace_what_came_meanwhile),
        IN_FOLDERS(replaces_models_only_by_force),
        IN_FOLDERS(replaces_through_a_link),
        IN_FOLDERS(never_touches_the_input),
        IN_FOLDERS(refuses_impossible_places),
        IN_FOLDERS(carries_over_what_belongs_to_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
