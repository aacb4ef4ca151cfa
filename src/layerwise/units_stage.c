/* The stages of a layer: readers of the hidden state through the map, the units that stay, and the output. */
#include "layerwise/units_internal.h"
#include "support/memory.h"

#include <stdio.h>
#include <string.h>

/* `unit` neighbouring indices for each of `count`. */
static pare_status expand(const uint32_t *units, uint32_t count, uint32_t unit, pare_index_list *out) {
    uint32_t *index;
    PARE_TRY(pare_alloc(&index, (size_t)count * unit, sizeof *index, "kept indices"));
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < unit; j++)
            index[i * unit + j] = units[i] * unit + j;
    *out = (pare_index_list){.index = index, .count = (int64_t)count * unit};
    return PARE_OK;
}

static void index_list_free(pare_index_list *list) {
    pare_free((void *)(uintptr_t)list->index);
}

/* The kept indices of a role's cut axis. */
static pare_status kept_of(const pare_unit_walk *u, pare_role role, pare_index_list *out) {
    const pare_kept *kept = u->run.kept;
    uint32_t h = u->l.model->config.head_size;
    switch (pare_stage_span(role)) {
    case PARE_SPAN_FFN:
        return expand(kept->ffn_channel, kept->ffn, 1, out);
    case PARE_SPAN_HEADS:
        return expand(kept->head, kept->heads, h, out);
    default:
        return expand(kept->kv_head, kept->kv_heads, h, out);
    }
}

/* True if the biases of what reads these inputs are refitted. */
static bool has_intercept(const pare_unit_walk *u, pare_input_kind kind) {
    return pare_layerwise_intercepts(&u->l.asked, u->run.layer, kind);
}

/* The surviving part of a slot, and of a refitted bias, to the repaired matrices. */
static pare_status keep(pare_unit_walk *u, pare_role role, const pare_slot *slot, bool biased) {
    size_t id = pare_tensor_id(u->run.layer, role);
    const pare_tensor *tensor = u->l.model->tensors[id];
    pare_index_list channels = u->l.asked.channels;
    bool output = role == u->run.roles.output;
    int64_t rows, columns;
    pare_index_list units;
    void *out;
    pare_tensor_matrix(tensor, &rows, &columns);
    PARE_TRY(kept_of(u, role, &units));
    pare_index_list down = output ? channels : units, across = output ? units : channels;
    pare_status status =
        pare_repaired_add(u->l.repaired, u->l.model, id, (uint64_t)down.count, (uint64_t)across.count, &out);
    if (status == PARE_OK) pare_matrix_cut(slot->stored, columns, pare_dtype_size(tensor->dtype), down, across, out);
    if (status == PARE_OK && biased) status = pare_layerwise_keep_bias(&u->l, role, &down);
    index_list_free(&units);
    return status;
}

static bool is_scaled(const pare_source *source, size_t id) {
    return source->column_scale && source->column_scale[id];
}

/* The stage that begins with these inputs. */
static void describe(pare_unit_walk *u, uint32_t layer, pare_stage stage) {
    static const pare_stage_signal silent = {0};
    const pare_repair_options *o = &u->job->options;
    pare_stage_run *run = &u->run;
    *run = (pare_stage_run){.stage = stage,
                            .layer = layer,
                            .roles = pare_stage_roles_of(u->l.model, layer, stage),
                            .kept = &u->selection->layer[layer],
                            .signal = o->signals ? &o->signals[layer][stage] : &silent};
    run->width = pare_input_width(u->l.model, layer, run->roles.writes);
    run->fits_readers = run->width && pare_repair_fits_readers(u->job) && u->l.apart;
    run->scaled = is_scaled(u->l.asked.source, pare_tensor_id(layer, run->roles.output));
    pare_input_name(layer, run->roles.writes, run->what, sizeof run->what);
    u->l.operands[run->roles.output] = u->slot[0].operand;
    for (int i = 0; i < run->roles.reader_count; i++)
        u->l.operands[run->roles.readers[i]] = u->slot[1 + i].operand;
}

/* Begins to look at inputs of this kind. */
static pare_status watch(pare_unit_walk *u, pare_input_kind kind) {
    pare_element_needs needs = pare_layerwise_needs(&u->l, u->run.layer, 1u << kind);
    return pare_layerwise_watch(&u->l, u->run.layer, 1u << kind, &needs);
}

/* A reader through the map, and its bias behind it. */
static pare_status fit_reader(pare_unit_walk *u, int i) {
    pare_stage_run *run = &u->run;
    pare_role role = run->roles.readers[i];
    size_t id = pare_tensor_id(run->layer, role);
    bool biased = has_intercept(u, run->roles.reads);
    int64_t rows, columns;
    pare_tensor_matrix(u->l.model->tensors[id], &rows, &columns);
    pare_source_rows(u->l.asked.source, id, 0, rows, u->weights);
    if (biased) pare_layerwise_expect(&u->l, role, u->weights);
    pare_layerwise_apply_map(&u->l, u->weights, rows, u->result);
    pare_layerwise_install(&u->l, run->layer, role, u->result, u->slot[1 + i].stored);
    return biased ? pare_layerwise_refit_bias(&u->l, role, u->result) : PARE_OK;
}

/* Readers through the map, into their slots and the block. */
static pare_status fit_readers(pare_unit_walk *u) {
    pare_stage_run *run = &u->run;
    char what[96];
    double energy = 0.0;
    if (!run->fits_readers) return PARE_OK;
    snprintf(what, sizeof what, "the hidden states before layer %u's %s", run->layer,
             run->stage == PARE_STAGE_ATTENTION ? "attention" : "FFN");
    PARE_TRY(watch(u, run->roles.reads));
    PARE_TRY(pare_layerwise_compare(&u->l, run->roles.reads, &energy));
    PARE_TRY(pare_layerwise_fit_map(&u->l, run->roles.reads, u->l.statistics[run->roles.reads].gram, what, energy,
                                    &run->fit.readers));
    run->fit.readers_fitted = true;
    for (int i = 0; i < run->roles.reader_count; i++)
        PARE_TRY(fit_reader(u, i));
    pare_layerwise_forget(&u->l);
    return PARE_OK;
}

/* weights <- the output matrix; rows of removed hidden channels are zero. */
static void load_output(pare_unit_walk *u) {
    const pare_index_list *channels = &u->l.asked.channels;
    pare_source_rows(u->l.asked.source, pare_tensor_id(u->run.layer, u->run.roles.output), 0, u->l.hidden, u->weights);
    for (int64_t i = 0, k = 0; i < u->l.hidden && channels->index; i++) {
        if (k < channels->count && channels->index[k] == i)
            k++;
        else
            memset(u->weights + i * u->run.width, 0, (size_t)u->run.width * sizeof *u->weights);
    }
}

/* weights <- zeros where units go. */
static void cut_columns(pare_unit_walk *u, const pare_index_list *kept) {
    int64_t width = u->run.width;
    for (int64_t row = 0; row < u->l.hidden; row++)
        for (int64_t j = 0, k = 0; j < width; j++) {
            bool stays = k < kept->count && kept->index[k] == j;
            k += stays;
            if (!stays) u->weights[row * width + j] = 0.0f;
        }
}

/* What is known of the output: whether it is fitted, to what, and how far from that it is. */
typedef struct output_work {
    bool fits, biased;         /* biased: its bias is refitted, whether it is fitted or cut */
    const float *gram, *cross; /* cross NULL: the target is its own */
    double energy;
} output_work;

static pare_status fit_output(pare_unit_walk *u, const output_work *work, const pare_index_list *kept) {
    pare_stage_run *run = &u->run;
    pare_least_squares problem = {.rows = u->l.hidden,
                                  .columns = {.gram = work->gram,
                                              .width = run->width,
                                              .kept = kept->index,
                                              .count = kept->count,
                                              .damping = u->job->options.damping,
                                              .what = run->what},
                                  .cross = work->cross,
                                  .residual = work->energy,
                                  .shared = true};
    double of_means = work->biased ? pare_layerwise_gap(&u->l, run->roles.output, u->weights, kept) : 0.0;
    if (run->chosen)
        PARE_TRY(pare_units_take_fit(u, work->gram, work->cross, work->energy));
    else
        PARE_TRY(pare_least_squares_solve(&problem, u->weights, &run->fit.output));
    run->fit.output.before += of_means;
    run->fit.fitted = true;
    return PARE_OK;
}

/* The output matrix of the pruned model, fitted or cut, into the block and the result. */
static pare_status replace_output(pare_unit_walk *u, const output_work *work) {
    pare_stage_run *run = &u->run;
    pare_index_list kept;
    pare_role role = run->roles.output;
    PARE_TRY(kept_of(u, role, &kept));
    pare_status status = PARE_OK;
    if (work->biased) pare_layerwise_expect(&u->l, role, u->weights);
    if (work->fits && kept.count)
        status = fit_output(u, work, &kept);
    else
        cut_columns(u, &kept);
    index_list_free(&kept);
    PARE_TRY(status);
    pare_layerwise_install(&u->l, run->layer, role, u->weights, u->slot[0].stored);
    if (work->biased) PARE_TRY(pare_layerwise_refit_bias(&u->l, role, u->weights));
    run->fit.bias = work->biased;
    return work->fits || work->biased || run->scaled ? keep(u, role, &u->slot[0], work->biased) : PARE_OK;
}

/* True if units go in this stage, by choice or as given, or may go. */
static bool removes(const pare_unit_walk *u) {
    const pare_repair_options *o = &u->job->options;
    const pare_widths *before = &u->l.dense_block.widths;
    pare_kept kept = *u->run.kept;
    if (pare_units_has_levels(u)) return true;
    if (o->choose[u->run.stage]) {
        const pare_widths *after = &o->widths[u->run.layer];
        kept = (pare_kept){.kv_heads = after->kv_heads, .heads = after->heads, .ffn = after->ffn};
    }
    return u->run.stage == PARE_STAGE_ATTENTION ? !pare_kept_all_heads(&kept, before)
                                                : !pare_kept_all_channels(&kept, before);
}

/* The output's inputs: what units cost, and what the output is fitted to. The dense stream leaves the stage. */
static pare_status observe(pare_unit_walk *u, bool seen, output_work *work) {
    pare_input_kind kind = u->run.roles.writes;
    if (!seen) return u->l.asked.two ? pare_layerwise_pass_dense(&u->l, u->run.stage) : PARE_OK;
    PARE_TRY(watch(u, kind));
    PARE_TRY(u->l.asked.two ? pare_layerwise_compare(&u->l, kind, &work->energy)
                            : pare_layerwise_observe(&u->l, false));
    if (!u->l.asked.two) pare_layerwise_center(&u->l, kind, NULL);
    work->gram = u->l.statistics[kind].gram;
    if (pare_layerwise_has_target(&u->l, kind)) work->cross = u->l.cross;
    return PARE_OK;
}

/* A half that has no unit passes the hidden states on. */
static pare_status leave_empty(pare_unit_walk *u) {
    if (u->job->options.choose[u->run.stage]) PARE_TRY(pare_units_choose_all(u));
    return u->l.asked.two ? pare_layerwise_pass_dense(&u->l, u->run.stage) : PARE_OK;
}

static pare_status change_output(pare_unit_walk *u) {
    const pare_repair_options *o = &u->job->options;
    pare_stage_run *run = &u->run;
    output_work work = {0};
    if (!run->width) return leave_empty(u);
    bool goes = removes(u), chooses = o->choose[run->stage], choose = goes && chooses;
    bool targeted = pare_layerwise_has_target(&u->l, run->roles.writes);
    work.fits = !o->probe && !o->keep_outputs && (goes || targeted);
    work.biased = !o->probe && (goes || targeted) && has_intercept(u, run->roles.writes);
    PARE_TRY(observe(u, choose || work.fits || work.biased, &work));
    load_output(u);
    if (choose) PARE_TRY(pare_units_choose(u, work.gram, work.cross));
    if (chooses && !goes) PARE_TRY(pare_units_choose_all(u));
    if (!o->probe && (goes || run->scaled || work.fits || work.biased || u->l.asked.channels.index))
        PARE_TRY(replace_output(u, &work));
    for (int i = 0; i < run->roles.reader_count && run->fits_readers; i++)
        PARE_TRY(keep(u, run->roles.readers[i], &u->slot[1 + i], has_intercept(u, run->roles.reads)));
    u->l.apart = u->l.apart || (!o->probe && goes);
    pare_layerwise_forget(&u->l);
    return PARE_OK;
}

pare_status pare_units_visit(void *walk, uint32_t layer, unsigned kinds, bool last) {
    pare_unit_walk *u = walk;
    pare_input_kind kind = (pare_input_kind)__builtin_ctz(kinds);
    (void)last;
    if (pare_stage_reads(kind)) {
        describe(u, layer, pare_stage_of(kind));
        return fit_readers(u);
    }
    pare_status status = change_output(u);
    pare_obs_free(u->run.chosen);
    u->run.chosen = NULL;
    PARE_TRY(status);
    if (u->run.stage == PARE_STAGE_FFN) PARE_TRY(pare_units_experts(u));
    if (u->fits) u->fits[layer][u->run.stage] = u->run.fit;
    return PARE_OK;
}
