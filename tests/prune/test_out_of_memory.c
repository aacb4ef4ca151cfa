/* Pruning on a machine whose memory ends at any allocation: one sentence and nothing left behind, or the result. */
#include "memory_job.h"

/* It is there to the end, or not at all. */
static void page_is_whole(const memory_job *job) {
    char *path = pare_path_join(job->output, "report.html"), *html = NULL;
    size_t bytes;
    if (pare_file_exists(path)) {
        static const char last[] = "</html>\n";
        assert_int_equal(pare_file_read(path, 1 << 24, &html, &bytes), PARE_OK);
        assert_string_equal(html + bytes - strlen(last), last);
    }
    pare_free(html);
    free(path);
}

/* A model, and what goes with it, where the call succeeded; beside it scores and figures may stay. */
static void nothing_half_written(void *context, pare_status status) {
    const memory_job *job = context;
    const pare_page_options *page = job->prune->page;
    if (status == PARE_OK && page) page_is_whole(job);
    if (job->prune->scores) unlink(job->prune->scores);
    if (page) tiny_remove(page->figures);
    memory_job_whole(context, status);
}

/* Two prunings with one cache, the second one of which takes what the first has put there. */
static pare_status prune_twice(void *context) {
    prune_run *r = context;
    pare_model *model = NULL;
    char *report = NULL;
    pare_status status = pare_model_open(r->model_folder, &model);
    r->options.cache = pare_cache_new();
    if (status == PARE_OK && !r->options.cache) status = pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a cache");
    for (int i = 0; i < 2 && status != PARE_BAD_ARGUMENT && r->options.cache && model; i++) {
        pare_status one = pare_prune(model, &r->options, &r->runtime, &report);
        if (status == PARE_OK) status = one; /* a cache that a failure left is used on */
        pare_text_free(report);
    }
    pare_cache_free(r->options.cache);
    pare_model_close(model);
    return status;
}

static void write_everywhere(const prune_run *r, size_t most) {
    memory_job job = {.model = r->model_folder,
                      .folder = r->folder,
                      .output = r->output,
                      .before = prune_run_list(r->folder),
                      .prune = &r->options,
                      .runtime = r->runtime};
    memory_fail_everywhere(&(memory_run){memory_job_run, nothing_half_written, &job}, most);
    free(job.before);
}

static void fail_everywhere(const char *method, bool with_cache, size_t most) {
    prune_run r = prune_run_open((tiny_model){0});
    prune_run_method(&r, method);
    r.options.dry_run = with_cache;
    r.options.output = with_cache ? NULL : r.output;
    r.options.scores = r.scores;
    if (with_cache || r.options.sparsity.given || strcmp(method, "best") == 0) r.options.scores = NULL;
    r.options.steps = strcmp(method, "moreau") == 0 ? 2 : 0;
    const char *texts[] = {r.ids};
    r.options.texts = texts;
    r.options.text_count = 1;
    r.options.window = 8;
    if (with_cache) memory_fail_everywhere(&(memory_run){prune_twice, NULL, &r}, most);
    if (!with_cache) write_everywhere(&r, most);
    prune_run_close(&r);
}

static void units(void **state) {
    (void)state;
    fail_everywhere("taylor", false, 40);
}

/* A page that memory does not suffice for costs the page alone. */
static void units_with_a_page(void **state) {
    (void)state;
    prune_run r = prune_run_open((tiny_model){0});
    char *figures = pare_path_join(r.folder, "figures");
    const pare_page_options page = {.figures = figures, .command = "pare prune"};
    prune_run_method(&r, "taylor");
    r.options.output = r.output;
    r.options.page = &page;
    write_everywhere(&r, 150);
    free(figures);
    prune_run_close(&r);
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
        cmocka_unit_test(units),           cmocka_unit_test(units_with_a_page), cmocka_unit_test(units_by_repair),
        cmocka_unit_test(units_by_biases), cmocka_unit_test(single_weights),    cmocka_unit_test(a_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
