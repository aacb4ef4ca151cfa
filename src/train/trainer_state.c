/* The state file of a training run:
 *   "PARETRN1", u32 version, u32 0, key: 64 hexadecimal digits
 *   the fields of `head`
 *   float value[count], first[count], second[count], and best[count] if has_best
 *   pare_curve_point curve[points]
 *   u8 context[context_bytes]
 *   SHA-256 of all before it: 64 hexadecimal digits
 * in the machine's own byte order: a run ends on the machine that began it (checkpoint/sealed.h). */
#include "checkpoint/sealed.h"
#include "support/finite.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/text_stream.h"
#include "train/trainer_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = PARE_SEAL_BYTES, VERSION = 2 };
static const char MAGIC[8] = "PARETRN1";

typedef struct head {
    char magic[8];
    uint32_t version, zero;
    char key[DIGITS];
    uint64_t count, has_best, points, context_bytes;
    uint64_t optimizer_steps, steps_done, tokens, best_step, validated_step;
    double first_validation, last_validation, best_validation, seconds;
    pare_taught first_taught, best_taught;
    int64_t sequences, micro_batch; /* of the pass */
} head;

static head head_of(const pare_trainer *trainer, const char *key, size_t context_bytes) {
    head h = {.version = VERSION,
              .count = trainer->trained->count,
              .has_best = trainer->best != NULL,
              .points = trainer->curve.count,
              .context_bytes = context_bytes,
              .optimizer_steps = trainer->optimizer.steps,
              .steps_done = trainer->steps_done,
              .tokens = trainer->tokens,
              .best_step = trainer->best_step,
              .validated_step = trainer->validated_step,
              .first_validation = trainer->first_validation,
              .last_validation = trainer->last_validation,
              .best_validation = trainer->best_validation,
              .first_taught = trainer->first_taught,
              .best_taught = trainer->best_taught,
              .seconds = pare_trainer_seconds(trainer),
              .sequences = trainer->shape.sequences,
              .micro_batch = trainer->shape.micro_batch};
    memcpy(h.magic, MAGIC, sizeof h.magic);
    memcpy(h.key, key, strnlen(key, DIGITS));
    return h;
}

/* Bytes of the whole file; false if they are too many to be true. */
static bool measure(const head *h, uint64_t *bytes) {
    uint64_t numbers, points;
    if (!pare_multiply_size(h->count, (3 + h->has_best) * sizeof(float), &numbers) ||
        !pare_multiply_size(h->points, sizeof(pare_curve_point), &points))
        return false;
    const uint64_t parts[] = {sizeof *h, numbers, points, h->context_bytes, DIGITS};
    *bytes = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (__builtin_add_overflow(*bytes, parts[i], bytes)) return false;
    return true;
}

static pare_status put_all(const pare_trainer *trainer, const head *h, const char *context, pare_sealed *file) {
    size_t bytes = trainer->trained->count * sizeof(float);
    PARE_TRY(pare_sealed_put(file, h, sizeof *h));
    PARE_TRY(pare_sealed_put(file, trainer->trained->value, bytes));
    PARE_TRY(pare_sealed_put(file, trainer->optimizer.first, bytes));
    PARE_TRY(pare_sealed_put(file, trainer->optimizer.second, bytes));
    if (h->has_best) PARE_TRY(pare_sealed_put(file, trainer->best, bytes));
    PARE_TRY(pare_sealed_put(file, trainer->curve.list, trainer->curve.count * sizeof(pare_curve_point)));
    return pare_sealed_put(file, context, h->context_bytes);
}

static pare_status write_file(const pare_trainer *trainer, const char *path, const head *h, const char *context) {
    pare_sealed file;
    uint64_t bytes = DIGITS;
    measure(h, &bytes);
    PARE_TRY(pare_sealed_begin(path, bytes - DIGITS, &file));
    return pare_sealed_end(&file, put_all(trainer, h, context, &file));
}

/* What the context of the run wants kept, in memory freed with free(). */
static pare_status save_context(const pare_trainer *trainer, char **text, size_t *bytes) {
    const pare_trainer_options *o = trainer->options;
    *text = NULL;
    *bytes = 0;
    if (!o->save) return PARE_OK;
    FILE *file = pare_text_stream(text, bytes);
    if (!file) return pare_fail(PARE_OUT_OF_MEMORY, "there is not enough memory to keep the progress");
    pare_status status = o->save(o->context, file);
    bool failed = ferror(file) != 0;
    if ((fclose(file) != 0 || failed) && status == PARE_OK)
        status = pare_fail(PARE_OUT_OF_MEMORY, "there is not enough memory to keep the progress");
    return status;
}

/* With slices of it on other ranks, a signal would leave none that has all. */
static pare_status check_whole(const pare_trainer *trainer, const char *path) {
    if (!trainer->owned) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT, "%s: the training was not made to be kept", path);
}

pare_status pare_trainer_save(const pare_trainer *trainer, const char *path, const char *key) {
    char *context;
    size_t context_bytes;
    PARE_TRY(check_whole(trainer, path));
    if (pare_peer_rank()) return PARE_OK;
    pare_status status = save_context(trainer, &context, &context_bytes);
    if (status == PARE_OK) {
        head h = head_of(trainer, key, context_bytes);
        status = write_file(trainer, path, &h, context);
    }
    free(context);
    return status;
}

static pare_status damaged(const char *path) {
    return pare_fail(PARE_FORMAT_ERROR, "%s is damaged: delete it to begin anew", path);
}

/* No batch has more sequences, and no part of one: the pass takes room for as many. */
static bool fits_batches(const pare_trainer *trainer, const head *h) {
    int64_t batch = pare_batches_options_of(trainer->batches)->batch, asked = trainer->options->micro_batch;
    return h->sequences > 0 && h->sequences <= batch && h->micro_batch > 0 &&
           h->micro_batch <= (asked > batch ? asked : batch);
}

/* A step is one of the optimizer, with a point of the curve; where something was validated, one may stand before them.
 */
static bool counts_fit(const pare_trainer *trainer, const head *h) {
    const uint64_t none = UINT64_MAX;
    return h->steps_done <= trainer->options->schedule.total && h->optimizer_steps == h->steps_done &&
           h->points - h->steps_done <= (h->best_step != none) &&
           (h->best_step == none || h->best_step <= h->steps_done) &&
           (h->validated_step == none || h->validated_step <= h->steps_done) &&
           (h->best_step == none) == (h->validated_step == none) && (h->has_best || h->best_step == none);
}

/* Squares are not below zero; whatever was not validated has no loss. */
static bool numbers_fit(const pare_mapping *file, const head *h) {
    const float *values = (const void *)(file->data + sizeof *h);
    bool validated = h->best_step != UINT64_MAX, fine = isfinite(h->seconds) && h->seconds >= 0.0;
    for (uint64_t i = 0; i < h->count; i++)
        fine = fine && values[2 * h->count + i] >= 0.0f;
    return fine && isfinite(h->best_validation) == validated && isfinite(h->first_validation) == validated &&
           pare_all_finite(values, (int64_t)((3 + h->has_best) * h->count));
}

static pare_status check_file(const pare_trainer *trainer, const pare_mapping *file, const char *key, head *h) {
    uint64_t bytes;
    bool whole;
    if (file->bytes < sizeof *h + DIGITS) return damaged(file->path);
    memcpy(h, file->data, sizeof *h);
    if (memcmp(h->magic, MAGIC, sizeof h->magic) != 0 || h->version != VERSION)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s is no state of a training run of this version of pare: delete it to begin anew",
                         file->path);
    PARE_TRY(pare_sealed_check(file, &whole));
    if (!whole) return damaged(file->path);
    if (strnlen(key, PARE_DIGEST_TEXT) != DIGITS || memcmp(h->key, key, DIGITS) != 0)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%s was kept by a run with another model, other settings or other data: run that one, or "
                         "delete the file to begin anew",
                         file->path);
    bool fits = h->count == trainer->trained->count && h->has_best == (trainer->best != NULL) && measure(h, &bytes) &&
                bytes == file->bytes && fits_batches(trainer, h) && counts_fit(trainer, h) && numbers_fit(file, h);
    return fits ? PARE_OK : damaged(file->path);
}

/* The parts that batches are cut into, and the micro-batches, decide how sums are rounded. */
static pare_status take_shape(pare_trainer *trainer, const head *h) {
    pare_pass_shape shape = trainer->shape;
    if (shape.sequences == h->sequences && shape.micro_batch == h->micro_batch) return PARE_OK;
    shape.sequences = h->sequences;
    shape.micro_batch = h->micro_batch;
    return pare_trainer_shape(trainer, &shape);
}

static pare_status load_context(const pare_trainer *trainer, const char *path, const unsigned char *at, size_t bytes) {
    const pare_trainer_options *o = trainer->options;
    if (!o->load) return bytes ? damaged(path) : PARE_OK;
    if (!bytes) return damaged(path);
    FILE *stream = fmemopen((void *)(uintptr_t)at, bytes, "rb");
    if (!stream) return pare_fail(PARE_OUT_OF_MEMORY, "there is not enough memory to read %s", path);
    pare_status status = o->load(o->context, stream);
    bool more = status == PARE_OK && fgetc(stream) != EOF;
    fclose(stream);
    if (more) return damaged(path);
    return status == PARE_FORMAT_ERROR ? damaged(path) : status; /* the context does not know the file */
}

/* at: in the first rank's file; NULL on others. */
static pare_status take_context(const pare_trainer *trainer, const pare_mapping *file, const unsigned char *at,
                                size_t bytes) {
    unsigned char *room = NULL;
    if (pare_peer_count() == 1 || !bytes) return file ? load_context(trainer, file->path, at, bytes) : PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&room, bytes, 1, "the progress"));
    if (file) memcpy(room, at, bytes);
    pare_status status = pare_peer_broadcast(room, bytes, 0);
    const char *path = file ? file->path : "the first rank's progress";
    if (status == PARE_OK) status = load_context(trainer, path, room, bytes);
    pare_free(room);
    return status;
}

static void take_counts(pare_trainer *trainer, const head *h) {
    trainer->curve.count = h->points;
    trainer->optimizer.steps = h->optimizer_steps;
    trainer->steps_done = h->steps_done;
    trainer->tokens = h->tokens;
    trainer->best_step = h->best_step;
    trainer->validated_step = h->validated_step;
    trainer->first_validation = h->first_validation;
    trainer->last_validation = h->last_validation;
    trainer->best_validation = h->best_validation;
    trainer->first_taught = h->first_taught;
    trainer->best_taught = h->best_taught;
    trainer->seconds_before += h->seconds;
}

/* What the first rank's file has goes to all. file: NULL on others. */
static pare_status take_state(pare_trainer *trainer, const pare_mapping *file, const head *h) {
    PARE_TRY(pare_curve_room(&trainer->curve, h->points));
    const size_t bytes = h->count * sizeof(float);
    const struct {
        void *to;
        size_t bytes;
    } parts[] = {{trainer->trained->value, bytes},
                 {trainer->optimizer.first, bytes},
                 {trainer->optimizer.second, bytes},
                 {trainer->best, h->has_best ? bytes : 0},
                 {trainer->curve.list, h->points * sizeof(pare_curve_point)}};
    const unsigned char *at = file ? file->data + sizeof *h : NULL;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!parts[i].bytes) continue;
        if (at) memcpy(parts[i].to, at, parts[i].bytes);
        if (at) at += parts[i].bytes;
        PARE_TRY(pare_peer_broadcast(parts[i].to, parts[i].bytes, 0));
    }
    take_counts(trainer, h);
    PARE_TRY(take_context(trainer, file, at, h->context_bytes));
    return trainer->trained->refresh(trainer->trained);
}

/* The part of all ranks; file: NULL where there is none. */
static pare_status take(pare_trainer *trainer, const pare_mapping *file, head *h) {
    PARE_TRY(pare_peer_broadcast(h, sizeof *h, 0));
    PARE_TRY(take_shape(trainer, h));
    return take_state(trainer, file, h);
}

pare_status pare_trainer_load(pare_trainer *trainer, const char *path, const char *key) {
    pare_mapping file;
    head h;
    PARE_TRY(check_whole(trainer, path));
    if (pare_peer_rank()) return take(trainer, NULL, &h);
    PARE_TRY(pare_mapping_open(path, &file));
    pare_status status = check_file(trainer, &file, key, &h);
    if (status == PARE_OK) status = take(trainer, &file, &h);
    pare_mapping_close(&file);
    return status;
}
