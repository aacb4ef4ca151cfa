#include "surgery/perturb.h"
#include "checkpoint/writer.h"
#include "model/expert_tensors.h"
#include "support/memory.h"
#include "support/random.h"
#include "surgery/axes.h"
#include "surgery/composite.h"

#include <math.h>
#include <string.h>

/* Elements in flight, and those that one thread takes at a time. */
enum { CHUNK = 1 << 18, BLOCK = 1 << 12 };

/* A stream of noise that no draw of a pass has. */
#define PERTURB_DRAW ((uint64_t)0x70657274 << 32)

typedef struct perturbing {
    const pare_model *model;
    const pare_perturbation *how;
    char *stored; /* CHUNK elements as they are written */
} perturbing;

/* Of noise: the tensor's id, of a fused one its first part's or expert's, tensor_count if it is nobody's; and where in
 * it one head's share of a tensor begins. */
typedef struct stream {
    size_t id;
    uint64_t first;
} stream;

static stream stream_of(const pare_model *model, const pare_tensor *tensor) {
    pare_composite composite;
    uint32_t head;
    size_t id = pare_piece_of(model, tensor, &head);
    if (id < model->tensor_count) return (stream){id, head * tensor->count};
    if (pare_composite_of(model, tensor, &composite)) return (stream){composite.id[0], 0};
    id = pare_experts_first_in(model, tensor);
    return (stream){id < model->tensor_count ? id : pare_tensor_id_of(model, tensor), 0};
}

static pare_dtype stored_dtype(const perturbing *p, const pare_tensor *tensor, stream from) {
    bool widened = p->how->kind == PARE_PERTURB_NOISE && from.id < p->model->tensor_count;
    return widened ? PARE_DTYPE_F32 : tensor->dtype;
}

static void move(const pare_perturbation *how, size_t id, uint64_t first, size_t n, float *values) {
    if (how->kind == PARE_PERTURB_NOISE) {
        float noise[BLOCK];
        pare_normal_fill(noise, how->seed, PERTURB_DRAW, id, first, n);
        for (size_t i = 0; i < n; i++)
            values[i] = (float)((double)values[i] * (1.0 + how->epsilon * (double)noise[i]));
        return;
    }
    uint16_t half[BLOCK];
    pare_dtype rounded = how->kind == PARE_PERTURB_FP16 ? PARE_DTYPE_F16 : PARE_DTYPE_BF16;
    pare_from_float(half, rounded, values, n);
    pare_to_float(values, half, rounded, n);
}

/* Elements [first, first + n) of the tensor into `out`; returns how many are not finite. */
static uint64_t perturb_block(const perturbing *p, const pare_tensor *tensor, stream from, uint64_t first, size_t n,
                              char *out) {
    float values[BLOCK];
    pare_dtype dtype = stored_dtype(p, tensor, from);
    uint64_t infinite = 0;
    pare_tensor_values(tensor, first, n, values);
    move(p->how, from.id, from.first + first, n, values);
    pare_from_float(out, dtype, values, n);
    pare_to_float(values, out, dtype, n);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(values[i])) infinite++;
    return infinite;
}

static const char *kind_name(pare_perturb_kind kind) {
    return kind == PARE_PERTURB_BF16 ? "bf16" : kind == PARE_PERTURB_FP16 ? "fp16" : "noise";
}

static pare_status perturb_tensor(const perturbing *p, pare_writer *writer, const pare_tensor *tensor, stream from) {
    size_t size = pare_dtype_size(stored_dtype(p, tensor, from));
    for (uint64_t first = 0; first < tensor->count; first += CHUNK) {
        uint64_t count = tensor->count - first < CHUNK ? tensor->count - first : CHUNK, infinite = 0;
#pragma omp parallel for schedule(static) reduction(+ : infinite)
        for (uint64_t at = 0; at < count; at += BLOCK)
            infinite += perturb_block(p, tensor, from, first + at, (size_t)(count - at < BLOCK ? count - at : BLOCK),
                                      p->stored + at * size);
        if (infinite)
            return pare_fail(PARE_NUMERIC_ERROR,
                             "%s: tensor %s has weights that are not finite any more after the change %s (%llu of the "
                             "first %llu); choose another change",
                             pare_checkpoint_file(p->model->checkpoint, tensor->file), tensor->name,
                             kind_name(p->how->kind), (unsigned long long)infinite,
                             (unsigned long long)(first + count));
        PARE_TRY(pare_writer_write(writer, p->stored, count * size));
    }
    return PARE_OK;
}

static pare_status write_tensor(void *context, pare_writer *writer, size_t index) {
    const perturbing *p = context;
    const pare_tensor *tensor = pare_checkpoint_at(p->model->checkpoint, index);
    stream from = stream_of(p->model, tensor);
    if (from.id < p->model->tensor_count) return perturb_tensor(p, writer, tensor, from);
    return pare_writer_write_elements(writer, tensor, 0, tensor->count);
}

static pare_status write_weights(perturbing *p, const char *folder, const pare_runtime *runtime) {
    size_t count = pare_checkpoint_count(p->model->checkpoint);
    pare_writing writing = {.write = write_tensor, .context = p, .stage = "writing the changed model"};
    pare_declaration *list = NULL;
    pare_status status = pare_declarations_of(p->model->checkpoint, &list);
    for (size_t i = 0; i < count && status == PARE_OK; i++) {
        const pare_tensor *tensor = pare_checkpoint_at(p->model->checkpoint, i);
        list[i].dtype = stored_dtype(p, tensor, stream_of(p->model, tensor));
    }
    if (status == PARE_OK) status = pare_alloc_uninitialized(&p->stored, CHUNK, sizeof(float), "changed weights");
    if (status == PARE_OK) status = pare_writer_run(folder, list, count, &writing, runtime);
    pare_free(p->stored);
    pare_free(list);
    return status;
}

pare_status pare_perturbed_model_new(const pare_model *model, const pare_perturbation *perturbation,
                                     const char *scratch, const pare_runtime *runtime, pare_temporary_model *out) {
    *out = (pare_temporary_model){0};
    if (perturbation->kind == PARE_PERTURB_NOISE && !(perturbation->epsilon > 0.0 && isfinite(perturbation->epsilon)))
        return pare_fail(PARE_BAD_ARGUMENT, "noise of relative size %g: give a number above 0", perturbation->epsilon);
    perturbing p = {.model = model, .how = perturbation};
    pare_selection all;
    PARE_TRY(pare_selection_all(model, &all));
    pare_status status = pare_temporary_model_begin(model, &all, scratch, runtime, out);
    pare_selection_free(&all);
    if (status == PARE_OK) status = write_weights(&p, out->folder, runtime);
    if (status == PARE_OK) status = pare_temporary_model_open(out, model);
    if (status != PARE_OK) pare_temporary_model_free(out);
    return status;
}
