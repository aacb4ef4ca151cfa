/* Runs the built program as a person would, and keeps what it says. */
#ifndef PARE_TESTS_CLI_PROGRAM_H
#define PARE_TESTS_CLI_PROGRAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Where an emulator runs the tests, the program is started under it, too. */
#ifdef PARE_EMULATOR
#define PROGRAM_START PARE_EMULATOR, PARE_PROGRAM
enum { PROGRAM_WORDS = 200, PROGRAM_SECONDS = 2400 };
#else
#define PROGRAM_START PARE_PROGRAM
enum { PROGRAM_WORDS = 200, PROGRAM_SECONDS = 120 };
#endif

typedef struct program_result {
    int code; /* exit code, or 128 + signal */
    char *out, *err;
} program_result;

/* Starts the program with the words (NULL after the last); descriptors -1 are /dev/null. before: run in the child. */
static inline pid_t program_start(const char *const *words, int out, int err, void (*before)(void)) {
    const char *all[PROGRAM_WORDS] = {PROGRAM_START};
    size_t count = 0;
    while (all[count])
        count++;
    while (*words && count + 1 < PROGRAM_WORDS)
        all[count++] = *words++;
    assert_null(*words);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child) return child;
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(out < 0 ? null : out, STDOUT_FILENO);
    dup2(err < 0 ? null : err, STDERR_FILENO);
    if (before) before();
    execv(all[0], (char *const *)all);
    _exit(127);
}

/* Waits for the child; one that takes too long is killed. Returns the exit code, or 128 + signal. */
static inline int program_wait(pid_t child, int seconds) {
    int status = 0;
    for (int i = 0; i < 100 * seconds; i++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return 128 + SIGKILL;
}

static inline char *program_captured(FILE *file) {
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size_t bytes = (size_t)ftell(file);
    char *text = calloc(bytes + 1, 1);
    assert_non_null(text);
    rewind(file);
    assert_int_equal(fread(text, 1, bytes, file), bytes);
    fclose(file);
    return text;
}

static inline program_result program_run_prepared(const char *const *words, void (*before)(void)) {
    FILE *out = tmpfile(), *err = tmpfile();
    assert_true(out && err);
    pid_t child = program_start(words, fileno(out), fileno(err), before);
    int code = program_wait(child, PROGRAM_SECONDS);
    return (program_result){code, program_captured(out), program_captured(err)};
}

static inline program_result program_run(const char *const *words) {
    return program_run_prepared(words, NULL);
}

static inline void program_result_free(program_result *result) {
    free(result->out);
    free(result->err);
}

/* One line that begins with the program's name and is short enough to be read. */
static inline bool program_is_sentence(const char *text) {
    const char *end = strchr(text, '\n');
    size_t length = strlen(text);
    return end && end[1] == 0 && length > 12 && length < 600 && strncmp(text, "pare", 4) == 0;
}

/* The words must fail with `code` after one sentence that holds `part` (NULL: any), and print no result. */
static inline void program_expect_failure(int code, const char *part, const char *const *words) {
    program_result result = program_run(words);
    if (result.code != code || !program_is_sentence(result.err) || (part && !strstr(result.err, part)) || *result.out) {
        fprintf(stderr, "for:");
        for (size_t i = 0; words[i]; i++)
            fprintf(stderr, " '%s'", words[i]);
        fprintf(stderr, "\nexit code %d instead of %d, standard output of %zu bytes, standard error:\n%s\n",
                result.code, code, strlen(result.out), result.err);
        fail();
    }
    program_result_free(&result);
}

/* program_expect_failure with the words as arguments. */
#define EXPECT_FAILURE(code, part, ...) program_expect_failure(code, part, (const char *const[]){__VA_ARGS__, NULL})

/* The words must succeed; to be freed with program_result_free. */
static inline program_result program_expect_success(const char *const *words) {
    program_result result = program_run(words);
    if (result.code != 0) fprintf(stderr, "exit code %d after:\n%s\n", result.code, result.err);
    assert_int_equal(result.code, 0);
    return result;
}

#define EXPECT_SUCCESS(...) program_expect_success((const char *const[]){__VA_ARGS__, NULL})

#endif
