/* The order of an epoch. Examples are drawn, packed into sequences if wanted, and the sequences are dealt out to steps.
 *
 * Packing is best-fit decreasing: the longest example first, each into the fullest sequence that still has room for it.
 * Which lengths share a sequence then does not depend on the epoch, so that all epochs have as many sequences; which
 * examples of a length go where does, and so does the order of the sequences.
 *
 * By length: of every so many steps' sequences (50, or a quarter of the epoch if that is less, as transformers'
 * LengthGroupedSampler has it) those of like length make a step, and the order of all full steps is drawn. */
#include "recover/batches_internal.h"
#include "support/memory.h"
#include "support/random.h"

#include <string.h>

enum { GROUPED_STEPS = 50, FEWEST_GROUPS = 4, WORD_BITS = 64 };

void pare_length_sort_run(const pare_length_sort *sort, const uint32_t *lengths, uint32_t *items, size_t count) {
    memset(sort->tallies, 0, ((size_t)sort->longest + 1) * sizeof *sort->tallies);
    for (size_t i = 0; i < count; i++)
        sort->tallies[lengths[items[i]]]++;
    uint32_t begin = 0;
    for (size_t length = (size_t)sort->longest + 1; length-- > 0;) {
        uint32_t tally = sort->tallies[length];
        sort->tallies[length] = begin;
        begin += tally;
    }
    memcpy(sort->items, items, count * sizeof *items);
    for (size_t i = 0; i < count; i++)
        items[sort->tallies[lengths[sort->items[i]]]++] = sort->items[i];
}

void pare_batches_shuffle(uint64_t seed, uint32_t what, uint64_t number, uint32_t *items, size_t count) {
    pare_random random = {.seed = seed, .stream = (uint64_t)what << 56 ^ number};
    for (size_t left = count; left > 1; left--) {
        size_t drawn = (size_t)pare_random_below(&random, left);
        uint32_t item = items[drawn];
        items[drawn] = items[left - 1];
        items[left - 1] = item;
    }
}

void pare_epoch_free(pare_epoch *epoch) {
    pare_free(epoch->members);
    pare_free(epoch->begin);
    pare_free(epoch->lengths);
    pare_free(epoch->order);
    pare_free(epoch->scratch);
    pare_free(epoch->bins);
    pare_free(epoch->heads);
    pare_free(epoch->capacities);
    *epoch = (pare_epoch){0};
}

pare_status pare_epoch_new(pare_batches *batches) {
    pare_epoch *epoch = &batches->epoch;
    const char *what = "the order of training examples";
    size_t count = batches->trained_count, capacities = (size_t)batches->options.length + 1;
    PARE_TRY(pare_alloc_uninitialized(&epoch->members, count, sizeof *epoch->members, what));
    PARE_TRY(pare_alloc_uninitialized(&epoch->begin, count + 1, sizeof *epoch->begin, what));
    PARE_TRY(pare_alloc_uninitialized(&epoch->lengths, count, sizeof *epoch->lengths, what));
    PARE_TRY(pare_alloc_uninitialized(&epoch->order, count, sizeof *epoch->order, what));
    PARE_TRY(pare_alloc_uninitialized(&epoch->scratch, count, sizeof *epoch->scratch, what));
    if (!batches->options.pack) return PARE_OK;
    PARE_TRY(pare_alloc_uninitialized(&epoch->bins, count, sizeof *epoch->bins, what));
    PARE_TRY(pare_alloc(&epoch->heads, capacities, sizeof *epoch->heads, what));
    return pare_alloc(&epoch->capacities, capacities / WORD_BITS + 1, sizeof *epoch->capacities, what);
}

/* Sequences with room for `capacity` tokens are a stack: heads[capacity] is the last of them plus one,
 * scratch[sequence] the one below it; a bit of capacities is set where there are any. */
static void push(pare_epoch *epoch, uint32_t capacity, uint32_t sequence) {
    epoch->scratch[sequence] = epoch->heads[capacity];
    epoch->heads[capacity] = sequence + 1;
    epoch->capacities[capacity / WORD_BITS] |= UINT64_C(1) << capacity % WORD_BITS;
}

/* The sequence with the least room that is enough for `needed`; a new one if there is none. */
static uint32_t pop(pare_epoch *epoch, uint32_t needed, uint32_t length, uint32_t *capacity) {
    size_t word = needed / WORD_BITS;
    uint64_t bits = epoch->capacities[word] & UINT64_MAX << needed % WORD_BITS;
    while (!bits && word < length / WORD_BITS)
        bits = epoch->capacities[++word];
    if (!bits) {
        *capacity = length;
        return (uint32_t)epoch->sequences++;
    }
    *capacity = (uint32_t)(word * WORD_BITS) + (uint32_t)__builtin_ctzll(bits);
    uint32_t sequence = epoch->heads[*capacity] - 1;
    epoch->heads[*capacity] = epoch->scratch[sequence];
    if (!epoch->heads[*capacity]) epoch->capacities[*capacity / WORD_BITS] &= ~(UINT64_C(1) << *capacity % WORD_BITS);
    return sequence;
}

/* Leaves in bins the sequence of each of members, which are sorted by length, and counts their examples in begin. */
static void assign(pare_batches *batches) {
    pare_epoch *epoch = &batches->epoch;
    uint32_t length = batches->options.length, capacity;
    epoch->sequences = 0;
    memset(epoch->heads, 0, ((size_t)length + 1) * sizeof *epoch->heads);
    memset(epoch->capacities, 0, (((size_t)length + 1) / WORD_BITS + 1) * sizeof *epoch->capacities);
    memset(epoch->begin, 0, (batches->trained_count + 1) * sizeof *epoch->begin);
    memset(epoch->lengths, 0, batches->trained_count * sizeof *epoch->lengths);
    for (size_t i = 0; i < batches->trained_count; i++) {
        uint32_t needed = batches->lengths[epoch->members[i]];
        uint32_t sequence = pop(epoch, needed, length, &capacity);
        epoch->bins[i] = sequence;
        epoch->begin[sequence + 1]++;
        epoch->lengths[sequence] += needed;
        push(epoch, capacity - needed, sequence);
    }
}

static void pack(pare_batches *batches) {
    pare_epoch *epoch = &batches->epoch;
    pare_length_sort_run(&batches->sort, batches->lengths, epoch->members, batches->trained_count);
    assign(batches);
    for (size_t s = 0; s < epoch->sequences; s++)
        epoch->begin[s + 1] += epoch->begin[s];
    uint32_t *next = epoch->order; /* it is filled later */
    memcpy(next, epoch->begin, epoch->sequences * sizeof *next);
    memcpy(epoch->scratch, epoch->members, batches->trained_count * sizeof *epoch->scratch);
    for (size_t i = 0; i < batches->trained_count; i++)
        epoch->members[next[epoch->bins[i]]++] = epoch->scratch[i];
}

static void take_singly(pare_batches *batches) {
    pare_epoch *epoch = &batches->epoch;
    epoch->sequences = batches->trained_count;
    for (size_t s = 0; s <= epoch->sequences; s++)
        epoch->begin[s] = (uint32_t)s;
    for (size_t s = 0; s < epoch->sequences; s++)
        epoch->lengths[s] = batches->lengths[epoch->members[s]];
}

static void group(pare_batches *batches) {
    pare_epoch *epoch = &batches->epoch;
    size_t batch = batches->options.batch, steps = epoch->sequences / batch, grouped = steps / FEWEST_GROUPS;
    if (grouped > GROUPED_STEPS) grouped = GROUPED_STEPS;
    size_t stretch = batch * (grouped ? grouped : 1);
    for (size_t at = 0; at < epoch->sequences; at += stretch) {
        size_t count = epoch->sequences - at < stretch ? epoch->sequences - at : stretch;
        pare_length_sort_run(&batches->sort, epoch->lengths, epoch->order + at, count);
    }
    uint32_t *drawn = batches->sort.items; /* free between sorts */
    for (size_t i = 0; i < steps; i++)
        drawn[i] = (uint32_t)i;
    pare_batches_shuffle(batches->options.seed, PARE_DRAW_STEPS, epoch->number, drawn, steps);
    memcpy(epoch->scratch, epoch->order, steps * batch * sizeof *epoch->order);
    for (size_t i = 0; i < steps; i++)
        memcpy(epoch->order + i * batch, epoch->scratch + drawn[i] * batch, batch * sizeof *epoch->order);
}

void pare_epoch_arrange(pare_batches *batches, uint64_t number) {
    pare_epoch *epoch = &batches->epoch;
    uint64_t seed = batches->options.seed;
    epoch->number = number;
    memcpy(epoch->members, batches->trained, batches->trained_count * sizeof *epoch->members);
    pare_batches_shuffle(seed, PARE_DRAW_EXAMPLES, number, epoch->members, batches->trained_count);
    batches->options.pack ? pack(batches) : take_singly(batches);
    for (size_t s = 0; s < epoch->sequences; s++)
        epoch->order[s] = (uint32_t)s;
    if (batches->options.pack) pare_batches_shuffle(seed, PARE_DRAW_SEQUENCES, number, epoch->order, epoch->sequences);
    if (batches->options.group_by_length) group(batches);
}
