#include "surgery/permuted_model.h"
#include "support/memory.h"
#include "surgery/cut.h"

pare_status pare_orders_new(const pare_model *model, pare_orders *out) {
    *out = (pare_orders){.layers = model->config.layers};
    pare_status status = pare_alloc(&out->ffn, out->layers, sizeof *out->ffn, "orders");
    if (status == PARE_OK) status = pare_alloc(&out->value, out->layers, sizeof *out->value, "orders");
    if (status != PARE_OK) pare_orders_free(out);
    return status;
}

static void free_lists(uint32_t **lists, uint32_t count) {
    for (uint32_t i = 0; lists && i < count; i++)
        pare_free(lists[i]);
    pare_free(lists);
}

void pare_orders_free(pare_orders *orders) {
    pare_free(orders->hidden);
    free_lists(orders->ffn, orders->layers);
    free_lists(orders->value, orders->layers);
    *orders = (pare_orders){0};
}

bool pare_orders_empty(const pare_orders *orders) {
    for (uint32_t i = 0; i < orders->layers; i++)
        if (orders->ffn[i] || orders->value[i]) return false;
    return !orders->hidden;
}

/* Every place of each stretch of `unit` takes one that stood in the same stretch; order NULL is fine. seen: [count] */
static bool is_permutation(const uint32_t *order, uint32_t count, uint32_t unit, bool *seen) {
    for (uint32_t i = 0; i < count; i++)
        seen[i] = false;
    for (uint32_t i = 0; order && i < count; i++) {
        if (order[i] >= count || order[i] / unit != i / unit || seen[order[i]]) return false;
        seen[order[i]] = true;
    }
    return true;
}

static bool are_permutations(const pare_model *model, const pare_orders *orders, bool *seen) {
    const pare_config *config = &model->config;
    if (!is_permutation(orders->hidden, config->hidden, config->hidden, seen)) return false;
    for (uint32_t i = 0; i < orders->layers; i++) {
        const pare_widths *w = &config->widths[i];
        if (!is_permutation(orders->ffn[i], w->ffn, w->ffn, seen)) return false;
        if (!is_permutation(orders->value[i], w->kv_heads * config->head_size, config->head_size, seen)) return false;
    }
    return true;
}

static pare_status check(const pare_model *model, const pare_orders *orders) {
    uint32_t widest = model->config.hidden;
    bool *seen;
    for (uint32_t i = 0; i < orders->layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        widest = w->ffn > widest ? w->ffn : widest;
        if (w->kv_heads * model->config.head_size > widest) widest = w->kv_heads * model->config.head_size;
    }
    PARE_TRY(pare_alloc(&seen, widest, sizeof *seen, "orders"));
    bool fine = are_permutations(model, orders, seen);
    pare_free(seen);
    if (fine) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "an order of channels leaves some out, names some twice, or moves a value "
                                        "channel to another head: give a permutation");
}

/* O's columns, one by one: each query head as the value head that it reads. */
static pare_status expand_value(const pare_model *model, uint32_t layer, const uint32_t *value, uint32_t **out) {
    const pare_widths *w = &model->config.widths[layer];
    uint32_t head = model->config.head_size, shared = pare_widths_shared(w);
    if (!value) return PARE_OK;
    PARE_TRY(pare_alloc(out, (size_t)w->heads * head, sizeof **out, "orders"));
    for (uint32_t i = 0; i < w->heads * head; i++) {
        uint32_t first = i / head / shared * head;
        (*out)[i] = i / head * head + value[first + i % head] - first;
    }
    return PARE_OK;
}

/* list NULL: the axis stays as it is. */
static pare_axis axis_of(const uint32_t *list, uint64_t count) {
    return (pare_axis){.units = list, .count = list ? count : 0, .width = 1};
}

/* The orders of a layer's axes. */
typedef struct layer_orders {
    pare_axis hidden, ffn, value, merged;
} layer_orders;

/* Rows of queries and keys stay, and what is added to them. */
static pare_axis axis_over(const layer_orders *l, pare_role role, pare_span span) {
    pare_role of = pare_roles[role].of;
    if (span == PARE_SPAN_HIDDEN) return l->hidden;
    if (span == PARE_SPAN_FFN) return l->ffn;
    if (span == PARE_SPAN_KV_HEADS && of == PARE_ROLE_V) return l->value;
    if (span == PARE_SPAN_HEADS && of == PARE_ROLE_O) return l->merged;
    return (pare_axis){.width = 1};
}

static void fill_layer(const pare_model *model, const pare_orders *orders, uint32_t layer, pare_permuted_axes *out) {
    const pare_config *config = &model->config;
    const pare_widths *w = &config->widths[layer];
    const layer_orders l = {.hidden = axis_of(orders->hidden, config->hidden),
                            .ffn = axis_of(orders->ffn[layer], w->ffn),
                            .value = axis_of(orders->value[layer], (uint64_t)w->kv_heads * config->head_size),
                            .merged = axis_of(out->columns[layer], (uint64_t)w->heads * config->head_size)};
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (pare_has_role(&config->architecture, role))
            out->axes[pare_tensor_id_in(config, layer, role)] =
                (pare_axes){.rows = axis_over(&l, role, pare_roles[role].rows),
                            .columns = axis_over(&l, role, pare_config_columns(config, role))};
}

static pare_status fill_axes(const pare_model *model, const pare_orders *orders, pare_permuted_axes *out) {
    pare_axis hidden = axis_of(orders->hidden, model->config.hidden);
    PARE_TRY(pare_alloc(&out->axes, out->count, sizeof *out->axes, "orders"));
    PARE_TRY(pare_alloc(&out->columns, out->layers, sizeof *out->columns, "orders"));
    for (size_t id = 0; id < out->count; id++)
        out->axes[id] = pare_axes_outside(model, id, hidden);
    for (uint32_t layer = 0; layer < out->layers; layer++) {
        PARE_TRY(expand_value(model, layer, orders->value[layer], &out->columns[layer]));
        fill_layer(model, orders, layer, out);
    }
    return PARE_OK;
}

pare_status pare_permuted_axes_new(const pare_model *model, const pare_orders *orders, pare_permuted_axes *out) {
    *out = (pare_permuted_axes){.count = model->tensor_count, .layers = model->config.layers};
    PARE_TRY(check(model, orders));
    pare_status status = fill_axes(model, orders, out);
    if (status != PARE_OK) pare_permuted_axes_free(out);
    return status;
}

void pare_permuted_axes_free(pare_permuted_axes *axes) {
    free_lists(axes->columns, axes->layers);
    pare_free(axes->axes);
    *axes = (pare_permuted_axes){0};
}

pare_status pare_permuted_model_new(const pare_model *model, const pare_orders *orders, const char *scratch,
                                    const pare_runtime *runtime, pare_temporary_model *out) {
    pare_permuted_axes permuted;
    pare_selection all = {0};
    *out = (pare_temporary_model){0};
    PARE_TRY(pare_permuted_axes_new(model, orders, &permuted));
    pare_status status = pare_selection_all(model, &all);
    if (status == PARE_OK) status = pare_temporary_model_begin(model, &all, scratch, runtime, out);
    if (status == PARE_OK) status = pare_cut_write_axes(model, &all, permuted.axes, NULL, out->folder, runtime);
    if (status == PARE_OK) status = pare_temporary_model_open(out, model);
    if (status != PARE_OK) pare_temporary_model_free(out);
    pare_selection_free(&all);
    pare_permuted_axes_free(&permuted);
    return status;
}
