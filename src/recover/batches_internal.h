/* Shared by the parts of the batches: batches.c (examples and steps), batches_order.c (the order of an epoch),
 * batches_fill.c (token arrays) and batches_digest.c. */
#ifndef PARE_RECOVER_BATCHES_INTERNAL_H
#define PARE_RECOVER_BATCHES_INTERNAL_H

#include "recover/batches.h"
#include "support/status.h"

#include <stddef.h>

/* What the stable counting sort works in. */
typedef struct pare_length_sort {
    uint32_t *tallies; /* [longest + 1] */
    uint32_t *items;   /* [as many as are ever sorted] */
    uint32_t longest;
} pare_length_sort;

/* Sorts items by lengths[item], the longest first; those of equal length stay in their order. */
void pare_length_sort_run(const pare_length_sort *sort, const uint32_t *lengths, uint32_t *items, size_t count);

/* The sequences of an epoch: sequence s holds the examples members[begin[s] .. begin[s + 1]). Step t trains on
 * sequences order[t batch ..]. */
typedef struct pare_epoch {
    uint64_t number;
    uint32_t *members;    /* [trained examples] */
    uint32_t *begin;      /* [sequences + 1] */
    uint32_t *lengths;    /* [sequences] */
    uint32_t *order;      /* [sequences] */
    uint32_t *scratch;    /* [trained examples] */
    uint32_t *bins;       /* [trained examples] and */
    uint32_t *heads;      /* [length + 1] and */
    uint64_t *capacities; /* a bit each for 0 .. length: what packing works in; NULL without it */
    size_t sequences;
} pare_epoch;

/* Token arrays that a batch points to. */
typedef struct pare_batch_arrays {
    uint32_t *ids;
    int32_t *targets, *positions, *start; /* [room] as ids; the last two NULL where examples are not packed */
    int32_t *lengths;                     /* [sequences_room] */
    size_t room, sequences_room;
} pare_batch_arrays;

struct pare_batches {
    const pare_examples *examples;
    pare_batches_options options;
    uint32_t *lengths;        /* [examples->count] */
    uint32_t *trained, *held; /* examples, by their index; held: the longest first */
    size_t trained_count, held_count;
    pare_length_sort sort;
    pare_epoch epoch;
    uint32_t *step; /* [options.batch, or sequences if fewer] of the step at hand */
    pare_batch_arrays whole, part, validation;
};

/* Fisher-Yates; `what` and `number` name the draw. */
enum { PARE_DRAW_SPLIT = 1, PARE_DRAW_EXAMPLES, PARE_DRAW_SEQUENCES, PARE_DRAW_STEPS };
void pare_batches_shuffle(uint64_t seed, uint32_t what, uint64_t number, uint32_t *items, size_t count);

pare_status pare_epoch_new(pare_batches *batches);
void pare_epoch_free(pare_epoch *epoch);
/* Orders the epoch `number`. */
void pare_epoch_arrange(pare_batches *batches, uint64_t number);

/* Makes room for `sequences` of `length` tokens. */
pare_status pare_batch_arrays_reserve(pare_batch_arrays *arrays, size_t sequences, size_t length, bool packed);
void pare_batch_arrays_free(pare_batch_arrays *arrays);
/* The length of a batch whose longest sequence is `longest`. */
int64_t pare_batch_length(const pare_batches *batches, int64_t longest);
/* Fills sequence `index` of `length` tokens with examples[0 .. count), one behind the other. */
void pare_batch_fill(const pare_batches *batches, pare_batch_arrays *arrays, size_t index, size_t length,
                     const uint32_t *examples, size_t count);
/* The batch that the arrays hold, counted. */
pare_batch pare_batch_of(const pare_batch_arrays *arrays, int64_t sequences, int64_t length, bool packed);

#endif
