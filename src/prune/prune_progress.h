/* What a run with --resume keeps in OUT.progress, so that it can be taken up by another process:
 *
 *   progress.json   {"pare", "key", "rounds_done", "layers", "hidden_channels_kept", "traces"}: the finished rounds
 *   round-N         the model that round N left, N = rounds_done, if that is above 0
 *   training.state  the training of a method that prunes while it trains, or of the gates of the round under way
 *                   (train/trainer.h)
 *   moreau.state    the Moreau iteration of the round under way after its last whole step (calibrate/moreau_file.h)
 *   reconstructed.N layer N of a reconstruction, as it was when that was through (reconstruct/reconstruct_file.h)
 *   walk-NAME.N     layer N of a walk of the round under way, when it was through (layerwise/walk_file.c): NAME is
 *                   repair, probe, prune, permute or search-ROUND; walk-NAME.dense.N of its look at the dense model
 *   passes.state    what passes for a signal came to, after the last that was whole (score/score_file.c,
 *                   calibrate/smooth.c)
 *   felt-NAME       what the loss feels of outputs, after the last whole group of sequences
 * (calibrate/linear_fisher.h): NAME is repair, prune or rebuild walk-NAME.states  the hidden states that the next layer
 * of it begins with
 *
 * key: SHA-256 of all that the result depends on (weights, method and constants, target, calibration ids, seed, number
 * format). progress.json is replaced at one stroke after round-N is complete; what it does not speak of is ignored. */
#ifndef PARE_PRUNE_PRUNE_PROGRESS_H
#define PARE_PRUNE_PRUNE_PROGRESS_H

#include "run/resume.h"

struct pare_prune_job;

typedef struct pare_prune_progress {
    const char *folder;
    char *state, *passes, *training, *reconstructed;
    pare_resume resume;               /* with the key of the run */
    char round_key[PARE_DIGEST_TEXT]; /* of the Moreau state of the round under way */
} pare_prune_progress;

/* Where progress is asked for: what its folder is called, and that an interruption leaves it. */
pare_status pare_prune_progress_name(void *job);

/* After calibration, where there is progress: makes the folder, or goes to the first round that is not finished. A
 * folder of another run, or a damaged one, is refused. */
pare_status pare_prune_progress_begin(void *job);

/* The round is over: on the first rank its model goes to the folder and becomes job->temporary. */
pare_status pare_prune_progress_round(struct pare_prune_job *job);

/* Called by all ranks (progress_ranks.c). What the record says, *text being NULL where there is none, on all of them;
 * free with pare_free. And the model of a round that lies in the first rank's `folder`, on the others as
 * job->temporary. */
pare_status pare_prune_share_record(char **text, size_t *bytes);
pare_status pare_prune_share_round(struct pare_prune_job *job, const char *folder);

/* Runs a walk; state, key: what it keeps its layers under (as in pare_layerwise_request), NULL where nothing is kept.
 */
typedef pare_status (*pare_kept_fn)(void *context, const char *state, const char *key);
pare_status pare_prune_kept(const struct pare_prune_job *job, const char *name, pare_kept_fn run, void *context);

/* The run is over: removes the folder. */
void pare_prune_progress_remove(const struct pare_prune_job *job);
void pare_prune_progress_end(struct pare_prune_job *job);

#endif
