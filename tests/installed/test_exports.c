/* What a shared library of pare exports: the functions of the installed headers, each of them and nothing else. The
 * library is linked from the objects of the static one, or is the one that was built. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/memory.h"
#include "tiny_model.h"

#include <pare.h>

enum { MOST = 512 };

typedef struct names {
    char list[MOST][64];
    size_t count;
} names;

static int by_name(const void *left, const void *right) {
    return strcmp(left, right);
}

static void add(names *out, const char *name, size_t length) {
    assert_true(out->count < MOST && length < sizeof out->list[0]);
    memcpy(out->list[out->count], name, length);
    out->list[out->count++][length] = 0;
}

/* A line of the command's output is a name. */
static void read_names(char *command, names *out) {
    char line[256];
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    while (fgets(line, sizeof line, pipe))
        if (strcspn(line, "\n")) add(out, line, strcspn(line, "\n"));
    assert_int_equal(pclose(pipe), 0);
    qsort(out->list, out->count, sizeof out->list[0], by_name);
    free(command);
}

/* Every pare_name( of the headers that begins a declaration, as the compiler sees them: without comments and callbacks.
 */
static void declared(names *out) {
    read_names(pare_format("%s -E -P -I'%s/include' -x c '%s/include/pare.h' | tr '\\n' ' ' | tr ';}' '\\n\\n' | "
                           "grep -v typedef | grep -oE '\\bpare_[a-z_0-9]+ ?\\(' | tr -d ' (' | LC_ALL=C sort -u",
                           PARE_C_COMPILER, PARE_SOURCE_DIR, PARE_SOURCE_DIR),
               out);
}

/* The path of it; freed with free(). */
static char *shared_library(const char *folder) {
    bool shared = strstr(PARE_LIBRARY, ".a") == NULL;
    char *library = shared ? pare_format("%s", PARE_LIBRARY) : pare_format("%s/exports.so", folder);
    if (!shared) {
        char *link = pare_format("%s %s -shared -o '%s' -Wl,--whole-archive '%s' -Wl,--no-whole-archive "
                                 "-Wl,--version-script='%s/exports.map'",
                                 PARE_C_COMPILER, PARE_SANITIZE_FLAGS, library, PARE_LIBRARY, PARE_BINARY_DIR);
        assert_int_equal(system(link), 0);
        free(link);
    }
    return library;
}

static void exported(const char *folder, names *out) {
    char *library = shared_library(folder);
    read_names(
        pare_format("nm -D --defined-only '%s' | sed 's/.* //' | grep -vE '^(_init|_fini|__odr_asan.*)$'", library),
        out);
    free(library);
}

static void exactly_the_header(void **state) {
    (void)state;
    static names wanted, found;
    char *folder = tiny_folder();
    declared(&wanted);
    exported(folder, &found);
    assert_true(wanted.count > 40);
    for (size_t i = 0; i < wanted.count || i < found.count; i++) {
        const char *a = i < wanted.count ? wanted.list[i] : "nothing", *b = i < found.count ? found.list[i] : "nothing";
        if (strcmp(a, b) != 0) fprintf(stderr, "in the header %s, exported %s\n", a, b);
        assert_string_equal(a, b);
    }
    tiny_remove(folder);
    free(folder);
}

#ifdef PARE_PROGRAM_OBJECTS
/* As packages have the program: with what is exported, and the few files of support/ that are linked into it as well.
 */
static void the_program_needs_no_more(void **state) {
    (void)state;
    char *folder = tiny_folder(), *library = shared_library(folder);
    char *link =
        pare_format("%s %s -std=gnu17 -D_GNU_SOURCE -I'%s/include' -o '%s/program' '@%s' '%s' "
                    "-Wl,--unresolved-symbols=ignore-in-shared-libs -ljansson -lm",
                    PARE_C_COMPILER, PARE_SANITIZE_FLAGS, PARE_SOURCE_DIR, folder, PARE_PROGRAM_OBJECTS, library);
    assert_int_equal(system(link), 0);
    tiny_remove(folder);
    free(folder);
    free(library);
    free(link);
}
#endif

static void one_version(void **state) {
    (void)state;
    char *of_header = pare_format("%d.%d.%d", PARE_VERSION_MAJOR, PARE_VERSION_MINOR, PARE_VERSION_PATCH);
    assert_string_equal(pare_version(), of_header);
    char *line = pare_format("Version: %s\n", of_header), *text;
    assert_int_equal(pare_file_read(PARE_BINARY_DIR "/pare.pc", 10000, &text, NULL), PARE_OK);
    assert_non_null(strstr(text, line));
    pare_free(text);
    free(line);
    free(of_header);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exactly_the_header),
#ifdef PARE_PROGRAM_OBJECTS
        cmocka_unit_test(the_program_needs_no_more),
#endif
        cmocka_unit_test(one_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
