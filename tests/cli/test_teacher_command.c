/* --teacher as a person uses it: what is reported, one command in place of two, and teachers that cannot teach. */
#include "cli/training_rows.h"

static char *prune(const workplace *place) {
    char *smaller = pare_path_join(place->folder, "smaller");
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", smaller, "--ratio", "0.5", "--method", "magnitude-l2", "--quiet");
    program_result_free(&result);
    return smaller;
}

static void the_objective_and_its_parts_are_reported(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *smaller = prune(place);
    program_result result =
        EXPECT_SUCCESS("recover", smaller, "-o", place->output, "--data", rows, "--teacher", place->model, "--ce",
                       "0.5", "--kd", "3", "--steps", "12", "--batch", "8", "--rate", "3e-3", "--threads", "1",
                       "--text", rows, "--window", "16", "--json", "--quiet");
    json_t *json = json_loads(result.out, 0, NULL);
    assert_non_null(json);
    assert_true(at(json, "teacher.best.kl") < 0.8 * at(json, "teacher.before.kl"));
    assert_true(at(json, "teacher.best.top1_agreement") > at(json, "teacher.before.top1_agreement"));
    double before = 0.5 * at(json, "teacher.before.ce") + 3.0 * at(json, "teacher.before.kl");
    double best = 0.5 * at(json, "teacher.best.ce") + 3.0 * at(json, "teacher.best.kl");
    assert_true(fabs(at(json, "validation.before") - before) < 1e-6 * before);
    assert_true(fabs(at(json, "validation.best") - best) < 1e-6 * best);
    assert_true(at(json, "settings.ce") == 0.5 && at(json, "settings.kd") == 3.0);
    assert_true(at(json, "texts.0.after.kl") < at(json, "texts.0.before.kl"));
    assert_true(at(json, "texts.0.after.top1") > at(json, "texts.0.before.top1"));
    json_decref(json);
    program_result_free(&result);
    free(rows);
    free(smaller);
}

/* The model that is pruned teaches what is left of it: the same bytes as by a second command. */
static void one_command_is_two(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *smaller = prune(place), *healed = pare_path_join(place->folder, "healed");
    program_result result =
        EXPECT_SUCCESS("recover", smaller, "-o", healed, "--data", rows, "--teacher", place->model, "--steps", "4",
                       "--batch", "8", "--rate", "3e-3", "--threads", "1", "--quiet");
    program_result_free(&result);
    result = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--ratio", "0.5", "--method", "magnitude-l2",
                            "--recover", rows, "--teacher", "dense", "--recover-steps", "4", "--recover-batch", "8",
                            "--recover-rate", "3e-3", "--threads", "1", "--quiet");
    program_result_free(&result);
    workplace_expect_same_file(healed, place->output, "model.safetensors");
    free(rows);
    free(smaller);
    free(healed);
}

/* Copies pictures of all digits into one folder, which gives them no labels. */
static char *unlabelled(const workplace *place, unsigned char change) {
    char *folder = pare_path_join(place->folder, change ? "other" : "pictures");
    assert_int_equal(mkdir(folder, 0755), 0);
    for (int i = 0; i < 10; i++) {
        size_t bytes;
        char *from =
            pare_format(PARE_SOURCE_DIR "/examples/vit-digits/pictures/%d/%05d.png", change ? 9 - i : i, i % 5);
        char *name = pare_format("%d.png", i);
        unsigned char *data = workplace_read(from, &bytes);
        tiny_write_file(folder, name, data, bytes);
        free(data);
        free(from);
        free(name);
    }
    return folder;
}

/* Pictures without labels are of use where the teacher alone says what they are, and what it said of some is not taken
 * for what it says of others. */
static void pictures_need_no_labels(void **state) {
    workplace *place = *state;
    static const char dense[] = PARE_SOURCE_DIR "/examples/vit-digits";
    char *smaller = pare_path_join(place->folder, "smaller"), *cache = pare_path_join(place->folder, "cache");
    char *pictures = unlabelled(place, 0), *other = unlabelled(place, 1);
    program_result result =
        EXPECT_SUCCESS("prune", dense, "-o", smaller, "--ratio", "0.5", "--method", "magnitude-l2", "--quiet");
    program_result_free(&result);
#define PICTURES(data, ...)                                                                                            \
    "recover", smaller, "-o", place->output, "--force", "--data", data, "--teacher", dense, "--full", "--steps", "20", \
        "--val", "4", "--val-every", "4", "--batch", "5", "--rate", "1e-3", "--threads", "1", "--quiet", __VA_ARGS__
    EXPECT_FAILURE(1, "have no labels", PICTURES(pictures, "--ce", "1"));
    for (int cached = 0; cached < 2; cached++) {
        result = cached ? EXPECT_SUCCESS(PICTURES(pictures, "--ce", "0", "--json", "--teacher-cache", cache))
                        : EXPECT_SUCCESS(PICTURES(pictures, "--ce", "0", "--json"));
        json_t *json = json_loads(result.out, 0, NULL);
        assert_non_null(json);
        assert_int_equal((int)at(json, "data.examples"), 10);
        assert_true(json_is_null(json_object_get(json_object_get(json_object_get(json, "teacher"), "best"), "ce")));
        assert_true(at(json, "teacher.best.kl") < 0.9 * at(json, "teacher.before.kl"));
        json_decref(json);
        program_result_free(&result);
    }
    EXPECT_FAILURE(2, "was made of other data", PICTURES(other, "--ce", "0", "--teacher-cache", cache));
    free(smaller);
    free(cache);
    free(pictures);
    free(other);
}

static void who_cannot_teach_is_refused(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *few = tiny_model_write((tiny_model){0});
    char *vocabulary = tiny_model_write((tiny_model){.vocabulary = 1024, .positions = 16});
#define REFUSED(code, part, ...)                                                                                       \
    EXPECT_NOTHING_LEFT(place, code, part, "recover", place->model, "-o", place->output, "--data", rows, "--quiet",    \
                        __VA_ARGS__)
    REFUSED(2, "is the model that is to learn from it", "--teacher", place->model);
    REFUSED(2, "has the very weights", "--teacher", PARE_SOURCE_DIR "/examples/tiny-stories");
    REFUSED(2, "has 32 tokens in its vocabulary, and ", "--teacher", few);
    REFUSED(2, "has 16 positions, and examples have up to", "--teacher", vocabulary);
    REFUSED(2, "reads pictures, and ", "--teacher", PARE_SOURCE_DIR "/examples/vit-digits");
    REFUSED(1, "nowhere", "--teacher", "nowhere");
    REFUSED(2, "give --teacher MODEL with them", "--kd", "1");
    REFUSED(2, "leaves nothing to learn from", "--teacher", few, "--kd", "0", "--ce", "0");
    EXPECT_NOTHING_LEFT(place, 2, "--recover FILE is missing", "prune", place->model, "-o", place->output, "--ratio",
                        "0.5", "--teacher", "dense", "--quiet");
    tiny_remove(few);
    tiny_remove(vocabulary);
    free(few);
    free(vocabulary);
    free(rows);
}

/* The teacher is asked once: the second run reads what the first has kept, and a run of other data refuses it. */
static void a_cache_is_shared_by_runs(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *smaller = prune(place), *healed = pare_path_join(place->folder, "healed");
    char *cache = pare_path_join(place->folder, "cache");
#define CACHED(...)                                                                                                    \
    "recover", smaller, "--data", rows, "--teacher", place->model, "--teacher-cache", cache, "--steps", "4",           \
        "--batch", "8", "--rate", "3e-3", "--threads", "1", "--quiet", __VA_ARGS__
    program_result result = EXPECT_SUCCESS(CACHED("-o", place->output, "--json"));
    json_t *json = json_loads(result.out, 0, NULL);
    assert_true(at(json, "teacher.best.kl") < at(json, "teacher.before.kl"));
    assert_true(json_is_true(json_object_get(json_object_get(json, "settings"), "teacher_sampled")));
    json_decref(json);
    program_result_free(&result);
    assert_true(pare_file_exists(cache));
    result = EXPECT_SUCCESS(CACHED("-o", healed));
    program_result_free(&result);
    workplace_expect_same_file(healed, place->output, "model.safetensors");
    char *list = workplace_list(place->folder);
    EXPECT_FAILURE(2, "was made of other data", CACHED("-o", place->output, "--force", "--limit", "20"));
    EXPECT_FAILURE(2, "was made with another --seed", CACHED("-o", place->output, "--force", "--seed", "3"));
    char *one = pare_path_join(place->folder, "one.txt"); /* too short to be measured on, which comes later */
    tiny_write_text(place->folder, "one.txt", "once");
    EXPECT_FAILURE(2, "was made with another --seed",
                   CACHED("-o", place->output, "--force", "--seed", "3", "--text", one));
    remove(one);
    free(one);
    EXPECT_FAILURE(2, "give --teacher MODEL with it", "recover", smaller, "--data", rows, "-o", place->output,
                   "--teacher-cache", cache);
    workplace_expect_entries(place->folder, list);
    free(list);
    free(rows);
    free(smaller);
    free(healed);
    free(cache);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(the_objective_and_its_parts_are_reported),
        IN_A_WORKPLACE(one_command_is_two),
        IN_A_WORKPLACE(a_cache_is_shared_by_runs),
        IN_A_WORKPLACE(pictures_need_no_labels),
        IN_A_WORKPLACE(who_cannot_teach_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
