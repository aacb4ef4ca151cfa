/* No source puts members into JSON, or prints it, with jansson's own functions, whose failures lose them, nor prints
 * into open_memstream, which loses what it has no room for (support/text_stream.h does not): that is for
 * support/json_build.h, which cannot. The tokenizers, which complete what they have read, may
 * where they look at the result. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/file.h"
#include "support/memory.h"

#include <ftw.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAW                                                                                                            \
    "json_(object_(set|update)[a-z_]*|array_(append|insert|extend|set)[a-z_]*|v?pack[a-z_]*|v?sprintf|"                \
    "stringn?|real|dump[a-z_]*)\\("
static const char anywhere[] = "(^|[^a-z_])" RAW, unheeded[] = "^ *" RAW ".*\\);$";

static const char stream[] = "open_memstream *\\(";

static regex_t raw, alone, streams;
static int files, found;

static bool builds(const char *name) {
    static const char *const all[] = {"json_build.c", "json_build.h"};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i], name) == 0) return true;
    return false;
}

static int look(const char *path, const struct stat *status, int kind, struct FTW *where) {
    (void)status;
    const char *name = path + where->base, *end = strrchr(name, '.');
    if (kind != FTW_F || !end || (strcmp(end, ".c") != 0 && strcmp(end, ".h") != 0) || builds(name)) return 0;
    const regex_t *pattern = strstr(path, "/src/tokenizer/") ? &alone : &raw;
    char *text, *rest;
    assert_int_equal(pare_file_read(path, 1 << 20, &text, NULL), PARE_OK);
    files++;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (regexec(pattern, line, 0, NULL, 0) != 0 && regexec(&streams, line, 0, NULL, 0) != 0) continue;
        fprintf(stderr, "%s: %s\n", path, line);
        found++;
    }
    pare_free(text);
    return 0;
}

static void expect(const regex_t *pattern, const char *line, bool matches) {
    assert_int_equal(regexec(pattern, line, 0, NULL, 0) == 0, matches);
}

static void members_are_put_by_the_builder(void **state) {
    (void)state;
    enum { FOLDERS = 8 };
    assert_int_equal(regcomp(&raw, anywhere, REG_EXTENDED | REG_NOSUB), 0);
    assert_int_equal(regcomp(&alone, unheeded, REG_EXTENDED | REG_NOSUB), 0);
    assert_int_equal(regcomp(&streams, stream, REG_EXTENDED | REG_NOSUB), 0);
    expect(&streams, "    FILE *out = open_memstream(&text, &size);", true);
    expect(&streams, "    FILE *out = pare_text_stream(&text, &size);", false);
    expect(&raw, "    if (x) json_object_set_new(json, \"a\", json_true());", true);
    expect(&raw, "json_t *x = json_pack(\"{s:f}\", \"a\", y);", true);
    expect(&raw, "pare_json_string(x), json_string_value(y), json_integer(3)", false);
    expect(&alone, "        json_array_append(list, value);", true);
    expect(&alone, "    if (json_array_append(list, value) != 0) return no_memory();", false);
    assert_int_equal(nftw(PARE_SOURCE_DIR "/src", look, FOLDERS, FTW_PHYS), 0);
    regfree(&raw);
    regfree(&alone);
    regfree(&streams);
    assert_true(files > 300);
    assert_int_equal(found, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(members_are_put_by_the_builder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
