/* The result of pare prune for a person. */
#ifndef PARE_CLI_SUMMARY_H
#define PARE_CLI_SUMMARY_H

#include "options.h"

#include <jansson.h>

/* Prints the library's report; what it does not hold is left out. */
void pare_summary_print(const pare_arguments *arguments, const json_t *report);

/* Its parts that other reports have, too: seconds of the stages, and what was written where. */
void pare_summary_print_stages(const json_t *stages);
void pare_summary_print_output(const json_t *output);
/* Of a recovery's data: which share of every batch each file has; nothing of a single one. */
void pare_summary_print_mixture(const json_t *data);
/* Each as a note on standard error. */
void pare_summary_print_warnings(const json_t *warnings);

#endif
