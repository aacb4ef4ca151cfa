/* Tables as comma-separated values (RFC 4180). */
#ifndef PARE_REPORT_CSV_H
#define PARE_REPORT_CSV_H

#include <stdio.h>

/* A name; one with a comma, a quote or the end of a line in quotes. */
void pare_csv_name(FILE *out, const char *name);

#endif
