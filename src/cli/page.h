/* The page of a command's report: where it goes, and making it of what was printed. */
#ifndef PARE_CLI_PAGE_H
#define PARE_CLI_PAGE_H

#include "options.h"

#include <jansson.h>

/* What the library is told, for commands whose run writes the page itself. */
pare_page_options pare_page_options_of(const pare_arguments *arguments);
/* Likewise of the model card. */
pare_card_options pare_card_options_of(const pare_arguments *arguments);
/* A sentence for options that do not go together, or NULL. */
const char *pare_page_refusal(const pare_arguments *arguments);

/* For the others: where the page goes. */
typedef struct pare_page_place {
    pare_page_options options; /* file and figures NULL: there is no page */
    char *file;                /* that is not on the command line */
} pare_page_place;

/* beside: a file of the command beside which the page goes with another ending, or NULL. Refuses, with an exit code and
 * a sentence, a place that cannot be written, or that the command reads or writes. Free with pare_page_end. */
int pare_page_prepare(const pare_arguments *arguments, const char *beside, pare_page_place *out);
void pare_page_end(pare_page_place *place);

/* Makes it, if there is one to be made; returns the exit code. */
int pare_page_write(const pare_page_place *place, const char *report);
int pare_page_write_json(const pare_page_place *place, const json_t *report);

#endif
