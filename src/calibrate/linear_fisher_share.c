#include "calibrate/linear_fisher_internal.h"
#include "support/memory.h"
#include "support/peer.h"

bool pare_fisher_wants(const pare_model *model, const pare_fisher_choice *choice, size_t id) {
    uint32_t layer;
    pare_role role;
    return choice->wanted[id] && model->tensors[id]->count && pare_tensor_id_split(model, id, &layer, &role) &&
           pare_role_is_matrix(role);
}

int64_t pare_fisher_rows(const pare_model *model, size_t id) {
    int64_t rows, columns;
    pare_tensor_matrix(model->tensors[id], &rows, &columns);
    return rows;
}

int64_t pare_fisher_block(const pare_model *model, const pare_fisher_choice *choice, size_t id) {
    int64_t rows = pare_fisher_rows(model, id), head = (int64_t)model->config.head_size;
    uint32_t layer;
    pare_role role;
    if (!pare_tensor_id_split(model, id, &layer, &role)) return 0;
    bool heads = pare_roles[role].rows == PARE_SPAN_HEADS || pare_roles[role].rows == PARE_SPAN_KV_HEADS;
    if (choice->by_head && heads && head && rows % head == 0) return head;
    return rows <= choice->widest ? rows : 0;
}

/* The most of a wanted matrix of a role: its rows, and the elements of its blocks. */
static void most_of(const pare_model *model, const pare_fisher_choice *choice, pare_role role, size_t *rows,
                    size_t *elements) {
    *rows = *elements = 0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        size_t id = pare_tensor_id(layer, role);
        if (!pare_fisher_wants(model, choice, id)) continue;
        size_t some = (size_t)pare_fisher_rows(model, id), many = some * (size_t)pare_fisher_block(model, choice, id);
        if (some > *rows) *rows = some;
        if (many > *elements) *elements = many;
    }
}

uint64_t pare_fisher_rooms_bytes(const pare_model *model, const pare_fisher_choice *choice) {
    uint64_t total = 0;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t rows, elements;
        most_of(model, choice, role, &rows, &elements);
        total += elements * sizeof(float) + rows * sizeof(double);
    }
    return total;
}

pare_status pare_fisher_rooms_new(pare_fisher_gathering *g, const pare_fisher_choice *choice) {
    const pare_model *model = g->request->source->model;
    for (pare_role role = 0; role < PARE_MATRIX_ROLES; role++) {
        size_t rows, elements;
        most_of(model, choice, role, &rows, &elements);
        if (elements)
            PARE_TRY(pare_alloc_uninitialized(&g->room[role].full, elements, sizeof(float), "output metrics"));
        if (rows) PARE_TRY(pare_alloc(&g->room[role].squares, rows, sizeof(double), "output metrics"));
    }
    return PARE_OK;
}

void pare_fisher_rooms_free(pare_fisher_gathering *g) {
    for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
        pare_free(g->room[role].full);
        pare_free(g->room[role].squares);
    }
}

/* What a group has given to a matrix, to the sums of all before it. */
static void fold(pare_fisher_gathering *g, pare_role role, size_t id, int64_t rows) {
    const pare_fisher_room *room = &g->room[role];
    float *full = g->out->full[id];
    int64_t elements = full ? rows * g->out->block[id] : 0;
#pragma omp parallel for schedule(static) if (elements > 65536)
    for (int64_t i = 0; i < elements; i++)
        full[i] += room->full[i];
    for (int64_t i = 0; i < rows; i++)
        g->squares[id][i] += room->squares[i];
    if (g->out->spread) g->out->spread[id] += room->spread;
}

/* The groups of a round, one of each rank, come to rank 0 matrix by matrix, and are added in their order. */
pare_status pare_fisher_share(pare_fisher_gathering *g, pare_role role, size_t id, int64_t rows) {
    pare_fisher_room *room = &g->room[role];
    size_t elements = g->out->full[id] ? (size_t)(rows * g->out->block[id]) : 0;
    if (pare_peer_rank()) {
        PARE_TRY(pare_peer_send(&room->spread, sizeof room->spread, 0));
        PARE_TRY(pare_peer_send(room->squares, (size_t)rows * sizeof *room->squares, 0));
        return elements ? pare_peer_send(room->full, elements * sizeof *room->full, 0) : PARE_OK;
    }
    fold(g, role, id, rows);
    for (int rank = 1; rank < pare_peer_count() && g->passes_done + (uint64_t)rank < g->passes; rank++) {
        PARE_TRY(pare_peer_receive(&room->spread, sizeof room->spread, rank));
        PARE_TRY(pare_peer_receive(room->squares, (size_t)rows * sizeof *room->squares, rank));
        if (elements) PARE_TRY(pare_peer_receive(room->full, elements * sizeof *room->full, rank));
        fold(g, role, id, rows);
    }
    return PARE_OK;
}

/* Rank 0 has all sums. */
pare_status pare_fisher_hand_out(pare_fisher_gathering *g) {
    pare_linear_fisher *out = g->out;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_peer_broadcast(out->memory.data, (size_t)out->memory.bytes, 0));
    PARE_TRY(pare_peer_broadcast(g->sums, (size_t)g->rows * sizeof *g->sums, 0));
    return out->spread ? pare_peer_broadcast(out->spread, out->tensor_count * sizeof *out->spread, 0) : PARE_OK;
}
