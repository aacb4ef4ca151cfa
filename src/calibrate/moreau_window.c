#include "calibrate/moreau_window.h"
#include "calibrate/moreau_rows.h"
#include "model/stops.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/peer.h"

#include <string.h>

/* Elements that go on at once, so that all ranks are busy at a time. */
enum { PIECE = 1 << 18 };

/* The tensors that are displaced at a stop, into `list` unless that is NULL. Returns how many; *elements: theirs. */
static size_t list_tensors(const pare_model *model, const bool *displaced, int64_t stop, size_t *list,
                           uint64_t *elements) {
    size_t count = 0;
    *elements = 0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!displaced[id] || !pare_tensor_stops_at(model, id, stop)) continue;
        if (list) list[count] = id;
        *elements += model->tensors[id]->count;
        count++;
    }
    return count;
}

static int64_t stops_of(const pare_model *model) {
    return pare_stop_behind(model) + 1 - PARE_STOP_FRONT;
}

uint64_t pare_moreau_window_bytes(const pare_model *model, const bool *displaced, int ranks) {
    uint64_t most = 0, elements;
    for (int64_t stop = PARE_STOP_FRONT; ranks > 1 && stop <= pare_stop_behind(model); stop++) {
        list_tensors(model, displaced, stop, NULL, &elements);
        most = pare_larger_bytes(most, elements);
    }
    return most * sizeof(float);
}

static pare_status list_all(const bool *displaced, pare_moreau_window *w) {
    size_t count = 0;
    uint64_t elements;
    PARE_TRY(pare_alloc(&w->seen, w->model->tensor_count, sizeof *w->seen, "displacement table"));
    PARE_TRY(pare_alloc(&w->begin, (size_t)stops_of(w->model) + 1, sizeof *w->begin, "displacement table"));
    /* a tied embedding is there twice */
    PARE_TRY(pare_alloc(&w->list, w->model->tensor_count + 1, sizeof *w->list, "displacement table"));
    for (int64_t stop = PARE_STOP_FRONT; stop <= pare_stop_behind(w->model); stop++) {
        w->begin[stop - PARE_STOP_FRONT] = count;
        count += list_tensors(w->model, displaced, stop, w->list + count, &elements);
    }
    w->begin[stops_of(w->model)] = count;
    return PARE_OK;
}

pare_status pare_moreau_window_new(const pare_model *model, const bool *displaced, const char *scratch, int ranks,
                                   pare_moreau_window *out) {
    *out = (pare_moreau_window){.model = model, .ranks = ranks, .stop = PARE_STOP_NOWHERE};
    if (ranks == 1) return PARE_OK;
    pare_status status = list_all(displaced, out);
    if (status == PARE_OK)
        status = pare_scratch_open(&out->memory, pare_moreau_window_bytes(model, displaced, ranks), scratch,
                                   "what displaces a block");
    if (status != PARE_OK) pare_moreau_window_free(out);
    return status;
}

void pare_moreau_window_free(pare_moreau_window *window) {
    pare_scratch_close(&window->memory);
    pare_free(window->seen);
    pare_free(window->list);
    pare_free(window->begin);
    *window = (pare_moreau_window){0};
}

/* A rank's rows of a tensor, as they lie in the whole of it. */
typedef struct part {
    float *at;
    uint64_t count;
} part;

static part part_of(const pare_tensor *tensor, int rank, int ranks, float *whole) {
    pare_moreau_rows rows = pare_moreau_rows_of(tensor, rank, ranks);
    return (part){whole + rows.first * rows.columns, pare_moreau_elements(tensor, rank, ranks)};
}

static uint64_t piece_at(const part *p, uint64_t at) {
    return p->count <= at ? 0 : p->count - at < PIECE ? p->count - at : PIECE;
}

static pare_status send_piece(const part *p, uint64_t at, int to) {
    uint64_t count = piece_at(p, at);
    return count ? pare_peer_send(p->at + at, count * sizeof *p->at, to) : PARE_OK;
}

static pare_status receive_piece(const part *p, uint64_t at, int from) {
    uint64_t count = piece_at(p, at);
    return count ? pare_peer_receive(p->at + at, count * sizeof *p->at, from) : PARE_OK;
}

/* One part to the rank behind, another from the one in front. Every other rank listens first, so that all get on. */
static pare_status turn(const part *out, const part *in, int rank, int ranks) {
    int to = (rank + 1) % ranks, from = (rank + ranks - 1) % ranks;
    for (uint64_t at = 0; at < out->count || at < in->count; at += PIECE) {
        if (rank % 2) PARE_TRY(receive_piece(in, at, from));
        PARE_TRY(send_piece(out, at, to));
        if (rank % 2 == 0) PARE_TRY(receive_piece(in, at, from));
    }
    return PARE_OK;
}

/* All rows of a tensor into `whole`: each rank's go round the ring of them. */
static pare_status gather(const pare_tensor *tensor, int ranks, const float *own, float *whole) {
    int rank = pare_peer_rank();
    part mine = part_of(tensor, rank, ranks, whole);
    if (mine.count) memcpy(mine.at, own, mine.count * sizeof *own);
    for (int step = 0; step + 1 < ranks; step++) {
        part out = part_of(tensor, (rank + ranks - step) % ranks, ranks, whole);
        part in = part_of(tensor, (rank + 2 * ranks - step - 1) % ranks, ranks, whole);
        PARE_TRY(turn(&out, &in, rank, ranks));
    }
    return PARE_OK;
}

void pare_moreau_window_leave(pare_moreau_window *window) {
    size_t place = (size_t)(window->stop - PARE_STOP_FRONT);
    if (window->ranks == 1 || window->stop == PARE_STOP_NOWHERE) return;
    for (size_t i = window->begin[place]; i < window->begin[place + 1]; i++)
        window->seen[window->list[i]] = NULL;
    window->stop = PARE_STOP_NOWHERE;
}

pare_status pare_moreau_window_arrive(pare_moreau_window *window, float *const *own, int64_t stop) {
    size_t place = (size_t)(stop - PARE_STOP_FRONT);
    float *at = window->memory.data;
    if (stop == window->stop || window->begin[place] == window->begin[place + 1]) return PARE_OK;
    pare_moreau_window_leave(window);
    for (size_t i = window->begin[place]; i < window->begin[place + 1]; i++) {
        size_t id = window->list[i];
        const pare_tensor *tensor = window->model->tensors[id];
        if (window->unmoved)
            memset(at, 0, tensor->count * sizeof *at);
        else
            PARE_TRY(gather(tensor, window->ranks, own[id], at));
        window->seen[id] = at;
        at += tensor->count;
    }
    window->stop = stop;
    return PARE_OK;
}

pare_status pare_moreau_window_whole(pare_moreau_window *window, float *const *own, size_t id, const float **whole) {
    *whole = own[id];
    if (window->ranks == 1 || !own[id]) return PARE_OK;
    pare_moreau_window_leave(window);
    *whole = window->memory.data;
    return gather(window->model->tensors[id], window->ranks, own[id], window->memory.data);
}
