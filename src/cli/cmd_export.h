/* A model in another form, as pare export and pare convert write it. */
#ifndef PARE_CLI_CMD_EXPORT_H
#define PARE_CLI_CMD_EXPORT_H

#include "options.h"

/* Writes MODEL to `output` and prints what came of it. Returns the exit code. */
int pare_export_write(const pare_arguments *arguments, const char *output);

#endif
