#include "outcome.h"

#include "../support/controls.h"
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int pare_outcome_exit(pare_status status) {
    if (status == PARE_OK) return PARE_EXIT_DONE;
    pare_terminal_fail("%s", pare_message());
    fputs(pare_trace(), stderr); /* for whoever works on pare itself; empty for others */
    return status == PARE_BAD_ARGUMENT ? PARE_EXIT_USAGE : PARE_EXIT_FAILED;
}

int pare_outcome_usage(const char *command, const char *sentence) {
    pare_terminal_fail("pare %s: %s", command, sentence);
    return PARE_EXIT_USAGE;
}

int pare_outcome_cannot_write(const char *path) {
    pare_terminal_fail("cannot write %s: %s", path, strerror(errno));
    return PARE_EXIT_FAILED;
}

int pare_outcome_open(const char *directory, pare_model **model) {
    return pare_outcome_exit(pare_model_open(directory, model));
}

/* Of what is shown, not of --json, whose escapes do it. */
static bool hide_controls(json_t *value) {
    const char *key;
    json_t *member;
    size_t i;
    bool hidden = true;
    json_object_foreach(value, key, member) hidden &= hide_controls(member);
    json_array_foreach(value, i, member) hidden &= hide_controls(member);
    if (!json_is_string(value)) return hidden;
    char *text = strdup(json_string_value(value));
    if (text) pare_controls_hide(text, "\n\t");
    hidden = text && (strcmp(text, json_string_value(value)) == 0 || json_string_set(value, text) == 0);
    free(text);
    return hidden;
}

static int show_report(const char *report, const pare_arguments *arguments,
                       void (*show)(const pare_arguments *arguments, const json_t *report)) {
    json_t *document = json_loads(report, 0, NULL);
    bool whole = document && hide_controls(document);
    if (whole)
        show(arguments, document);
    else
        pare_terminal_fail("there is not enough memory for the result on standard output; end other programs");
    json_decref(document);
    return whole ? PARE_EXIT_DONE : PARE_EXIT_FAILED;
}

int pare_outcome_deliver(pare_status status, char *report, const pare_arguments *arguments,
                         void (*show)(const pare_arguments *arguments, const json_t *report)) {
    pare_terminal_clear();
    if (status != PARE_OK) return pare_outcome_exit(status);
    int code = PARE_EXIT_DONE;
    if (arguments->json)
        fputs(report, stdout); /* ends its line itself */
    else
        code = show_report(report, arguments, show);
    pare_text_free(report);
    return code;
}

pare_runtime pare_outcome_runtime(const pare_arguments *arguments) {
    return (pare_runtime){
        .size = sizeof(pare_runtime),
        .threads = (int)arguments->threads,
        .compute = (pare_compute)arguments->compute,
        .memory_limit = arguments->memory,
        .scratch = arguments->scratch,
        .keep_activations = (pare_keep)arguments->keep_activations,
        .progress = pare_terminal_progress,
        .note = pare_terminal_note,
    };
}

int pare_outcome_finish(int code) {
    errno = 0;
    bool flushed = fflush(stdout) == 0;
    if (flushed && !ferror(stdout)) return code;
    int reason = errno;
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    bool reader_gone = reason == EPIPE || (poll(&output, 1, 0) == 1 && (output.revents & POLLERR));
    if (!reader_gone && code == PARE_EXIT_DONE)
        pare_terminal_fail("the result could not be written to standard output%s%s", reason ? ": " : "",
                           reason ? strerror(reason) : "");
    return code == PARE_EXIT_DONE ? PARE_EXIT_FAILED : code;
}
