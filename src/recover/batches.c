#include "recover/batches.h"
#include "recover/batches_internal.h"
#include "support/memory.h"

#include <string.h>

enum { LONGEST_SEQUENCE = 1 << 24 };

void pare_batches_free(pare_batches *batches) {
    if (!batches) return;
    pare_free(batches->lengths);
    pare_free(batches->trained);
    pare_free(batches->held);
    pare_free(batches->sort.tallies);
    pare_free(batches->sort.items);
    pare_free(batches->step);
    pare_epoch_free(&batches->epoch);
    pare_batch_arrays_free(&batches->whole);
    pare_batch_arrays_free(&batches->part);
    pare_batch_arrays_free(&batches->validation);
    pare_free(batches);
}

static pare_status check(const pare_examples *examples, const pare_batches_options *options) {
    if (!options->batch || !options->length || options->length > LONGEST_SEQUENCE)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "a batch of %u sequences of %u tokens cannot be trained on; choose at least 1 of 1 to %d",
                         options->batch, options->length, LONGEST_SEQUENCE);
    if (examples->count >= UINT32_MAX)
        return pare_fail(PARE_UNSUPPORTED, "%zu examples are more than pare can put in order; limit their number",
                         examples->count);
    if (options->validation >= examples->count)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%u of %zu examples are to be held out, which leaves none to train on; hold out fewer",
                         options->validation, examples->count);
    for (size_t i = 0; i < examples->count; i++)
        if (examples->list[i].count > options->length)
            return pare_fail(PARE_BAD_ARGUMENT,
                             "example %zu has %u tokens, and a sequence takes %u; read the examples with a cutoff of "
                             "that, or train on longer sequences",
                             i + 1, examples->list[i].count, options->length);
    return PARE_OK;
}

/* The held-out examples are the first ones of all in a drawn order; those that are trained on keep the file's. */
static pare_status split(pare_batches *batches) {
    size_t count = batches->examples->count;
    uint32_t *drawn;
    uint8_t *is_held;
    PARE_TRY(pare_alloc_uninitialized(&batches->trained, batches->trained_count, sizeof *drawn, "training examples"));
    PARE_TRY(pare_alloc_uninitialized(&batches->held, batches->held_count, sizeof *drawn, "held-out examples"));
    PARE_TRY(pare_alloc(&is_held, count, sizeof *is_held, "held-out examples"));
    drawn = batches->sort.items;
    for (size_t i = 0; i < count; i++)
        drawn[i] = (uint32_t)i;
    pare_batches_shuffle(batches->options.seed, PARE_DRAW_SPLIT, 0, drawn, count);
    for (size_t i = 0; i < batches->held_count; i++)
        is_held[drawn[i]] = 1;
    for (size_t i = 0, trained = 0, held = 0; i < count; i++)
        if (is_held[i])
            batches->held[held++] = (uint32_t)i;
        else
            batches->trained[trained++] = (uint32_t)i;
    pare_free(is_held);
    pare_length_sort_run(&batches->sort, batches->lengths, batches->held, batches->held_count);
    return PARE_OK;
}

static pare_status prepare(pare_batches *batches) {
    const pare_examples *examples = batches->examples;
    pare_length_sort *sort = &batches->sort;
    sort->longest = batches->options.length;
    PARE_TRY(pare_alloc_uninitialized(&batches->lengths, examples->count, sizeof *batches->lengths, "lengths"));
    PARE_TRY(pare_alloc(&sort->tallies, (size_t)sort->longest + 1, sizeof *sort->tallies, "tallies of lengths"));
    PARE_TRY(pare_alloc_uninitialized(&sort->items, examples->count, sizeof *sort->items, "examples by length"));
    for (size_t i = 0; i < examples->count; i++)
        batches->lengths[i] = examples->list[i].count;
    PARE_TRY(split(batches));
    PARE_TRY(pare_epoch_new(batches));
    pare_epoch_arrange(batches, 0);
    size_t sequences = batches->epoch.sequences, batch = batches->options.batch;
    return pare_alloc_uninitialized(&batches->step, batch < sequences ? batch : sequences, sizeof *batches->step,
                                    "a step's sequences");
}

pare_status pare_batches_new(const pare_examples *examples, const pare_batches_options *options, pare_batches **out) {
    pare_batches *batches;
    *out = NULL;
    PARE_TRY(check(examples, options));
    PARE_TRY(pare_alloc(&batches, 1, sizeof *batches, "batches"));
    batches->examples = examples;
    batches->options = *options;
    batches->held_count = options->validation;
    batches->trained_count = examples->count - options->validation;
    pare_status status = prepare(batches);
    if (status != PARE_OK)
        pare_batches_free(batches);
    else
        *out = batches;
    return status;
}

const pare_batches_options *pare_batches_options_of(const pare_batches *batches) {
    return &batches->options;
}

uint64_t pare_batches_steps(const pare_batches *batches) {
    return (batches->epoch.sequences + batches->options.batch - 1) / batches->options.batch;
}

uint64_t pare_batches_validation(const pare_batches *batches) {
    return batches->held_count;
}

pare_status pare_batches_step(pare_batches *batches, uint64_t step, pare_batch *out) {
    uint64_t steps = pare_batches_steps(batches);
    const pare_epoch *epoch = &batches->epoch;
    if (epoch->number != step / steps) pare_epoch_arrange(batches, step / steps);
    size_t first = (size_t)(step % steps) * batches->options.batch, left = epoch->sequences - first;
    size_t count = left < batches->options.batch ? left : batches->options.batch;
    memcpy(batches->step, epoch->order + first, count * sizeof *batches->step);
    pare_length_sort_run(&batches->sort, epoch->lengths, batches->step, count);
    int64_t length = pare_batch_length(batches, epoch->lengths[batches->step[0]]);
    PARE_TRY(pare_batch_arrays_reserve(&batches->whole, count, (size_t)length, batches->options.pack));
    for (size_t i = 0; i < count; i++) {
        uint32_t sequence = batches->step[i], begin = epoch->begin[sequence];
        pare_batch_fill(batches, &batches->whole, i, (size_t)length, epoch->members + begin,
                        epoch->begin[sequence + 1] - begin);
    }
    *out = pare_batch_of(&batches->whole, (int64_t)count, length, batches->options.pack);
    return PARE_OK;
}

/* The first `length` of each row's `stride` numbers of 4 bytes. */
static void copy_rows(void *to, const void *from, int64_t rows, int64_t stride, int64_t length) {
    for (int64_t row = 0; row < rows; row++)
        memcpy((uint32_t *)to + row * length, (const uint32_t *)from + row * stride, (size_t)length * 4);
}

pare_status pare_batches_part(pare_batches *batches, const pare_batch *whole, int64_t first, int64_t count,
                              pare_batch *out) {
    const pare_layout *layout = &whole->layout;
    bool packed = layout->start;
    if (first < 0 || count < 1 || first > whole->sequences - count)
        return pare_fail(PARE_BAD_ARGUMENT, "a batch of %lld sequences has no part of %lld from %lld on",
                         (long long)whole->sequences, (long long)count, (long long)first);
    int64_t length = pare_batch_length(batches, whole->lengths[first]), stride = layout->length, at = first * stride;
    pare_batch_arrays *part = &batches->part;
    PARE_TRY(pare_batch_arrays_reserve(part, (size_t)count, (size_t)length, packed));
    memcpy(part->lengths, whole->lengths + first, (size_t)count * sizeof *part->lengths);
    copy_rows(part->ids, whole->ids + at, count, stride, length);
    copy_rows(part->targets, layout->targets + at, count, stride, length);
    if (packed) {
        copy_rows(part->positions, layout->positions + at, count, stride, length);
        copy_rows(part->start, layout->start + at, count, stride, length);
    }
    *out = pare_batch_of(part, count, length, packed);
    out->layout.predictions = layout->predictions;
    return PARE_OK;
}

pare_status pare_batches_held_out(pare_batches *batches, uint64_t first, uint64_t count, pare_batch *out) {
    uint64_t left = first < batches->held_count ? batches->held_count - first : 0;
    *out = (pare_batch){0};
    if (count > left) count = left;
    if (!count) return PARE_OK;
    const uint32_t *held = batches->held + first;
    int64_t length = pare_batch_length(batches, batches->lengths[held[0]]);
    PARE_TRY(pare_batch_arrays_reserve(&batches->validation, (size_t)count, (size_t)length, false));
    for (size_t i = 0; i < count; i++)
        pare_batch_fill(batches, &batches->validation, i, (size_t)length, held + i, 1);
    *out = pare_batch_of(&batches->validation, (int64_t)count, length, false);
    return PARE_OK;
}
