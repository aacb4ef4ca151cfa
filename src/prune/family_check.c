/* What no class of the family holds, however the weights are cut: refused with what it does hold. */
#include "model/config_experts.h"
#include "model/config_write.h"
#include "model/family.h"
#include "prune/prune_job.h"

static bool is_empty(pare_layer_range range) {
    return range.begin >= range.end;
}

static pare_status refuse(const pare_prune_job *job, const char *why, const char *instead) {
    return pare_fail(PARE_UNSUPPORTED, "%s: %s %s; %s", pare_checkpoint_directory(job->model->checkpoint),
                     job->model->config.family->class_name, why, instead);
}

static const char without_heads[] = "remove FFN channels alone (--attention-layers none), single weights (--sparsity "
                                    "0.5, --pattern 2:4) or whole layers (--mode layer)";

/* Heads of which the class wants so many that they fill the hidden size. */
static pare_status check_heads(const pare_prune_job *job) {
    const pare_family *family = job->model->config.family;
    bool some =
        pare_config_heads_rule(&job->model->config) != PARE_HEADS_TIED || pare_family_other(&job->model->config);
    if (is_empty(job->target.attention) || some) return PARE_OK;
    if (pare_has_experts(&job->model->config))
        return refuse(job, "derives the size of its heads from the hidden size, so that none of them can go",
                      "remove channels alone (--attention-layers none), single weights (--sparsity 0.5, --pattern "
                      "2:4), whole experts (--mode expert) or whole layers (--mode layer)");
    if (family->fixed_ffn)
        return refuse(job, "derives the size of its heads and its FFN from the hidden size, so that no units can go",
                      "remove single weights (--sparsity 0.5, --pattern 2:4) or whole layers (--mode layer)");
    if (pare_config_ties_heads(&job->model->config))
        return refuse(
            job, "derives the size of its heads from the hidden size, so that none of them can go alone",
            "remove them with hidden channels (--mode channel), FFN channels alone (--attention-layers none), "
            "single weights (--sparsity 0.5, --pattern 2:4) or whole layers (--mode layer)");
    return refuse(job, "derives the size of its heads from the hidden size, so that none of them can go",
                  without_heads);
}

/* Classes have one width for all experts. */
static pare_status check_expert_channels(const pare_prune_job *job) {
    pare_layer_range range = job->target.ffn;
    if (range.begin == 0 && range.end == job->model->config.layers) return PARE_OK;
    return refuse(job, "has one width for the experts of all layers, so that none can be spared",
                  "leave out --layers and --ffn-layers, or remove heads alone (--ffn-layers none)");
}

static pare_status check_channels(const pare_prune_job *job) {
    if (!is_empty(job->target.ffn) && pare_has_experts(&job->model->config)) return check_expert_channels(job);
    if (is_empty(job->target.ffn) || !job->model->config.family->fixed_ffn) return PARE_OK;
    return refuse(job, "derives the width of its FFN from the hidden size, so that no channels of it can go",
                  "remove single weights (--sparsity 0.5, --pattern 2:4) or whole layers (--mode layer)");
}

/* A smaller hidden size: nothing but norms and heads may depend on it. */
static pare_status check_hidden(const pare_prune_job *job) {
    static const char units[] = "remove heads and FFN channels (--mode block), whole layers (--mode layer) or single "
                                "weights (--sparsity 0.5, --pattern 2:4)";
    const pare_config *config = &job->model->config;
    if (config->text != config->json)
        return refuse(job, "has other parts that are as wide as the language model, so that this cannot change alone",
                      units);
    if (pare_reads_pictures(config))
        return refuse(job, "reads pictures, and hidden channels are cut in models that read text alone", units);
    if (config->family->fixed_ffn)
        return refuse(job, "derives its heads and its FFN from the hidden size, so that this cannot change alone",
                      "remove single weights (--sparsity 0.5, --pattern 2:4) or whole layers (--mode layer)");
    bool free = pare_config_heads_rule(config) != PARE_HEADS_TIED || pare_family_other(config);
    if (free || pare_config_ties_heads(config)) return PARE_OK;
    return refuse(job, "ties its heads to the hidden size, and cannot lose heads with it here", without_heads);
}

/* Classes have one number of experts for all layers. */
static pare_status check_experts(const pare_prune_job *job) {
    const pare_config *config = &job->model->config;
    const char *name = pare_checkpoint_directory(job->model->checkpoint);
    pare_layer_range range = job->target.ffn, other = job->target.attention;
    bool whole = range.begin == 0 && range.end == config->layers && other.begin == 0 && other.end == config->layers;
    if (!pare_has_experts(config))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--mode expert: %s (%s) has no experts; leave out --mode, or take --mode layer", name,
                         config->family->class_name);
    pare_ranking ranking = job->asked->recipe.ranking;
    if (ranking != PARE_RANK_LOCAL && ranking != PARE_RANK_UNIFORM)
        return refuse(job, "has one number of experts for all layers, so that --select can give none of them another",
                      "leave out --select: the same share of the experts of every layer goes, by the scores inside it");
    if (whole) return PARE_OK;
    return refuse(job, "has one number of experts for all layers, so that none can be spared", "leave out --layers");
}

pare_status pare_prune_check_family(const pare_prune_job *job) {
    switch (job->target.mode) {
    case PARE_MODE_BLOCK:
        PARE_TRY(check_heads(job));
        return check_channels(job);
    case PARE_MODE_CHANNEL:
        return check_hidden(job);
    case PARE_MODE_EXPERT:
        return check_experts(job);
    default:
        return PARE_OK;
    }
}
