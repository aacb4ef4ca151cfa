/* Aligned text tables. */
#ifndef PARE_CLI_TABLE_H
#define PARE_CLI_TABLE_H

#include <stdio.h>

typedef struct pare_table pare_table;

/* alignment: one letter per column, 'l' or 'r'. Never NULL: a machine without memory for a table ends the program. Free
 * with pare_table_free. */
pare_table *pare_table_new(const char *alignment);
void pare_table_free(pare_table *table);

/* Adds the next cell; a row is full after as many cells as there are columns. */
void pare_table_cell(pare_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the full rows, two spaces between columns. */
void pare_table_print(const pare_table *table, FILE *out);

/* The same as a Markdown table, whose head is the first row. */
void pare_table_print_markdown(const pare_table *table, FILE *out);

#endif
