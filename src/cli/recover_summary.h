/* The result of pare recover for a person. */
#ifndef PARE_CLI_RECOVER_SUMMARY_H
#define PARE_CLI_RECOVER_SUMMARY_H

#include "options.h"

#include <jansson.h>

/* Prints the library's report; what it does not hold is left out. */
void pare_recover_summary_print(const pare_arguments *arguments, const json_t *report);

#endif
