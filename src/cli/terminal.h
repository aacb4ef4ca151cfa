/* Standard error: progress, the plan, notes and failures. On a terminal progress is one line that is rewritten;
 * elsewhere it is plain lines, at most one a second. Whatever else is said clears that line first. And how wide a page
 * on standard output is. */
#ifndef PARE_CLI_TERMINAL_H
#define PARE_CLI_TERMINAL_H

#include <pare.h>

#include <stdbool.h>
#include <stdint.h>

/* quiet: progress and pare_terminal_say show nothing. */
void pare_terminal_open(bool quiet);

/* From now on nothing is shown: the last pare_terminal_fail is kept. For a process that is one of several. */
void pare_terminal_follow(void);
/* What was kept, or "". */
const char *pare_terminal_kept(void);

/* Seconds of a clock that never goes back. */
double pare_terminal_clock(void);

/* A pare_progress_fn; user is not used. */
void pare_terminal_progress(void *user, const char *stage, uint64_t done, uint64_t total);

/* A pare_training_fn: what the next progress line says beside the share that is done. */
void pare_terminal_training(void *user, const pare_training_state *state);

/* Removes the progress line, if one is shown. */
void pare_terminal_clear(void);

/* Columns of a page on standard output: those of $COLUMNS or of the terminal, but from 60 to 96; 80 without either. */
int pare_terminal_page_width(void);

/* One line of information. */
void pare_terminal_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "pare: SENTENCE", even when quiet; what would break the line becomes '?'. */
void pare_terminal_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A pare_note_fn: "pare: note: SENTENCE", even when quiet, since it says what a result rests on. */
void pare_terminal_note(void *user, const char *sentence);

#endif
