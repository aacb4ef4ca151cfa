/* What is kept of a mean between two draws (checkpoint/state_file.h), numbers little-endian: u64 draws that are in it,
 * and of all, f64 the sum of their losses, f32 the mean, tensor by tensor. */
#include "calibrate/smooth.h"
#include "support/memory.h"
#include "support/scratch.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

pare_status pare_smooth_passes(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_smooth *smooth,
                               const pare_gradient_sink *sink, double *loss) {
    pare_status status = PARE_OK;
    double sum = 0.0;
    source->sigma = (float)smooth->sigma;
    for (int32_t draw = smooth->first; draw < smooth->draws && status == PARE_OK; draw++) {
        double of_draw = 0.0;
        source->draw = (uint64_t)draw;
        status = pare_pass_gradient(pass, source, ids, sink, &of_draw);
        sum += of_draw;
        if (status == PARE_OK && smooth->after_draw) status = smooth->after_draw(smooth->context, draw, of_draw);
    }
    source->sigma = 0.0f;
    *loss = smooth->draws > smooth->first ? sum / (double)(smooth->draws - smooth->first) : NAN;
    return status;
}

/* Rows on their way to a sink, divided by their root mean square in a buffer of `room` elements. */
typedef struct unit_rows {
    const pare_model *model;
    const pare_gradient_sink *to;
    float *buffer;
    int64_t room;
} unit_rows;

/* In double, where squares of the smallest floats do not vanish. */
PARE_VECTORIZE static double sum_of_squares(const float *x, int64_t n) {
    enum { LANES = 8 };
    double lanes[LANES] = {0}, sum = 0.0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lanes[j] += (double)x[i + j] * (double)x[i + j];
    for (; i < n; i++)
        lanes[0] += (double)x[i] * (double)x[i];
    for (int j = 0; j < LANES; j++)
        sum += lanes[j];
    return sum;
}

PARE_VECTORIZE static void divide(float *restrict out, const float *restrict x, double by, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        out[i] = (float)((double)x[i] / by);
}

static void to_unit(const float *rows, int64_t count, int64_t columns, float *out) {
#pragma omp parallel for schedule(static)
    for (int64_t row = 0; row < count; row++) {
        const float *x = rows + row * columns;
        double size = sqrt(sum_of_squares(x, columns) / (double)columns);
        if (size == 0.0)
            memset(out + row * columns, 0, (size_t)columns * sizeof *out);
        else
            divide(out + row * columns, x, size, columns);
    }
}

static bool wants_as_target(void *context, size_t id) {
    const unit_rows *u = context;
    return u->to->wants(u->to->context, id);
}

static pare_status unit_then_on(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                                const float *gradient, const float *squares) {
    (void)squares;
    unit_rows *u = context;
    int64_t step = u->room / columns;
    bool matrix = u->model->tensors[id]->rank == 2;
    for (int64_t at = 0; at < rows; at += step) {
        int64_t n = rows - at < step ? rows - at : step;
        to_unit(gradient + at * columns, matrix ? n : n * columns, matrix ? columns : 1, u->buffer);
        PARE_TRY(u->to->rows(u->to->context, id, first + at, n, columns, u->buffer, NULL));
    }
    return PARE_OK;
}

/* The signed mean, growing. */
typedef struct accumulation {
    const pare_backend *backend;
    float **mean; /* [tensor_count], NULL where not wanted */
    float weight;
} accumulation;

static bool wants_mean(void *context, size_t id) {
    return ((const accumulation *)context)->mean[id] != NULL;
}

static pare_status add_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                            const float *gradient, const float *squares) {
    (void)squares;
    accumulation *a = context;
    float *mean = a->mean[id] + first * columns;
    pare_proximal add = {.base_factor = 1.0f, .gamma = -a->weight};
    pare_displacement_sums unused = {0};
    a->backend->operations->proximal_step(a->backend, &add, rows, columns, mean, gradient, mean, &unused);
    return PARE_OK;
}

static uint64_t wanted_elements(const pare_model *model, const pare_gradient_sink *sink) {
    uint64_t total = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (sink->wants(sink->context, id)) total += model->tensors[id]->count;
    return total;
}

static pare_status hand_on(const pare_model *model, float *const *mean, const pare_gradient_sink *sink) {
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!mean[id]) continue;
        int64_t rows, columns;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        if (rows && columns) PARE_TRY(sink->rows(sink->context, id, 0, rows, columns, mean[id], NULL));
    }
    return PARE_OK;
}

/* The mean as it grows. */
typedef struct growing_mean {
    pare_smooth smooth;
    pare_scratch memory;
    uint64_t done;
    double losses;
} growing_mean;

static pare_status describe_mean(void *context, pare_state_file *file) {
    growing_mean *m = context;
    PARE_TRY(pare_state_pass(file, &m->done, sizeof m->done));
    PARE_TRY(pare_state_same(file, (uint64_t)m->smooth.draws));
    if (m->done > (uint64_t)m->smooth.draws) return pare_state_refuse(file->place, "has more draws than there are");
    PARE_TRY(pare_state_doubles(file, &m->losses, 1));
    return pare_state_numbers(file, m->memory.data, PARE_DTYPE_F32, m->memory.bytes / sizeof(float));
}

static pare_status keep_mean(void *context, int32_t draw, double loss) {
    growing_mean *m = context;
    m->done = (uint64_t)draw + 1;
    m->losses += loss;
    return m->smooth.kept.path ? pare_state_save(&m->smooth.kept, describe_mean, m) : PARE_OK;
}

/* All draws that are not in it yet. */
static pare_status grow(growing_mean *m, pare_pass *pass, pare_source *source, const uint32_t *ids,
                        const pare_gradient_sink *growing, double *loss) {
    bool found;
    if (m->smooth.kept.path) PARE_TRY(pare_state_load(&m->smooth.kept, describe_mean, m, &found));
    if (m->smooth.taken_up) *m->smooth.taken_up = m->done;
    m->smooth.first = (int32_t)m->done;
    m->smooth.after_draw = keep_mean;
    m->smooth.context = m;
    PARE_TRY(pare_smooth_passes(pass, source, ids, &m->smooth, growing, loss));
    *loss = m->losses / (double)m->smooth.draws;
    return PARE_OK;
}

static pare_status run_mean(pare_pass *pass, pare_source *source, const uint32_t *ids, const pare_smooth *smooth,
                            const char *scratch, const pare_gradient_sink *sink, double *loss) {
    const pare_model *model = source->model;
    accumulation a = {.backend = source->backend, .weight = (float)(1.0 / (double)smooth->draws)};
    pare_gradient_sink growing = {.wants = wants_mean, .rows = add_rows, .context = &a};
    growing_mean m = {.smooth = *smooth};
    PARE_TRY(pare_alloc(&a.mean, model->tensor_count, sizeof *a.mean, "gradient table"));
    pare_status status =
        pare_scratch_open(&m.memory, wanted_elements(model, sink) * sizeof(float), scratch, "the smoothed gradient");
    if (status == PARE_OK) {
        float *at = m.memory.data;
        for (size_t id = 0; id < model->tensor_count; id++) {
            if (!sink->wants(sink->context, id)) continue;
            a.mean[id] = at;
            at += model->tensors[id]->count;
        }
        status = grow(&m, pass, source, ids, &growing, loss);
    }
    if (status == PARE_OK) status = hand_on(model, a.mean, sink);
    pare_scratch_close(&m.memory);
    pare_free(a.mean);
    return status;
}

/* Many rows at a time, so that scoring them is worth its threads; at least the longest one. */
static int64_t room_for_rows(const pare_model *model) {
    int64_t room = 1 << 20;
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        room = columns > room ? columns : room;
    }
    return room;
}

pare_smoothed_bytes pare_smoothed_gradient_measure(const pare_model *model, const bool *wanted, int32_t draws,
                                                   bool rows_at_unit) {
    pare_smoothed_bytes bytes = {.rows = rows_at_unit ? (uint64_t)room_for_rows(model) * sizeof(float) : 0};
    for (size_t id = 0; id < model->tensor_count && draws > 1; id++)
        if (wanted[id]) bytes.state += model->tensors[id]->count * sizeof(float);
    return bytes;
}

pare_status pare_smoothed_gradient_run(pare_pass *pass, pare_source *source, const uint32_t *ids,
                                       const pare_smooth *smooth, bool rows_at_unit, const char *scratch,
                                       const pare_gradient_sink *sink, double *loss) {
    unit_rows unit = {.model = source->model, .to = sink, .room = room_for_rows(source->model)};
    pare_gradient_sink at_unit = {.wants = wants_as_target, .rows = unit_then_on, .context = &unit};
    const pare_gradient_sink *target = rows_at_unit ? &at_unit : sink;
    if (rows_at_unit) PARE_TRY(pare_alloc(&unit.buffer, (size_t)unit.room, sizeof(float), "rows of a gradient"));
    pare_status status = smooth->draws > 1 ? run_mean(pass, source, ids, smooth, scratch, target, loss)
                                           : pare_smooth_passes(pass, source, ids, smooth, target, loss);
    pare_free(unit.buffer);
    return status;
}
