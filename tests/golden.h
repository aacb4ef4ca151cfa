/* The independent fp64 oracle's values for the bundled model, and for stories260K (shared/golden). */
#ifndef PARE_TESTS_GOLDEN_H
#define PARE_TESTS_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline const char *shared_path(const char *name) {
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];
    const char *root = getenv("PARE_SHARED");
    snprintf(path, sizeof paths[0], "%s/%s", root ? root : PARE_SOURCE_DIR "/../shared", name);
    return path;
}

/* Skips the running test, saying so, when the shared data is not beside the project. */
static inline void need_shared(const char *name) {
    if (access(shared_path(name), R_OK) == 0) return;
    fprintf(stderr, "skipped: %s is not there (set PARE_SHARED)\n", shared_path(name));
    skip();
}

static inline json_t *load_json(const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) fprintf(stderr, "%s: %s\n", path, error.text);
    assert_non_null(root);
    return root;
}

/* The oracle's values of the bundled model (tests/oracle/tiny_stories.py), and that model's folder. */
#define BUNDLED_GOLDEN PARE_SOURCE_DIR "/tests/data/tiny-stories.json"
#define BUNDLED_MODEL PARE_SOURCE_DIR "/examples/tiny-stories"

/* Scores of all saliences and of units (tests/oracle/importance.py). */
#define IMPORTANCE_GOLDEN PARE_SOURCE_DIR "/tests/data/importance.json"

static inline json_t *load_golden(void) {
    need_shared("golden/stories260K_structured.json");
    return load_json(shared_path("golden/stories260K_structured.json"));
}

static inline void assert_close(const char *what, double actual, double expected, double relative) {
    double error = fabs(actual - expected) / fmax(fabs(expected), 1e-30);
    if (!(error <= relative))
        fprintf(stderr, "%s: %.10g, expected %.10g (relative error %.2g)\n", what, actual, expected, error);
    assert_true(error <= relative);
}

/* Rows of ids of one length, freed by the caller. */
static inline uint32_t *golden_ids(const json_t *lists, size_t *sequences, size_t *length) {
    *sequences = json_array_size(lists);
    *length = json_array_size(json_array_get(lists, 0));
    uint32_t *ids = malloc(*sequences * *length * sizeof *ids);
    assert_non_null(ids);
    for (size_t i = 0; i < *sequences; i++)
        for (size_t j = 0; j < *length; j++)
            ids[i * *length + j] = (uint32_t)json_integer_value(json_array_get(json_array_get(lists, i), j));
    return ids;
}

/* The golden calibration batch of stories260K: 10 x 64 ids, freed by the caller. */
static inline uint32_t *load_golden_ids(size_t *sequences, size_t *length) {
    json_t *root = load_json(shared_path("golden/stories260K_ids.json"));
    json_t *lists = json_is_object(root) ? json_object_iter_value(json_object_iter(root)) : root;
    uint32_t *ids = golden_ids(lists, sequences, length);
    json_decref(root);
    return ids;
}

#endif
