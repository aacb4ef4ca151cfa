/* What of a job contradicts itself, before a model is known. What choices of a recipe contradict each other: check.c.
 */
#include "calibrate/calibration.h"
#include "checkpoint/output.h"
#include "method/job.h"

enum { LARGEST_GROUP = 1024, MOST_ROUNDS = 1000 };

/* Where a recipe file made the choice, with its line. */
static pare_status refuse(const pare_job *job, const char *key, const char *message) {
    const char *file = job->recipe_file;
    int line = file ? pare_recipe_line(file, (const char *const[]){key, NULL}) : 0;
    return line ? pare_fail(PARE_BAD_ARGUMENT, "%s, line %d: %s", file, line, message)
                : pare_fail(PARE_BAD_ARGUMENT, "%s", message);
}

static pare_status check_drops(const pare_job *job) {
    const pare_job_outputs *o = &job->outputs;
    const char *file = o->scores ? "--scores" : o->densities ? "--densities" : o->archive ? "--archive" : NULL;
    if (!job->target.drop_count) return PARE_OK;
    if (o->resumable)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--resume does not go with --drop-layers: drop layers first, in a run of their own, then "
                         "prune what is left with --resume");
    if (!job->target.drops_alone || !file) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s has nothing to hold where --drop-layers alone chooses: leave it out", file);
}

static pare_status check_recovery(const pare_job *job) {
    const pare_recovery *recovery = job->recovery;
    if (!recovery) return PARE_OK;
    if (job->outputs.dry) return pare_fail(PARE_BAD_ARGUMENT, "--recover trains what was pruned: leave out --dry-run");
    if (!job->outputs.folder) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    if (job->outputs.archive)
        return pare_fail(PARE_BAD_ARGUMENT, "--archive cannot be written after --recover: leave one of them out");
    if (job->outputs.resumable || recovery->resume)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--resume goes with one run only: call pare prune, then pare recover, each with --resume");
    if (job->recipe.element.residual_rank > 0)
        return pare_fail(
            PARE_BAD_ARGUMENT,
            "--residual-rank %d is for what the pruned weights have lost, and --recover trains these: leave "
            "one of them out",
            job->recipe.element.residual_rank);
    if (recovery->adapter)
        return pare_fail(PARE_BAD_ARGUMENT, "an adapter needs the pruned model beside it: call pare prune, then pare "
                                            "recover with --adapter");
    for (size_t i = 0; i < job->evaluation.text_count; i++)
        if (pare_calibration_is_self(job->evaluation.texts[i]))
            return pare_fail(PARE_BAD_ARGUMENT, "--text self is another text for every model: name a file");
    return PARE_OK;
}

static pare_status check_latency_table(const pare_job_target *t) {
    if (!t->latency_table || t->latency != 0.0) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "--latency-table has the times for --latency: give that, too");
}

static pare_status check_latency(const pare_job *job) {
    const pare_job_target *t = &job->target;
    PARE_TRY(check_latency_table(t));
    if (t->latency == 0.0) return PARE_OK;
    if (!(t->latency > 0.0 && t->latency < 1.0))
        return pare_fail(
            PARE_BAD_ARGUMENT,
            "--latency %g: give a share of the dense model's time per token, between 0 and 1, both excluded",
            t->latency);
    if (job->outputs.resumable && !t->latency_table)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--resume needs the times that the first run went by, and --latency measures them anew: give "
                         "--latency-table FILE, the pruning.json of an earlier run");
    if (!pare_recipe_searches(&job->recipe) || job->recipe.mode != PARE_MODE_BLOCK)
        return refuse(job, "allocate",
                      "--latency chooses widths by the time that they take: it needs --allocate search");
    return PARE_OK;
}

static pare_status check_units(const pare_job *job) {
    const pare_job_target *t = &job->target;
    int targets =
        (t->ratio != 0.0) + (t->ratios != NULL) + (t->parameters != 0) + (t->bytes != 0) + (t->latency != 0.0);
    if (targets > 1) return pare_fail(PARE_BAD_ARGUMENT, "give only one of --ratio, --params, --bytes and --latency");
    PARE_TRY(check_latency(job));
    if (job->recipe.element.residual_rank > 0)
        return refuse(job, "residual_rank",
                      "--residual-rank is for single weights, with --sparsity or --pattern: what whole units have lost "
                      "has no place in the smaller matrices");
    if (t->sparsity.target_count || t->sparsity.skipped_count)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--targets and --skip choose matrices that lose single weights: give --sparsity or "
                         "--pattern, or --layers for units");
    if (t->ratios && job->recipe.mode != PARE_MODE_BLOCK)
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio with a share for each layer needs --mode block");
    if (t->ratios && job->recipe.ranking != PARE_RANK_LOCAL)
        return pare_fail(PARE_BAD_ARGUMENT, "--ratio with a share for each layer needs --select local");
    if (t->rounds > MOST_ROUNDS)
        return pare_fail(PARE_BAD_ARGUMENT, "--iterations %u: give a number from 1 to %d", t->rounds, MOST_ROUNDS);
    if (t->rounds > 1 && pare_recipe_searches(&job->recipe))
        return refuse(
            job, "allocate",
            "--allocate search finds all widths at once: leave out --iterations, or take more --search-rounds");
    if (t->ratios && pare_recipe_searches(&job->recipe))
        return refuse(job, "allocate", "--allocate search finds a share for each layer: give --ratio one");
    if (job->recipe.mode == PARE_MODE_LAYER && (t->attention.given || t->ffn.given))
        return pare_fail(PARE_BAD_ARGUMENT, "--mode layer drops whole layers: give --layers, not ranges for attention "
                                            "and FFN");
    return PARE_OK;
}

static pare_status check_share(double share) {
    if (share >= 0.0 && share <= 1.0) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "--sparsity %g: give a share from 0 to 1, such as 0.5", share);
}

static pare_status check_shares(const pare_job *job) {
    const pare_sparsity *s = &job->target.sparsity;
    if (s->of && (s->share != 0.0 || s->shares))
        return pare_fail(PARE_BAD_ARGUMENT, "give either --sparsity or --pattern: %u:%u fixes the share", s->keep,
                         s->of);
    if (s->of && (s->keep > s->of || s->of > LARGEST_GROUP))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--pattern %u:%u: give N:M, which KEEPS N of M weights, N at most M, M at "
                         "most %d",
                         s->keep, s->of, LARGEST_GROUP);
    PARE_TRY(check_share(s->share));
    for (size_t i = 0; s->shares && i < s->share_count; i++)
        PARE_TRY(check_share(s->shares[i]));
    return PARE_OK;
}

static pare_status check_shares_against_recipe(const pare_job *job) {
    const pare_sparsity *s = &job->target.sparsity;
    const pare_element_recipe *e = &job->recipe.element;
    bool owl = pare_allocation_has(e->allocation, PARE_TRAIT_OUTLIERS);
    if (owl && (s->of || s->shares))
        return refuse(job, "allocate",
                      "--allocate owl spreads one --sparsity over the layers: it takes neither a pattern nor a list");
    bool searched = pare_recipe_searches(&job->recipe);
    if (searched && (s->of || s->shares))
        return refuse(
            job, "allocate",
            "--allocate search spreads one --sparsity over the layers: it takes neither a pattern nor a list");
    if (searched && (e->compare == PARE_COMPARE_GLOBAL || e->compare == PARE_COMPARE_CUMULATIVE))
        return refuse(job, "compare",
                      "--compare global and cumulative spread the share themselves: leave out "
                      "--allocate search");
    if (searched && e->permutation != PARE_PERMUTE_NONE)
        return refuse(job, "permute",
                      "--permute serves patterns, which have no shares to search: leave out --allocate search");
    if (searched && e->region_rounds)
        return refuse(job, "region_rounds",
                      "--region-rounds changes weights before they are pruned, and a search starts "
                      "from those of the file: leave out one of them");
    if (e->compare == PARE_COMPARE_GLOBAL && s->shares)
        return refuse(job, "compare", "--compare global has one --sparsity for all layers: give a single share");
    if (e->compare == PARE_COMPARE_GLOBAL && owl)
        return refuse(job, "allocate", "--compare global spreads the share itself: leave out --allocate owl");
    if (e->permutation != PARE_PERMUTE_NONE && !s->of)
        return refuse(job, "permute", "--permute serves patterns such as --pattern 2:4: give one");
    if (e->permutation != PARE_PERMUTE_NONE && !job->recipe.salience)
        return pare_fail(PARE_BAD_ARGUMENT, "--permute goes by scores: %s has none", job->recipe.name);
    return PARE_OK;
}

static pare_status check_weights(const pare_job *job) {
    const pare_job_target *t = &job->target;
    if (!t->sparsity.given)
        return pare_fail(
            PARE_BAD_ARGUMENT,
            "%s removes single weights: say how many with --sparsity 0.5 or --pattern 2:4 (--ratio is for methods that "
            "remove units: 'pare help methods')",
            job->recipe.name);
    if (t->ratio != 0.0 || t->ratios || t->parameters || t->bytes || t->latency != 0.0)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "give only one of --ratio, --params, --bytes, --latency, --sparsity and --pattern");
    PARE_TRY(check_latency_table(t));
    if (t->rounds > 1)
        return pare_fail(PARE_BAD_ARGUMENT, "--iterations removes units in rounds: single weights go in one");
    if (t->round_to > 1)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--round-to rounds the widths that are kept: single weights leave them as they are");
    if (job->outputs.resumable && !pare_recipe_needs_data(&job->recipe))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--resume goes on from layers, passes and steps that calibration data went through: %s takes "
                         "none with these options, leave it out",
                         job->recipe.name);
    PARE_TRY(check_shares(job));
    return check_shares_against_recipe(job);
}

static pare_status check_training(const pare_job *job) {
    const pare_calibration_options *c = &job->calibration.of;
    const char *name = job->recipe.name;
    if (!pare_recipe_trains(&job->recipe)) return PARE_OK;
    if (pare_calibration_is_self(c->source))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s trains while it prunes, and what a model writes itself teaches it nothing: give a file "
                         "of examples or text with --calib",
                         name);
    if (c->length)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s trains on whole examples: give their most tokens with --cutoff instead "
                         "of --length",
                         name);
    if (job->calibration.protocol)
        return pare_fail(PARE_BAD_ARGUMENT, "%s trains on all examples of --calib: leave out --protocol", name);
    if (job->target.rounds > 1)
        return pare_fail(PARE_BAD_ARGUMENT, "%s prunes little by little in one run of training: leave out --iterations",
                         name);
    return PARE_OK;
}

/* An importance matrix stands in for calibration text where norms of the dense model's inputs are all that is read. */
static pare_status check_imatrix(const pare_job *job) {
    const pare_job_calibration *c = &job->calibration;
    const char *path = c->of.source, *beyond = pare_recipe_beyond_norms(&job->recipe);
    if (!c->imatrix) return PARE_OK;
    if (job->outputs.imatrix)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--imatrix %s is measured on text, and %s is an importance matrix: name a text with --calib",
                         job->outputs.imatrix, path);
    if (!c->needed) return PARE_OK;
    if (beyond)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s needs %s, and %s is an importance matrix, which has norms of inputs alone: name a text "
                         "with --calib, or take wanda, ria or wanda-structured",
                         job->recipe.name, beyond, path);
    if (c->protocol || c->asked_samples || c->of.field)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s is an importance matrix, which was measured already: leave out --protocol, --samples, "
                         "--length and --field",
                         path);
    if (job->target.rounds > 1 || job->target.drop_count)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s is of the model as it is, and %s goes on from a smaller one: name a text with --calib",
                         path, job->target.drop_count ? "--drop-layers" : "--iterations");
    return PARE_OK;
}

static pare_status check_outputs(const pare_job *job) {
    const pare_job_outputs *o = &job->outputs;
    if (!o->dry && !o->folder) return pare_fail(PARE_BAD_ARGUMENT, "-o OUT is missing: name the folder to write");
    if (o->resumable && !o->progress)
        return pare_fail(PARE_BAD_ARGUMENT, "--resume keeps the progress beside OUT: give -o OUT");
    if (job->target.drops_alone) return PARE_OK;
    bool zeroes = pare_job_zeroes(job);
    if (o->scores && zeroes)
        return pare_fail(PARE_BAD_ARGUMENT, "--scores lists the scores of units: for single weights take --densities");
    if (o->densities && !zeroes)
        return pare_fail(PARE_BAD_ARGUMENT, "--densities shows masks of single weights: give --sparsity or --pattern");
    if (o->scores && job->recipe.choice == PARE_CHOOSE_OBS)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--scores: %s removes units one after the other and has no score for each; "
                         "leave out --scores, or take another method",
                         job->recipe.name);
    if (o->archive && pare_output_is_gguf(o->folder))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--archive is a folder's, and %s is to be a GGUF file: leave one of them out", o->folder);
    if (job->recipe.element.residual_rank > 0 && pare_output_is_gguf(o->folder))
        return pare_fail(PARE_BAD_ARGUMENT,
                         "--residual-rank %d writes an adapter into a folder, and %s is to be a GGUF file: leave one "
                         "of them out",
                         job->recipe.element.residual_rank, o->folder);
    if (o->archive && !zeroes)
        return pare_fail(PARE_BAD_ARGUMENT, "--archive packs zeros: give --sparsity or --pattern with it");
    return PARE_OK;
}

pare_status pare_job_check(const pare_job *job) {
    if (job->seed > INT64_MAX) /* JSON's integers end there */
        return pare_fail(PARE_BAD_ARGUMENT, "--seed %llu: give a number below 2^63", (unsigned long long)job->seed);
    PARE_TRY(check_recovery(job));
    PARE_TRY(check_drops(job));
    PARE_TRY(check_imatrix(job));
    if (!job->target.drops_alone) PARE_TRY(pare_job_zeroes(job) ? check_weights(job) : check_units(job));
    if (!job->target.drops_alone) PARE_TRY(check_training(job));
    return check_outputs(job);
}
