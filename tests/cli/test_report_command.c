/* Pages that a run should leave and does not, that cost a finished model, that replace what is read, that come back
 * different from the JSON of the run; and what is no report. */
#include "cli/workplace.h"
#include "report/markup.h"

#include <sys/stat.h>

#define PRUNE(place) "prune", place->model, "-o", place->output, "--method", "taylor", "--ratio", "0.5"

static char *read_text(const char *folder, const char *name) {
    size_t bytes;
    char *path = folder ? pare_path_join(folder, name) : strdup(name);
    char *text = (char *)workplace_read(path, &bytes);
    free(path);
    return text;
}

static bool is_there(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    bool there = pare_file_exists(path);
    free(path);
    return there;
}

/* A page in its place, whole. */
static void expect_page(const char *folder, const char *name, const char *words) {
    char *html = read_text(folder, name);
    assert_true(markup_check(html) > 20);
    if (!strstr(html, words)) fail_msg("%s lacks \"%s\"", name, words);
    free(html);
}

static void a_pruning_leaves_its_page(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    program_result run = EXPECT_SUCCESS(PRUNE(place), "--calib", place->text, "--json", QUICKLY);
    expect_page(place->output, "report.html", "Scores of FFN channels");
    expect_page(place->output, "report.html", "<pre>pare prune ");
    json_t *json = json_loads(run.out, 0, NULL);
    const json_t *output = json_object_get(json, "output"), *files = json_object_get(output, "files");
    uint64_t bytes = 0;
    bool named = false;
    for (size_t i = 0; i < json_array_size(files); i++) {
        const char *name = json_string_value(json_array_get(files, i));
        char *path = pare_path_join(place->output, name);
        struct stat file;
        assert_int_equal(stat(path, &file), 0);
        bytes += (uint64_t)file.st_size;
        named |= strcmp(name, "report.html") == 0;
        if (i) assert_true(strcmp(json_string_value(json_array_get(files, i - 1)), name) < 0);
        free(path);
    }
    assert_true(named);
    assert_int_equal(json_integer_value(json_object_get(output, "bytes")), bytes);
    assert_non_null(strstr(json_string_value(json_object_get(json, "command")), "--ratio 0.5"));
    json_decref(json);
    program_result_free(&run);
}

/* The page of a model that is pruned again is that of the second run. */
static void pages_are_not_carried_along(void **state) {
    const workplace *place = *state;
    char *second = pare_path_join(place->folder, "second");
    program_result first =
        EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--method", "random", "--ratio", "0.25", "--quiet");
    program_result again = EXPECT_SUCCESS("prune", place->output, "-o", second, "--method", "random", "--ratio", "0.3",
                                          "--no-report", "--quiet");
    assert_true(is_there(place->output, "report.html"));
    assert_false(is_there(second, "report.html"));
    program_result_free(&first);
    program_result_free(&again);
    free(second);
}

static void pages_go_elsewhere(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "there.html"), *figures = pare_path_join(place->folder, "figures");
    program_result run = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--method", "random", "--ratio",
                                        "0.25", "--report", file, "--figures", figures, "--quiet");
    expect_page(NULL, file, "Widths");
    assert_false(is_there(place->output, "report.html"));
    workplace_expect_entries(figures, ".\n..\nmemory.svg\nscores-ffn.svg\nscores-heads.svg\ntime.svg\nwidths-ffn.svg\n"
                                      "widths-heads.svg\nwidths-kv-heads.svg\n");
    expect_page(figures, "widths-ffn.svg", "prefers-color-scheme");
    program_result_free(&run);
    run = EXPECT_SUCCESS("prune", place->model, "--dry-run", "--method", "random", "--ratio", "0.25", "--report", file,
                         "--quiet");
    expect_page(NULL, file, "Widths");
    program_result_free(&run);
    free(file);
    free(figures);
}

/* A picture whose place is taken by a folder: the model is there all the same, and the note says what is not. */
static void a_failing_page_costs_no_model(void **state) {
    const workplace *place = *state;
    char *figures = pare_path_join(place->folder, "figures"), *taken = pare_path_join(figures, "time.svg");
    assert_int_equal(mkdir(figures, 0755), 0);
    assert_int_equal(mkdir(taken, 0755), 0);
    program_result run = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--method", "random", "--ratio",
                                        "0.25", "--figures", figures, "--json", "--quiet");
    if (!strstr(run.err, "the page of the report was left out: cannot write ")) fail_msg("%s", run.err);
    assert_true(is_there(place->output, "model.safetensors"));
    assert_false(is_there(place->output, "report.html"));
    assert_null(strstr(run.out, "report.html"));
    workplace_expect_entries(figures, ".\n..\ntime.svg\n");
    program_result_free(&run);
    free(figures);
    free(taken);
}

/* Made again from what the run printed, the page says the same; only the list of files has the page itself. */
static void json_makes_the_page_again(void **state) {
    const workplace *place = *state;
    char *json = pare_path_join(place->folder, "run.json"), *page = pare_path_join(place->folder, "again.html");
    char *manifest = pare_path_join(place->output, "pruning.json");
    program_result run = EXPECT_SUCCESS("prune", place->model, "-o", place->output, "--method", "random", "--ratio",
                                        "0.25", "--json", "--quiet");
    tiny_write_text(place->folder, "run.json", run.out);
    program_result_free(&run);
    run = EXPECT_SUCCESS("report", json, "-o", page);
    char *first = read_text(place->output, "report.html"), *second = read_text(NULL, page);
    char *figures[] = {strstr(first, "<h3>Widths"), strstr(second, "<h3>Widths")};
    assert_non_null(figures[0]);
    assert_string_equal(figures[0], figures[1]);
    free(first);
    free(second);
    program_result_free(&run);
    run = EXPECT_SUCCESS("report", manifest, "-o", page);
    expect_page(NULL, page, "The method was <b>random</b>");
    program_result_free(&run);
    run = EXPECT_SUCCESS("report", json, manifest, json, "-o", page);
    expect_page(NULL, page, "3 reports of pare");
    program_result_free(&run);
    free(json);
    free(page);
    free(manifest);
}

static void the_other_commands_make_pages(void **state) {
    const workplace *place = *state;
    char *file = pare_path_join(place->folder, "page.html"), *csv = pare_path_join(place->folder, "rows.csv");
    workplace_write_text(place);
    program_result run = EXPECT_SUCCESS("eval", place->model, place->model, "--text", place->text, "--window", "32",
                                        "--report", file, "--quiet");
    expect_page(NULL, file, "Perplexity of each model");
    program_result_free(&run);
    run = EXPECT_SUCCESS("robust", place->model, "--methods", "taylor", "--ratio", "0.25", "--perturb", "bf16",
                         "--calib", place->text, "--ranks", "--report", file, QUICKLY);
    expect_page(NULL, file, "Ranks of units: taylor, bf16");
    program_result_free(&run);
    run = EXPECT_SUCCESS("sweep", place->model, "--over", "ratio=0.25,0.5", "--method", "random", "--text", place->text,
                         "--window", "32", "--csv", csv, "--quiet");
    expect_page(place->folder, "rows.html", "over ratio");
    program_result_free(&run);
    free(file);
    free(csv);
}

static void odd_names_are_text(void **state) {
    const workplace *place = *state;
    char *model = pare_path_join(place->folder, "<script>alert(1)<>\"&'\xff");
    assert_int_equal(rename(place->model, model), 0);
    program_result run =
        EXPECT_SUCCESS("prune", model, "-o", place->output, "--method", "random", "--ratio", "0.25", "--quiet");
    expect_page(place->output, "report.html", "&#60;script&#62;alert(1)&#60;&#62;&#34;&#38;&#39;?");
    char *html = read_text(place->output, "report.html");
    assert_null(strstr(html, "<script"));
    free(html);
    program_result_free(&run);
    free(model);
}

static void what_makes_no_sense_is_refused(void **state) {
    const workplace *place = *state;
    char *config = pare_path_join(place->model, "config.json"), *page = pare_path_join(place->folder, "p.html"),
         *bad = pare_path_join(place->folder, "bad.json"), *deep = pare_path_join(place->folder, "no/p.html");
    tiny_write_text(place->folder, "bad.json", "{\"a\": ");
    EXPECT_NOTHING_LEFT(place, 1, "bad.json is no JSON (line 1, column 6)", "report", bad, "-o", page);
    EXPECT_NOTHING_LEFT(place, 1, "config.json is JSON, but no report of pare's; give what a command printed", "report",
                        config, "-o", page);
    EXPECT_NOTHING_LEFT(place, 1, "none.json", "report", "none.json", "-o", page);
    EXPECT_NOTHING_LEFT(place, 1, "there is no folder ", "report", config, "-o", deep);
    EXPECT_NOTHING_LEFT(place, 2, "bad.json is the same as the report ", "report", bad, "-o", bad);
    EXPECT_NOTHING_LEFT(place, 2, "there is no FILE.json", "report", "-o", page);
    EXPECT_NOTHING_LEFT(place, 2, "-o OUT.html is missing", "report", bad);
    EXPECT_NOTHING_LEFT(place, 2, "--figures ", "report", bad, "-o", page, "--figures", bad);
    EXPECT_NOTHING_LEFT(place, 2, "--no-report leaves out the page", PRUNE(place), "--no-report", "--report", page);
    EXPECT_NOTHING_LEFT(place, 2, "--report ", PRUNE(place), "--calib", config, "--report", config, "--quiet");
    EXPECT_NOTHING_LEFT(place, 1, "there is no folder ", "prune", place->model, "-o", place->output, "--method",
                        "random", "--ratio", "0.5", "--report", deep, "--quiet");
    EXPECT_NOTHING_LEFT(place, 2, "is the same as --plot p.svg, which this run writes, too;", "sweep", place->model,
                        "--over", "ratio=0.25,0.5", "--text", config, "--plot", "p.svg", "--report", "p.svg");
    EXPECT_NOTHING_LEFT(place, 2, "lies in MODEL", "eval", place->model, "--text", config, "--report", config);
    free(config);
    free(page);
    free(bad);
    free(deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(a_pruning_leaves_its_page), IN_A_WORKPLACE(pages_are_not_carried_along),
        IN_A_WORKPLACE(pages_go_elsewhere),        IN_A_WORKPLACE(a_failing_page_costs_no_model),
        IN_A_WORKPLACE(json_makes_the_page_again), IN_A_WORKPLACE(the_other_commands_make_pages),
        IN_A_WORKPLACE(odd_names_are_text),        IN_A_WORKPLACE(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
