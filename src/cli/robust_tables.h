/* What pare robust prints. */
#ifndef PARE_CLI_ROBUST_TABLES_H
#define PARE_CLI_ROBUST_TABLES_H

#include "options.h"

#include <jansson.h>

/* Units, perplexities of each text (with --markdown in the layout of the MoreauPruner paper's tables alone), and
 * gradients where they were asked for. */
void pare_robust_show(const pare_arguments *arguments, const json_t *report);

#endif
