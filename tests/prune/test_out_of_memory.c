/* Pruning on a machine whose memory ends at any allocation: one sentence and nothing left behind, or the result. */
#include "failing_memory.h"
#include "prune/prune_run.h"

typedef struct scene {
    prune_run r;
    char *before;  /* what is in the folder */
    char *figures; /* of the page; or NULL */
    pare_cache *cache;
} scene;

static pare_status prune(void *context) {
    scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(s->r.model_folder, &model);
    if (status == PARE_OK) status = pare_prune(model, &s->r.options, &s->r.runtime, &report);
    if (status != PARE_OK) assert_null(report);
    if (status == PARE_OK) assert_non_null(report);
    pare_text_free(report);
    pare_model_close(model);
    return status;
}

/* It is there to the end, or not at all. */
static void page_is_whole(const scene *s) {
    char *path = pare_path_join(s->r.output, "report.html"), *html = NULL;
    size_t bytes;
    if (pare_file_exists(path)) {
        static const char last[] = "</html>\n";
        assert_int_equal(pare_file_read(path, 1 << 24, &html, &bytes), PARE_OK);
        assert_string_equal(html + bytes - strlen(last), last);
    }
    pare_free(html);
    free(path);
}

/* A model where the call succeeded, and nothing where it failed. */
static void nothing_half_written(void *context, pare_status status) {
    scene *s = context;
    assert_int_equal(pare_file_exists(s->r.output), status == PARE_OK);
    if (status == PARE_OK && s->figures) page_is_whole(s);
    if (status == PARE_OK) {
        pare_model *written;
        assert_int_equal(pare_model_open(s->r.output, &written), PARE_OK);
        pare_model_close(written);
        tiny_remove(s->r.output);
    }
    unlink(s->r.scores);
    if (s->figures) tiny_remove(s->figures);
    prune_run_assert_holds(s->r.folder, s->before);
}

/* Two prunings with one cache, the second one of which takes what the first has put there. */
static pare_status prune_twice(void *context) {
    scene *s = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(s->r.model_folder, &model);
    s->r.options.cache = pare_cache_new();
    if (status == PARE_OK && !s->r.options.cache)
        status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a cache");
    for (int i = 0; i < 2 && status != PARE_BAD_ARGUMENT && s->r.options.cache && model; i++) {
        pare_status one = pare_prune(model, &s->r.options, &s->r.runtime, &report);
        if (status == PARE_OK) status = one; /* a cache that a failure left is used on */
        pare_text_free(report);
    }
    pare_cache_free(s->r.options.cache);
    pare_model_close(model);
    return status;
}

static void fail_everywhere(const char *method, bool with_cache, size_t most) {
    scene s = {.r = prune_run_open((tiny_model){0})};
    prune_run_method(&s.r, method);
    s.r.options.dry_run = with_cache;
    s.r.options.output = with_cache ? NULL : s.r.output;
    s.r.options.scores = s.r.scores;
    if (with_cache || s.r.options.sparsity.given || strcmp(method, "best") == 0) s.r.options.scores = NULL;
    s.r.options.steps = strcmp(method, "moreau") == 0 ? 2 : 0;
    const char *texts[] = {s.r.ids};
    s.r.options.texts = texts;
    s.r.options.text_count = 1;
    s.r.options.window = 8;
    s.before = prune_run_list(s.r.folder);
    memory_fail_everywhere(
        &(memory_run){with_cache ? prune_twice : prune, with_cache ? NULL : nothing_half_written, &s}, most);
    free(s.before);
    prune_run_close(&s.r);
}

static void units(void **state) {
    (void)state;
    fail_everywhere("taylor", false, 40);
}

/* A page that memory does not suffice for costs the page alone. */
static void units_with_a_page(void **state) {
    (void)state;
    scene s = {.r = prune_run_open((tiny_model){0})};
    s.figures = pare_path_join(s.r.folder, "figures");
    const pare_page_options page = {.figures = s.figures, .command = "pare prune"};
    prune_run_method(&s.r, "taylor");
    s.r.options.output = s.r.output;
    s.r.options.page = &page;
    s.before = prune_run_list(s.r.folder);
    memory_fail_everywhere(&(memory_run){prune, nothing_half_written, &s}, 150);
    free(s.before);
    free(s.figures);
    prune_run_close(&s.r);
}

static void units_by_repair(void **state) {
    (void)state;
    fail_everywhere("best", false, 40);
}

/* The model gets biases for it. */
static void units_by_biases(void **state) {
    (void)state;
    fail_everywhere("flap", false, 40);
}

static void single_weights(void **state) {
    (void)state;
    fail_everywhere("sparsegpt", false, 40);
}

static void a_cache(void **state) {
    (void)state;
    fail_everywhere("moreau", true, 40);
    fail_everywhere("taylor", true, 40);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units),
        cmocka_unit_test(units_with_a_page),
        cmocka_unit_test(units_by_repair),
        cmocka_unit_test(units_by_biases),
        cmocka_unit_test(single_weights),
        cmocka_unit_test(a_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
