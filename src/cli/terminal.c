#include "terminal.h"

#include "../support/controls.h"
#include "message.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static struct {
    bool quiet, live; /* live: standard error is a terminal that can rewrite a line */
    bool line_shown;
    char stage[80];
    uint64_t total, done; /* of the stage */
    double start;         /* of the stage */
    double printed;       /* time of the last output, or 0 */
    uint64_t tenth;       /* tenths of the stage that a plain line has told */
    char note[160];       /* for the next line, in place of the pace; or empty */
} terminal;

/* Of a process whose words another says. */
static struct {
    bool on;
    char sentence[2048];
} following;

double pare_terminal_clock(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void pare_terminal_open(bool quiet) {
    const char *kind = getenv("TERM");
    memset(&terminal, 0, sizeof terminal);
    terminal.quiet = quiet || following.on;
    terminal.live = isatty(STDERR_FILENO) && kind && *kind && strcmp(kind, "dumb") != 0;
}

void pare_terminal_follow(void) {
    following.on = true;
}

const char *pare_terminal_kept(void) {
    return following.sentence;
}

void pare_terminal_clear(void) {
    if (!terminal.line_shown) return;
    fputs("\r\033[K", stderr);
    terminal.line_shown = false;
}

void pare_terminal_say(const char *format, ...) {
    if (terminal.quiet) return;
    va_list arguments;
    va_start(arguments, format);
    pare_terminal_clear();
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

void pare_terminal_fail(const char *format, ...) {
    char sentence[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    pare_controls_hide(sentence, "");
    if (following.on) {
        snprintf(following.sentence, sizeof following.sentence, "%s", sentence);
        return;
    }
    pare_terminal_clear();
    bool named = strncmp(sentence, "pare ", 5) == 0;
    fprintf(stderr, "%s%s\n", named ? "" : "pare: ", sentence);
}

/* Of a terminal of some width; 80 of anything else. */
static int columns(int descriptor) {
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
    return 80;
}

int pare_terminal_page_width(void) {
    enum { NARROWEST = 60, WIDEST = 96 };
    const char *given = getenv("COLUMNS");
    char *end = NULL;
    long width = given ? strtol(given, &end, 10) : 0;
    if (!given || end == given || *end || width <= 0) width = columns(STDOUT_FILENO);
    return width < NARROWEST ? NARROWEST : width > WIDEST ? WIDEST : (int)width;
}

static void describe_pace(char *text, size_t size, double seconds, uint64_t done, uint64_t total) {
    snprintf(text, size, "%s", terminal.note);
    if (*terminal.note || seconds < 0.5 || !done) return;
    double rate = (double)done / seconds;
    if (done < total)
        snprintf(text, size, ", %s/s, %s left", pare_quantity_show(rate).text,
                 pare_seconds_show((double)(total - done) / rate).text);
    else
        snprintf(text, size, ", %s/s, took %s", pare_quantity_show(rate).text, pare_seconds_show(seconds).text);
}

static void show_live(uint64_t done, uint64_t total, double time) {
    enum { BAR = 24 };
    char pace[200], line[512];
    int filled = (int)((double)done / (double)total * (double)BAR);
    describe_pace(pace, sizeof pace, time - terminal.start, done, total);
    snprintf(line, sizeof line, "%-20s [%.*s%.*s] %3.0f %%%s", terminal.stage, filled, "########################",
             BAR - filled, "........................", 100 * (double)done / (double)total, pace);
    fprintf(stderr, "\r\033[K%.*s", columns(STDERR_FILENO) - 1, line);
    fflush(stderr);
    terminal.line_shown = true;
    terminal.printed = time;
}

static void show_plain(uint64_t done, uint64_t total, double time) {
    char pace[200];
    describe_pace(pace, sizeof pace, time - terminal.start, done, total);
    fprintf(stderr, "%s: %.0f %% (%s of %s%s)\n", terminal.stage, 100 * (double)done / (double)total,
            pare_count_show(done).text, pare_count_show(total).text, pace);
    terminal.printed = time;
}

void pare_terminal_training(void *user, const pare_training_state *state) {
    (void)user;
    size_t size = sizeof terminal.note, used = 0;
    terminal.note[0] = 0;
    if (isfinite(state->loss)) used += (size_t)snprintf(terminal.note, size, ", loss %.4f", state->loss);
    if (isfinite(state->validation))
        used += (size_t)snprintf(terminal.note + used, size - used, ", validation %.4f", state->validation);
    if (!isfinite(state->seconds_left)) return;
    used += (size_t)snprintf(terminal.note + used, size - used, ", %s tokens/s",
                             pare_quantity_show(state->tokens_per_second).text);
    if (state->step < state->steps)
        snprintf(terminal.note + used, size - used, ", %s left", pare_seconds_show(state->seconds_left).text);
}

static void show(const char *stage, uint64_t done, uint64_t total) {
    if (done > total) done = total;
    double time = pare_terminal_clock();
    bool fresh = total != terminal.total || done < terminal.done || strcmp(stage, terminal.stage) != 0;
    if (fresh) {
        snprintf(terminal.stage, sizeof terminal.stage, "%.70s", stage);
        terminal.total = total;
        terminal.start = time;
        terminal.tenth = UINT64_MAX;
    }
    terminal.done = done;
    double idle = time - terminal.printed;
    if (terminal.live) {
        if (idle >= 0.1 || (fresh && !terminal.line_shown)) show_live(done, total, time);
        return;
    }
    uint64_t tenth = (uint64_t)((double)done / (double)total * 10);
    if (idle < 1 || tenth == terminal.tenth) return;
    terminal.tenth = tenth;
    show_plain(done, total, time);
}

void pare_terminal_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
    (void)user;
    if (!terminal.quiet && total) show(stage, done, total);
    terminal.note[0] = 0;
}

void pare_terminal_note(void *user, const char *sentence) {
    (void)user;
    if (!following.on) pare_terminal_fail("note: %s", sentence);
}
