/* What models are measured on: --text, or --images where they read pictures. */
#ifndef PARE_CLI_MEASURED_ON_H
#define PARE_CLI_MEASURED_ON_H

#include "options.h"

#include <pare.h>

/* The list, as options of the library have it. */
typedef struct pare_measured_on {
    const char *const *list; /* NULL: nothing */
    size_t count;
} pare_measured_on;

pare_measured_on pare_measured_on_of(const pare_arguments *arguments);

/* PARE_EXIT_USAGE after one sentence, if it is not what the model reads, or another option is about texts that it does
 * not. name: of the model. */
int pare_measured_on_check(const pare_arguments *arguments, const pare_model *model, const char *name);

#endif
