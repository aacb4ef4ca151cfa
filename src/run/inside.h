/* What is put into a model's folder when its report is already made. */
#ifndef PARE_RUN_INSIDE_H
#define PARE_RUN_INSIDE_H

#include "run/run.h"
#include "support/json.h"

/* Writes a file into the run's output, in the place of one of that name, and has the report's document name it among
 * the output's files and count its bytes. */
pare_status pare_run_put_inside(pare_run *run, const char *name, const char *text, json_t *report);
/* Removes a file that was begun. */
void pare_run_drop_inside(const pare_run *run, const char *name);

/* Has `change` see the document of *report, and puts what became of it in its place; as it was where that fails. */
pare_status pare_run_change_report(char **report, pare_status (*change)(json_t *report, void *context), void *context);

#endif
