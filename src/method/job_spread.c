/* What of a job several ranks cannot share (support/peer.h), and what they have to have alike. */
#include "method/job.h"
#include "support/digest.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/peer.h"

#include <string.h>

/* The model of a round that is kept is the first rank's alone. */
static bool keeps_rounds(const pare_job *job) {
    return job->target.rounds > 1 && job->outputs.progress;
}

/* A file of it may be another on another host. */
static pare_status agree_recipe(const pare_recipe *recipe) {
    char digest[PARE_DIGEST_TEXT], *text;
    pare_digest *sum;
    PARE_TRY(pare_json_text_of(pare_recipe_settings_json(recipe, true), "the recipe", &text));
    pare_status status = pare_digest_new(&sum);
    if (status == PARE_OK) {
        pare_digest_add(sum, text, strlen(text));
        pare_digest_finish(sum, digest);
        status = pare_peer_agree("recipe (by a digest of its settings)", digest);
    }
    pare_free(text);
    return status;
}

pare_status pare_job_check_spread(const pare_job *job) {
    if (pare_peer_count() == 1) return PARE_OK;
    if (keeps_rounds(job))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--iterations with --resume is not spread over ranks: run pare as one process, without mpirun "
                         "or srun, or leave out --resume (docs/machines.md says what is)");
    return agree_recipe(&job->recipe);
}
