#include "model/residency.h"
#include "support/memory.h"

#include <stdlib.h>

/* Less than this is read in a moment, and would only wake a thread. */
#define SMALL_MODEL ((uint64_t)256 << 20)

/* Runs of bytes of a layer; more are not cared for. Gaps up to NEAR bytes are read and given back with what is around
 * them. */
enum { MOST_STRETCHES = 128, NEAR = 4096 };

/* Share of what is available that pages of the model may take, as of memory altogether. */
static const double share = 0.8;

static uint64_t block_bytes(const pare_model *model, int64_t layer) {
    uint64_t bytes = 0;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        bytes += pare_model_tensor(model, (uint32_t)layer, role)->bytes;
    return bytes;
}

void pare_residency_open(const pare_model *model, pare_residency *out) {
    *out = (pare_residency){.model = model, .room = INT64_MAX};
    if (pare_model_bytes(model) >= SMALL_MODEL) out->reader = pare_read_ahead_new();
}

void pare_residency_close(pare_residency *residency) {
    pare_read_ahead_free(residency->reader);
    *residency = (pare_residency){0};
}

void pare_residency_measure(pare_residency *residency) {
    if (!residency->reader) return;
    const pare_model *model = residency->model;
    uint64_t available = pare_memory_available(), most = 1;
    for (int64_t layer = 0; layer < (int64_t)model->config.layers; layer++) {
        uint64_t bytes = block_bytes(model, layer);
        most = bytes > most ? bytes : most;
    }
    uint64_t room = (uint64_t)((double)available * share), all = pare_model_bytes(model);
    residency->room = !available || all <= room ? INT64_MAX : (int64_t)(room / most);
}

typedef struct stretch {
    uintptr_t begin, end;
} stretch;

static int by_begin(const void *a, const void *b) {
    const stretch *x = a, *y = b;
    return (x->begin > y->begin) - (x->begin < y->begin);
}

/* Where the layer's tensors lie. */
static size_t list_stretches(const pare_model *model, int64_t layer, stretch list[MOST_STRETCHES]) {
    size_t count = 0;
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++) {
        const pare_tensor *tensor = pare_model_tensor(model, (uint32_t)layer, role);
        for (int i = 0; i < pare_tensor_run_count(tensor) && tensor->bytes && count < MOST_STRETCHES; i++) {
            pare_stored_run run = pare_tensor_run(tensor, i);
            list[count++] = (stretch){(uintptr_t)run.data, (uintptr_t)run.data + run.bytes};
        }
    }
    qsort(list, count, sizeof *list, by_begin);
    return count;
}

/* Neighbours together: the kernel keeps pages in folios of up to some MB, which go as a whole or not at all. */
static void each_stretch(pare_residency *r, int64_t layer,
                         void (*what)(pare_read_ahead *reader, const void *data, uint64_t bytes)) {
    stretch list[MOST_STRETCHES];
    size_t count = list_stretches(r->model, layer, list);
    for (size_t i = 0, next; i < count; i = next) {
        stretch whole = list[i];
        for (next = i + 1; next < count && list[next].begin <= whole.end + NEAR; next++)
            whole.end = list[next].end > whole.end ? list[next].end : whole.end;
        what(r->reader, (const void *)whole.begin, whole.end - whole.begin);
    }
}

static bool is_there(const pare_residency *r, const pare_source *source, int64_t layer) {
    return r->reader && layer >= 0 && layer < (int64_t)r->model->config.layers &&
           !(source->skip_layer && source->skip_layer[layer]);
}

void pare_residency_want(pare_residency *r, const pare_source *source, int64_t layer) {
    if (!is_there(r, source, layer)) return;
    each_stretch(r, layer, pare_read_ahead_want);
    for (pare_role role = 0; role < PARE_ALL_ROLES && source->displacement; role++) {
        if (!pare_has_role(&r->model->config.architecture, role)) continue;
        size_t id = pare_tensor_id_in(&r->model->config, (uint32_t)layer, role);
        const float *delta = source->displacement[id];
        if (delta) pare_read_ahead_want(r->reader, delta, r->model->tensors[id]->count * sizeof *delta);
    }
}

void pare_residency_leave(pare_residency *r, const pare_source *source, int64_t layer, bool upwards) {
    if (!is_there(r, source, layer) || r->room >= (int64_t)r->model->config.layers) return;
    bool stays = upwards ? layer >= (int64_t)r->model->config.layers - r->room : layer < r->room;
    if (!stays) each_stretch(r, layer, pare_read_ahead_release);
}
