/* pare robust as a person uses it: tables, one JSON document, and refusals before any work. */
#include "cli/workplace.h"
#include "support/memory.h"

#define ON(place) "--calib", (place)->text, QUICKLY

static void tables(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    char *before = workplace_list(place->folder);
    program_result result =
        EXPECT_SUCCESS("robust", place->model, "--perturb", "fp16,noise=0.01,calib-shuffle", "--methods",
                       "taylor,moreau", "--ratio", "0.25,0.5", "--seeds", "2", "--lipschitz", "--text", place->text,
                       "--max-windows", "2", "--window", "32", ON(place));
    static const char *const parts[] = {"same fate", "rank corr.", "noise=0.01", "calib-shuffle", "+-",
                                        "unpruned",  "difference", "perplexity", "smoothgrad",    "bound"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        assert_non_null(strstr(result.out, parts[i]));
    assert_string_equal(result.err, "");
    workplace_expect_entries(place->folder, before);
    free(before);
    program_result_free(&result);
}

static void document(void **state) {
    const workplace *place = *state;
    workplace_write_text(place);
    program_result result = EXPECT_SUCCESS("robust", place->model, "--methods", "taylor", "--perturb", "noise=0.1",
                                           "--ranks", "--mode", "channel", "--json", ON(place));
    json_t *json = json_loads(result.out, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(json, "comparisons")), 1);
    assert_int_equal(json_array_size(json_object_get(json, "ranks")), 1);
    json_decref(json);
    program_result_free(&result);
}

/* Of pictures, losses move; ranks may be drawn without being listed. */
static void pictures(void **state) {
    const workplace *place = *state;
    static const char digits[] = PARE_SOURCE_DIR "/examples/vit-digits/pictures";
    char *page = pare_path_join(place->folder, "page.html"), *ranks = pare_path_join(place->folder, "r"), *html;
    program_result result = EXPECT_SUCCESS("robust", PARE_SOURCE_DIR "/examples/vit-digits", "--perturb", "noise=0.1",
                                           "--methods", "taylor", "--ratio", "0.5", "--calib", digits, "--images",
                                           digits, "--ranks", "--plot", ranks, "--report", page, "--quiet");
    assert_int_equal(pare_file_read(page, 1 << 22, &html, NULL), PARE_OK);
    assert_non_null(strstr(html, "How far loss moves"));
    assert_null(strstr(html, "erplexity"));
    pare_free(html);
    char *drawn = pare_path_join(place->folder, "r-ranks.csv");
    assert_true(pare_file_exists(drawn));
    program_result_free(&result);
    EXPECT_FAILURE(2, "lies in --images", "robust", PARE_SOURCE_DIR "/examples/vit-digits", "--methods", "taylor",
                   "--images", digits, "--report", PARE_SOURCE_DIR "/examples/vit-digits/pictures/page.html");
    free(drawn);
    free(page);
    free(ranks);
}

static void what_is_wrong(void **state) {
    const workplace *place = *state;
    EXPECT_NOTHING_LEFT(place, 2, "MODEL is missing", "robust", "--methods", "taylor");
    EXPECT_NOTHING_LEFT(place, 2, "did you mean taylor", "robust", place->model, "--methods", "tailor");
    EXPECT_NOTHING_LEFT(place, 2, "calib-shuffle", "robust", place->model, "--perturb", "bf61");
    EXPECT_NOTHING_LEFT(place, 2, "noise=1e-3", "robust", place->model, "--perturb", "bf16,noise=-1");
    EXPECT_NOTHING_LEFT(place, 2, "not '1'", "robust", place->model, "--ratio", "0.5,1");
    EXPECT_NOTHING_LEFT(place, 2, "--json", "robust", place->model, "--ranks");
    EXPECT_NOTHING_LEFT(place, 2, "best at ratio", "robust", place->model, "--mode", "channel");
}

int main(void) {
    const struct CMUnitTest tests[] = {IN_A_WORKPLACE(tables), IN_A_WORKPLACE(document), IN_A_WORKPLACE(pictures),
                                       IN_A_WORKPLACE(what_is_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
