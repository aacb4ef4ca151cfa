/* Pictures of tests/data/images, and what images.json says of them. */
#ifndef PARE_TESTS_IMAGE_PICTURES_H
#define PARE_TESTS_IMAGE_PICTURES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "image/image.h"
#include "support/digest.h"
#include "support/file.h"
#include "support/memory.h"
#include "tiny_model.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PICTURES PARE_SOURCE_DIR "/tests/data/images"

static inline void expect_ok(pare_status status, const char *what) {
    if (status != PARE_OK) fail_msg("%s: %s", what, pare_message());
}
#define assert_ok(call) expect_ok(call, #call)

/* One sentence that names the file. */
static inline void assert_sentence(const char *path, const char *words) {
    const char *said = pare_message();
    bool sentence = *said && !strchr(said, '\n') && said[strlen(said) - 1] != '.' && !strstr(said, "(null)");
    if (!sentence || !strstr(said, path) || (words && !strstr(said, words)))
        fail_msg("no sentence that names %s and says \"%s\": %s", path, words ? words : "", said);
}

static inline void assert_refused(pare_status status, pare_status expected, const char *path, const char *words) {
    if (status != expected)
        fail_msg("status %d in place of %d: %s", (int)status, (int)expected, status == PARE_OK ? path : pare_message());
    assert_sentence(path, words);
}

static inline json_t *load_expected(void) {
    json_t *json = json_load_file(PICTURES "/images.json", 0, NULL);
    assert_non_null(json);
    return json;
}

static inline json_int_t number(const json_t *row, const char *key) {
    assert_true(json_is_integer(json_object_get(row, key)));
    return json_integer_value(json_object_get(row, key));
}

static inline const char *text(const json_t *row, const char *key) {
    const char *value = json_string_value(json_object_get(row, key));
    assert_non_null(value);
    return value;
}

static inline char *picture_path(const json_t *row) {
    return pare_path_join(PICTURES, text(row, "file"));
}

/* [bytes] of a hexadecimal text of just that length. */
static inline uint8_t *bytes_of(const char *digits, size_t bytes) {
    uint8_t *out = malloc(bytes ? bytes : 1);
    assert_non_null(out);
    assert_int_equal(strlen(digits), 2 * bytes);
    for (size_t i = 0; i < bytes; i++) {
        unsigned value;
        assert_int_equal(sscanf(digits + 2 * i, "%2x", &value), 1);
        out[i] = (uint8_t)value;
    }
    return out;
}

static inline int largest_difference(const uint8_t *a, const uint8_t *b, size_t bytes) {
    int largest = 0;
    for (size_t i = 0; i < bytes; i++)
        if (abs(a[i] - b[i]) > largest) largest = abs(a[i] - b[i]);
    return largest;
}

static char *workplace; /* folder */

static inline int make_workplace(void **state) {
    (void)state;
    workplace = tiny_folder();
    return 0;
}

static inline int remove_workplace(void **state) {
    (void)state;
    tiny_remove(workplace);
    bool stays = pare_file_exists(workplace);
    free(workplace);
    return stays ? -1 : 0;
}

/* Below the workplace; folders in `name` are made. Freed with free(). */
static inline char *put(const char *name, const void *data, size_t bytes) {
    char *path = pare_path_join(workplace, name);
    for (char *slash = path + strlen(workplace) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    if (!data) return path; /* its folder alone */
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

/* A file of tests/data/images under another name. */
static inline void put_picture(const char *name, const char *picture) {
    char *from = pare_path_join(PICTURES, picture);
    pare_mapping file;
    assert_ok(pare_mapping_open(from, &file));
    free(put(name, file.data ? (const void *)file.data : "", (size_t)file.bytes));
    pare_mapping_close(&file);
    free(from);
}

#endif
