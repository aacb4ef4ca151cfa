/* The only place that reads what callers ask for: options become a job, once, and the public functions, which are in
 * this room, run that. */
#ifndef PARE_OPTIONS_RESOLVE_H
#define PARE_OPTIONS_RESOLVE_H

#include "method/job.h"

/* The recipe of the options: the method or recipe file, with single choices changed. Fails on an unknown name, on
 * values that make no sense, and on choices that contradict each other; constants that the method does not have are
 * ignored. */
pare_status pare_recipe_resolve(const pare_prune_options *options, pare_recipe *out);

/* The share of every batch of options->recover that is the calibration text: a file of it, which was not what trains
 * the model while it is pruned. 0: none. */
double pare_calibration_share(const pare_prune_options *options, const pare_recipe *recipe);

/* The options that are given but have no meaning for the recipe, by index; NULL after the last. */
const char *pare_recipe_ignored(const pare_prune_options *options, const pare_recipe *recipe, size_t index);
/* Those of them that are not settings. */
const char *pare_recipe_unused(const pare_prune_options *options, const pare_recipe *recipe, size_t index);
/* The options that only some methods have a use for, by name ("samples"), and whether this one has; a new reference. */
json_t *pare_recipe_uses(const pare_recipe *recipe);

/* All of it. Not checked yet (pare_job_check), since whoever only tries has no need of an output. Free with
 * pare_job_free, also if it fails. The options must live as long. */
pare_status pare_job_resolve(const pare_prune_options *options, pare_job *out);

/* output: NULL where no folder is written. */
pare_status pare_page_resolve(const pare_page_options *options, const char *output, pare_page_job *out);

/* The command alone; what the method is in words is the caller's to add. */
pare_status pare_card_resolve(const pare_card_options *options, const char *output, pare_card_job *out);

/* Likewise; refuses what makes no sense for any model. */
pare_status pare_recovery_resolve(const pare_recover_options *options, pare_recovery *out);

#endif
