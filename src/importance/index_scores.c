#include "importance/gathered.h"
#include "model/expert_tensors.h"
#include "model/latent_tensors.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <string.h>

enum { PIECE = PARE_SALIENCE_PIECE, LANES = 16 };

static bool is_of_expert(const pare_model *model, size_t id, pare_expert_place *place) {
    return pare_tensor_id_split_expert(model, id, place) && place->what == PARE_EXPERT_OWN;
}

static bool is_cut_by_column(const pare_index_scores *scores, size_t id, pare_role role) {
    pare_expert_place place;
    if (is_of_expert(scores->model, id, &place))
        return (place.part == PARE_EXPERT_DOWN) == (scores->axis == PARE_AXIS_WIDTHS);
    bool writes = role < PARE_ALL_ROLES && pare_role_writes(role);
    bool vector = role < PARE_ALL_ROLES && !pare_role_is_matrix(role);
    return scores->axis == PARE_AXIS_WIDTHS ? writes || vector : !writes;
}

static bool expert_has_hidden(const pare_expert_place *place) {
    bool own = place->what == PARE_EXPERT_OWN || (place->what == PARE_EXPERT_BIAS && place->part == PARE_EXPERT_DOWN);
    return own || place->what == PARE_EXPERT_ROUTER || place->what == PARE_EXPERT_SHARED_GATE;
}

/* An axis of the tensor runs over the channels of the hidden state. */
static bool has_hidden(const pare_model *model, size_t id) {
    uint32_t layer;
    pare_role role;
    pare_expert_place place;
    if (pare_tensor_id_split_expert(model, id, &place)) return expert_has_hidden(&place);
    if (pare_tensor_id_split_latent(model, id, &layer)) return true;
    if (pare_tensor_id_split(model, id, &layer, &role))
        return pare_roles[role].rows == PARE_SPAN_HIDDEN ||
               pare_config_columns(&model->config, role) == PARE_SPAN_HIDDEN;
    bool projected = pare_has_end(&model->config.architecture, PARE_END_PROJECT_IN);
    if (id == pare_tensor_id_embedding() || id == pare_tensor_id_head(model)) return !projected;
    return id == pare_tensor_id_final_norm(model) || id == pare_tensor_id_end(model, PARE_END_FINAL_NORM_BIAS) ||
           id == pare_tensor_id_end(model, PARE_END_POSITIONS);
}

uint64_t pare_index_scores_count(const pare_index_scores *scores, size_t id) {
    const pare_config *c = &scores->model->config;
    uint32_t layer;
    pare_role role;
    bool inside = pare_tensor_id_split(scores->model, id, &layer, &role);
    bool absent = pare_tensor_is_absent(scores->model->tensors[id]);
    if (scores->axis == PARE_AXIS_HIDDEN) return !absent && has_hidden(scores->model, id) ? c->hidden : 0;
    pare_expert_place place;
    if (!absent && is_of_expert(scores->model, id, &place)) return c->widths[place.layer].expert_ffn;
    if (!inside || absent || !pare_role_is_matrix(role)) return 0;
    pare_span span = pare_role_writes(role) ? pare_roles[role].columns : pare_roles[role].rows;
    return (uint64_t)pare_config_span(c, &c->widths[layer], span);
}

pare_status pare_index_scores_room(pare_index_scores *scores, size_t id) {
    if (scores->by_tensor[id]) return PARE_OK;
    return pare_alloc(&scores->by_tensor[id], pare_index_scores_count(scores, id), sizeof(double), "scores");
}

/* What experts have is scored when one of its tensors is seen. */
static bool waits(const pare_model *model, size_t id) {
    pare_expert_place place;
    bool expert = pare_tensor_id_split_expert(model, id, &place);
    return expert && (place.what == PARE_EXPERT_OWN || place.what == PARE_EXPERT_BIAS);
}

pare_status pare_index_scores_new(const pare_model *model, const pare_salience *salience, pare_score_axis axis,
                                  pare_index_scores *out) {
    *out = (pare_index_scores){.model = model,
                               .salience = salience,
                               .constants = salience->constants,
                               .axis = axis,
                               .count = model->tensor_count};
    pare_status status = pare_alloc(&out->by_tensor, model->tensor_count, sizeof *out->by_tensor, "scores");
    for (size_t id = 0; id < model->tensor_count && status == PARE_OK; id++)
        if (pare_index_scores_count(out, id) && !waits(model, id)) status = pare_index_scores_room(out, id);
    if (status != PARE_OK) pare_index_scores_free(out);
    return status;
}

void pare_index_scores_free(pare_index_scores *scores) {
    for (size_t id = 0; scores->by_tensor && id < scores->count; id++)
        pare_free(scores->by_tensor[id]);
    pare_free(scores->by_tensor);
    pare_salience_factors_free(&scores->factors);
    pare_gathered_free(&scores->gathered);
    *scores = (pare_index_scores){0};
}

PARE_VECTORIZE static float sum(const float *restrict x, int64_t n) {
    float lanes[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += x[i + j];
    for (; i < n; i++)
        lanes[0] += x[i];
    for (int width = LANES / 2; width > 0; width /= 2)
        for (int j = 0; j < width; j++)
            lanes[j] += lanes[j + width];
    return lanes[0];
}

PARE_VECTORIZE static void accumulate(double *restrict out, const float *restrict in, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] += (double)in[i];
}

PARE_VECTORIZE static void multiply(float *restrict out, const float *restrict in, float factor, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = in[i] * factor;
}

typedef struct job {
    pare_salience_matrix matrix; /* the whole tensor */
    const pare_index_scores *scores;
    const pare_row_signals *signals;
    int64_t first;
} job;

/* Salience of columns [column, column + n) of row `row` (counted from job->first). n <= PARE_SALIENCE_PIECE. */
static void salience_piece(const job *j, int64_t row, int64_t column, int64_t n, float *out) {
    float scaled[PARE_SALIENCE_PIECE];
    const pare_row_signals *s = j->signals;
    int64_t at = row * j->matrix.columns + column;
    if (j->scores->gathered.scores) {
        memcpy(out, j->scores->gathered.scores + at, (size_t)n * sizeof *out);
        return;
    }
    const float *gradient = s->gradient ? s->gradient + at : NULL;
    if (gradient && s->gradient_scale != 0.0f) {
        multiply(scaled, gradient, s->gradient_scale, n);
        gradient = scaled;
    }
    pare_salience_piece(j->scores->salience, &j->matrix, &j->scores->factors, j->first + row, column, n, gradient,
                        s->squares ? s->squares + at : NULL, out);
}

static int64_t piece_at(int64_t columns, int64_t column) {
    return columns - column < PIECE ? columns - column : PIECE;
}

/* sums: double [rows], added to */
static void sum_rows(const job *j, int64_t rows, double *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < j->matrix.columns; column += PIECE) {
            float piece[PIECE];
            int64_t n = piece_at(j->matrix.columns, column);
            salience_piece(j, row, column, n, piece);
            sums[row] += (double)sum(piece, n);
        }
}

/* sums: double [columns], added to, each over the rows in order */
static void sum_columns(const job *j, int64_t rows, double *sums) {
#pragma omp parallel for schedule(static)
    for (int64_t column = 0; column < j->matrix.columns; column += PIECE)
        for (int64_t row = 0; row < rows; row++) {
            float piece[PIECE];
            int64_t n = piece_at(j->matrix.columns, column);
            salience_piece(j, row, column, n, piece);
            accumulate(sums + column, piece, n);
        }
}

/* The factors of tensor `id`, kept while its rows come in. */
static pare_status prepare(pare_index_scores *scores, size_t id, const pare_salience_matrix *matrix) {
    if (scores->prepared == id + 1) return PARE_OK;
    scores->prepared = 0;
    pare_salience_factors_free(&scores->factors);
    PARE_TRY(pare_salience_prepare(scores->salience, matrix, &scores->factors));
    scores->prepared = id + 1;
    return PARE_OK;
}

/* The tensor that has the scores of `id`. To the hidden state all experts of a layer are one FFN, whose parts are
 * scored as the first one's. */
static size_t scored_as(const pare_index_scores *scores, size_t id) {
    const pare_config *config = &scores->model->config;
    pare_expert_place place;
    if (scores->axis != PARE_AXIS_HIDDEN || !pare_tensor_id_split_expert(scores->model, id, &place)) return id;
    if (place.what == PARE_EXPERT_OWN) return pare_tensor_id_expert(config, place.layer, 0, place.part);
    if (place.what == PARE_EXPERT_BIAS) return pare_tensor_id_expert_bias(config, place.layer, 0, place.part);
    return id;
}

/* The tensor with which the scores of `id` are added up; `count`: none. Along the widths a bias is one more column of
 * its matrix. A salience that compares a weight with the whole of its matrix knows the matrix alone. */
static size_t summed_with(const pare_index_scores *scores, size_t id) {
    const pare_salience *salience = scores->salience;
    uint32_t layer;
    pare_role role;
    bool bias = pare_tensor_id_split(scores->model, id, &layer, &role) && pare_role_is_bias(role);
    if (scores->axis == PARE_AXIS_HIDDEN || !bias) return scored_as(scores, id);
    if (!pare_role_bears_units(role) || salience->prepare || salience->whole) return scores->count;
    return pare_tensor_id(layer, pare_roles[role].of);
}

pare_status pare_index_scores_summed(pare_index_scores *scores, size_t id, size_t *with) {
    *with = summed_with(scores, id);
    if (waits(scores->model, id) && pare_index_scores_count(scores, id))
        PARE_TRY(pare_index_scores_room(scores, scored_as(scores, id)));
    if (*with < scores->count && !scores->by_tensor[*with]) *with = scores->count;
    return PARE_OK;
}

pare_status pare_index_scores_add(pare_index_scores *scores, size_t id, int64_t first, int64_t rows,
                                  const pare_row_signals *signals) {
    static const pare_row_signals none;
    const pare_tensor *tensor = scores->model->tensors[id];
    uint32_t layer;
    pare_role role = PARE_ALL_ROLES;
    pare_expert_place place;
    bool expert = is_of_expert(scores->model, id, &place);
    size_t with;
    PARE_TRY(pare_index_scores_summed(scores, id, &with));
    if (with == scores->count) return PARE_OK;
    double *sums = scores->by_tensor[with];
    bool inside = pare_tensor_id_split(scores->model, id, &layer, &role);
    job j = {.matrix = {.weight = tensor->data,
                        .scattered = tensor->view ? tensor : NULL,
                        .dtype = tensor->dtype,
                        .tensor = id,
                        .constants = &scores->constants},
             .scores = scores,
             .signals = signals ? signals : &none,
             .first = first};
    pare_tensor_matrix(tensor, &j.matrix.rows, &j.matrix.columns);
    j.matrix.inputs = j.signals->inputs;
    j.matrix.name = tensor->name;
    j.matrix.layer = inside ? (int32_t)layer : expert ? (int32_t)place.layer : -1;
    if (scores->salience->whole) {
        bool complete;
        PARE_TRY(pare_gathered_add(scores, &j.matrix, first, rows, j.signals, &complete));
        if (!complete) return PARE_OK;
        first = 0;
        rows = j.matrix.rows;
    } else
        PARE_TRY(prepare(scores, id, &j.matrix));
    if (is_cut_by_column(scores, id, role))
        sum_columns(&j, rows, sums);
    else
        sum_rows(&j, rows, sums + first);
    pare_gathered_free(&scores->gathered);
    return PARE_OK;
}
