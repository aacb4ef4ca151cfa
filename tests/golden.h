/* The independent fp64 oracle's values (tests/oracle) for the bundled model and for the one in tests/data/stories.
 *
 * Where PARE_GOLDEN is "stories260K", the same tests run on a published model of that shape instead, which lies beside
 * the project with values that others made; they skip where it is absent. */
#ifndef PARE_TESTS_GOLDEN_H
#define PARE_TESTS_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One of the last eight. */
static inline const char *golden_join(const char *folder, const char *name) {
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static inline const char *shared_path(const char *name) {
    const char *root = getenv("PARE_SHARED");
    return golden_join(root ? root : PARE_SOURCE_DIR "/../shared", name);
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

/* What both sets have. */
typedef enum golden_part {
    GOLDEN_MODEL,
    GOLDEN_TOKENIZER,
    GOLDEN_TEXT,
    GOLDEN_IDS,         /* 10 x 64 ids */
    GOLDEN_STRUCTURED,  /* scores, units, losses and perplexities on those (structured.py) */
    GOLDEN_CALIBRATION, /* 32 x 128 ids */
    GOLDEN_MASKS        /* folder: what single-weight methods leave with those (sparse.py) */
} golden_part;

static inline bool golden_is_ours(void) {
    const char *set = getenv("PARE_GOLDEN");
    return !set || strcmp(set, "stories260K") != 0;
}

static inline const char *golden_path(golden_part part) {
    static const char *const ours[] = {".",        "tokenizer.model", "text.txt",
                                       "ids.json", "structured.json", "calibration_ids.json",
                                       "masks"},
                             *const theirs[] = {"models/stories260K-hf",
                                                "models/stories260K/tok512.model",
                                                "data/tinystories/tinystories_lowercase_excerpt.txt",
                                                "golden/stories260K_ids.json",
                                                "golden/stories260K_structured.json",
                                                "golden/reference-unstructured/calibration_ids.json",
                                                "golden/reference-unstructured"};
    return golden_is_ours() ? golden_join(PARE_SOURCE_DIR "/tests/data/stories", ours[part])
                            : shared_path(theirs[part]);
}

static inline const char *golden_mask(const char *name) {
    char file[128];
    snprintf(file, sizeof file, "%s.mask", name);
    return golden_join(golden_path(GOLDEN_MASKS), file);
}

/* Skips the running test where the set is not there. */
static inline void need_golden(void) {
    if (!golden_is_ours()) need_shared("golden/stories260K_structured.json");
}

static inline bool golden_is_there(void) {
    return access(golden_path(GOLDEN_STRUCTURED), R_OK) == 0;
}

static inline json_t *load_golden(void) {
    need_golden();
    return load_json(golden_path(GOLDEN_STRUCTURED));
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

/* The golden calibration batch: 10 x 64 ids, freed by the caller. */
static inline uint32_t *load_golden_ids(size_t *sequences, size_t *length) {
    json_t *root = load_json(golden_path(GOLDEN_IDS));
    json_t *lists = json_is_object(root) ? json_object_iter_value(json_object_iter(root)) : root;
    uint32_t *ids = golden_ids(lists, sequences, length);
    json_decref(root);
    return ids;
}

#endif
