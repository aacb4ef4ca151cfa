/* What pare eval prints: a row for each model, as in the papers, and each model's numbers with their errors. */
#ifndef PARE_CLI_EVAL_TABLES_H
#define PARE_CLI_EVAL_TABLES_H

#include "options.h"

#include <jansson.h>

/* One model's report. */
typedef struct pare_eval_row {
    const char *model; /* as it was named */
    uint64_t parameters;
    json_t *report;
} pare_eval_row;

void pare_eval_tables_print(const pare_arguments *arguments, const pare_eval_row *rows, size_t count);

#endif
