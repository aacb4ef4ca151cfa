/* What of a job several ranks (support/peer.h) have to have alike. */
#include "method/job.h"
#include "support/digest.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/peer.h"

#include <string.h>

/* A file of it may be another on another host. */
pare_status pare_job_agree(const pare_job *job) {
    char digest[PARE_DIGEST_TEXT], *text;
    pare_digest *sum;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_json_text_of(pare_recipe_settings_json(&job->recipe, true), "the recipe", &text));
    pare_status status = pare_digest_new(&sum);
    if (status == PARE_OK) {
        pare_digest_add(sum, text, strlen(text));
        pare_digest_finish(sum, digest);
        status = pare_peer_agree("recipe (by a digest of its settings)", digest);
    }
    pare_free(text);
    return status;
}
