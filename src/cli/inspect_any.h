/* The pieces of pare inspect, and what it shows of models that pare does not prune. */
#ifndef PARE_CLI_INSPECT_ANY_H
#define PARE_CLI_INSPECT_ANY_H

#include "options.h"

#include <jansson.h>

/* One titled line each, or several of files. */
void pare_inspect_dtypes(const json_t *dtypes);
void pare_inspect_rope(const char *heading, const json_t *rope);
void pare_inspect_files(const json_t *files);

/* "[128, 384]" */
void pare_inspect_shape(const json_t *shape, char *out, size_t size);

/* Shows a report of pare_checkpoint_describe: tensors that differ in the numbers in their names alone are one row,
 * except with --tensors. */
void pare_inspect_show_any(const pare_arguments *arguments, const json_t *report);

#endif
