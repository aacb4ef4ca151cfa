/* A cache without memory for what it is given: an entry is whole, or it is not there, and what is taken after a failure
 * is what was given. */
#include "failing_memory.h"
#include "score/cache.h"
#include "text/corpus.h"
#include "tiny_model.h"

typedef struct scene {
    pare_model *model;
    pare_windows windows;
} scene;

static void same(const pare_windows *got, const pare_windows *given) {
    assert_int_equal(got->count, given->count);
    assert_int_equal(got->length, given->length);
    assert_memory_equal(got->ids, given->ids, (size_t)given->count * given->length * sizeof *given->ids);
}

/* Taken, if there: then whole. */
static void take(pare_cache *cache, const scene *s, const pare_calibration_request *request) {
    pare_windows got = {0};
    char digest[65] = "";
    if (pare_cache_windows_take(cache, s->model, request, &got, digest)) {
        same(&got, &s->windows);
        assert_string_equal(digest, "digest");
    }
    pare_windows_free(&got);
    if (pare_cache_text_take(cache, s->model, "text", &got)) same(&got, &s->windows);
    pare_windows_free(&got);
}

static pare_status give_and_take(void *context) {
    const scene *s = context;
    pare_calibration_options options = PARE_CALIBRATION_OPTIONS_INIT;
    const pare_calibration_request request = {.options = &options};
    const pare_text_pair known = {.before = {.nll = 1.5, .answers = {.files = 3, .top1 = 0.5}},
                                  .after = {.nll = 2.5, .answers = {.files = 4}}};
    pare_text_pair got = {.after = {.nll = 3.5}};
    pare_cache *cache = pare_cache_new();
    if (!cache) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a cache");
    char digest[65] = "digest";
    pare_status status = pare_cache_windows_give(cache, s->model, &request, &s->windows, digest);
    if (status == PARE_OK) status = pare_cache_text_give(cache, s->model, "text", &s->windows);
    if (status == PARE_OK) status = pare_cache_before_give(cache, s->model, "text", &known);
    if (status == PARE_OK) status = pare_cache_scan_note(cache, s->model);
    take(cache, s, &request);
    take(cache, s, &request); /* with memory again */
    if (pare_cache_before_take(cache, s->model, "text", &got)) {
        assert_true(got.before.nll == 1.5 && got.before.answers.top1 == 0.5 && got.before.answers.files == 3);
        assert_true(got.after.nll == 3.5 && got.after.answers.files == 0);
    }
    pare_cache_free(cache);
    return status == PARE_OK ? pare_whole() : status;
}

static void entries_are_whole_or_absent(void **state) {
    (void)state;
    scene s = {.windows = {.count = 3, .length = 5}};
    char *folder = tiny_model_write((tiny_model){0});
    assert_int_equal(pare_model_open(folder, &s.model), PARE_OK);
    assert_int_equal(pare_alloc(&s.windows.ids, 15, sizeof *s.windows.ids, "ids"), PARE_OK);
    for (uint32_t i = 0; i < 15; i++)
        s.windows.ids[i] = i * i;
    memory_fail_everywhere(&(memory_run){give_and_take, NULL, &s}, 1000);
    pare_windows_free(&s.windows);
    pare_model_close(s.model);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(entries_are_whole_or_absent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
