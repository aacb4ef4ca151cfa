/* What a repair of units keeps of a layer, behind its repaired tensors (walk_file.c), numbers little-endian:
 *
 *   u32 KV groups, query heads, FFN channels that stay, each number followed by that many u32 indices
 *   u32 channels that each expert keeps, 0: all; followed by that many u32 indices for each
 *   [2 stages] what became of the fits of output and readers, and flags as u32; where it is asked for
 *   [2 stages] f64 [KV groups, channels] error curves, where they are asked for
 *   [2 stages] levels, where there are some: f64 errors, and of each level its u32 indices and the matrix */
#include "layerwise/units_internal.h"
#include "model/expert_tensors.h"
#include "support/memory.h"
#include "surgery/kept_values.h"

#include <string.h>

/* Ascending, below `most`. */
static bool is_list(const uint32_t *list, uint32_t count, uint32_t most) {
    for (uint32_t i = 0; i < count; i++)
        if (list[i] >= most || (i && list[i] <= list[i - 1])) return false;
    return true;
}

static pare_status pass_list(uint32_t **list, uint32_t *count, uint32_t most, pare_state_file *file) {
    uint32_t n = *count, *read;
    PARE_TRY(pare_state_pass(file, &n, sizeof n));
    if (!pare_state_reads(file)) return pare_state_pass(file, *list, n * sizeof **list);
    if (n > most) return pare_state_refuse(file->place, "keeps more units than there are");
    PARE_TRY(pare_alloc(&read, n, sizeof *read, "kept indices"));
    pare_free(*list);
    *list = read;
    *count = n;
    PARE_TRY(pare_state_pass(file, read, n * sizeof *read));
    return is_list(read, n, most) ? PARE_OK : pare_state_refuse(file->place, "keeps units that are not there");
}

static pare_status pass_expert_channels(pare_kept *kept, const pare_widths *all, pare_state_file *file) {
    uint32_t each = kept->expert_channel ? kept->expert_ffn : 0;
    PARE_TRY(pare_state_pass(file, &each, sizeof each));
    if (each > all->expert_ffn) return pare_state_refuse(file->place, "keeps more units than there are");
    if (!each) return PARE_OK;
    uint32_t *list;
    size_t count = (size_t)kept->experts * each;
    PARE_TRY(pare_alloc(&list, count, sizeof *list, "kept indices"));
    if (!pare_state_reads(file)) memcpy(list, kept->expert_channel, count * sizeof *list);
    pare_status status = pare_state_pass(file, list, count * sizeof *list);
    for (uint32_t i = 0; i < kept->experts && status == PARE_OK; i++)
        if (!is_list(list + (size_t)i * each, each, all->expert_ffn))
            status = pare_state_refuse(file->place, "keeps units that are not there");
    if (status == PARE_OK && pare_state_reads(file)) status = pare_kept_set_expert_channels(list, each, kept);
    pare_free(list);
    return status;
}

static pare_status pass_kept(pare_kept *kept, const pare_widths *all, pare_state_file *file) {
    PARE_TRY(pass_list(&kept->kv_head, &kept->kv_heads, all->kv_heads, file));
    PARE_TRY(pass_list(&kept->head, &kept->heads, all->heads, file));
    PARE_TRY(pass_list(&kept->ffn_channel, &kept->ffn, all->ffn, file));
    PARE_TRY(pass_expert_channels(kept, all, file));
    bool even = kept->kv_heads ? kept->heads % kept->kv_heads == 0 : kept->heads == 0;
    return even ? PARE_OK : pare_state_refuse(file->place, "keeps uneven groups of heads");
}

static pare_status pass_errors(pare_fit *fit, pare_state_file *file) {
    PARE_TRY(pare_state_doubles(file, &fit->before, 1));
    PARE_TRY(pare_state_doubles(file, &fit->after, 1));
    PARE_TRY(pare_state_doubles(file, &fit->damping.lambda, 1));
    PARE_TRY(pare_state_doubles(file, &fit->damping.share, 1));
    PARE_TRY(pare_state_pass(file, &fit->damping.raised, sizeof fit->damping.raised));
    return pare_state_pass(file, &fit->damping.dead, sizeof fit->damping.dead);
}

static pare_status pass_fit(pare_stage_fit *fit, pare_state_file *file) {
    PARE_TRY(pass_errors(&fit->output, file));
    PARE_TRY(pass_errors(&fit->readers, file));
    PARE_TRY(pare_state_pass(file, &fit->starved, sizeof fit->starved));
    PARE_TRY(pare_state_flag(file, &fit->fitted));
    PARE_TRY(pare_state_flag(file, &fit->readers_fitted));
    return pare_state_flag(file, &fit->bias);
}

static pare_status pass_levels(const pare_unit_walk *u, uint32_t layer, pare_stage stage, pare_state_file *file) {
    pare_unit_levels *levels = u->job->options.levels;
    pare_level_part *part = &levels->part[layer][stage];
    const pare_widths *all = &u->l.model->config.widths[layer];
    uint32_t units = stage == PARE_STAGE_ATTENTION ? all->kv_heads : all->ffn;
    pare_role output = pare_stage_roles_of(u->l.model, layer, stage).output;
    pare_dtype dtype = pare_model_tensor(u->l.model, layer, output)->dtype;
    PARE_TRY(pare_state_same(file, part->count));
    PARE_TRY(pare_state_doubles(file, part->error, part->count));
    for (uint32_t i = 0; i < part->count; i++) {
        PARE_TRY(pare_state_same(file, part->width[i]));
        PARE_TRY(pare_state_pass(file, part->kept[i], part->width[i] * sizeof *part->kept[i]));
        if (!is_list(part->kept[i], part->width[i], units))
            return pare_state_refuse(file->place, "keeps units that are not there");
        uint64_t count = pare_unit_level_bytes(levels, layer, stage, i) / pare_dtype_size(dtype);
        PARE_TRY(pare_state_numbers(file, part->matrix[i], dtype, count));
    }
    return PARE_OK;
}

/* Of experts nothing but what Down is left of them. */
static pare_status check_experts(const pare_unit_walk *u, uint32_t layer, const pare_state_file *file) {
    const pare_config *config = &u->l.model->config;
    const pare_repaired *r = u->l.repaired;
    const pare_kept *kept = &u->selection->layer[layer];
    for (uint32_t expert = 0; expert < config->widths[layer].experts; expert++)
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++) {
            size_t id = pare_tensor_id_expert(config, layer, expert, part);
            uint64_t wanted =
                part == PARE_EXPERT_DOWN && kept->expert_channel ? (uint64_t)kept->expert_ffn * config->hidden : 0;
            if (id < r->count && (r->matrix[id] ? r->elements[id] : 0) != wanted)
                return pare_state_refuse(file->place, "has matrices of another shape than its units");
        }
    return PARE_OK;
}

/* What was repaired has the shape that is kept. */
static pare_status check_shapes(const pare_unit_walk *u, uint32_t layer, const pare_state_file *file) {
    const pare_repaired *r = u->l.repaired;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        size_t id = pare_tensor_id_in(&u->l.model->config, layer, role);
        int64_t rows, columns;
        if (!pare_has_role(&u->l.model->config.architecture, role) || id >= r->count || !r->matrix[id]) continue;
        pare_kept_shape(u->l.model, u->selection, layer, role, &rows, &columns);
        if (r->elements[id] != (uint64_t)(rows * columns))
            return pare_state_refuse(file->place, "has matrices of another shape than its units");
    }
    return check_experts(u, layer, file);
}

pare_status pare_units_describe(void *walk, uint32_t layer, pare_state_file *file) {
    const pare_unit_walk *u = walk;
    const pare_repair_options *o = &u->job->options;
    const pare_widths *all = &u->l.model->config.widths[layer];
    uint32_t units[PARE_STAGES] = {[PARE_STAGE_ATTENTION] = all->kv_heads, [PARE_STAGE_FFN] = all->ffn};
    PARE_TRY(pass_kept(&u->selection->layer[layer], all, file));
    PARE_TRY(check_shapes(u, layer, file));
    for (int stage = 0; stage < PARE_STAGES; stage++) {
        double *curve = o->curves ? o->curves[layer][stage] : NULL;
        if (u->fits) PARE_TRY(pass_fit(&u->fits[layer][stage], file));
        if (curve) PARE_TRY(pare_state_doubles(file, curve, units[stage]));
        if (o->levels) PARE_TRY(pass_levels(u, layer, (pare_stage)stage, file));
    }
    return PARE_OK;
}
