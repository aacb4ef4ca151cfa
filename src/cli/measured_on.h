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

/* A sentence for continuations of texts that are not there, or NULL. */
const char *pare_measured_on_refusal(const pare_arguments *arguments);

/* Opens a model. PARE_EXIT_USAGE after one sentence, and no model, if it does not read what it is to be measured on, or
 * another option is about texts where it reads none. */
int pare_measured_on_open(const pare_arguments *arguments, const char *name, pare_model **model);

/* All ranks (docs/machines.md) have the same model, number format, texts, calibration and recipe file; or one sentence.
 * Returns the exit code. */
int pare_measured_on_agree(const pare_arguments *arguments, const pare_model *model);

#endif
