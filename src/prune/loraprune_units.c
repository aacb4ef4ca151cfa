/* Scores and masks of the units while LoRA trains. */
#include "prune/loraprune.h"
#include "prune/prune_job.h"
#include "select/gradual.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

/* One list of units that are cut together: the KV groups, or the channels, of a layer. */
typedef struct part {
    uint32_t layer, units, asked; /* how many; how many shall be left */
    pare_part kind;               /* whose matrices' outputs are masked, but for those that are added up */
    double *scores, *fresh, *kept;
} part;

static bool is_pruned(const pare_prune_job *job, uint32_t layer, bool attention) {
    return pare_layer_in(attention ? job->target.attention : job->target.ffn, layer);
}

/* Outputs are masked where units are cut by rows. */
static bool is_masked(const pare_prune_job *job, uint32_t layer, pare_role role) {
    bool has = pare_has_role(&job->model->config.architecture, role);
    return has && !pare_role_writes(role) && is_pruned(job, layer, pare_role_in(role, PARE_PART_ATTENTION));
}

static part part_of(const pare_prune_job *job, uint32_t layer, bool attention) {
    const pare_lora_units *u = &job->lora->units;
    const pare_widths *w = &job->model->config.widths[layer], *goal = &job->goal.widths[layer];
    if (attention)
        return (part){layer,
                      w->kv_heads,
                      goal->kv_heads,
                      PARE_PART_ATTENTION,
                      u->scores.heads[layer],
                      u->fresh.heads[layer],
                      u->kept.heads[layer]};
    return (part){
        layer, w->ffn, goal->ffn, PARE_PART_FFN, u->scores.ffn[layer], u->fresh.ffn[layer], u->kept.ffn[layer]};
}

/* Calls `visit` for every list of units that is pruned. */
static pare_status visit_parts(pare_prune_job *job, pare_status (*visit)(pare_prune_job *, const part *, void *),
                               void *context) {
    for (uint32_t layer = 0; layer < job->model->config.layers; layer++)
        for (int attention = 1; attention >= 0; attention--) {
            if (!is_pruned(job, layer, attention)) continue;
            part p = part_of(job, layer, attention);
            PARE_TRY(visit(job, &p, context));
        }
    return PARE_OK;
}

static pare_status new_keep(const pare_prune_job *job, uint32_t layer, pare_lora_units *out) {
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(layer, role);
        int64_t rows, columns;
        pare_tensor_matrix(job->model->tensors[id], &rows, &columns);
        if (!is_masked(job, layer, role)) continue;
        PARE_TRY(pare_alloc(&out->keep[id], (size_t)rows, sizeof **out->keep, "masks"));
        for (int64_t i = 0; i < rows; i++)
            out->keep[id][i] = 1.0f;
        pare_lora_adapter(job->lora->trained, id)->keep = out->keep[id];
    }
    return PARE_OK;
}

static void keep_all(const pare_model *model, pare_unit_scores *kept) {
    for (uint32_t layer = 0; layer < kept->layers; layer++) {
        for (uint32_t i = 0; i < model->config.widths[layer].kv_heads; i++)
            kept->heads[layer][i] = 1.0;
        for (uint32_t i = 0; i < model->config.widths[layer].ffn; i++)
            kept->ffn[layer][i] = 1.0;
    }
}

pare_status pare_lora_units_new(const pare_prune_job *job, pare_lora_units *out) {
    const pare_model *model = job->model;
    *out = (pare_lora_units){0};
    PARE_TRY(pare_unit_scores_new(model, &out->scores));
    PARE_TRY(pare_unit_scores_new(model, &out->fresh));
    PARE_TRY(pare_unit_scores_new(model, &out->kept));
    PARE_TRY(pare_alloc(&out->keep, model->tensor_count, sizeof *out->keep, "masks"));
    keep_all(model, &out->kept);
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        PARE_TRY(new_keep(job, layer, out));
    return PARE_OK;
}

void pare_lora_units_free(const pare_model *model, pare_lora_units *units) {
    for (size_t id = 0; units->keep && id < model->tensor_count; id++)
        pare_free(units->keep[id]);
    pare_free(units->keep);
    pare_unit_scores_free(&units->scores);
    pare_unit_scores_free(&units->fresh);
    pare_unit_scores_free(&units->kept);
    *units = (pare_lora_units){0};
}

static pare_lora_layer layer_of(const pare_prune_job *job, uint32_t layer) {
    const pare_trained *t = job->lora->trained;
    pare_lora_layer out = {.source = &t->source,
                           .layer = layer,
                           .rank = job->asked->recipe.lora.rank,
                           .scale = pare_lora_scale(t),
                           .estimate = job->asked->recipe.lora.estimate};
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_lora_factors f = pare_lora_factors_of(t, pare_tensor_id(layer, role));
        out.matrix[role] = (pare_lora_matrix){t->value + f.a, t->value + f.b, t->gradient + f.a, t->gradient + f.b};
    }
    return out;
}

static pare_status check_finite(pare_prune_job *job, const part *p, void *context) {
    bool *finite = context;
    (void)job;
    for (uint32_t i = 0; i < p->units; i++)
        *finite = *finite && isfinite(p->fresh[i]);
    return PARE_OK;
}

static pare_status average(pare_prune_job *job, const part *p, void *context) {
    double old = job->asked->recipe.lora.average;
    (void)context;
    for (uint32_t i = 0; i < p->units; i++)
        p->scores[i] = old * p->scores[i] + (1.0 - old) * p->fresh[i];
    return PARE_OK;
}

pare_status pare_lora_units_score(pare_prune_job *job) {
    pare_lora_units *u = &job->lora->units;
    bool finite = true;
    for (uint32_t i = 0; i < job->model->config.layers; i++) {
        pare_lora_layer layer = layer_of(job, i);
        PARE_TRY(pare_lora_unit_scores(&layer, is_pruned(job, i, true) ? u->fresh.heads[i] : NULL,
                                       is_pruned(job, i, false) ? u->fresh.ffn[i] : NULL));
    }
    PARE_TRY(visit_parts(job, check_finite, &finite));
    if (finite) return visit_parts(job, average, NULL);
    u->skipped++;
    return PARE_OK;
}

static void mask_outputs(pare_prune_job *job, const part *p) {
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t id = pare_tensor_id(p->layer, role);
        if (!pare_role_in(role, p->kind) || !is_masked(job, p->layer, role)) continue;
        int64_t rows, columns;
        pare_tensor_matrix(job->model->tensors[id], &rows, &columns);
        for (int64_t i = 0; i < rows; i++)
            job->lora->units.keep[id][i] = (float)p->kept[i / (rows / p->units)];
    }
}

static pare_status prune_part(pare_prune_job *job, const part *p, void *context) {
    uint32_t gone = pare_loraprune_gone(job, p->layer, *(uint64_t *)context, p->units, p->asked);
    PARE_TRY(pare_prune_lowest(p->scores, p->units, gone, p->kept));
    mask_outputs(job, p);
    return PARE_OK;
}

pare_status pare_lora_units_prune(pare_prune_job *job, uint64_t step) {
    return visit_parts(job, prune_part, &step);
}

/* A checkpoint has the scores and masks of every list in turn, then the number of steps that were skipped. */
static pare_status save_part(pare_prune_job *job, const part *p, void *context) {
    (void)job;
    if (fwrite(p->scores, sizeof(double), p->units, context) == p->units &&
        fwrite(p->kept, sizeof(double), p->units, context) == p->units)
        return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "the scores cannot be kept with the progress: is the disk full?");
}

static pare_status load_part(pare_prune_job *job, const part *p, void *context) {
    bool sound = fread(p->scores, sizeof(double), p->units, context) == p->units &&
                 fread(p->kept, sizeof(double), p->units, context) == p->units;
    for (uint32_t i = 0; sound && i < p->units; i++)
        sound = p->scores[i] >= 0.0 && (p->kept[i] == 0.0 || p->kept[i] == 1.0);
    if (!sound || pare_count_kept(p->kept, p->units) < p->asked)
        return pare_fail(PARE_FORMAT_ERROR, "%s is damaged; delete that folder to begin anew", job->progress->folder);
    mask_outputs(job, p);
    return PARE_OK;
}

pare_status pare_lora_units_save(const pare_prune_job *job, FILE *file) {
    const uint64_t *skipped = &job->lora->units.skipped;
    PARE_TRY(visit_parts((pare_prune_job *)job, save_part, file));
    if (fwrite(skipped, sizeof *skipped, 1, file) == 1) return PARE_OK;
    return pare_fail(PARE_FILE_ERROR, "the scores cannot be kept with the progress: is the disk full?");
}

pare_status pare_lora_units_load(pare_prune_job *job, FILE *file) {
    uint64_t *skipped = &job->lora->units.skipped;
    PARE_TRY(visit_parts(job, load_part, file));
    if (fread(skipped, sizeof *skipped, 1, file) == 1) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s is damaged; delete that folder to begin anew", job->progress->folder);
}
