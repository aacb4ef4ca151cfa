/* Ranks of every projection's channels, drawn against each other (MoreauPruner paper, Figures 2, 5 and 6), and as a
 * table. */
#ifndef PARE_REPORT_RANK_FIGURE_H
#define PARE_REPORT_RANK_FIGURE_H

#include "report/robustness.h"
#include "support/status.h"

/* Takes one file: a name that is safe in a folder ("ranks-taylor-bf16-layer0.svg") and its text. */
typedef pare_status pare_figure_put(void *context, const char *name, const char *text);

/* For the first, the middle and the last layer: each method before and after each change, and each two methods on the
 * model as it was; a panel for every projection, and the correlations of all layers. Then ranks.csv: method, change,
 * layer, projection, rank correlation, channel, ranks before and after. Nothing of methods without scores. */
pare_status pare_rank_figures(const pare_robust_results *results, pare_figure_put *put, void *context);

#endif
