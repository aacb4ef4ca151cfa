#include "importance/reduce_standard.h"
#include "model/expert_tensors.h"

#include <math.h>
#include <string.h>

/* The coupled tensors of a group at one index, in the reference's order. */
typedef struct members {
    double value[8];
    int count;
} members;

static void add_member(members *m, double value) {
    m->value[m->count++] = value;
}

static double combine(double a, double b, pare_reduction reduction) {
    switch (reduction) {
    case PARE_REDUCE_MAX:
        return b > a ? b : a;
    case PARE_REDUCE_PROD:
        return a * b;
    default:
        return a + b;
    }
}

static double reduce_members(const members *m, pare_reduction reduction) {
    if (reduction == PARE_REDUCE_FIRST) return m->value[0];
    if (reduction == PARE_REDUCE_SECOND) return m->value[1];
    double result = m->value[0];
    for (int i = 1; i < m->count; i++)
        result = combine(result, m->value[i], reduction);
    return reduction == PARE_REDUCE_MEAN ? result / (double)m->count : result;
}

double pare_index_at(const pare_index_scores *indices, size_t id, uint64_t index) {
    if (!indices->by_tensor[id]) return 0.0;
    double value = indices->by_tensor[id][index];
    return indices->salience->signed_sum ? fabs(value) : value;
}

/* Query indices that count for key/value index i, added up. */
static double aligned(const pare_index_scores *indices, size_t id, uint64_t i, const pare_widths *w,
                      pare_alignment alignment) {
    uint64_t head = indices->model->config.head_size, shared = pare_widths_shared(w), keys = w->kv_heads * head;
    double total = 0.0;
    for (uint64_t r = 0; r < shared; r++)
        total += pare_index_at(
            indices, id, alignment == PARE_ALIGN_GROUP ? (i / head * shared + r) * head + i % head : r * keys + i);
    return total;
}

static void reduce_heads(const pare_index_scores *indices, uint32_t layer, pare_reduction reduction,
                         pare_alignment alignment, pare_unit_scores *out) {
    const pare_config *c = &indices->model->config;
    const pare_widths *w = &c->widths[layer];
    size_t q = pare_tensor_id(layer, PARE_ROLE_Q), k = pare_tensor_id(layer, PARE_ROLE_K);
    size_t v = pare_tensor_id(layer, PARE_ROLE_V), o = pare_tensor_id(layer, PARE_ROLE_O);
    bool shares = pare_widths_shared(w) > 1;
    memset(out->heads[layer], 0, w->kv_heads * sizeof(double));
    memset(out->query[layer], 0, w->heads * sizeof(double));
    for (uint64_t i = 0; i < (uint64_t)w->kv_heads * c->head_size; i++) {
        members m = {.count = 0};
        double query = aligned(indices, q, i, w, alignment), key = pare_index_at(indices, k, i);
        add_member(&m, shares ? key : query);
        add_member(&m, aligned(indices, o, i, w, alignment));
        add_member(&m, pare_index_at(indices, v, i));
        add_member(&m, shares ? query : key);
        out->heads[layer][i / c->head_size] += reduce_members(&m, reduction);
    }
    for (uint64_t i = 0; i < (uint64_t)w->heads * c->head_size; i++) {
        members m = {.count = 0};
        add_member(&m, pare_index_at(indices, q, i));
        add_member(&m, pare_index_at(indices, o, i));
        out->query[layer][i / c->head_size] += reduce_members(&m, reduction);
    }
}

static void reduce_channels(const pare_index_scores *indices, uint32_t layer, pare_reduction reduction,
                            pare_unit_scores *out) {
    for (uint64_t i = 0; i < indices->model->config.widths[layer].ffn; i++) {
        members m = {.count = 0};
        for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++)
            if (pare_role_in(role, PARE_PART_FFN) && pare_has_role(&indices->model->config.architecture, role))
                add_member(&m, pare_index_at(indices, pare_tensor_id(layer, role), i));
        out->ffn[layer][i] = reduce_members(&m, reduction);
    }
}

/* Gate, up and down of each expert, as in an FFN of all tokens; its own score is the sum over its channels, as a head's
 * is over its indices. */
static void reduce_experts(const pare_index_scores *indices, uint32_t layer, pare_reduction reduction,
                           pare_unit_scores *out) {
    const pare_config *c = &indices->model->config;
    const pare_widths *w = &c->widths[layer];
    for (uint32_t expert = 0; expert < w->experts; expert++) {
        size_t gate = pare_tensor_id_expert(c, layer, expert, PARE_EXPERT_GATE);
        double *scores = pare_unit_scores_of_expert(out, w, layer, expert), total = 0.0;
        for (uint32_t i = 0; i < w->expert_ffn; i++) {
            members m = {.count = 0};
            for (size_t part = 0; part < PARE_EXPERT_PARTS; part++)
                add_member(&m, pare_index_at(indices, gate + part, i));
            total += scores[i] = reduce_members(&m, reduction);
        }
        out->expert[layer][expert] = total;
    }
}

static double sum_experts(const pare_index_scores *indices, uint32_t layer) {
    const pare_config *c = &indices->model->config;
    const pare_widths *w = &c->widths[layer];
    double total = 0.0;
    for (uint32_t expert = 0; expert < w->experts; expert++)
        for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS; part++)
            for (uint32_t i = 0; i < w->expert_ffn; i++)
                total += pare_index_at(indices, pare_tensor_id_expert(c, layer, expert, part), i);
    return total;
}

/* A layer's score: all its indices, whatever the reduction. */
static double sum_layer(const pare_index_scores *indices, uint32_t layer) {
    const pare_config *c = &indices->model->config;
    const pare_widths *w = &c->widths[layer];
    double total = 0.0;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        if (!pare_has_role(&c->architecture, role)) continue;
        pare_span span = pare_role_writes(role) ? pare_roles[role].columns : pare_roles[role].rows;
        uint64_t count = (uint64_t)pare_config_span(c, w, span);
        for (uint64_t i = 0; i < count; i++)
            total += pare_index_at(indices, pare_tensor_id(layer, role), i);
    }
    return total + sum_experts(indices, layer);
}

/* The reference's order: final norm, head, and so on; a tied head and the embedding are one tensor. NULL: no scores at
 * this place. */
static const double *hidden_scores_at(const pare_index_scores *indices, size_t place, size_t *id) {
    size_t norm = pare_tensor_id_final_norm(indices->model), head = pare_tensor_id_head(indices->model);
    *id = place == 0 ? norm : place == 1 ? head : place - 2;
    return place >= 2 && (*id == norm || *id == head) ? NULL : indices->by_tensor[*id];
}

static double reduce_hidden_channel(const pare_index_scores *indices, pare_reduction reduction, uint64_t channel) {
    size_t count = indices->model->tensor_count, seen = 0, id;
    double result = 0;
    for (size_t place = 0; place < count + 2; place++) {
        if (!hidden_scores_at(indices, place, &id)) continue;
        double value = pare_index_at(indices, id, channel);
        result = seen++ && reduction != PARE_REDUCE_SECOND ? combine(result, value, reduction) : value;
        if (reduction == PARE_REDUCE_FIRST || (reduction == PARE_REDUCE_SECOND && seen == 2)) return result;
    }
    return reduction == PARE_REDUCE_MEAN ? result / (double)count : result;
}

static void reduce_hidden(const pare_index_scores *indices, pare_reduction reduction, pare_unit_scores *out) {
    for (uint64_t i = 0; i < indices->model->config.hidden; i++)
        out->hidden[i] = reduce_hidden_channel(indices, reduction, i);
}

void pare_unit_scores_reduce(const pare_index_scores *indices, pare_reduction reduction, pare_alignment alignment,
                             pare_unit_scores *out) {
    if (indices->axis == PARE_AXIS_HIDDEN) {
        reduce_hidden(indices, reduction, out);
        return;
    }
    for (uint32_t layer = 0; layer < out->layers; layer++) {
        if (reduction == PARE_REDUCE_STANDARD) {
            pare_reduce_standard(indices, layer, out);
        } else {
            reduce_heads(indices, layer, reduction, alignment, out);
            reduce_channels(indices, layer, reduction, out);
            reduce_experts(indices, layer, reduction, out);
        }
        out->layer[layer] = sum_layer(indices, layer);
    }
}
