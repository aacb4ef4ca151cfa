/* Files outside of OUT and the scratch folder that a run changes: by names that a checkpoint's files give, and by links
 * that lie where pare writes. */
#include "cli/workplace.h"

#include <sys/stat.h>

#define PRUNE(place) "prune", (place)->model, "-o", (place)->output, "--method", "taylor", "--ratio", "0.5"

/* A file beside all, whose bytes must stay; and a link to it. */
static void plant(const workplace *place, char **precious, const char *link_at) {
    tiny_write_text(place->folder, "precious", "as it was");
    *precious = pare_path_join(place->folder, "precious");
    if (link_at) assert_int_equal(symlink(*precious, link_at), 0);
}

static void expect_precious(char *precious) {
    size_t bytes;
    unsigned char *now = workplace_read(precious, &bytes);
    struct stat found;
    assert_string_equal((char *)now, "as it was");
    assert_int_equal(lstat(precious, &found), 0);
    assert_true(S_ISREG(found.st_mode));
    free(now);
    free(precious);
}

static void names_that_lead_out(void **state) {
    const workplace *place = *state;
    static const char *const names[] = {
        "../precious.safetensors", "/etc/x.safetensors",   "a/../../x.safetensors", "..",
        "./../x.safetensors",      "%2e%2e/x.safetensors", "x\\u0000.safetensors"};
    tiny_write_text(place->folder, "precious.safetensors", "as it was");
    assert_int_equal(unlink(place->weights), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static const char *const indices[] = {"model.safetensors.index.json", "pytorch_model.bin.index.json"};
        for (size_t k = 0; k < 2; k++) {
            char *index = pare_format("{\"weight_map\": {\"model.norm.weight\": \"%s\"}}", names[i]);
            char *path = pare_path_join(place->model, indices[k]);
            tiny_write_text(place->model, indices[k], index);
            EXPECT_NOTHING_LEFT(place, 1, "json", PRUNE(place), QUICKLY);
            assert_int_equal(unlink(path), 0);
            free(path);
            free(index);
        }
    }
}

/* Names in the files beside the weights: what they say is text, and no file comes of it. */
static void names_in_companions(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    tiny_write_text(place->model, "tokenizer_config.json",
                    "{\"tokenizer_class\": \"../../x\", \"name_or_path\": \"../../x\", \"vocab_file\": \"/etc/passwd\","
                    "\"tokenizer_file\": \"../../x\", \"auto_map\": {\"AutoTokenizer\": [\"../../x.py\", null]},"
                    "\"chat_template\": [{\"name\": \"../../x\", \"template\": \"{{ messages }}\"}]}");
    tiny_write_text(place->model, "generation_config.json", "{\"_from_model_config\": \"../../x\"}");
    tiny_write_text(place->model, "README.md", "---\nbase_model: ../../x\nlicense_link: ../../x\n---\n# ../../x\n");
    char *before = workplace_list(place->folder), *after = pare_format("%sout\n", ""), *listed;
    program_result run = EXPECT_SUCCESS(PRUNE(place), "--calib", place->text, QUICKLY);
    listed = workplace_list(place->folder);
    assert_int_equal(strlen(listed), strlen(before) + strlen(after));
    assert_non_null(strstr(listed, "out\n"));
    program_result_free(&run);
    free(before);
    free(after);
    free(listed);
}

/* A recipe says how, never where. */
static void recipes_have_no_paths(void **state) {
    const workplace *place = *state;
    static const char *const recipes[] = {"{\"base\": \"taylor\", \"output\": \"../../x\"}", "{\"base\": \"../../x\"}",
                                          "{\"scratch\": \"/etc\"}",
                                          "{\"base\": \"taylor\", \"reduction\": \"../../x\"}"};
    char *recipe = pare_path_join(place->folder, "recipe.json");
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        tiny_write_text(place->folder, "recipe.json", recipes[i]);
        char *before = workplace_list(place->folder);
        program_result run = program_run((const char *const[]){"prune", place->model, "-o", place->output, "--recipe",
                                                               recipe, "--ratio", "0.5", QUICKLY, NULL});
        assert_int_equal(run.code, 2);
        assert_non_null(strstr(run.err, "recipe.json"));
        workplace_expect_entries(place->folder, before);
        program_result_free(&run);
        free(before);
    }
    free(recipe);
}

/* What is replaced is removed with its links, and never what they lead to. */
static void links_in_a_replaced_output(void **state) {
    const workplace *place = *state;
    char *precious, *others = pare_path_join(place->folder, "others"), *inner = pare_path_join(others, "file");
    char *file = pare_path_join(place->output, "model.safetensors"), *folder = pare_path_join(place->output, "deep");
    assert_int_equal(mkdir(others, 0755) | mkdir(place->output, 0755), 0);
    tiny_write_text(others, "file", "stays");
    tiny_write_text(place->output, "config.json", "{}");
    plant(place, &precious, file);
    assert_int_equal(symlink(others, folder), 0);
    program_result run = EXPECT_SUCCESS(PRUNE(place), "--force", QUICKLY);
    struct stat found;
    assert_int_equal(lstat(file, &found), 0);
    assert_true(S_ISREG(found.st_mode) && found.st_size > 1000);
    assert_true(pare_file_exists(inner));
    assert_false(pare_file_exists(folder));
    expect_precious(precious);
    program_result_free(&run);
    free(others);
    free(inner);
    free(file);
    free(folder);
}

static void links_for_progress_and_locks(void **state) {
    const workplace *place = *state;
    char *precious, *others = pare_path_join(place->folder, "others"), *csv = pare_path_join(place->folder, "rows.csv"),
                    *json = pare_path_join(place->folder, "rows.json");
    char *progress = pare_format("%s.progress", place->output), *lock = pare_format("%s.lock", json);
    assert_int_equal(mkdir(others, 0755), 0);
    assert_int_equal(symlink(others, progress), 0);
    EXPECT_NOTHING_LEFT(place, 1, "is a link", "prune", place->model, "-o", place->output, "--method", "moreau",
                        "--ratio", "0.5", "--resume", QUICKLY);
    workplace_expect_entries(others, ".\n..\n");
    plant(place, &precious, NULL);
    char *absent = pare_path_join(others, "made");
    assert_int_equal(symlink(absent, lock), 0);
    program_result run =
        program_run((const char *const[]){"sweep", place->model, "--method", "random", "--over", "ratio=0.25,0.5",
                                          "--csv", csv, "--json-file", json, QUICKLY, NULL});
    assert_int_equal(run.code, 1);
    assert_false(pare_file_exists(absent));
    expect_precious(precious);
    program_result_free(&run);
    free(others);
    free(csv);
    free(json);
    free(progress);
    free(lock);
    free(absent);
}

/* A file that is written takes a link's place, and leaves what it led to. */
static void links_under_files_that_are_written(void **state) {
    const workplace *place = *state;
    char *precious, *scores = pare_path_join(place->folder, "scores.json");
    plant(place, &precious, scores);
    program_result run = EXPECT_SUCCESS(PRUNE(place), "--scores", scores, QUICKLY);
    struct stat found;
    assert_int_equal(lstat(scores, &found), 0);
    assert_true(S_ISREG(found.st_mode));
    expect_precious(precious);
    program_result_free(&run);
    free(scores);
}

/* Where everybody may write: names that are guessed do not help, and what lies there is for its owner alone. */
static void progress_is_private(void **state) {
    const workplace *place = *state;
    char *progress = pare_format("%s.progress", place->output);
    const char *const words[] = {"prune",   place->model, "-o",       place->output, "--method", "moreau",
                                 "--ratio", "0.5",        "--resume", "--steps",     "9000",     "--samples",
                                 "2",       "--length",   "32",       NULL};
    pid_t child = program_start(words, -1, -1, NULL);
    struct stat found = {0};
    for (int i = 0; i < 2000 && lstat(progress, &found) != 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    kill(child, SIGINT);
    program_wait(child, 60);
    assert_true(S_ISDIR(found.st_mode));
    assert_int_equal(found.st_mode & 0777, 0700);
    free(progress);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(names_that_lead_out),          IN_A_WORKPLACE(names_in_companions),
        IN_A_WORKPLACE(recipes_have_no_paths),        IN_A_WORKPLACE(links_in_a_replaced_output),
        IN_A_WORKPLACE(links_for_progress_and_locks), IN_A_WORKPLACE(links_under_files_that_are_written),
        IN_A_WORKPLACE(progress_is_private),
    };
    return cmocka_run_group_tests_name("paths inside", tests, NULL, NULL);
}
