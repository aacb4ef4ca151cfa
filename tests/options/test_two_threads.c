/* The library from two threads with a model each: results are those of one thread, messages are each thread's own, and
 * what does not compute runs side by side. */
#include "prune/prune_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

enum { THREADS = 2, TURNS = 6 };

typedef struct worker {
    prune_run run;
    const char *method;
    char *kept[TURNS];
    bool failed;
} worker;

/* What a run is to give again: which units stay, and the perplexity before and after. */
static char *result_of(const worker *w) {
    char *report = NULL, *text = NULL;
    if (pare_prune(w->run.model, &w->run.options, &w->run.runtime, &report) != PARE_OK) return NULL;
    json_t *json = json_loads(report, 0, NULL), *picked = json_object();
    static const char *const members[] = {"layers", "kept_sha256", "calibration_loss", "scores", "checks"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        json_object_set(picked, members[i], json_object_get(json, members[i]));
    text = json_dumps(picked, JSON_SORT_KEYS);
    json_decref(picked);
    json_decref(json);
    pare_text_free(report);
    return text;
}

static void *work(void *context) {
    worker *w = context;
    for (int i = 0; i < TURNS; i++) {
        char *missing = pare_format("/nowhere/%s", w->method), *text = NULL;
        pare_model *none, *again;
        w->failed |= pare_model_open(missing, &none) == PARE_OK;
        w->kept[i] = result_of(w);
        w->failed |= pare_model_open(missing, &none) == PARE_OK || !strstr(pare_message(), missing);
        w->failed |= pare_model_open(w->run.model_folder, &again) != PARE_OK;
        w->failed |= pare_model_describe(again, true, &text) != PARE_OK;
        pare_text_free(text);
        pare_model_close(again);
        free(missing);
    }
    return NULL;
}

static worker worker_open(const char *method, uint64_t seed) {
    worker w = {.run = prune_run_open((tiny_model){.seed = seed, .layers = 3}), .method = method};
    prune_run_method(&w.run, method);
    w.run.options.dry_run = true;
    w.run.runtime.threads = 2;
    return w;
}

static void results_are_those_of_one(void **state) {
    (void)state;
    static const char *const pairs[][THREADS] = {{"best", "best"}, {"moreau", "sparsegpt"}, {"best-sparse", "obs"}};
    for (size_t pair = 0; pair < sizeof pairs / sizeof *pairs; pair++) {
        worker workers[THREADS];
        pthread_t threads[THREADS];
        char *alone[THREADS];
        for (int i = 0; i < THREADS; i++) {
            workers[i] = worker_open(pairs[pair][i], 7 + (uint64_t)i);
            alone[i] = result_of(&workers[i]);
            assert_non_null(alone[i]);
        }
        for (int i = 0; i < THREADS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
        for (int i = 0; i < THREADS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < THREADS; i++) {
            assert_false(workers[i].failed);
            for (int turn = 0; turn < TURNS; turn++) {
                assert_non_null(workers[i].kept[turn]);
                assert_string_equal(workers[i].kept[turn], alone[i]);
                free(workers[i].kept[turn]);
            }
            free(alone[i]);
            prune_run_close(&workers[i].run);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(results_are_those_of_one)};
    return cmocka_run_group_tests_name("two threads", tests, NULL, NULL);
}
