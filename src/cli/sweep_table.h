/* What pare sweep prints with --markdown. */
#ifndef PARE_CLI_SWEEP_TABLE_H
#define PARE_CLI_SWEEP_TABLE_H

/* A summary of pare_sweep_summary: a row for each point, "mean +- sd" for each text. */
void pare_sweep_print_markdown(const char *summary);

#endif
