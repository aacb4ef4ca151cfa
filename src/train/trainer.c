#include "train/trainer.h"
#include "model/work.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "train/trainer_internal.h"

#include <math.h>
#include <string.h>

/* Sequences through a block at a time, where that is left open: fewer stay in the cache. Gradients of whole weights add
 * up over micro-batches in buffers that one alone does not need. */
static int64_t usual_micro_batch(const pare_trained *trained, const pare_batches_options *batches) {
    enum { BLOCK_TOKENS = 2048 };
    int64_t sequences = BLOCK_TOKENS / (int64_t)batches->length;
    return trained->sink ? 0 : sequences ? sequences : 1;
}

/* How a pass for `sequences` sequences at a time would be shaped. */
static pare_pass_shape shape_for(const pare_trained *trained, const pare_batches_options *batches,
                                 const pare_trainer_options *options, int64_t sequences) {
    const pare_adapters *adapters = trained->adapters;
    int64_t micro_batch = options->micro_batch ? options->micro_batch : usual_micro_batch(trained, batches);
    return (pare_pass_shape){.sequences = sequences,
                             .length = batches->length,
                             .gradients = true,
                             .composed = pare_source_is_composed(&trained->source),
                             .rank = adapters ? adapters->rank : 0,
                             .dropout = adapters && adapters->dropout > 0.0f,
                             .frozen = !trained->sink,
                             .taught = options->teacher.model != NULL,
                             .keep = options->keep,
                             .micro_batch = micro_batch < sequences ? micro_batch : sequences,
                             .limit = options->memory};
}

/* What a teacher's pass takes is taken from the student's limit. */
static pare_status measure_taught(const pare_trained *trained, const pare_trainer_options *options,
                                  pare_pass_shape *shape, pare_pass_memory *out) {
    pare_pass_shape of_teacher = pare_model_teacher_shape(shape);
    pare_pass_memory teacher = {0};
    if (options->teacher.cached)
        teacher.activations =
            pare_cached_teacher_bytes(trained->model->config.vocabulary, shape->sequences * shape->length);
    else
        PARE_TRY(pare_pass_measure(options->teacher.model, trained->backend, &of_teacher, &teacher));
    uint64_t taken = teacher.weights + teacher.activations;
    shape->limit = pare_limit_beside(shape->limit, taken);
    PARE_TRY(pare_pass_measure(trained->model, trained->backend, shape, out));
    out->weights += teacher.weights;
    out->activations += teacher.activations;
    return PARE_OK;
}

/* With a teacher both passes have the same micro-batches: the largest that leave room for both. */
static pare_status measure_pass(const pare_trained *trained, const pare_trainer_options *options,
                                pare_pass_shape *shape, pare_pass_memory *memory) {
    bool open = !options->micro_batch;
    pare_status status;
    if (options->teacher.model) {
        pare_pass_shape wanted = *shape;
        if (!wanted.micro_batch) wanted.micro_batch = wanted.sequences;
        for (int64_t m = wanted.micro_batch;; m = (m + 1) / 2) {
            *shape = wanted;
            shape->micro_batch = m;
            status = measure_taught(trained, options, shape, memory);
            if (status != PARE_OUT_OF_MEMORY || !open || m == 1) return status;
        }
    }
    status = pare_pass_measure(trained->model, trained->backend, shape, memory);
    if (status != PARE_OUT_OF_MEMORY || !open) return status;
    shape->micro_batch = 0;
    return pare_pass_measure(trained->model, trained->backend, shape, memory);
}

/* As much as is summed up at a time if it fits, else the largest equal parts of it that do: every part is a sweep over
 * all weights. */
static pare_status choose_shape(const pare_trained *trained, const pare_batches_options *batches,
                                const pare_trainer_options *options, pare_pass_shape *shape, pare_pass_memory *memory) {
    for (int64_t parts = 1, last = 0;; parts++) {
        int64_t sequences = (pare_trainer_sequences(batches) + parts - 1) / parts;
        if (sequences == last) continue;
        last = sequences;
        *shape = shape_for(trained, batches, options, sequences);
        pare_status status = measure_pass(trained, options, shape, memory);
        if (status != PARE_OUT_OF_MEMORY || sequences == 1) return status;
    }
}

pare_status pare_trainer_measure(const pare_trained *trained, const pare_batches_options *batches,
                                 const pare_trainer_options *options, pare_pass_memory *out) {
    pare_pass_shape shape;
    return choose_shape(trained, batches, options, &shape, out);
}

/* A forward and a backward, of the teacher a forward, and the optimiser. Only where all weights are trained are there
 * gradients of them; factors take little beside the products that they lie beside. */
pare_work pare_trainer_work(const pare_trained *trained, const pare_trainer_options *options, int64_t sequences,
                            int64_t length) {
    enum { STEP_BYTES = 28 }; /* of a number: value, gradient and two moments, most of them written, too */
    const pare_model *teacher = options->teacher.cached ? NULL : options->teacher.model;
    bool full = !trained->adapters && trained->sink;
    pare_gradient_shape shape = {.sequences = sequences, .length = length, .weights = full, .head = full, .again = 1.0};
    pare_work step = pare_work_gradient(trained->model, &shape), work = {{0}};
    step.amount[PARE_WORK_BYTES] += STEP_BYTES * (double)trained->count;
    if (teacher) {
        pare_work forward = pare_work_forward(teacher, sequences, length);
        pare_work_add(&step, &forward, 1.0);
    }
    pare_work_add(&work, &step, (double)options->schedule.total);
    return work;
}

void pare_trainer_free_passes(pare_trainer *trainer) {
    pare_pass_free(trainer->pass);
    pare_model_teacher_free(trainer->teacher);
    pare_cached_teacher_free(trainer->cached);
    trainer->cached = NULL;
    trainer->pass = NULL;
    trainer->teacher = NULL;
}

/* Beside the pass, shaped like it. */
static pare_status make_teacher(pare_trainer *trainer) {
    const pare_trainer_teacher *teacher = &trainer->options->teacher;
    pare_pass_shape shape = pare_model_teacher_shape(&trainer->shape);
    shape.limit = 0;
    if (teacher->cached) {
        PARE_TRY(pare_cached_teacher_new(teacher->cache, shape.sequences * shape.length, teacher->ce, teacher->kd,
                                         &trainer->cached));
        pare_pass_teach(trainer->pass, pare_cached_teacher_of(trainer->cached));
        return PARE_OK;
    }
    PARE_TRY(pare_model_teacher_new(teacher->model, trainer->trained->backend, &shape, teacher->ce, teacher->kd,
                                    &trainer->teacher));
    pare_pass_teach(trainer->pass, pare_model_teacher_of(trainer->teacher));
    return PARE_OK;
}

/* The pass of that shape, in place of the one that there is. */
pare_status pare_trainer_shape(pare_trainer *trainer, const pare_pass_shape *shape) {
    const pare_trainer_teacher *teacher = &trainer->options->teacher;
    pare_trainer_free_passes(trainer);
    PARE_TRY(pare_pass_new(trainer->trained->model, trainer->trained->backend, shape, &trainer->pass));
    trainer->shape = *pare_pass_shape_of(trainer->pass);
    if (trainer->trained->adapters) pare_pass_adapt(trainer->pass, trainer->trained->adapters);
    return teacher->model ? make_teacher(trainer) : PARE_OK;
}

static pare_status allocate(pare_trainer *trainer) {
    const pare_trainer_options *o = trainer->options;
    size_t count = trainer->trained->count, stepped = count;
    pare_pass_shape shape;
    pare_pass_memory memory;
    if (trainer->trained->adapters) trainer->trained->adapters->seed = o->seed;
    trainer->owned = pare_peer_count() > 1 && !o->kept;
    if (trainer->owned) stepped = pare_trainer_slice_count(trainer, pare_peer_rank());
    PARE_TRY(pare_adamw_new(stepped, o->beta1, o->beta2, o->epsilon, o->weight_decay, &trainer->optimizer));
    if (pare_batches_validation(trainer->batches))
        PARE_TRY(pare_alloc(&trainer->best, count, sizeof(float), "the best weights so far"));
    PARE_TRY(pare_trainer_sum_new(trainer));
    PARE_TRY(choose_shape(trainer->trained, pare_batches_options_of(trainer->batches), o, &shape, &memory));
    return pare_trainer_shape(trainer, &shape);
}

pare_status pare_trainer_new(pare_trained *trained, pare_batches *batches, const pare_trainer_options *options,
                             const pare_runtime *runtime, pare_trainer *out) {
    *out = (pare_trainer){.trained = trained,
                          .batches = batches,
                          .options = options,
                          .runtime = runtime,
                          .first_validation = NAN,
                          .last_validation = NAN,
                          .best_validation = NAN,
                          .first_taught = {NAN, NAN, NAN, NAN},
                          .best_taught = {NAN, NAN, NAN, NAN},
                          .best_step = UINT64_MAX,
                          .validated_step = UINT64_MAX,
                          .start = pare_clock()};
    pare_status status = allocate(out);
    if (status != PARE_OK) pare_trainer_free(out);
    return status;
}

void pare_trainer_free(pare_trainer *trainer) {
    pare_trainer_free_passes(trainer);
    pare_adamw_free(&trainer->optimizer);
    pare_free(trainer->best);
    pare_free(trainer->sum);
    pare_free(trainer->curve.list);
    *trainer = (pare_trainer){0};
}

double pare_trainer_seconds(const pare_trainer *trainer) {
    return trainer->seconds_before + pare_clock() - trainer->start;
}

pare_status pare_curve_room(pare_curve *curve, size_t count) {
    if (count <= curve->room) return PARE_OK;
    size_t room = count > 2 * curve->room ? count : 2 * curve->room;
    pare_curve_point *list;
    PARE_TRY(pare_alloc(&list, room, sizeof *list, "the loss curve"));
    if (curve->count) memcpy(list, curve->list, curve->count * sizeof *list);
    pare_free(curve->list);
    curve->list = list;
    curve->room = room;
    return PARE_OK;
}

int64_t pare_trainer_fitting(const pare_trainer *trainer, int64_t longest, int64_t left) {
    enum { MULTIPLE = 8 };
    int64_t most = trainer->shape.length, length = (longest + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
    if (length > most) length = most;
    int64_t count = trainer->shape.sequences * most / length;
    return count < left ? count : left;
}

void pare_trainer_arrange(pare_trainer *trainer, const pare_batch *batch) {
    trainer->layout = batch->layout;
    trainer->layout.sequences = batch->sequences;
    pare_pass_arrange(trainer->pass, &trainer->layout);
}

static pare_status fail_step(const pare_trainer *trainer, const char *what, double value, double rate) {
    return pare_fail(PARE_NUMERIC_ERROR,
                     "the %s is %f in step %llu, at a learning rate of %g: give a lower --rate, or a longer --warmup",
                     what, value, (unsigned long long)trainer->steps_done + 1, rate);
}

pare_status pare_trainer_step(pare_trainer *trainer) {
    const pare_trainer_options *o = trainer->options;
    pare_trained *trained = trainer->trained;
    uint64_t step = trainer->steps_done;
    double rate = pare_schedule_rate(&o->schedule, step), loss;
    pare_batch batch;
    PARE_TRY(pare_curve_room(&trainer->curve, trainer->curve.count + 1));
    PARE_TRY(pare_batches_step(trainer->batches, step, &batch));
    pare_status status = pare_trainer_gradient(trainer, &batch, &loss);
    if (status == PARE_NUMERIC_ERROR || (status == PARE_OK && !isfinite(loss)))
        return fail_step(trainer, "loss", NAN, rate);
    PARE_TRY(status);
    double norm;
    size_t first = trainer->owned ? pare_trainer_slice_begin(trainer, pare_peer_rank()) : 0;
    PARE_TRY(pare_trainer_clip(trainer, &norm));
    if (!isfinite(norm)) return fail_step(trainer, "norm of the gradient", norm, rate);
    if (o->clipped) PARE_TRY(o->clipped(o->context, step, trained));
    pare_adamw_step(&trainer->optimizer, rate, trained->gradient + first, trained->value + first);
    PARE_TRY(pare_trainer_share_values(trainer));
    PARE_TRY(trained->refresh(trained));
    trainer->steps_done++;
    trainer->tokens += batch.tokens;
    trainer->curve.list[trainer->curve.count++] = (pare_curve_point){.step = trainer->steps_done,
                                                                     .loss = loss,
                                                                     .validation = NAN,
                                                                     .rate = rate,
                                                                     .norm = norm,
                                                                     .seconds = pare_trainer_seconds(trainer),
                                                                     .tokens = batch.tokens};
    return PARE_OK;
}
