/* Packed files of expected values. */
#ifndef PARE_TESTS_PACKED_H
#define PARE_TESTS_PACKED_H

#include "golden.h"

#include <zlib.h>

/* The JSON of a gzip file in tests/data. */
static inline json_t *load_packed(const char *name) {
    enum { ROOM = 16 << 20 };
    const char *path = golden_join(PARE_SOURCE_DIR "/tests/data", name);
    char *text = malloc(ROOM);
    json_error_t error;
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    assert_non_null(text);
    int bytes = gzread(file, text, ROOM);
    assert_in_range(bytes, 1, ROOM - 1);
    gzclose(file);
    json_t *json = json_loadb(text, (size_t)bytes, JSON_ALLOW_NUL, &error);
    if (!json) fail_msg("%s: %s", path, error.text);
    free(text);
    return json;
}

#endif
