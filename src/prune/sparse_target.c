/* Which matrices lose single weights, and how many. */
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "prune/prune_job.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 160 };

/* True if the pattern is the name of some neighbouring parts of the path: "q_proj", "mlp", "layers.3.*". */
static bool fits(const char *pattern, const char *path) {
    char part[NAME];
    for (const char *start = path; start; start = strchr(start, '.') ? strchr(start, '.') + 1 : NULL)
        for (const char *end = start; *end; end++) {
            if (end[1] && end[1] != '.') continue;
            snprintf(part, sizeof part, "%.*s", (int)(end + 1 - start), start);
            if (fnmatch(pattern, part, 0) == 0) return true;
        }
    return false;
}

/* The first of patterns with commas between, and what follows it (NULL: nothing); false if it is too long for a name.
 */
static bool first_pattern(const char *patterns, char pattern[NAME], const char **rest) {
    size_t length = strcspn(patterns, ",");
    *rest = patterns[length] ? patterns + length + 1 : NULL;
    return snprintf(pattern, NAME, "%.*s", (int)length, patterns) < NAME;
}

/* patterns: one, or several with commas between. */
static bool names(const char *patterns, const char *path) {
    char pattern[NAME];
    for (const char *rest = patterns; rest;)
        if (first_pattern(rest, pattern, &rest) && fits(pattern, path)) return true;
    return false;
}

/* The module's path: the tensor's name without ".weight". */
static void path_of(uint32_t layer, pare_role role, char path[NAME]) {
    pare_role_name(layer, role, path, NAME);
    char *end = strrchr(path, '.');
    if (end && strcmp(end, ".weight") == 0) *end = '\0';
}

/* Of an expert's part, whatever its family calls it, "layers.3.mlp.experts.5.up_proj". */
static void path_of_expert(const pare_expert_place *place, char path[NAME]) {
    static const char *const parts[] = {"gate_proj", "up_proj", "down_proj"};
    snprintf(path, NAME, "model.layers.%u.mlp.experts.%u.%s", place->layer, place->expert, parts[place->part]);
}

static bool named_by_any(const char *const *patterns, size_t count, const char *path) {
    for (size_t i = 0; i < count; i++)
        if (names(patterns[i], path)) return true;
    return false;
}

static bool fits_any(const pare_model *model, const char *pattern) {
    char path[NAME];
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            path_of(layer, (pare_role)role, path);
            if (fits(pattern, path)) return true;
        }
    for (size_t id = pare_tensor_id_first_expert(&model->config); id < model->tensor_count; id++) {
        pare_expert_place place;
        if (!pare_tensor_id_split_expert(model, id, &place) || place.what != PARE_EXPERT_OWN) continue;
        path_of_expert(&place, path);
        if (fits(pattern, path)) return true;
    }
    return false;
}

/* A name that fits no matrix is a mistake. */
static pare_status check_names(const pare_model *model, const char *option, const char *const *patterns, size_t count) {
    char pattern[NAME];
    for (size_t i = 0; i < count; i++)
        for (const char *rest = patterns[i]; rest;)
            if (!first_pattern(rest, pattern, &rest) || !fits_any(model, pattern))
                return pare_fail(PARE_BAD_ARGUMENT,
                                 "%s '%s' names no matrix of the model's blocks: name modules such as q_proj, mlp or "
                                 "layers.0.*",
                                 option, pattern);
    return PARE_OK;
}

/* True if the matrix is one of those that are to lose weights. */
static bool is_meant(const pare_prune_job *job, bool attention, uint32_t layer, const char *path, size_t id) {
    const pare_sparsity *s = &job->asked->target.sparsity;
    bool inside = pare_layer_in(attention ? job->target.attention : job->target.ffn, layer);
    bool named = !s->target_count || named_by_any(s->targets, s->target_count, path);
    return inside && named && job->model->tensors[id]->count && !named_by_any(s->skipped, s->skipped_count, path);
}

/* Routers stay as they are. */
static size_t mark_experts(pare_prune_job *job) {
    const pare_model *model = job->model;
    char path[NAME];
    size_t count = 0;
    for (size_t id = pare_tensor_id_first_expert(&model->config); id < model->tensor_count; id++) {
        pare_expert_place place;
        if (!pare_tensor_id_split_expert(model, id, &place) || place.what != PARE_EXPERT_OWN) continue;
        path_of_expert(&place, path);
        job->sparse.pruned[id] = is_meant(job, false, place.layer, path, id);
        count += job->sparse.pruned[id];
    }
    return count;
}

/* What makes the queries' latent goes by the name of the queries. */
static size_t mark_latents(pare_prune_job *job) {
    const pare_model *model = job->model;
    char path[NAME];
    size_t count = 0;
    for (uint32_t layer = 0; layer < pare_latent_tensors(&model->config); layer++) {
        size_t id = pare_tensor_id_query_down(&model->config, layer);
        path_of(layer, PARE_ROLE_Q, path);
        job->sparse.pruned[id] = is_meant(job, true, layer, path, id);
        count += job->sparse.pruned[id];
    }
    return count;
}

static pare_status mark(pare_prune_job *job) {
    const pare_model *model = job->model;
    const pare_sparsity *s = &job->asked->target.sparsity;
    char path[NAME];
    size_t count = mark_experts(job) + mark_latents(job);
    PARE_TRY(check_names(model, "--targets", s->targets, s->target_count));
    PARE_TRY(check_names(model, "--skip", s->skipped, s->skipped_count));
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            path_of(layer, (pare_role)role, path);
            job->sparse.pruned[id] = is_meant(job, pare_role_in((pare_role)role, PARE_PART_ATTENTION), layer, path, id);
            count += job->sparse.pruned[id];
        }
    if (count) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "--targets, --skip and --layers leave no matrix to prune");
}

static pare_status check_shares(const pare_prune_job *job) {
    const pare_sparsity *s = &job->asked->target.sparsity;
    uint32_t layers = job->model->config.layers;
    if (!s->shares || s->share_count == layers) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "--sparsity lists %zu shares, but the model has %u layers: give one for each",
                     s->share_count, layers);
}

pare_status pare_sparse_prepare(pare_prune_job *job) {
    const pare_sparsity *s = &job->asked->target.sparsity;
    const pare_model *model = job->model;
    uint32_t layers = model->config.layers;
    PARE_TRY(check_shares(job));
    PARE_TRY(pare_alloc(&job->sparse.pruned, model->tensor_count, sizeof(bool), "matrices"));
    PARE_TRY(pare_alloc(&job->sparse.asked, model->tensor_count, sizeof(double), "sparsities"));
    PARE_TRY(pare_alloc(&job->sparse.used, model->tensor_count, sizeof(double), "sparsities"));
    PARE_TRY(pare_alloc(&job->sparse.results, model->tensor_count, sizeof *job->sparse.results, "results"));
    double share = s->of ? 1.0 - (double)s->keep / (double)s->of : s->share;
    for (uint32_t layer = 0; layer < layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            job->sparse.asked[pare_tensor_id(layer, (pare_role)role)] = s->shares ? s->shares[layer] : share;
    for (size_t id = pare_tensor_id_first_expert(&model->config); id < model->tensor_count; id++) {
        pare_expert_place place;
        uint32_t layer;
        if (pare_tensor_id_split_expert(model, id, &place))
            job->sparse.asked[id] = s->shares ? s->shares[place.layer] : share;
        if (pare_tensor_id_split_latent(model, id, &layer))
            job->sparse.asked[id] = s->shares ? s->shares[layer] : share;
    }
    job->goal = (pare_goal){.ratio = share, .bytes = pare_model_bytes(model)};
    return mark(job);
}

void pare_sparse_signals_free(pare_sparse *s) {
    pare_free(s->gradient);
    pare_free(s->squares);
    s->gradient = s->squares = NULL;
    pare_scratch_close(&s->memory);
    pare_linear_fisher_free(&s->fisher);
}

void pare_sparse_free(pare_sparse *s) {
    void *all[] = {s->pruned, s->asked, s->used, s->results};
    pare_sparse_signals_free(s);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    json_decref(s->permutation);
    pare_trained_free(s->residual);
    json_decref(s->orders);
    *s = (pare_sparse){0};
}
