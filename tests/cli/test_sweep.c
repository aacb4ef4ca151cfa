/* pare sweep: its rows are those of single runs, its files go on where they stopped, and what is wrong is refused
 * before any work. */
#include "cli/workplace.h"

#include <sys/file.h>

#define ON(place) "--calib", (place)->text, "--text", (place)->text, "--max-windows", "3", "--window", "32", QUICKLY

static json_t *parse(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    return json;
}

static json_t *rows_of(const json_t *document) {
    json_t *rows = json_object_get(document, "rows");
    assert_true(json_is_array(rows));
    return rows;
}

/* Each row against pare prune --dry-run with the same options: shared work changes nothing. */
static void rows_are_single_runs(void **state) {
    const workplace *place = *state;
    static const char *const methods[] = {"moreau-gs", "best"}, *const ratios[] = {"0.25", "0.5"};
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("sweep", place->model, "--over", "method=moreau-gs,best", "--over",
                                           "ratio=0.25:0.5:0.25", "--json", ON(place));
    json_t *document = parse(result.out), *rows = rows_of(document);
    assert_int_equal(json_array_size(rows), 4);
    for (size_t i = 0; i < 4; i++) {
        program_result single = EXPECT_SUCCESS("prune", place->model, "--dry-run", "--method", methods[i / 2],
                                               "--ratio", ratios[i % 2], "--json", ON(place));
        json_t *report = parse(single.out), *row = json_array_get(rows, i);
        const json_t *text = json_array_get(json_object_get(report, "texts"), 0);
        char *after = pare_format("perplexity after %s", place->text);
        assert_string_equal(json_string_value(json_object_get(row, "method")), methods[i / 2]);
        assert_true(json_equal(json_object_get(row, "kept_sha256"), json_object_get(report, "kept_sha256")));
        assert_true(
            json_equal(json_object_get(row, after), json_object_get(json_object_get(text, "after"), "perplexity")));
        assert_true(json_is_real(json_object_get(row, "calibration_loss")));
        free(after);
        json_decref(report);
        program_result_free(&single);
    }
    json_decref(document);
    program_result_free(&result);
}

typedef struct files {
    char *csv, *json;
} files;

static files files_of(const workplace *place) {
    return (files){pare_path_join(place->folder, "rows.csv"), pare_path_join(place->folder, "rows.json")};
}

static void files_free(files *f) {
    free(f->csv);
    free(f->json);
}

static char *read_text(const char *path) {
    size_t bytes;
    return (char *)workplace_read(path, &bytes);
}

static size_t lines_of(const char *text) {
    size_t lines = 0;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

static program_result sweep_ratios(const workplace *place, const files *f, const char *over) {
    return EXPECT_SUCCESS("sweep", place->model, "--method", "taylor", "--over", over, "--csv", f->csv, "--json-file",
                          f->json, ON(place));
}

static void files_go_on(void **state) {
    const workplace *place = *state;
    files f = files_of(place);
    workplace_write_text(place);
    program_result result = sweep_ratios(place, &f, "ratio=0.25,0.5");
    char *csv = read_text(f.csv), *json = read_text(f.json);
    assert_int_equal(lines_of(csv), 4);
    assert_true(strncmp(csv, "# pare sweep {", 14) == 0);
    program_result_free(&result);
    /* Nothing is run again: not even the seconds differ. */
    result = sweep_ratios(place, &f, "ratio=0.25,0.5");
    char *again = read_text(f.csv);
    assert_string_equal(again, csv);
    program_result_free(&result);
    free(again);
    /* A line that was cut off is made anew; a row that one file alone has goes to the other. */
    assert_int_equal(truncate(f.csv, (off_t)strlen(csv) - 20), 0);
    result = sweep_ratios(place, &f, "ratio=0.25,0.5");
    again = read_text(f.csv);
    assert_int_equal(lines_of(again), 4);
    assert_string_equal(again, csv);
    program_result_free(&result);
    free(again);
    assert_int_equal(unlink(f.json), 0);
    result = sweep_ratios(place, &f, "ratio=0.25:0.75:0.25");
    json_t *document = parse(again = read_text(f.json));
    assert_int_equal(json_array_size(rows_of(document)), 3);
    free(again);
    again = read_text(f.csv);
    assert_true(strncmp(again, csv, strlen(csv)) == 0);
    assert_int_equal(lines_of(again), 5);
    program_result_free(&result);
    json_decref(document);
    free(again);
    free(csv);
    free(json);
    files_free(&f);
}

static void foreign_files_are_left_alone(void **state) {
    const workplace *place = *state;
    files f = files_of(place);
    workplace_write_text(place);
    program_result result = sweep_ratios(place, &f, "ratio=0.25");
    program_result_free(&result);
    char *csv = read_text(f.csv), *json = read_text(f.json);
    EXPECT_NOTHING_LEFT(place, 1, "another sweep", "sweep", place->model, "--method", "magnitude-l1", "--over",
                        "ratio=0.5", "--csv", f.csv, ON(place));
    EXPECT_NOTHING_LEFT(place, 1, "another sweep", "sweep", place->model, "--method", "magnitude-l1", "--over",
                        "ratio=0.5", "--json-file", f.json, ON(place));
    EXPECT_NOTHING_LEFT(place, 2, "is the same as --calib", "sweep", place->model, "--over", "ratio=0.5", "--csv",
                        place->text, ON(place));
    char *csv_now = read_text(f.csv), *json_now = read_text(f.json);
    assert_string_equal(csv_now, csv);
    assert_string_equal(json_now, json);
    free(csv_now);
    free(json_now);
    free(csv);
    free(json);
    files_free(&f);
}

/* Layers by windows, by lists, and values that hold commas. */
static void layers_and_lists(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("sweep", place->model, "--ratio", "0.5", "--over", "layers=0:3:1",
                                           "--method", "taylor", "--json", ON(place));
    json_t *document = parse(result.out), *rows = rows_of(document);
    static const char *const expected[] = {"0:1", "1:2", "2:3"};
    assert_int_equal(json_array_size(rows), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(rows, i), "layers")), expected[i]);
    json_decref(document);
    program_result_free(&result);
    result =
        EXPECT_SUCCESS("sweep", place->model, "--ratio", "0.5", "--over=layers=0:1,0:2", "--over",
                       "calib-stream=no,yes", "--over", "eta=0,q0.3", "--method", "moreau-gs", "--json", ON(place));
    document = parse(result.out);
    assert_int_equal(json_array_size(rows_of(document)), 8);
    json_decref(document);
    program_result_free(&result);
}

static void what_is_wrong(void **state) {
    const workplace *place = *state;
    char *csv = pare_path_join(place->folder, "rows.csv");
    workplace_write_text(place);
    EXPECT_NOTHING_LEFT(place, 2, "--over is missing", "sweep", place->model, "--ratio", "0.5", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "NAME=VALUES", "sweep", place->model, "--over", "ratio", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "did you mean --ratio", "sweep", place->model, "--over", "ratoi=0.1", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "--force", "sweep", place->model, "--over", "force=yes", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "not '2'", "sweep", place->model, "--over", "ratio=0.1,2", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "must not be empty", "sweep", place->model, "--over", "ratio=0.1,", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "A:B:STEP", "sweep", place->model, "--over", "ratio=0.1:0.5:0", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "A:B:STEP", "sweep", place->model, "--over", "ratio=0.5:0.1:0.1", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "A:B:STEP", "sweep", place->model, "--over", "layers=0:3:0", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "A:B:STEP", "sweep", place->model, "--over",
                        "layers=9007199254740992:9007199254740996:1", "--csv", csv); /* x + 1 == x */
    EXPECT_NOTHING_LEFT(place, 2, "leave one", "sweep", place->model, "--ratio", "0.1", "--over", "ratio=0.2");
    EXPECT_NOTHING_LEFT(place, 2, "twice", "sweep", place->model, "--over", "ratio=0.2", "--over", "ratio=0.3");
    EXPECT_NOTHING_LEFT(place, 2, "twice", "sweep", place->model, "--over", "ratio=0.2,0.2");
    EXPECT_NOTHING_LEFT(place, 2, "layers=7:99", "sweep", place->model, "--ratio", "0.5", "--over", "layers=0:1,7:99",
                        "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "--gamma", "sweep", place->model, "--ratio", "0.5", "--method", "moreau", "--over",
                        "gamma=1e-3,9", "--csv", csv);
    EXPECT_NOTHING_LEFT(place, 2, "moreau", "sweep", place->model, "--ratio", "0.5", "--over", "method=moreu");
    free(csv);
}

/* A JSON file takes the place of what was there; /dev/full takes no rows, and would be read without end. */
static void files_that_cannot_hold_rows(void **state) {
    const workplace *place = *state;
    char *csv = pare_path_join(place->folder, "rows.csv"), *again = pare_path_join(place->folder, "./rows.csv");
    workplace_write_text(place);
    EXPECT_NOTHING_LEFT(place, 1, "not a regular file", "sweep", place->model, "--method", "magnitude-l1", "--over",
                        "ratio=0.5", "--json-file", "/dev/full");
    EXPECT_NOTHING_LEFT(place, 1, "No space left", "sweep", place->model, "--method", "magnitude-l1", "--over",
                        "ratio=0.5", "--quiet", "--csv", "/dev/full");
    EXPECT_NOTHING_LEFT(place, 2, "is the same as", "sweep", place->model, "--method", "magnitude-l1", "--over",
                        "ratio=0.5", "--csv", csv, "--json-file", again);
    free(csv);
    free(again);
}

/* Rows that were there when the signal came stay readable, and the same command goes on. */
static void interrupted(void **state) {
    const workplace *place = *state;
    files f = files_of(place);
    workplace_write_text(place);
    const char *const words[] = {"sweep",   place->model, "--over",      "seed=0:60:1", "--ratio",   "0.5",
                                 "--csv",   f.csv,        "--json-file", f.json,        "--method",  "moreau-gs",
                                 "--calib", place->text,  "--length",    "32",          "--samples", "2",
                                 "--steps", "3",          "--quiet",     NULL};
    FILE *err = tmpfile();
    assert_non_null(err);
    pid_t child = program_start(words, -1, fileno(err), NULL);
    for (int i = 0; i < 1000 && !pare_file_exists(f.json); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    kill(child, SIGINT);
    assert_int_equal(program_wait(child, 20), 1);
    char *said = program_captured(err);
    assert_true(program_is_sentence(said) && strstr(said, "kept in ") && strstr(said, f.csv));
    free(said);
    char *csv = read_text(f.csv), *json = read_text(f.json);
    json_t *document = parse(json);
    size_t rows = json_array_size(rows_of(document));
    assert_true(rows >= 1 && rows < 61);
    assert_true(lines_of(csv) >= rows + 2);
    assert_true(csv[strlen(csv) - 1] == '\n');
    char *left = workplace_list(place->folder);
    assert_null(strstr(left, "pare-"));
    free(left);
    json_decref(document);
    free(csv);
    free(json);
    files_free(&f);
}

/* A file whose name is no text keeps its columns and what they hold; bytes that cannot be shown are '?'. */
static void names_that_are_no_text(void **state) {
    const workplace *place = *state;
    char *odd = pare_path_join(place->folder, "caf\xe9.txt"), *csv = pare_path_join(place->folder, "rows.csv");
    char *column = pare_format("perplexity after %s/caf?.txt", place->folder);
    workplace_write_text(place);
    assert_int_equal(rename(place->text, odd), 0);
    for (int again = 0; again < 2; again++) {
        program_result result =
            EXPECT_SUCCESS("sweep", place->model, "--over", "ratio=0.25", "--method", "magnitude-l1", "--text", odd,
                           "--window", "32", "--max-windows", "3", "--csv", csv, "--json", "--quiet");
        json_t *document = parse(result.out);
        assert_true(json_is_real(json_object_get(json_array_get(rows_of(document), 0), column)));
        assert_non_null(json_object_get(json_object_get(document, "sweep"), "model"));
        json_decref(document);
        program_result_free(&result);
    }
    free(odd);
    free(csv);
    free(column);
}

/* A sweep that another process is writing the file of is refused before it has written anything, and goes on once that
 * has ended. */
static void two_at_once(void **state) {
    const workplace *place = *state;
    files f = {pare_path_join(place->folder, "rows.csv"), pare_path_join(place->folder, "rows.json")};
    const char *const options[] = {"--csv", "--json-file"}, *const paths[] = {f.csv, f.json};
    char *lock = pare_format("%s.lock", f.json);
    const char *const locked[] = {f.csv, lock};
    workplace_write_text(place);
    for (int i = 0; i < 2; i++) {
        int held = open(locked[i], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        assert_true(held >= 0 && flock(held, LOCK_EX | LOCK_NB) == 0);
        EXPECT_FAILURE(2, "another pare sweep is writing", "sweep", place->model, "--over", "ratio=0.25", options[i],
                       paths[i], ON(place));
        struct stat found;
        assert_true(fstat(held, &found) == 0 && found.st_size == 0);
        assert_false(pare_file_exists(f.json));
        close(held);
        program_result result =
            EXPECT_SUCCESS("sweep", place->model, "--over", "ratio=0.25", options[i], paths[i], ON(place));
        program_result_free(&result);
        assert_true(stat(paths[i], &found) == 0 && found.st_size > 0);
    }
    /* one that fails before its first row leaves no empty file */
    assert_true(unlink(f.csv) == 0 && unlink(f.json) == 0);
    EXPECT_FAILURE(1, NULL, "sweep", place->model, "--over", "ratio=0.25", "--csv", f.csv, "--json-file", place->folder,
                   ON(place));
    assert_false(pare_file_exists(f.csv) || pare_file_exists(lock));
    free(lock);
    free(f.csv);
    free(f.json);
}

/* A picture and a table of means, of rows that a file holds already, too; nothing where it cannot be written. */
static void sweeps_are_drawn(void **state) {
    const workplace *place = *state;
    files f = files_of(place);
    char *svg = pare_path_join(place->folder, "sweep.svg"), *far = pare_path_join(place->folder, "no/sweep.svg");
    workplace_write_text(place);
    EXPECT_NOTHING_LEFT(place, 2, "ends in .svg", "sweep", place->model, "--over", "ratio=0.2,0.3", "--plot", f.csv,
                        ON(place));
    EXPECT_NOTHING_LEFT(place, 2, "give --text FILE", "sweep", place->model, "--over", "ratio=0.2,0.3", "--plot", svg);
    EXPECT_NOTHING_LEFT(place, 1, "there is no folder", "sweep", place->model, "--over", "ratio=0.2,0.3", "--plot", far,
                        ON(place));
    for (int again = 0; again < 2; again++) {
        program_result result =
            EXPECT_SUCCESS("sweep", place->model, "--method", "magnitude-l2", "--over", "ratio=0.2,0.3", "--over",
                           "seed=0,1", "--plot", svg, "--markdown", "--csv", f.csv, ON(place));
        assert_non_null(strstr(result.out, "| ratio | runs | perplexity, "));
        assert_non_null(strstr(result.out, "| 0.3 | 2 | "));
        program_result_free(&result);
        size_t bytes;
        char *text = (char *)workplace_read(svg, &bytes);
        assert_non_null(strstr(text, "Perplexity on text.txt"));
        assert_non_null(strstr(text, ">dense<"));
        free(text);
        unlink(svg);
    }
    free(svg);
    free(far);
    files_free(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(sweeps_are_drawn),
        IN_A_WORKPLACE(rows_are_single_runs),
        IN_A_WORKPLACE(files_go_on),
        IN_A_WORKPLACE(foreign_files_are_left_alone),
        IN_A_WORKPLACE(layers_and_lists),
        IN_A_WORKPLACE(what_is_wrong),
        IN_A_WORKPLACE(files_that_cannot_hold_rows),
        IN_A_WORKPLACE(interrupted),
        IN_A_WORKPLACE(two_at_once),
        IN_A_WORKPLACE(names_that_are_no_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
