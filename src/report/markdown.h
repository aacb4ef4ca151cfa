/* Text of model cards: Markdown, as the Hub shows it. */
#ifndef PARE_REPORT_MARKDOWN_H
#define PARE_REPORT_MARKDOWN_H

#include <stdio.h>

/* Text that means itself, also in a cell of a table: escaped, on one line. NULL: nothing. */
void pare_markdown_text(FILE *out, const char *text);
/* A block of code in a fence that it does not hold. */
void pare_markdown_fence(FILE *out, const char *language, const char *code);

#endif
