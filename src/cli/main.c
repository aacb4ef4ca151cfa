/* The program: finds the command, parses its words, runs it. */
#include "../support/suggest.h"
#include "command.h"
#include "help_words.h"
#include "message.h"
#include "outcome.h"
#include "process.h"
#include "ranks.h"
#include "terminal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fail_unknown(const char *word) {
    const char *near = pare_suggestion_find(word, pare_command_name);
    if (near)
        pare_terminal_fail("there is no command %s, did you mean '%s'?", pare_quote(word).text, near);
    else
        pare_terminal_fail("there is no command %s, 'pare --help' lists them", pare_quote(word).text);
    return PARE_EXIT_USAGE;
}

/* How many words stand in front of those that --help is to explain. */
static int words_before_help(int count, char **words) {
    for (int i = 0; i < count; i++)
        if (strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0) return i + 1;
    return count;
}

/* words: [count] from the command's name on. */
static int run(const pare_command *command, int count, char **words) {
    pare_arguments arguments;
    int code = pare_arguments_parse(&command->syntax, count - 1, words + 1, &arguments);
    if (code == PARE_EXIT_DONE && arguments.help) {
        int before = 1 + words_before_help(count - 1, words + 1);
        code = pare_help_answer_command(command, count - before, words + before);
    } else if (code == PARE_EXIT_DONE) {
        pare_terminal_open(arguments.quiet);
        code = pare_ranks_join(command, &arguments, count, words);
        if (code == PARE_EXIT_DONE) code = command->run(&arguments);
        pare_terminal_clear();
    }
    pare_arguments_free(&arguments);
    return code;
}

static int dispatch(int count, char **words) {
    if (count == 0) {
        pare_terminal_fail("no command is given, 'pare --help' lists them");
        return PARE_EXIT_USAGE;
    }
    const pare_command *command = pare_command_find(words[0]);
    if (command) return run(command, count, words);
    if (strcmp(words[0], "help") == 0) return pare_help_answer(count - 1, words + 1);
    bool wants_help = strcmp(words[0], "--help") == 0 || strcmp(words[0], "-h") == 0;
    bool wants_version = strcmp(words[0], "--version") == 0;
    if (wants_help) return pare_help_answer(count - 1, words + 1);
    if (!wants_version) return fail_unknown(words[0]);
    if (count > 1) return pare_outcome_usage(words[0], "nothing may follow it");
    printf("pare %s\n", pare_version());
    return PARE_EXIT_DONE;
}

/* The first signal asks the library to stop and undo; a second one ends the program at once. What comes within a second
 * is the same one: a terminal sends Ctrl-C to a launcher and to what it has launched, and the launcher hands it on. */
static void on_signal(int signal_number) {
    static volatile sig_atomic_t asked;
    static volatile double first;
    struct timespec now = {0};
    pare_interrupt();
    clock_gettime(CLOCK_MONOTONIC, &now);
    double seconds = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    if (!asked) first = seconds;
    asked = 1;
    if (seconds - first < 1.0) return;
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void prepare_signals(void) {
    struct sigaction stop = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&stop.sa_mask);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    struct sigaction hang_up;
    if (sigaction(SIGHUP, NULL, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) sigaction(SIGHUP, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a failed write, which is told and undone */
}

/* A file opened later must not become standard output or standard error because those were closed. */
static void occupy_standard_streams(void) {
    while (true) {
        int descriptor = open("/dev/null", O_RDONLY);
        if (descriptor > STDERR_FILENO) close(descriptor);
        if (descriptor < 0 || descriptor > STDERR_FILENO) return;
    }
}

int main(int count, char **words) {
    bool prepared = pare_process_prepare(words);
    occupy_standard_streams();
    prepare_signals();
    pare_terminal_open(false);
    if (!prepared) {
        pare_terminal_fail("there is not enough memory to start; end other programs");
        return PARE_EXIT_FAILED;
    }
    return pare_ranks_leave(pare_outcome_finish(dispatch(count > 0 ? count - 1 : 0, words + 1)));
}
