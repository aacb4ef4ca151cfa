/* The order of an epoch. Examples are drawn, packed into rows if wanted, and the rows are dealt out to steps.
 *
 * By length: of every so many steps' rows (50, or a quarter of the epoch if that is less, as transformers'
 * LengthGroupedSampler has it) those of like length make a step, and the order of all full steps is drawn. */
#include "support/memory.h"
#include "support/random.h"
#include "train/batches_internal.h"

#include <string.h>

enum { GROUPED_STEPS = 50, FEWEST_GROUPS = 4 };

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
    pare_rows_free(&epoch->rows);
    pare_free(epoch->order);
    pare_free(epoch->scratch);
    *epoch = (pare_epoch){0};
}

pare_status pare_epoch_new(pare_batches *batches) {
    pare_epoch *epoch = &batches->epoch;
    const char *what = "the order of training examples";
    size_t count = batches->places;
    PARE_TRY(pare_rows_new(count, &epoch->rows));
    PARE_TRY(pare_alloc_uninitialized(&epoch->order, count, sizeof *epoch->order, what));
    return pare_alloc_uninitialized(&epoch->scratch, count, sizeof *epoch->scratch, what);
}

static void take_singly(const pare_batches *batches, pare_rows *rows) {
    rows->count = batches->places;
    for (size_t row = 0; row <= rows->count; row++)
        rows->begin[row] = (uint32_t)row;
    for (size_t row = 0; row < rows->count; row++)
        rows->lengths[row] = batches->lengths[rows->members[row]];
}

static void group(pare_batches *batches) {
    pare_epoch *epoch = &batches->epoch;
    size_t batch = batches->options.batch, steps = epoch->rows.count / batch, grouped = steps / FEWEST_GROUPS;
    if (grouped > GROUPED_STEPS) grouped = GROUPED_STEPS;
    size_t stretch = batch * (grouped ? grouped : 1);
    for (size_t at = 0; at < epoch->rows.count; at += stretch) {
        size_t count = epoch->rows.count - at < stretch ? epoch->rows.count - at : stretch;
        pare_length_sort_run(&batches->sort, epoch->rows.lengths, epoch->order + at, count);
    }
    uint32_t *drawn = batches->sort.items; /* free between sorts */
    for (size_t i = 0; i < steps; i++)
        drawn[i] = (uint32_t)i;
    pare_batches_shuffle(batches->options.seed, PARE_DRAW_STEPS, epoch->number, drawn, steps);
    memcpy(epoch->scratch, epoch->order, steps * batch * sizeof *epoch->order);
    for (size_t i = 0; i < steps; i++)
        memcpy(epoch->order + i * batch, epoch->scratch + drawn[i] * batch, batch * sizeof *epoch->order);
}

/* Epochs of a mixture hold other examples, which may make more rows or fewer: all have as many as the first one. */
static void even(pare_epoch *epoch) {
    if (!epoch->count) epoch->count = epoch->rows.count;
    for (size_t row = epoch->rows.count; row < epoch->count; row++)
        epoch->order[row] = epoch->order[row - epoch->rows.count];
}

void pare_epoch_arrange(pare_batches *batches, uint64_t number) {
    pare_epoch *epoch = &batches->epoch;
    pare_rows *rows = &epoch->rows;
    const pare_batches_options *o = &batches->options;
    epoch->number = number;
    if (batches->mixture.count) {
        pare_mixture_arrange(batches, number, rows->members);
    } else {
        memcpy(rows->members, batches->trained, batches->trained_count * sizeof *rows->members);
        pare_batches_shuffle(o->seed, PARE_DRAW_EXAMPLES, number, rows->members, batches->trained_count);
    }
    if (o->pack)
        pare_rows_pack(&batches->packer, &batches->sort, batches->lengths, o->length, batches->places, rows);
    else
        take_singly(batches, rows);
    for (size_t row = 0; row < rows->count; row++)
        epoch->order[row] = (uint32_t)row;
    if (o->pack) pare_batches_shuffle(o->seed, PARE_DRAW_ROWS, number, epoch->order, rows->count);
    if (o->group_by_length) group(batches);
    even(epoch);
}
