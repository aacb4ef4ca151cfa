/* An output that takes an input's place, by any command and any option that writes: refused before any work, and every
 * file stays what it was. */
#include "cli/workplace.h"

#include "support/digest.h"

/* Everything that a run may read; curve.csv is a link to rows. */
typedef struct inputs {
    char *rows, *recipe, *scores, *curve, *item, *tasks, *inner, *adapter, *hub;
} inputs;

static void write_rows(const char *folder) {
    static const char row[] = "{\"instruction\": \"tell\", \"input\": \"\", \"output\": \"one day, a dog ran.\"}\n";
    char *text = pare_format("%s%s%s%s%s%s%s%s", row, row, row, row, row, row, row, row);
    tiny_write_text(folder, "rows.jsonl", text);
    char *link = pare_path_join(folder, "curve.csv");
    assert_int_equal(symlink("rows.jsonl", link), 0);
    free(link);
    free(text);
}

static inputs write_inputs(const workplace *place) {
    inputs in = {.recipe = pare_path_join(place->folder, "recipe.json"),
                 .scores = pare_path_join(place->folder, "scores.json"),
                 .rows = pare_path_join(place->folder, "rows.jsonl"),
                 .curve = pare_path_join(place->folder, "curve"),
                 .tasks = pare_path_join(place->folder, "tasks"),
                 .adapter = pare_path_join(place->folder, "adapter"),
                 .hub = pare_path_join(place->folder, "blob")};
    in.item = pare_path_join(in.tasks, "winogrande.jsonl");
    in.inner = pare_path_join(place->model, "new");
    workplace_write_text(place);
    write_rows(place->folder);
    tiny_write_text(place->folder, "recipe.json", "{\"base\": \"taylor\"}");
    assert_int_equal(mkdir(in.tasks, 0755), 0);
    tiny_write_text(in.tasks, "winogrande.jsonl",
                    "{\"sentence\":\"tom saw a cat and _ ran.\",\"option1\":\"tom\",\"option2\":\"the cat\","
                    "\"answer\":\"2\"}\n");
    assert_int_equal(rename(place->weights, in.hub), 0);
    assert_int_equal(symlink(in.hub, place->weights), 0);
    program_result made = EXPECT_SUCCESS("recover", place->model, "-o", in.adapter, "--data", in.rows, "--adapter",
                                         "--steps", "1", "--batch", "2", "--val", "2", "--quiet");
    program_result_free(&made);
    return in;
}

static void inputs_free(inputs *in) {
    char *all[] = {in->rows, in->recipe, in->scores, in->curve, in->item, in->tasks, in->inner, in->adapter, in->hub};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void digest_all(const workplace *place, const inputs *in, char digests[6][PARE_DIGEST_TEXT]) {
    const char *files[] = {place->text, in->rows, in->recipe, in->item, in->hub};
    for (int i = 0; i < 5; i++) {
        size_t bytes;
        unsigned char *data = workplace_read(files[i], &bytes);
        pare_digest *digest;
        assert_int_equal(pare_digest_new(&digest), PARE_OK);
        pare_digest_add(digest, data, bytes);
        pare_digest_finish(digest, digests[i]);
        free(data);
    }
}

#define APART(...) EXPECT_NOTHING_LEFT(place, 2, "give another place", __VA_ARGS__, "--quiet")
#define UNITS "--method", "taylor", "--ratio", "0.25", "--calib", place->text, "--samples", "2", "--length", "32"

static void prune(const workplace *place, const inputs *in) {
    APART("prune", place->model, "-o", place->output, UNITS, "--scores", place->text);
    APART("prune", place->model, "--dry-run", UNITS, "--scores", place->text);
    APART("prune", place->model, "--dry-run", UNITS, "--scores", in->hub);
    APART("prune", place->model, "--dry-run", UNITS, "--scores", in->inner);
    APART("prune", place->model, "--dry-run", "--recipe", in->recipe, "--ratio", "0.25", "--scores", in->recipe);
    APART("prune", place->model, "-o", place->output, "--text", in->rows, UNITS, "--scores", in->rows);
    APART("prune", place->model, "-o", place->output, UNITS, "--scores", in->rows, "--recover", in->rows);
    APART("prune", place->model, "-o", place->output, "--sparsity", "0.5", "--calib", place->text, "--densities",
          place->text);
    APART("prune", place->model, "-o", place->output, UNITS, "--scratch", place->model);
    APART("prune", place->model, "-o", place->folder, UNITS, "--force");
}

static void recover(const workplace *place, const inputs *in) {
    APART("recover", place->model, "-o", place->output, "--data", in->rows, "--curve", in->curve);
    APART("recover", place->model, "-o", in->inner, "--data", in->rows);
    APART("merge", place->model, "-o", in->adapter, "--adapter", in->adapter, "--force");
}

static void evaluate(const workplace *place, const inputs *in) {
    APART("eval", place->model, "--tasks", "winogrande", "--data", in->tasks, "--save-items", in->item);
    APART("eval", place->model, "--tasks", "winogrande", "--data", in->item, "--save-items", in->inner);
    APART("eval", place->model, "--tasks", "winogrande", "--data", in->item, "--text", place->text, "--save-items",
          place->text);
    APART("sweep", place->model, "--over", "seed=0,1", UNITS, "--csv", place->text);
    APART("sweep", place->model, "--over", "seed=0,1", UNITS, "--json-file", place->text);
    APART("sweep", place->model, "--over", "seed=0,1", UNITS, "--csv", in->inner);
}

/* OUT.progress is written, and goes at the end. */
static void progress(const workplace *place, const inputs *in) {
    char *folder = pare_path_join(place->folder, "out.progress"), *text = pare_path_join(folder, "text.txt");
    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(link(place->text, text), 0);
    APART("prune", place->model, "-o", place->output, "--resume", "--method", "taylor", "--ratio", "0.25", "--calib",
          text);
    APART("recover", place->model, "-o", place->output, "--resume", "--data", text);
    APART("prune", place->model, "-o", place->output, "--resume", UNITS, "--scores", text);
    (void)in;
    free(folder);
    free(text);
}

static void inputs_stay(void **state) {
    const workplace *place = *state;
    inputs in = write_inputs(place);
    char before[6][PARE_DIGEST_TEXT], after[6][PARE_DIGEST_TEXT];
    digest_all(place, &in, before);
    prune(place, &in);
    recover(place, &in);
    evaluate(place, &in);
    progress(place, &in);
    digest_all(place, &in, after);
    for (int i = 0; i < 5; i++)
        assert_string_equal(before[i], after[i]);
    inputs_free(&in);
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_WORKPLACE(inputs_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
