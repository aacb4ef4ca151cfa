/* What the program itself reads: command lines, and the files of sweeps that go on. */
#include "fuzz/target.h"

#include "cli/command.h"
#include "cli/command_line.h"
#include "cli/sweep_rows.h"
#include "cli/terminal.h"
#include "support/memory.h"
#include "tiny_model.h"

#include <fcntl.h>
#include <sys/mman.h>

/* Where a sanitizer says what it has found, while standard error is elsewhere. */
extern void __sanitizer_set_report_fd(void *descriptor) __attribute__((weak));

typedef struct said {
    int memory, usual;
} said;

static said said_begin(void) {
    said s = {memfd_create("said", MFD_CLOEXEC), fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
    tiny_check(s.memory >= 0 && s.usual >= 0, "memfd_create");
    fflush(stderr);
    dup2(s.memory, STDERR_FILENO);
    if (__sanitizer_set_report_fd) __sanitizer_set_report_fd((void *)(intptr_t)s.usual);
    return s;
}

/* With exit code 0 nothing was said, else one sentence, which becomes the message. */
static pare_status said_end(said s, int code) {
    char text[4096];
    fflush(stderr);
    ssize_t bytes = pread(s.memory, text, sizeof text - 1, 0);
    dup2(s.usual, STDERR_FILENO);
    if (__sanitizer_set_report_fd) __sanitizer_set_report_fd((void *)(intptr_t)STDERR_FILENO);
    close(s.memory);
    close(s.usual);
    text[bytes < 0 ? 0 : bytes] = 0;
    if (code == PARE_EXIT_DONE) {
        fuzz_check(!*text, "what is taken needs no words");
        return PARE_OK;
    }
    char *end = strchr(text, '\n');
    pare_fail(PARE_BAD_ARGUMENT, "%s", *text ? text : "nothing");
    fuzz_check(code == PARE_EXIT_USAGE || code == PARE_EXIT_FAILED, "an exit code is one of three");
    fuzz_check(strncmp(text, "pare", 4) == 0, "a refusal is the program's");
    fuzz_check(end || bytes == (ssize_t)sizeof text - 1, "a refusal ends with its line");
    fuzz_check(!end || !end[1], "a refusal is one line");
    if (end) *end = 0;
    return pare_fail(PARE_BAD_ARGUMENT, "%s", text);
}

enum { WORDS = 64 };

/* The words of a line each; the first is the command, `prune` if it is none. */
static pare_status read_command(const char *folder, const char *path) {
    (void)folder;
    char *text, *words[WORDS + 1], *line = NULL;
    int count = 0;
    PARE_TRY(pare_file_read(path, 1 << 20, &text, NULL));
    for (char *at = text; count < WORDS && at;) {
        char *end = strchr(at, '\n');
        words[count++] = at;
        if (end) *end = 0;
        at = end ? end + 1 : NULL;
    }
    words[count] = NULL;
    const pare_command *command = pare_command_find(words[0]);
    bool named = command != NULL;
    if (!command) command = pare_command_find("prune");
    pare_arguments arguments;
    said s = said_begin();
    int code = pare_arguments_parse(&command->syntax, count - named, words + named, &arguments);
    pare_status status = said_end(s, code);
    if (code == PARE_EXIT_DONE) {
        fuzz_check(arguments.help || arguments.ratio.one <= 1.0, "a ratio is a share");
        fuzz_check(pare_command_line_new(command->syntax.name, count - named, words + named, &line) == PARE_EXIT_DONE,
                   "a command line can be written");
        fuzz_check(line && !strchr(line, '\n'), "a command line is one line");
    }
    free(line);
    pare_arguments_free(&arguments);
    pare_free(text);
    return status;
}

static void seed_command(const char *folder) {
    tiny_write_text(folder, "prune", "prune\nmodel\n-o\nout\n--ratio\n0.25\n--method=taylor\n--text\na.txt\nb.txt");
    tiny_write_text(folder, "sparse", "prune\nmodel\n--pattern\n2:4\n--memory\n8G\n--layers\n1:3\n--seed\n7\n--json");
    tiny_write_text(folder, "sweep", "sweep\nmodel\n--over\nratio=0.1:0.5:0.1\n--over\nseed=1,2\n--csv\nrows.csv");
    tiny_write_text(folder, "recover", "recover\nmodel\n-o\nout\n--data\na.json:0.5\n--steps\n40\n--batch\n8");
    tiny_write_text(folder, "drop", "prune\nmodel\n--drop-layers\n1,3:5\n--dry-run\n--eta\nq0.3");
}

/* The rows of a file of the sweep that is asked for are found, written once more, and read the same. */
static pare_status read_sweep(const char *folder, const char *path) {
    (void)folder;
    pare_sweep_rows rows;
    json_t *identity = json_pack("{s:s}", "model", "m"), *names = json_pack("[s,s]", "ratio", "kept");
    said s = said_begin();
    int code = pare_sweep_rows_open(path, NULL, identity, names, 1, &rows);
    pare_status status = said_end(s, code);
    if (code == PARE_EXIT_DONE) {
        size_t i;
        json_t *row;
        json_array_foreach(rows.rows, i, row) {
            json_t *point = json_pack("{s:O}", "ratio", json_object_get(row, "ratio"));
            fuzz_check(point && pare_sweep_rows_find(&rows, point), "a row is found by its point");
            json_decref(point);
        }
    }
    pare_sweep_rows_close(&rows);
    return status;
}

static void seed_sweep(const char *folder) {
    char *path = pare_path_join(folder, "rows");
    json_t *row = json_pack("{s:f,s:i}", "ratio", 0.25, "kept", 3);
    pare_sweep_rows rows;
    int code = pare_sweep_rows_open(path, NULL, json_pack("{s:s}", "model", "m"), json_pack("[s,s]", "ratio", "kept"),
                                    1, &rows);
    tiny_check(code == PARE_EXIT_DONE && pare_sweep_rows_add(&rows, row) == PARE_EXIT_DONE, "a sweep's file");
    json_real_set(json_object_get(row, "ratio"), 0.5);
    tiny_check(pare_sweep_rows_add(&rows, row) == PARE_EXIT_DONE, "a sweep's second row");
    pare_sweep_rows_close(&rows);
    json_decref(row);
    free(path);
}

const fuzz_target *const fuzz_command_targets[] = {
    &(const fuzz_target){.name = "command-line", .file = "words", .seed = seed_command, .read = read_command},
    &(const fuzz_target){.name = "sweep-csv", .file = "rows.csv", .seed = seed_sweep, .read = read_sweep}, NULL};
