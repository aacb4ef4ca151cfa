/* An output that is an input, by whatever name: the same file through links, a file of a model, a folder around it. */
#include "prune/prune_run.h"
#include "run/paths.h"

typedef struct scene {
    char *folder, *model, *text, *elsewhere;
} scene;

static char *at(const scene *s, const char *name) {
    return pare_path_join(s->folder, name);
}

static int set_up(void **state) {
    static scene s;
    s = (scene){.folder = tiny_folder()};
    s.model = at(&s, "model");
    s.text = at(&s, "text.txt");
    s.elsewhere = at(&s, "new");
    assert_int_equal(mkdir(s.model, 0755), 0);
    tiny_write_text(s.model, "config.json", "{}");
    tiny_write_text(s.folder, "text.txt", "once");
    tiny_write_text(s.folder, "blob", "weights");
    char *blob = at(&s, "blob"), *weights = pare_path_join(s.model, "model.safetensors");
    assert_int_equal(symlink(blob, weights), 0); /* as in the cache of a hub */
    free(blob);
    free(weights);
    *state = &s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    tiny_remove(s->folder);
    free(s->folder);
    free(s->model);
    free(s->text);
    free(s->elsewhere);
    return 0;
}

/* A run that reads the model and the text, and writes one thing. */
static pare_status check(const scene *s, const char *written, pare_path_kind kind) {
    pare_paths paths = {0};
    pare_paths_read(&paths, "MODEL", s->model, PARE_PATH_FOLDER);
    pare_paths_read(&paths, "--calib", s->text, PARE_PATH_FILE);
    pare_paths_read(&paths, "--recipe", NULL, PARE_PATH_FILE);
    pare_paths_write(&paths, "--scores", written, kind);
    pare_status status = pare_paths_check(&paths);
    pare_paths_free(&paths);
    return status;
}

static void refused(const scene *s, char *written, pare_path_kind kind, const char *words) {
    if (check(s, written, kind) != PARE_BAD_ARGUMENT) fail_msg("%s is taken", written);
    if (!strstr(pare_message(), words) || !strstr(pare_message(), written)) fail_msg("%s", pare_message());
    free(written);
}

static void other_places_are_free(void **state) {
    const scene *s = *state;
    assert_int_equal(check(s, s->elsewhere, PARE_PATH_FILE), PARE_OK);
    assert_int_equal(check(s, s->elsewhere, PARE_PATH_FOLDER), PARE_OK);
    assert_int_equal(check(s, s->folder, PARE_PATH_SCRATCH), PARE_OK);
    assert_int_equal(check(s, NULL, PARE_PATH_FILE), PARE_OK);
    char *like = at(s, "model-2"), *missing = at(s, "missing/scores.json");
    assert_int_equal(check(s, like, PARE_PATH_FOLDER), PARE_OK);
    assert_int_equal(check(s, missing, PARE_PATH_FILE), PARE_OK); /* is refused where it is written */
    free(like);
    free(missing);
}

static void files_that_are_read(void **state) {
    const scene *s = *state;
    char *hard = at(s, "hard"), *soft = at(s, "soft");
    assert_int_equal(link(s->text, hard), 0);
    assert_int_equal(symlink("text.txt", soft), 0);
    refused(s, at(s, "text.txt"), PARE_PATH_FILE, "--calib");
    refused(s, at(s, "model/../text.txt"), PARE_PATH_FILE, "--calib");
    refused(s, hard, PARE_PATH_FILE, "--calib");
    refused(s, soft, PARE_PATH_FILE, "--calib");
    refused(s, at(s, "."), PARE_PATH_FOLDER, "MODEL"); /* would go with all that lies in it */
}

static void the_model(void **state) {
    const scene *s = *state;
    char *through = at(s, "link");
    assert_int_equal(symlink("model", through), 0);
    refused(s, at(s, "model/scores.json"), PARE_PATH_FILE, "lies in MODEL");
    refused(s, at(s, "link/scores.json"), PARE_PATH_FILE, "lies in MODEL");
    refused(s, at(s, "model/deep"), PARE_PATH_FOLDER, "lies in MODEL");
    refused(s, at(s, "blob"), PARE_PATH_FILE, "is a file of MODEL");
    refused(s, at(s, "model"), PARE_PATH_SCRATCH, "MODEL");
    refused(s, through, PARE_PATH_FOLDER, "is the same as MODEL");
}

static void two_outputs(void **state) {
    const scene *s = *state;
    char *inside = pare_path_join(s->elsewhere, "scores.json");
    const struct {
        const char *first, *second;
        pare_path_kind kind;
        pare_status status;
    } cases[] = {{s->elsewhere, s->elsewhere, PARE_PATH_FILE, PARE_BAD_ARGUMENT},
                 {s->elsewhere, inside, PARE_PATH_FILE, PARE_OK}, /* no folder yet: it would not be made */
                 {s->elsewhere, s->folder, PARE_PATH_SCRATCH, PARE_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_paths paths = {0};
        pare_paths_write(&paths, "-o", cases[i].first, PARE_PATH_FOLDER);
        pare_paths_write(&paths, "--scores", cases[i].second, cases[i].kind);
        assert_int_equal(pare_paths_check(&paths), cases[i].status);
        pare_paths_free(&paths);
    }
    assert_int_equal(mkdir(s->elsewhere, 0755), 0);
    pare_paths paths = {0};
    pare_paths_write(&paths, "-o", s->elsewhere, PARE_PATH_FOLDER);
    pare_paths_write(&paths, "--scores", inside, PARE_PATH_FILE);
    assert_int_equal(pare_paths_check(&paths), PARE_BAD_ARGUMENT);
    pare_paths_free(&paths);
    free(inside);
}

#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_SCENE(other_places_are_free),
        IN_A_SCENE(files_that_are_read),
        IN_A_SCENE(the_model),
        IN_A_SCENE(two_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
