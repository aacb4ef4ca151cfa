/* The robustness tables of the MoreauPruner paper (Tables 1 and 8): perplexities of the model pruned after each change,
 * and how far those of two changes are apart. */
#ifndef PARE_REPORT_ROBUSTNESS_TABLE_H
#define PARE_REPORT_ROBUSTNESS_TABLE_H

#include "report/robustness.h"
#include "support/status.h"

/* [{"method", "ratio", "changes": [one, other], "texts": [{"file", "difference": {"mean", "sd"}}]}]: |perplexity after
 * one - perplexity after the other|, over seeds. */
json_t *pare_report_between(const pare_robust_results *results);

/* text,method,ratio,change,unpruned,perplexity,changed,difference, with a column NAME_sd behind each of these where
 * there are several seeds; one line for each comparison and text, and one for each two changes ("bf16|fp16"), which has
 * a difference alone. Freed with free(); NULL without memory. */
char *pare_robustness_csv(const pare_robust_results *results);

#endif
