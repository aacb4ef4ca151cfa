#include "train/batches.h"
#include "support/memory.h"
#include "train/batches_internal.h"

#include <string.h>

enum { LONGEST_SEQUENCE = 1 << 24 };

void pare_batches_free(pare_batches *batches) {
    if (!batches) return;
    pare_free(batches->lengths);
    pare_free(batches->numbers);
    pare_free(batches->trained);
    pare_free(batches->sort.tallies);
    pare_free(batches->sort.items);
    pare_packer_free(&batches->packer);
    pare_rows_free(&batches->fitted);
    pare_rows_free(&batches->held);
    pare_free(batches->step);
    pare_free(batches->held_order);
    pare_epoch_free(&batches->epoch);
    pare_mixture_free(&batches->mixture);
    pare_batch_arrays_free(&batches->whole);
    pare_batch_arrays_free(&batches->part);
    pare_batch_arrays_free(&batches->validation);
    pare_batch_arrays_free(&batches->listed);
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

static void split_alike(const pare_batches *batches, uint32_t *drawn, uint8_t *is_held) {
    size_t count = batches->examples->count;
    for (size_t i = 0; i < count; i++)
        drawn[i] = (uint32_t)i;
    pare_batches_shuffle(batches->options.seed, PARE_DRAW_SPLIT, 0, drawn, count);
    for (size_t i = 0; i < batches->held_count; i++)
        is_held[drawn[i]] = 1;
}

/* The held-out examples are the first ones of all in a drawn order; those that are trained on keep the file's. */
static pare_status split(pare_batches *batches) {
    size_t count = batches->examples->count;
    uint32_t *drawn = batches->sort.items; /* free between sorts */
    uint8_t *is_held;
    PARE_TRY(pare_alloc(&is_held, count, sizeof *is_held, "held-out examples"));
    if (batches->mixture.count)
        pare_mixture_split(batches, drawn, is_held);
    else
        split_alike(batches, drawn, is_held);
    for (size_t i = 0, trained = 0, held = 0; i < count; i++)
        if (is_held[i])
            batches->held.members[held++] = (uint32_t)i;
        else
            batches->trained[trained++] = (uint32_t)i;
    pare_free(is_held);
    return PARE_OK;
}

/* Fits rows->members[0 .. examples) into rows, and leaves the rows in `order`, the longest first. */
static void fit(pare_batches *batches, pare_rows *rows, size_t examples, uint32_t *order) {
    pare_rows_fit(&batches->packer, &batches->sort, batches->lengths, batches->options.length, examples, rows);
    for (size_t row = 0; row < rows->count; row++)
        order[row] = (uint32_t)row;
    pare_length_sort_run(&batches->sort, rows->lengths, order, rows->count);
}

static pare_status allocate(pare_batches *batches) {
    size_t count = batches->examples->count, held = batches->held_count, batch = batches->options.batch;
    uint32_t longest = batches->options.length;
    pare_length_sort *sort = &batches->sort;
    size_t sorted = count > batches->places ? count : batches->places;
    if (batch > batches->places) batch = batches->places;
    sort->longest = longest;
    PARE_TRY(pare_alloc_uninitialized(&batches->lengths, count, sizeof *batches->lengths, "lengths"));
    PARE_TRY(pare_alloc_uninitialized(&batches->numbers, count, sizeof *batches->numbers, "predictions"));
    PARE_TRY(pare_alloc(&sort->tallies, (size_t)longest + 1, sizeof *sort->tallies, "tallies of lengths"));
    PARE_TRY(pare_alloc_uninitialized(&sort->items, sorted, sizeof *sort->items, "examples by length"));
    PARE_TRY(pare_alloc_uninitialized(&batches->trained, batches->trained_count, sizeof *batches->trained,
                                      "training examples"));
    PARE_TRY(pare_alloc_uninitialized(&batches->step, batch, sizeof *batches->step, "a step's rows"));
    PARE_TRY(pare_alloc_uninitialized(&batches->held_order, held, sizeof *batches->held_order, "held-out rows"));
    PARE_TRY(pare_packer_new(sorted, longest, &batches->packer));
    PARE_TRY(pare_rows_new(batch, &batches->fitted));
    PARE_TRY(pare_rows_new(held, &batches->held));
    return pare_epoch_new(batches);
}

/* In the file's order. */
static void number_predictions(pare_batches *batches) {
    const pare_examples *examples = batches->examples;
    for (size_t i = 0; i < examples->count; i++) {
        batches->numbers[i] = (uint32_t)batches->predictions;
        batches->predictions += pare_example_predictions(examples, examples->list + i);
    }
}

static pare_status prepare(pare_batches *batches) {
    PARE_TRY(pare_mixture_new(&batches->options, batches->examples->count, &batches->mixture));
    batches->options.sources = NULL;
    batches->places = batches->mixture.count ? batches->mixture.places : batches->trained_count;
    PARE_TRY(allocate(batches));
    for (size_t i = 0; i < batches->examples->count; i++)
        batches->lengths[i] = batches->examples->list[i].count;
    number_predictions(batches);
    PARE_TRY(split(batches));
    if (batches->held_count) fit(batches, &batches->held, batches->held_count, batches->held_order);
    pare_epoch_arrange(batches, 0);
    return PARE_OK;
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
    return (batches->epoch.count + batches->options.batch - 1) / batches->options.batch;
}

uint64_t pare_batches_validation(const pare_batches *batches) {
    return batches->held.count;
}

/* Fills `arrays` with the rows order[0 .. count), of which the first is the longest. */
static pare_status fill(const pare_batches *batches, const pare_rows *rows, const uint32_t *order, size_t count,
                        bool packed, pare_batch_arrays *arrays, pare_batch *out) {
    uint32_t length = pare_rows_round(rows->lengths[order[0]], batches->options.length);
    PARE_TRY(pare_batch_arrays_reserve(arrays, count, length, packed));
    for (size_t i = 0; i < count; i++) {
        uint32_t begin = rows->begin[order[i]];
        pare_batch_fill(batches, arrays, i, length, packed, rows->members + begin, rows->begin[order[i] + 1] - begin);
    }
    *out = pare_batch_of(arrays, (int64_t)count, length, packed);
    return PARE_OK;
}

pare_status pare_batches_step(pare_batches *batches, uint64_t step, pare_batch *out) {
    uint64_t steps = pare_batches_steps(batches);
    const pare_epoch *epoch = &batches->epoch;
    if (epoch->number != step / steps) pare_epoch_arrange(batches, step / steps);
    size_t first = (size_t)(step % steps) * batches->options.batch, left = epoch->count - first;
    size_t count = left < batches->options.batch ? left : batches->options.batch;
    const uint32_t *order = epoch->order + first;
    if (batches->options.pack) {
        memcpy(batches->step, order, count * sizeof *batches->step);
        pare_length_sort_run(&batches->sort, epoch->rows.lengths, batches->step, count);
        return fill(batches, &epoch->rows, batches->step, count, true, &batches->whole, out);
    }
    pare_rows *fitted = &batches->fitted;
    for (size_t i = 0; i < count; i++)
        fitted->members[i] = epoch->rows.members[order[i]];
    fit(batches, fitted, count, batches->step);
    return fill(batches, fitted, batches->step, fitted->count, fitted->count < count, &batches->whole, out);
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
    int64_t length = pare_rows_round((uint32_t)whole->lengths[first], batches->options.length), stride = layout->length,
            at = first * stride;
    pare_batch_arrays *part = &batches->part;
    PARE_TRY(pare_batch_arrays_reserve(part, (size_t)count, (size_t)length, packed));
    memcpy(part->lengths, whole->lengths + first, (size_t)count * sizeof *part->lengths);
    copy_rows(part->ids, whole->ids + at, count, stride, length);
    copy_rows(part->targets, layout->targets + at, count, stride, length);
    copy_rows(part->numbers, layout->numbers + at, count, stride, length);
    if (packed) {
        copy_rows(part->positions, layout->positions + at, count, stride, length);
        copy_rows(part->start, layout->start + at, count, stride, length);
    }
    *out = pare_batch_of(part, count, length, packed);
    out->layout.predictions = layout->predictions;
    return PARE_OK;
}

pare_status pare_batches_held_out(pare_batches *batches, uint64_t first, uint64_t count, pare_batch *out) {
    const pare_rows *held = &batches->held;
    uint64_t left = first < held->count ? held->count - first : 0;
    *out = (pare_batch){0};
    if (count > left) count = left;
    if (!count) return PARE_OK;
    return fill(batches, held, batches->held_order + first, (size_t)count, held->count < batches->held_count,
                &batches->validation, out);
}

uint32_t pare_batches_source_held(const pare_batches *batches, size_t index) {
    return batches->mixture.sources[index].held;
}

size_t pare_batches_examples(const pare_batches *batches) {
    return batches->examples->count;
}

uint64_t pare_batches_predictions(const pare_batches *batches) {
    return batches->predictions;
}

pare_status pare_batches_listed(pare_batches *batches, size_t first, size_t count, pare_batch *out) {
    uint32_t length = 0, most = batches->options.length;
    for (size_t i = first; i < first + count; i++)
        length = batches->lengths[i] > length ? batches->lengths[i] : length;
    length = pare_rows_round(length, most);
    PARE_TRY(pare_batch_arrays_reserve(&batches->listed, count, length, false));
    for (size_t i = 0; i < count; i++) {
        uint32_t example = (uint32_t)(first + i);
        pare_batch_fill(batches, &batches->listed, i, length, false, &example, 1);
    }
    *out = pare_batch_of(&batches->listed, (int64_t)count, length, false);
    return PARE_OK;
}
