/* Several files to train on, and calibration text beside them, as a person names them. */
#include "cli/training_rows.h"

#define QUICK "--steps", "6", "--batch", "8", "--rate", "3e-3", "--threads", "1", "--quiet"
#define RECOVER(...) EXPECT_SUCCESS("recover", place->model, "-o", place->output, "--force", QUICK, __VA_ARGS__)

static char *write_texts(const workplace *place, const char *name, int count) {
    char *path = pare_path_join(place->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < count; i++)
        fprintf(file, "{\"text\": \"one day a dog saw %d birds in the park and wanted to play with them.\"}\n", i);
    fclose(file);
    return path;
}

static json_t *mixture_of(const json_t *report) {
    json_t *mixture = json_object_get(json_object_get(report, "data"), "mixture");
    assert_non_null(mixture);
    return mixture;
}

static void expect_part(const json_t *report, size_t index, const char *end, double share, int examples) {
    const json_t *part = json_array_get(mixture_of(report), index);
    const char *file = json_string_value(json_object_get(part, "file"));
    assert_true(file && strlen(file) >= strlen(end) && strcmp(file + strlen(file) - strlen(end), end) == 0);
    assert_true(fabs(at(part, "share") - share) < 1e-12);
    assert_int_equal((int)at(part, "examples"), examples);
}

/* A number behind the last colon is a weight, unless a file has the whole name. */
static void weights_follow_colons(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *other = write_texts(place, "other.jsonl", 12);
    char *odd = write_texts(place, "odd:7", 5), *weighed = pare_format("%s:3", rows),
         *half = pare_format("%s:0.5", odd);
    program_result result = RECOVER("--data", weighed, "--data", other, "--data", half, "--data", odd, "--json");
    json_t *report = json_loads(result.out, 0, NULL);
    assert_int_equal(json_array_size(mixture_of(report)), 4);
    expect_part(report, 0, "rows.json", 3 / 5.5, ROWS);
    expect_part(report, 1, "other.jsonl", 1 / 5.5, 12);
    expect_part(report, 2, "odd:7", 0.5 / 5.5, 5);
    expect_part(report, 3, "odd:7", 1 / 5.5, 5);
    assert_int_equal((int)at(report, "data.examples"), ROWS + 12 + 5 + 5);
    json_decref(report);
    program_result_free(&result);
    result = RECOVER("--data", odd, "--json");
    report = json_loads(result.out, 0, NULL);
    assert_null(json_object_get(json_object_get(report, "data"), "mixture"));
    json_decref(report);
    program_result_free(&result);
    free(rows);
    free(other);
    free(odd);
    free(weighed);
    free(half);
}

static void calibration_text_has_a_share(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *text = write_texts(place, "text.jsonl", 30);
    program_result result = RECOVER("--data", rows, "--calib", text, "--json");
    json_t *report = json_loads(result.out, 0, NULL);
    expect_part(report, 0, "rows.json", 0.75, ROWS);
    expect_part(report, 1, "text.jsonl", 0.25, 12); /* as many rows as six steps of eight have places for */
    assert_true(json_is_true(json_object_get(json_array_get(mixture_of(report), 1), "calibration")));
    json_decref(report);
    program_result_free(&result);
    result = RECOVER("--data", rows, "--calib", text, "--calib-share", "0.5");
    assert_non_null(strstr(result.out, "50 % of a batch: "));
    program_result_free(&result);
    /* Without a share it is as if no text had been named. */
    char *plain = pare_path_join(place->folder, "plain");
    result = RECOVER("--data", rows, "--calib", text, "--calib-share", "0");
    program_result_free(&result);
    result = EXPECT_SUCCESS("recover", place->model, "-o", plain, "--data", rows, QUICK);
    program_result_free(&result);
    workplace_expect_same_file(place->output, plain, "model.safetensors");
    free(plain);
    free(rows);
    free(text);
}

/* One command, and two with the same files: the same bytes; and what the calibration text is worth is a choice. */
static void pruning_shares_its_calibration_text(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *text = write_texts(place, "text.jsonl", 30);
    char *smaller = pare_path_join(place->folder, "smaller"), *healed = pare_path_join(place->folder, "healed");
#define PRUNE(...)                                                                                                     \
    EXPECT_SUCCESS("prune", place->model, "--force", "--ratio", "0.5", "--method", "taylor", "--calib", text,          \
                   "--samples", "4", "--length", "16", "--threads", "1", "--quiet", __VA_ARGS__)
#define BEHIND                                                                                                         \
    "-o", place->output, "--recover", rows, "--recover-steps", "6", "--recover-batch", "8", "--recover-rate", "3e-3"
    program_result result = PRUNE("-o", smaller);
    program_result_free(&result);
    result = PRUNE(BEHIND, "--json");
    json_t *report = json_loads(result.out, 0, NULL);
    expect_part(json_object_get(report, "recovery"), 1, "text.jsonl", 0.25, 12);
    json_decref(report);
    program_result_free(&result);
    result = EXPECT_SUCCESS("recover", smaller, "-o", healed, "--data", rows, "--calib", text, QUICK);
    program_result_free(&result);
    workplace_expect_same_file(place->output, healed, "model.safetensors");
    result = PRUNE(BEHIND, "--calib-share", "0", "--json");
    report = json_loads(result.out, 0, NULL);
    assert_null(json_object_get(json_object_get(json_object_get(report, "recovery"), "data"), "mixture"));
    json_decref(report);
    program_result_free(&result);
    free(rows);
    free(text);
    free(smaller);
    free(healed);
}

/* A method that reads no text has none ignored where the recovery has a share of it; and the plan tells the share. */
static void the_plan_tells_the_share(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *text = write_texts(place, "text.jsonl", 30);
    static const char *const ways[][4] = {{"--ratio", "0.5", "--method", "magnitude-l2"}, {"--drop-layers", "1"}};
    for (int way = 0; way < 2; way++)
        for (int none = 0; none < 2; none++) {
            program_result result =
                EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--force", "--calib", text, "--threads", "1",
                               "--recover", rows, "--recover-steps", "1", "--recover-batch", "4", "--calib-share",
                               none ? "0" : "0.5", ways[way][0], ways[way][1], ways[way][2], ways[way][3]);
            assert_int_equal(!none, strstr(result.err, "text.jsonl, 50 % of every batch") != NULL);
            assert_int_equal(none, strstr(result.err, "--calib has no meaning") != NULL);
            program_result_free(&result);
        }
    free(rows);
    free(text);
}

/* What the teacher says of all files is kept, and not taken for what it says of others. */
static void a_cache_is_of_all_files(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *text = write_texts(place, "text.jsonl", 30), *smaller, *cache;
    smaller = pare_path_join(place->folder, "smaller");
    cache = pare_path_join(place->folder, "cache");
    program_result result =
        EXPECT_SUCCESS("prune", place->model, "-o", smaller, "--ratio", "0.5", "--method", "magnitude-l2", "--quiet");
    program_result_free(&result);
#define TAUGHT                                                                                                         \
    "recover", smaller, "-o", place->output, "--force", QUICK, "--data", rows, "--teacher", place->model,              \
        "--teacher-cache", cache
    for (int i = 0; i < 2; i++) {
        result = EXPECT_SUCCESS(TAUGHT, "--calib", text, "--pack");
        program_result_free(&result);
    }
    EXPECT_FAILURE(2, "was made of other data", TAUGHT, "--pack");
    free(rows);
    free(text);
    free(smaller);
    free(cache);
}

static void refused(void **state) {
    workplace *place = *state;
    char *rows = write_rows(place), *bad = pare_format("%s:-1", rows), *none = pare_format("%s:x", rows);
    static const char vision[] = PARE_SOURCE_DIR "/examples/vit-digits";
#define REFUSED(code, part, ...)                                                                                       \
    EXPECT_NOTHING_LEFT(place, code, part, "recover", place->model, "-o", place->output, "--quiet", __VA_ARGS__)
    REFUSED(2, "give a weight from", "--data", rows, "--data", bad);
    REFUSED(1, "rows.json:x", "--data", none);
    REFUSED(1, "nowhere", "--data", rows, "--data", "nowhere:2");
    REFUSED(2, "give --calib FILE with it", "--data", rows, "--calib-share", "0.5");
    REFUSED(2, "must be", "--data", rows, "--calib", rows, "--calib-share", "1");
    EXPECT_NOTHING_LEFT(place, 2, "mixtures are of texts", "recover", vision, "-o", place->output, "--quiet", "--data",
                        PARE_SOURCE_DIR "/examples/vit-digits/pictures", "--data",
                        PARE_SOURCE_DIR "/examples/vit-digits/pictures:2");
    EXPECT_NOTHING_LEFT(place, 2, "leave it out", "recover", vision, "-o", place->output, "--quiet", "--data",
                        PARE_SOURCE_DIR "/examples/vit-digits/pictures", "--calib", rows);
    EXPECT_NOTHING_LEFT(place, 2, "--recover FILE is missing", "prune", place->model, "-o", place->output, "--ratio",
                        "0.2", "--calib-share", "0.5", "--quiet");
    REFUSED(2, "or ./self", "--data", "self");
    REFUSED(2, "or ./self", "--data", rows, "--calib", "self");
    EXPECT_NOTHING_LEFT(place, 2, "or ./self", "prune", place->model, "-o", place->output, "--ratio", "0.2",
                        "--recover", "self", "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "loraprune trains on --calib while it prunes", "prune", place->model, "-o",
                        place->output, "--ratio", "0.2", "--method", "loraprune", "--calib", rows, "--recover", rows,
                        "--calib-share", "0.5", "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "give --calib FILE with it", "prune", place->model, "-o", place->output, "--ratio",
                        "0.2", "--recover", rows, "--calib-share", "0.5", "--quiet");
    free(rows);
    free(bad);
    free(none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(weights_follow_colons),
        IN_A_WORKPLACE(calibration_text_has_a_share),
        IN_A_WORKPLACE(pruning_shares_its_calibration_text),
        IN_A_WORKPLACE(the_plan_tells_the_share),
        IN_A_WORKPLACE(a_cache_is_of_all_files),
        IN_A_WORKPLACE(refused),
    };
    return cmocka_run_group_tests_name("mixtures", tests, NULL, NULL);
}
