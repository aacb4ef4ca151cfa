#include "layerwise/permutation.h"
#include "support/memory.h"

#include <string.h>

enum { LARGEST_PART = 1024, FEWEST_ROWS = 256 }; /* blocks that are assigned at a time; rows of the stack */

typedef struct finder {
    const pare_permutation_goal *goal;
    pare_permutation *out;
    float *stack;                 /* [rows_seen, hidden] */
    int64_t step, passed, filled; /* every step-th row; rows that came by; rows of the stack in use */
    uint32_t *order;              /* [widest] room */
} finder;

static pare_channel_kind kind_of(pare_role role) {
    if (pare_roles[role].columns == PARE_SPAN_HIDDEN) return PARE_CHANNEL_HIDDEN;
    return pare_roles[role].columns == PARE_SPAN_FFN ? PARE_CHANNEL_FFN : PARE_CHANNEL_VALUE;
}

static bool divides(const pare_permutation_goal *goal, uint32_t layer, pare_channel_kind kind) {
    const pare_config *config = &goal->model->config;
    int64_t channels = kind == PARE_CHANNEL_HIDDEN  ? config->hidden
                       : kind == PARE_CHANNEL_VALUE ? config->head_size
                                                    : config->widths[layer].ffn;
    return channels % goal->of == 0;
}

/* Rows of all matrices that read the residual stream. */
static int64_t hidden_rows(const pare_permutation_goal *goal) {
    int64_t total = 0;
    for (uint32_t layer = 0; layer < goal->model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(layer, (pare_role)role);
            int64_t rows, columns;
            if (!goal->pruned[id] || kind_of((pare_role)role) != PARE_CHANNEL_HIDDEN) continue;
            pare_tensor_matrix(goal->model->tensors[id], &rows, &columns);
            total += rows;
        }
    return divides(goal, 0, PARE_CHANNEL_HIDDEN) ? total : 0;
}

/* An odd step, so that rows do not always come from the same place of a head. */
static int64_t step_of(const pare_permutation_goal *goal, int64_t rows) {
    int64_t most = (int64_t)(goal->room / (goal->model->config.hidden * sizeof(float)));
    if (most < FEWEST_ROWS) most = FEWEST_ROWS;
    int64_t step = (rows + most - 1) / most;
    return step > 1 ? step | 1 : 1;
}

static int64_t stack_rows(const pare_permutation_goal *goal) {
    int64_t rows = hidden_rows(goal), step = step_of(goal, rows);
    return (rows + step - 1) / step;
}

static uint32_t widest(const pare_model *model) {
    uint32_t most = model->config.hidden;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        const pare_widths *w = &model->config.widths[layer];
        most = w->ffn > most ? w->ffn : most;
        most = w->heads * model->config.head_size > most ? w->heads * model->config.head_size : most;
    }
    return most;
}

/* The columns' orders, gains and packed scores of one assignment (select/permute.h). */
static uint64_t assignment_bytes(const pare_permutation_goal *goal) {
    uint64_t columns = widest(goal->model), part = columns / (uint64_t)goal->of + 1;
    part = part < LARGEST_PART ? part : LARGEST_PART;
    return part * part * sizeof(double) + 4 * part * 256 * sizeof(float) + 8 * columns * sizeof(double);
}

uint64_t pare_permutation_bytes(const pare_permutation_goal *goal) {
    uint64_t rows = (uint64_t)stack_rows(goal), d = goal->model->config.hidden;
    return rows * (d * sizeof(float) + sizeof(double)) + assignment_bytes(goal);
}

static pare_permute permute_of(const pare_permutation_goal *goal, int64_t width) {
    int64_t blocks = width / goal->of;
    return (pare_permute){
        .kind = goal->kind, .keep = goal->keep, .of = goal->of, .chunks = (blocks + LARGEST_PART - 1) / LARGEST_PART};
}

/* 1 over the mean. */
static double scale_of(const pare_matrix_scores *m) {
    double sum = 0.0;
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        sum += (double)m->scores[i];
    return sum > 0.0 ? (double)(m->rows * m->columns) / sum : 0.0;
}

static void count(pare_permutation_gain *gain, const pare_matrix_scores *m, double before, double after, bool moves) {
    double scale = scale_of(m);
    gain->matrices++;
    gain->permuted += moves;
    gain->total += scale > 0.0 ? (double)(m->rows * m->columns) : 0.0;
    gain->before += before * scale;
    gain->after += after * scale;
}

static bool moves(const uint32_t *order, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (order[i] != i) return true;
    return false;
}

static pare_status order_ffn(finder *f, const pare_matrix_scores *m) {
    pare_permute permute = permute_of(f->goal, m->columns);
    double before, after;
    PARE_TRY(pare_permute_columns(m->scores, m->rows, m->columns, &permute, f->order, &before, &after));
    bool moved = moves(f->order, m->columns);
    count(&f->out->gain[PARE_CHANNEL_FFN], m, before, after, moved);
    if (!moved) return PARE_OK;
    uint32_t **order = &f->out->orders.ffn[m->layer];
    PARE_TRY(pare_alloc(order, (size_t)m->columns, sizeof **order, "orders"));
    memcpy(*order, f->order, (size_t)m->columns * sizeof **order);
    return PARE_OK;
}

/* value[head] <- the order inside value head `group`, for all columns of O that read it. */
static pare_status order_head(finder *f, const pare_matrix_scores *m, int64_t group, int64_t groups, uint32_t *value,
                              double *before, double *after) {
    int64_t head = f->goal->model->config.head_size, width = m->columns / groups;
    pare_permute permute = permute_of(f->goal, head);
    double was, is;
    permute.unit = head;
    permute.alike = true;
    for (int64_t row = 0; row < m->rows; row++)
        memcpy(m->room + row * width, m->scores + row * m->columns + group * width, (size_t)width * sizeof *m->room);
    PARE_TRY(pare_permute_columns(m->room, m->rows, width, &permute, f->order, &was, &is));
    *before += was;
    *after += is;
    for (int64_t i = 0; i < head; i++)
        value[i] = (uint32_t)(group * head) + f->order[i];
    return PARE_OK;
}

static pare_status order_value(finder *f, const pare_matrix_scores *m) {
    int64_t head = f->goal->model->config.head_size, groups = f->goal->model->config.widths[m->layer].kv_heads;
    uint32_t **order = &f->out->orders.value[m->layer];
    double before = 0.0, after = 0.0;
    PARE_TRY(pare_alloc(order, (size_t)(groups * head), sizeof **order, "orders"));
    for (int64_t group = 0; group < groups; group++)
        PARE_TRY(order_head(f, m, group, groups, *order + group * head, &before, &after));
    bool moved = moves(*order, groups * head);
    count(&f->out->gain[PARE_CHANNEL_VALUE], m, before, after, moved);
    if (moved) return PARE_OK;
    pare_free(*order);
    *order = NULL;
    return PARE_OK;
}

static void stack_matrix(finder *f, const pare_matrix_scores *m) {
    float scale = (float)scale_of(m);
    for (int64_t row = 0; row < m->rows; row++) {
        if (f->passed++ % f->step) continue;
        float *to = f->stack + f->filled++ * m->columns;
        for (int64_t j = 0; j < m->columns; j++)
            to[j] = m->scores[row * m->columns + j] * scale;
    }
}

static pare_status order_hidden(finder *f) {
    int64_t d = f->goal->model->config.hidden;
    pare_permute permute = permute_of(f->goal, d);
    uint32_t **order = &f->out->orders.hidden;
    double before, after;
    if (!f->stack) return PARE_OK;
    PARE_TRY(pare_permute_columns(f->stack, f->filled, d, &permute, f->order, &before, &after));
    pare_free(f->stack);
    f->stack = NULL;
    if (!moves(f->order, d)) return PARE_OK;
    PARE_TRY(pare_alloc(order, (size_t)d, sizeof **order, "orders"));
    memcpy(*order, f->order, (size_t)d * sizeof **order);
    return PARE_OK;
}

/* *sum: of the scores that the pattern keeps. */
static pare_status sum_kept(const finder *f, const pare_matrix_scores *m, const float *scores, double *sum) {
    pare_permute as_it_is = {.keep = f->goal->keep, .of = f->goal->of};
    double same;
    return pare_permute_columns(scores, m->rows, m->columns, &as_it_is, f->order, sum, &same);
}

static pare_status measure_hidden(finder *f, const pare_matrix_scores *m) {
    const uint32_t *order = f->out->orders.hidden;
    double before, after;
    PARE_TRY(sum_kept(f, m, m->scores, &before));
    after = before;
    if (order) {
        pare_matrix_cut(m->scores, m->columns, sizeof *m->scores, (pare_index_list){.count = m->rows},
                        (pare_index_list){order, m->columns}, m->room);
        PARE_TRY(sum_kept(f, m, m->room, &after));
    }
    count(&f->out->gain[PARE_CHANNEL_HIDDEN], m, before, after, order != NULL);
    return PARE_OK;
}

/* First all orders are found; then the hidden one is measured on all rows. */
static pare_status visit(void *context, int pass, const pare_matrix_scores *m) {
    finder *f = context;
    pare_channel_kind kind = kind_of(m->role);
    if (!divides(f->goal, m->layer, kind)) return PARE_OK;
    if (pass == 1) return kind == PARE_CHANNEL_HIDDEN ? measure_hidden(f, m) : PARE_OK;
    if (kind == PARE_CHANNEL_FFN) return order_ffn(f, m);
    if (kind == PARE_CHANNEL_VALUE) return order_value(f, m);
    stack_matrix(f, m);
    return PARE_OK;
}

static pare_status finish(void *context, int pass) {
    finder *f = context;
    pare_permutation_gain *gain = &f->out->gain[PARE_CHANNEL_HIDDEN];
    if (pass == 0) return order_hidden(f);
    if (gain->after > gain->before) return PARE_OK;
    pare_free(f->out->orders.hidden);
    f->out->orders.hidden = NULL;
    gain->after = gain->before;
    gain->permuted = 0;
    return PARE_OK;
}

static void note(pare_permutation *out, json_t *sentence) {
    pare_json_append(out->left_alone, sentence);
}

/* What the pattern does not divide, a sentence for each kind. */
static void note_left_alone(const pare_permutation_goal *goal, pare_permutation *out) {
    const pare_config *config = &goal->model->config;
    bool pruned[PARE_CHANNEL_KINDS] = {false};
    uint32_t layers = 0, first = 0;
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            if (goal->pruned[pare_tensor_id(layer, (pare_role)role)]) pruned[kind_of((pare_role)role)] = true;
        if (!goal->pruned[pare_tensor_id(layer, PARE_ROLE_DOWN)] || divides(goal, layer, PARE_CHANNEL_FFN)) continue;
        first = layers++ ? first : layer;
    }
    if (pruned[PARE_CHANNEL_HIDDEN] && !divides(goal, 0, PARE_CHANNEL_HIDDEN))
        note(out, pare_json_format("the inputs of Q, K, V, gate and up keep their order: %u hidden channels are no "
                                   "multiple of %u",
                                   config->hidden, (unsigned)goal->of));
    if (layers)
        note(out, pare_json_format("Down's inputs keep their order in %u layers: %u FFN channels (layer %u) are no "
                                   "multiple of %u",
                                   layers, config->widths[first].ffn, first, (unsigned)goal->of));
    if (pruned[PARE_CHANNEL_VALUE] && !divides(goal, 0, PARE_CHANNEL_VALUE))
        note(out, pare_json_format("O's inputs keep their order: heads of %u channels are no multiple of %u",
                                   config->head_size, (unsigned)goal->of));
}

static pare_status start(finder *f) {
    pare_permutation *out = f->out;
    uint32_t d = f->goal->model->config.hidden;
    out->left_alone = json_array();
    out->rows = hidden_rows(f->goal);
    out->rows_seen = stack_rows(f->goal);
    f->step = step_of(f->goal, out->rows);
    note_left_alone(f->goal, out);
    PARE_TRY(pare_orders_new(f->goal->model, &out->orders));
    PARE_TRY(pare_alloc(&f->order, widest(f->goal->model), sizeof *f->order, "orders"));
    if (!out->rows) return PARE_OK;
    return pare_alloc_uninitialized(&f->stack, (size_t)out->rows_seen * d, sizeof *f->stack, "stacked scores");
}

pare_status pare_permutation_find(const pare_permutation_goal *goal, const pare_weights_job *job,
                                  pare_permutation *out) {
    finder f = {.goal = goal, .out = out};
    pare_scores_visitor visitor = {.visit = visit, .finish = finish, .passes = 2, .context = &f};
    *out = (pare_permutation){0};
    pare_status status = start(&f);
    if (status == PARE_OK) status = pare_weights_scores(job, &visitor);
    pare_free(f.stack);
    pare_free(f.order);
    if (status != PARE_OK) pare_permutation_free(out);
    return status;
}

void pare_permutation_free(pare_permutation *permutation) {
    pare_orders_free(&permutation->orders);
    json_decref(permutation->left_alone);
    *permutation = (pare_permutation){0};
}
