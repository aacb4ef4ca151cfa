/* A GGUF file is asked for: whether one can hold what the target leaves, as far as that is known before any score. */
#include "model/gguf_target.h"
#include "model/latent_tensors.h"
#include "prune/prune_job.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

/* True if the layers' widths follow from scores, each layer's for itself. */
static bool is_open(const pare_prune_job *job) {
    switch (job->target.ranking) {
    case PARE_RANK_GLOBAL:
    case PARE_RANK_GLOBAL_RAW:
    case PARE_RANK_GLOBAL_SCORE:
        return true;
    case PARE_RANK_UNIFORM:
        return false;
    default:
        return pare_recipe_searches(&job->asked->recipe);
    }
}

/* Widths of which two differ, as they do in all but the rarest outcomes. */
static void make_uneven(pare_widths *widths, uint32_t layers) {
    if (layers > 1 && memcmp(&widths[0], &widths[1], sizeof *widths) == 0 && widths[1].ffn > 1) widths[1].ffn--;
}

/* Of the layers that no name drops. */
typedef struct layers_left {
    pare_widths *widths;
    pare_layer_plan *plan;
} layers_left;

static pare_status list_layers(const pare_prune_job *job, const pare_widths *widths, pare_config *left,
                               layers_left *lists) {
    uint32_t count = 0;
    PARE_TRY(pare_alloc(&lists->widths, left->layers, sizeof *lists->widths, "widths of layers"));
    PARE_TRY(pare_alloc(&lists->plan, left->layers, sizeof *lists->plan, "kinds of layers"));
    for (uint32_t i = 0; i < left->layers; i++) {
        if (job->drops && job->drops->layer[i].dropped) continue;
        lists->widths[count] = widths[i];
        lists->plan[count++] = left->plan[i];
    }
    left->widths = lists->widths;
    left->plan = lists->plan;
    left->layers = count;
    return PARE_OK;
}

static pare_status check(const pare_prune_job *job, const pare_config *left, bool open) {
    pare_gguf_target held;
    if (pare_gguf_target_find(left, pare_checkpoint_directory(job->origin->checkpoint), &held) == PARE_OK)
        return PARE_OK;
    char *why = pare_format("%s", pare_message());
    pare_status status = pare_fail(PARE_UNSUPPORTED, "%s%s", why ? why : "a GGUF file cannot hold what would be left",
                                   open ? ", or take --select uniform, which keeps all layers alike" : "");
    free(why);
    return status;
}

pare_status pare_prune_check_gguf(const pare_prune_job *job) {
    pare_config left = job->model->config;
    layers_left lists = {0};
    bool units = job->target.mode == PARE_MODE_BLOCK && job->goal.widths && !job->drops;
    if (!job->run.gguf.wanted && !job->asked->outputs.imatrix) return PARE_OK;
    if (job->asked->outputs.imatrix) PARE_TRY(pare_latents_refuse(job->model, "an importance matrix"));
    bool channels = job->target.mode == PARE_MODE_CHANNEL && job->goal.widths;
    bool open = units && is_open(job), known = channels || (units && !open && job->target.ranking != PARE_RANK_UNIFORM);
    if (channels) left.hidden = job->goal.hidden;
    pare_status status = list_layers(job, known ? job->goal.widths : left.widths, &left, &lists);
    if (status == PARE_OK && open) make_uneven(lists.widths, left.layers);
    if (status == PARE_OK) status = check(job, &left, open);
    pare_free(lists.widths);
    pare_free(lists.plan);
    return status;
}
