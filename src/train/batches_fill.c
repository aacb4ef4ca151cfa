/* Token arrays of a batch. */
#include "support/memory.h"
#include "train/batches_internal.h"

#include <string.h>

void pare_batch_arrays_free(pare_batch_arrays *arrays) {
    pare_free(arrays->ids);
    pare_free(arrays->targets);
    pare_free(arrays->positions);
    pare_free(arrays->start);
    pare_free(arrays->numbers);
    pare_free(arrays->lengths);
    *arrays = (pare_batch_arrays){0};
}

static pare_status allocate(pare_batch_arrays *arrays, size_t sequences, size_t tokens, bool packed) {
    const char *what = "a batch of training examples";
    PARE_TRY(pare_alloc_uninitialized(&arrays->ids, tokens, sizeof *arrays->ids, what));
    PARE_TRY(pare_alloc_uninitialized(&arrays->targets, tokens, sizeof *arrays->targets, what));
    PARE_TRY(pare_alloc(&arrays->numbers, tokens, sizeof *arrays->numbers, what));
    PARE_TRY(pare_alloc_uninitialized(&arrays->lengths, sequences, sizeof *arrays->lengths, what));
    if (!packed) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&arrays->positions, tokens, sizeof *arrays->positions, what));
    return pare_alloc_uninitialized(&arrays->start, tokens, sizeof *arrays->start, what);
}

pare_status pare_batch_arrays_reserve(pare_batch_arrays *arrays, size_t sequences, size_t length, bool packed) {
    uint64_t tokens;
    if (!pare_multiply_size(sequences, length, &tokens))
        return pare_fail(PARE_OUT_OF_MEMORY, "a batch of %zu sequences of %zu tokens does not fit any memory",
                         sequences, length);
    if (arrays->ids && arrays->room >= tokens && arrays->sequences_room >= sequences && (!packed || arrays->start))
        return PARE_OK;
    pare_batch_arrays_free(arrays);
    pare_status status = allocate(arrays, sequences, (size_t)tokens, packed);
    if (status != PARE_OK) {
        pare_batch_arrays_free(arrays);
        return status;
    }
    arrays->room = (size_t)tokens;
    arrays->sequences_room = sequences;
    return PARE_OK;
}

/* What is predicted at token t of an example. */
static int32_t target_of(const pare_examples *examples, const pare_example *example, uint32_t t) {
    if (examples->labels) {
        int32_t label = examples->labels[example - examples->list];
        return t ? -1 : label < 0 ? PARE_TARGET_OPEN : label;
    }
    bool predicts = t + 1 < example->count && pare_example_learns(examples, example, t + 1);
    return predicts ? (int32_t)examples->ids[example->start + t + 1] : -1;
}

uint32_t pare_example_predictions(const pare_examples *examples, const pare_example *example) {
    uint32_t count = 0;
    for (uint32_t t = 0; t < example->count; t++)
        count += target_of(examples, example, t) != -1;
    return count;
}

/* One example, its first token being token `begin` of a sequence that is filled from `at` on. number: of its first
 * prediction. */
static void fill_example(const pare_examples *examples, const pare_example *example, pare_batch_arrays *arrays,
                         size_t at, uint32_t begin, uint32_t number, bool packed) {
    memcpy(arrays->ids + at, examples->ids + example->start, example->count * sizeof *arrays->ids);
    for (uint32_t t = 0; t < example->count; t++) {
        arrays->targets[at + t] = target_of(examples, example, t);
        arrays->numbers[at + t] = number;
        number += arrays->targets[at + t] != -1;
    }
    for (uint32_t t = 0; packed && t < example->count; t++) {
        arrays->positions[at + t] = (int32_t)t;
        arrays->start[at + t] = (int32_t)begin;
    }
}

void pare_batch_fill(const pare_batches *batches, pare_batch_arrays *arrays, size_t index, size_t length, bool packed,
                     const uint32_t *examples, size_t count) {
    size_t begin = index * length;
    uint32_t filled = 0;
    for (size_t i = 0; i < count; i++) {
        const pare_example *example = batches->examples->list + examples[i];
        fill_example(batches->examples, example, arrays, begin + filled, filled, batches->numbers[examples[i]], packed);
        filled += example->count;
    }
    arrays->lengths[index] = (int32_t)filled;
    for (size_t t = filled; t < length; t++) {
        arrays->ids[begin + t] = 0;
        arrays->targets[begin + t] = -1;
        if (!packed) continue;
        arrays->positions[begin + t] = 0;
        arrays->start[begin + t] = (int32_t)t; /* padding sees itself alone */
    }
}

pare_batch pare_batch_of(const pare_batch_arrays *arrays, int64_t sequences, int64_t length, bool packed) {
    pare_batch batch = {.ids = arrays->ids, .sequences = sequences, .lengths = arrays->lengths};
    batch.layout =
        (pare_layout){.length = length, .targets = arrays->targets, .open = true, .numbers = arrays->numbers};
    if (packed) {
        batch.layout.positions = arrays->positions;
        batch.layout.start = arrays->start;
    }
    for (int64_t i = 0; i < sequences; i++)
        batch.tokens += (uint64_t)arrays->lengths[i];
    for (int64_t i = 0; i < sequences * length; i++)
        batch.predictions += arrays->targets[i] != -1;
    batch.layout.predictions = (double)batch.predictions;
    return batch;
}
