#include "surgery/cut.h"
#include "checkpoint/writer.h"
#include "model/family.h"
#include "model/names.h"
#include "support/memory.h"
#include "surgery/axes.h"
#include "surgery/composite.h"
#include "surgery/convert.h"
#include "surgery/cut_experts.h"
#include "surgery/kept_values.h"
#include "surgery/rescale.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One tensor on its way. */
typedef struct cut {
    const pare_tensor *tensor;
    pare_axes axes;
    const void *repaired; /* written as it is; NULL: cut from the tensor */
    pare_rescale rescale;
    bool composite; /* parts of other tensors, each with its own axes */
    pare_composite parts;
    char *name; /* under which it is written */
} cut;

typedef struct plan {
    const pare_model *model;
    const pare_selection *selection;
    const pare_axes *axes; /* of every tensor, or NULL: those of the selection */
    const pare_repaired *repaired;
    cut *cuts;
    pare_declaration *declarations;
    size_t count;
} plan;

/* Consecutive kept columns, in bytes of a row. */
typedef struct run {
    uint64_t first, bytes;
} run;

/* True if the name is that of something in a layer of the model; then *layer is set and *rest points behind its number.
 */
static bool split_name(const char *name, const char *prefix, uint32_t layers, uint32_t *layer, const char **rest) {
    char number[16], *end;
    size_t length = strlen(prefix);
    if (strncmp(name, prefix, length) != 0) return false;
    const char *digits = name + length;
    unsigned long value = strtoul(digits, &end, 10);
    if (value >= layers || *end != '.') return false;
    snprintf(number, sizeof number, "%lu.", value);
    *layer = (uint32_t)value;
    *rest = end;
    return strncmp(digits, number, strlen(number)) == 0;
}

/* The name in the smaller model, freed with free(); NULL if the tensor's layer is dropped, or
 * predicts further tokens. A tied matrix that is stored
 * as the head alone gets the name that all engines look for. */
static char *name_of(const pare_model *model, const pare_selection *selection, const pare_tensor *tensor) {
    char prefix[PARE_NAME_BYTES], head[PARE_NAME_BYTES], embedding[PARE_NAME_BYTES];
    uint32_t layer, number = 0;
    const char *rest;
    if (pare_name_predicts(&model->config, tensor->name)) return NULL;
    pare_layer_prefix(&model->config, prefix);
    pare_end_tensor_name(&model->config, PARE_END_HEAD, head);
    pare_end_tensor_name(&model->config, PARE_END_EMBEDDING, embedding);
    if (model->config.embedding_in_head && strcmp(tensor->name, head) == 0) return pare_format("%s", embedding);
    if (!split_name(tensor->name, prefix, selection->layers, &layer, &rest))
        return pare_carried_name(&model->config, tensor->name);
    if (selection->layer[layer].dropped) return NULL;
    for (uint32_t i = 0; i < layer; i++)
        number += !selection->layer[i].dropped;
    return pare_format("%s%u%s", prefix, number, rest);
}

static pare_axes axes_of(const plan *p, size_t id) {
    return p->axes && id < p->model->tensor_count ? p->axes[id] : pare_axes_of(p->model, p->selection, id);
}

/* What is left of the rows and columns of a role's tensor; a vector's elements are rows. */
static void left_of(const plan *p, size_t id, int64_t *rows, int64_t *columns) {
    const pare_tensor *tensor = p->model->tensors[id];
    const pare_axes axes = axes_of(p, id);
    bool vector = tensor->rank != 2;
    *rows = (int64_t)pare_axis_length(vector ? &axes.columns : &axes.rows, tensor->shape[0]);
    *columns = vector ? 1 : (int64_t)pare_axis_length(&axes.columns, tensor->shape[1]);
}

static pare_declaration declare_composite(const plan *p, const cut *c) {
    pare_composite_part parts[PARE_COMPOSITE_PARTS] = {{0}};
    pare_declaration d = {.name = c->name, .dtype = c->tensor->dtype, .rank = c->tensor->rank};
    for (int i = 0; i < c->parts.count; i++)
        left_of(p, c->parts.id[i], &parts[i].rows, &parts[i].columns);
    pare_composite_shape(&c->parts, parts, d.shape);
    return d;
}

static pare_declaration declare(const plan *p, const cut *c) {
    const pare_tensor *tensor = c->tensor;
    if (c->composite) return declare_composite(p, c);
    pare_declaration d = {.name = c->name, .dtype = tensor->dtype, .rank = tensor->rank};
    memcpy(d.shape, tensor->shape, sizeof d.shape);
    if (tensor->rank >= 2) d.shape[0] = pare_axis_length(&c->axes.rows, d.shape[0]);
    if (tensor->rank > 0) d.shape[tensor->rank - 1] = pare_axis_length(&c->axes.columns, d.shape[tensor->rank - 1]);
    return d;
}

static void free_plan(plan *p) {
    for (size_t i = 0; p->cuts && i < p->count; i++)
        free(p->cuts[i].name);
    pare_free(p->cuts);
    pare_free(p->declarations);
}

/* What is stored for one head goes with the head, or gets the number that is left to it; name NULL: it goes. */
static void take_piece(const plan *p, size_t id, uint32_t head, cut *c) {
    const pare_axes axes = axes_of(p, id);
    const void *repaired = p->repaired && id < p->repaired->count ? p->repaired->matrix[id] : NULL;
    static const char suffix[] = ".weight";
    char *name = c->name;
    uint64_t place = 0;
    while (axes.columns.units && place < axes.columns.count && axes.columns.units[place] != head)
        place++;
    if (!axes.columns.units) place = head;
    c->name = NULL;
    if (!axes.columns.units || place < axes.columns.count) {
        name[strlen(name) - strlen(suffix)] = '\0';
        *strrchr(name, '.') = '\0';
        c->name = pare_format("%s.%llu%s", name, (unsigned long long)place, suffix);
        if (repaired) c->repaired = (const char *)repaired + place * c->tensor->bytes;
    }
    free(name);
}

/* A half without units has neither matrices nor the norm in front of it, as Nemotron-NAS models have it. Matrices stay,
 * without elements, where a family's config.json has no number that tells. */
static bool is_of_absent_half(const plan *p, size_t id, bool composite, const pare_declaration *d) {
    const pare_family *family = p->model->config.family;
    bool known = id < p->model->tensor_count, empty = false;
    uint32_t layer;
    pare_role role;
    for (int i = 0; i < d->rank; i++)
        empty |= d->shape[i] == 0;
    if (composite) return empty;
    if (!known || !pare_tensor_id_split(p->model, id, &layer, &role)) return false;
    const pare_kept *kept = &p->selection->layer[layer];
    const pare_widths widths = {
        .heads = kept->heads, .kv_heads = kept->kv_heads, .ffn = kept->ffn, .experts = kept->experts};
    bool attention = pare_role_in(role, PARE_PART_ATTENTION);
    return (empty && (attention || !family->fixed_ffn)) ||
           pare_widths_lack_norm(&p->model->config.architecture, &widths, role);
}

static pare_status make_plan(plan *p) {
    const pare_model *model = p->model;
    const pare_repaired *repaired = p->repaired;
    size_t count = pare_checkpoint_count(model->checkpoint);
    PARE_TRY(pare_alloc(&p->cuts, count, sizeof *p->cuts, "tensor list"));
    PARE_TRY(pare_alloc(&p->declarations, count, sizeof *p->declarations, "tensor list"));
    for (size_t i = 0; i < count; i++) {
        cut c = {.tensor = pare_checkpoint_at(model->checkpoint, i)};
        size_t id = pare_tensor_id_of(model, c.tensor);
        uint32_t head;
        size_t piece = pare_piece_of(model, c.tensor, &head);
        c.name = name_of(model, p->selection, c.tensor);
        if (c.name && piece < model->tensor_count) take_piece(p, piece, head, &c);
        if (c.name) pare_cut_expert_name(model, p->selection, id, &c.name);
        if (!c.name) continue;
        c.axes = axes_of(p, id);
        pare_cut_experts_axes(model, p->selection, c.tensor, &c.axes);
        c.rescale = pare_rescale_of(model, p->selection, id);
        c.composite = pare_composite_of(model, c.tensor, &c.parts);
        if (repaired && id < repaired->count && c.tensor->dtype == model->tensors[id]->dtype)
            c.repaired = repaired->matrix[id];
        p->cuts[p->count] = c;
        p->declarations[p->count] = declare(p, &c);
        if (is_of_absent_half(p, id, c.composite, &p->declarations[p->count]))
            free(c.name);
        else
            p->count++;
    }
    return PARE_OK;
}

/* Length in units of the run of consecutive units that begins at `at`. */
static uint64_t run_length(const pare_axis *axis, uint64_t at) {
    uint64_t length = 1;
    while (at + length < axis->count && axis->units[at + length] == axis->units[at] + length)
        length++;
    return length;
}

/* runs: [columns->count] room */
static size_t find_runs(const pare_axis *columns, uint64_t unit_bytes, run *runs) {
    size_t count = 0;
    for (uint64_t at = 0, length; at < columns->count; at += length, count++) {
        length = run_length(columns, at);
        runs[count] = (run){.first = columns->units[at] * unit_bytes, .bytes = length * unit_bytes};
    }
    return count;
}

/* Gathers the runs of each row; rows: [count] consecutive ones of `row_bytes` each. */
static char *gather(const char *rows, uint64_t count, uint64_t row_bytes, const run *runs, size_t run_count, char *to) {
    for (uint64_t row = 0; row < count; row++)
        for (size_t i = 0; i < run_count; i++) {
            memcpy(to, rows + row * row_bytes + runs[i].first, runs[i].bytes);
            to += runs[i].bytes;
        }
    return to;
}

typedef struct gathering {
    pare_writer *writer;
    const run *runs;
    size_t run_count;
    uint64_t row_bytes, kept_bytes, step; /* step: rows that fit the buffer */
    pare_rescale rescale;
    pare_dtype dtype;
    char *buffer;
    char *whole; /* [step] rows of a tensor that is no run of the file; NULL: it is one */
} gathering;

/* Kept columns of `count` consecutive rows. */
static pare_status write_gathered(const gathering *g, const pare_tensor *tensor, uint64_t first, uint64_t count) {
    uint64_t columns = tensor->shape[tensor->rank - 1];
    for (uint64_t done = 0; done < count; done += g->step) {
        uint64_t take = count - done < g->step ? count - done : g->step;
        const char *rows = pare_tensor_elements(tensor, (first + done) * columns, take * columns, g->whole);
        gather(rows, take, g->row_bytes, g->runs, g->run_count, g->buffer);
        if (pare_rescale_changes(g->rescale))
            pare_rescale_apply(g->rescale, g->dtype, take * g->kept_bytes / pare_dtype_size(g->dtype), g->buffer);
        PARE_TRY(pare_writer_write(g->writer, g->buffer, take * g->kept_bytes));
    }
    return PARE_OK;
}

/* Each run of kept rows, whole (gathering NULL) or their kept columns. */
static pare_status write_rows(pare_writer *writer, const cut *c, const gathering *g) {
    const pare_axis *rows = &c->axes.rows;
    uint64_t all = c->tensor->rank >= 2 ? c->tensor->shape[0] : 1, unit = rows->width;
    uint64_t columns = c->tensor->count / all;
    for (uint64_t at = 0, length; at < (rows->units ? rows->count : 1); at += length) {
        length = rows->units ? run_length(rows, at) : 1;
        uint64_t first = rows->units ? rows->units[at] * unit : 0, count = rows->units ? length * unit : all;
        PARE_TRY(g ? write_gathered(g, c->tensor, first, count)
                   : pare_writer_write_elements(writer, c->tensor, first * columns, count * columns));
    }
    return PARE_OK;
}

static pare_status write_columns(pare_writer *writer, const cut *c) {
    enum { BUFFER = 1 << 20 };
    const pare_axis *columns = &c->axes.columns;
    uint64_t size = pare_dtype_size(c->tensor->dtype), kept_bytes = columns->count * columns->width * size;
    gathering g = {.writer = writer,
                   .rescale = c->rescale,
                   .dtype = c->tensor->dtype,
                   .row_bytes = c->tensor->shape[c->tensor->rank - 1] * size,
                   .kept_bytes = kept_bytes,
                   .step = kept_bytes && kept_bytes < BUFFER ? BUFFER / kept_bytes : 1};
    run *runs = NULL;
    PARE_TRY(pare_alloc(&runs, columns->count, sizeof *runs, "column runs"));
    pare_status status = pare_alloc_uninitialized(&g.buffer, g.step * kept_bytes, 1, "column buffer");
    if (status == PARE_OK && c->tensor->view)
        status = pare_alloc_uninitialized(&g.whole, g.step * g.row_bytes, 1, "column buffer");
    if (status == PARE_OK) {
        g.run_count = find_runs(columns, columns->width * size, runs);
        g.runs = runs;
        status = write_rows(writer, c, &g);
    }
    pare_free(g.buffer);
    pare_free(g.whole);
    pare_free(runs);
    return status;
}

/* One part of a composite as it is left: repaired, or its rows and columns gathered. */
static pare_status take_part(const plan *p, size_t id, pare_composite_part *part) {
    const pare_tensor *tensor = p->model->tensors[id];
    const pare_axes axes = axes_of(p, id);
    left_of(p, id, &part->rows, &part->columns);
    size_t count = (size_t)(part->rows * part->columns), size = pare_dtype_size(tensor->dtype);
    PARE_TRY(pare_alloc_uninitialized(&part->data, count, size, "tensor"));
    const void *repaired = p->repaired && id < p->repaired->count ? p->repaired->matrix[id] : NULL;
    if (repaired)
        memcpy(part->data, repaired, count * size);
    else
        PARE_TRY(pare_kept_elements(tensor, &axes, part->data));
    const pare_rescale rescale = pare_rescale_of(p->model, p->selection, id);
    if (pare_rescale_changes(rescale)) pare_rescale_apply(rescale, tensor->dtype, count, part->data);
    return PARE_OK;
}

static pare_status write_composite(const plan *p, pare_writer *writer, const cut *c) {
    pare_composite_part parts[PARE_COMPOSITE_PARTS] = {{0}};
    pare_status status = PARE_OK;
    void *joined = NULL;
    size_t elements = 0, size = pare_dtype_size(c->tensor->dtype);
    for (int i = 0; i < c->parts.count && status == PARE_OK; i++) {
        status = take_part(p, c->parts.id[i], &parts[i]);
        elements += (size_t)(parts[i].rows * parts[i].columns);
    }
    if (status == PARE_OK) status = pare_alloc_uninitialized(&joined, elements, size, "tensor");
    if (status == PARE_OK) {
        pare_composite_join(&c->parts, parts, joined);
        status = pare_writer_write(writer, joined, elements * size);
    }
    for (int i = 0; i < c->parts.count; i++)
        pare_free(parts[i].data);
    pare_free(joined);
    return status;
}

static pare_status write_repaired(pare_writer *writer, const cut *c, const pare_declaration *declaration) {
    uint64_t count = 1, size = pare_dtype_size(declaration->dtype);
    void *own;
    for (int i = 0; i < declaration->rank; i++)
        count *= declaration->shape[i];
    if (!pare_rescale_changes(c->rescale)) return pare_writer_write(writer, c->repaired, count * size);
    PARE_TRY(pare_alloc_uninitialized(&own, count, size, "tensor"));
    memcpy(own, c->repaired, count * size);
    pare_rescale_apply(c->rescale, declaration->dtype, count, own);
    pare_status status = pare_writer_write(writer, own, count * size);
    pare_free(own);
    return status;
}

static pare_status write_tensor(void *context, pare_writer *writer, size_t index) {
    const plan *p = context;
    const cut *c = &p->cuts[index];
    const pare_declaration *declaration = &p->declarations[index];
    if (c->composite) return write_composite(p, writer, c);
    if (c->repaired) return write_repaired(writer, c, declaration);
    if (pare_cut_experts_differ(p->model, p->repaired, c->tensor))
        return pare_cut_experts_write(p->model, p->selection, p->repaired, c->tensor, writer);
    if (!c->tensor->bytes) return PARE_OK;
    return c->axes.columns.units ? write_columns(writer, c) : write_rows(writer, c, NULL);
}

const pare_family *pare_cut_family(const pare_model *model, const pare_selection *selection) {
    const pare_config *config = &model->config;
    pare_widths *widths;
    if (pare_alloc(&widths, selection->layers, sizeof *widths, "widths") != PARE_OK) return config->family;
    pare_selection_widths(selection, widths);
    pare_config_sizes sizes = {
        .hidden = selection->hidden, .layers = pare_selection_layers(selection), .widths = widths};
    pare_config_kind kind = pare_config_kind_of(config, &sizes);
    pare_free(widths);
    bool other = kind == PARE_CONFIG_OTHER || (kind == PARE_CONFIG_MISTRAL && config->family != &pare_family_mistral);
    return other ? pare_family_other(config) : config->family;
}

pare_status pare_cut_write_axes(const pare_model *model, const pare_selection *selection, const pare_axes *axes,
                                const pare_repaired *repaired, const char *directory, const pare_runtime *runtime) {
    plan p = {.model = model, .selection = selection, .axes = axes, .repaired = repaired};
    pare_status status = make_plan(&p);
    pare_writing writing = {.write = write_tensor, .context = &p, .stage = "writing"};
    if (status == PARE_OK) status = pare_writer_run(directory, p.declarations, p.count, &writing, runtime);
    free_plan(&p);
    return status;
}

pare_status pare_cut_write(const pare_model *model, const pare_selection *selection, const pare_repaired *repaired,
                           const char *directory, const pare_runtime *runtime) {
    const pare_family *target = pare_cut_family(model, selection);
    if (pare_convert_needed(model, target))
        return pare_convert_write(model, target, selection, repaired, directory, runtime);
    return pare_cut_write_axes(model, selection, NULL, repaired, directory, runtime);
}
