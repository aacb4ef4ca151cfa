/* Options as users make them: programs in C and in C++ are built against an installed prefix with nothing but
 * pkg-config, or with find_package of CMake, and get the method's published constants, whether their options began with
 * INIT or were zeroed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tiny_model.h"

typedef struct prefix {
    char *folder, *model;
} prefix;

/* The output of a shell command that must succeed; freed with free(). */
static char *output_of(char *command) {
    char buffer[4096];
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t length = fread(buffer, 1, sizeof buffer - 1, pipe);
    buffer[length] = 0;
    int code = pclose(pipe);
    if (code) fprintf(stderr, "%s\nexit code %d after:\n%s\n", command, code, buffer);
    assert_int_equal(code, 0);
    free(command);
    return strdup(buffer);
}

static int install(void **state) {
    prefix *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->folder = tiny_folder();
    p->model = tiny_model_write((tiny_model){0});
    tiny_write_text(p->model, "ids.json", "[[1,2,3,4,5,6,7,8],[9,8,7,6,5,4,3,2]]");
    free(output_of(pare_format("cmake --install '%s' --prefix '%s/prefix' 2>&1", PARE_BINARY_DIR, p->folder)));
    *state = p;
    return 0;
}

static int remove_prefix(void **state) {
    prefix *p = *state;
    tiny_remove(p->folder);
    tiny_remove(p->model);
    free(p->folder);
    free(p->model);
    free(p);
    return 0;
}

static void expect(const prefix *p, const char *program, const char *how, const char *sigma) {
    char *got =
        output_of(pare_format("LD_LIBRARY_PATH=\"$(dirname \"$(find '%s/prefix' -name 'libpare.*' | head -1)\")\" "
                              "'%s/%s' %s '%s' '%s/ids.json' 2>&1",
                              p->folder, p->folder, program, how, p->model, p->model));
    char *expected = pare_format("steps 10, draws 1, sigma %s, rho 0.05, gamma 0.001, tail 1\n\"sigma\": %s", sigma,
                                 strcmp(sigma, "0") == 0 ? "0.0" : sigma);
    if (!strstr(got, expected)) fprintf(stderr, "%s %s: \"%s\" lacks \"%s\"\n", program, how, got, expected);
    assert_non_null(strstr(got, expected));
    free(expected);
    free(got);
}

/* compiler: with its flags. */
static void build_and_run(const prefix *p, const char *compiler, const char *name) {
    free(output_of(pare_format("export PKG_CONFIG_PATH=\"$(dirname \"$(find '%s/prefix' -name pare.pc)\")\"; "
                               "%s -Wall -Wextra -Wpedantic -Werror %s -c -o '%s/%s.o' '%s/tests/installed/program.c' "
                               "$(pkg-config --cflags pare) 2>&1 && "
                               "%s %s '%s/%s.o' -o '%s/%s' $(pkg-config --static --libs pare) 2>&1",
                               p->folder, compiler, PARE_SANITIZE_FLAGS, p->folder, name, PARE_SOURCE_DIR,
                               PARE_C_COMPILER, PARE_SANITIZE_FLAGS, p->folder, name, p->folder, name)));
    expect(p, name, "init", "0.05");
    expect(p, name, "zeroed", "0.05");
    expect(p, name, "zero", "0");
}

static void from_c(void **state) {
    build_and_run(*state, PARE_C_COMPILER " -std=c17", "in_c");
}

static void from_cpp(void **state) {
    if (!*PARE_CXX_COMPILER) {
        fputs("skipped: a C++ compiler is not there (g++)\n", stderr);
        skip();
    }
    build_and_run(*state, PARE_CXX_COMPILER " -x c++ -std=c++11", "in_cpp");
}

static void with_cmake(void **state) {
    const prefix *p = *state;
    bool both = *PARE_CXX_COMPILER;
    if (!both) fputs("skipped: a C++ compiler is not there (g++)\n", stderr);
    free(output_of(pare_format(
        "cmake -S '%s/tests/installed/consumer' -B '%s/cmake' -DLANGUAGES='C%s' -DCMAKE_PREFIX_PATH='%s/prefix' "
        "-DPROGRAM='%s/tests/installed/program.c' -DCMAKE_C_COMPILER='%s' -DCMAKE_CXX_COMPILER='%s' "
        "-DCMAKE_C_FLAGS='%s' -DCMAKE_CXX_FLAGS='%s' 2>&1 && cmake --build '%s/cmake' 2>&1",
        PARE_SOURCE_DIR, p->folder, both ? ";CXX" : "", p->folder, PARE_SOURCE_DIR, PARE_C_COMPILER, PARE_CXX_COMPILER,
        PARE_SANITIZE_FLAGS, PARE_SANITIZE_FLAGS, p->folder)));
    expect(p, "cmake/in_C", "init", "0.05");
    if (both) expect(p, "cmake/in_CXX", "zero", "0");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_c), cmocka_unit_test(from_cpp),
                                       cmocka_unit_test(with_cmake)};
#ifdef PARE_EMULATOR
    fputs("skipped: programs are not built under an emulator\n", stderr);
    (void)tests, (void)install, (void)remove_prefix;
    return 77;
#else
    return cmocka_run_group_tests(tests, install, remove_prefix);
#endif
}
