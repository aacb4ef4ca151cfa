/* Shared by the parts of the batches: batches.c (examples and steps), batches_pack.c (examples that share a row),
 * batches_order.c (the order of an epoch), batches_mixture.c (of several files), batches_fill.c (token arrays) and
 * batches_digest.c. */
#ifndef PARE_TRAIN_BATCHES_INTERNAL_H
#define PARE_TRAIN_BATCHES_INTERNAL_H

#include "support/status.h"
#include "train/batches.h"

#include <stddef.h>

/* What the stable counting sort works in. */
typedef struct pare_length_sort {
    uint32_t *tallies; /* [longest + 1] */
    uint32_t *items;   /* [as many as are ever sorted] */
    uint32_t longest;
} pare_length_sort;

/* Sorts items by lengths[item], the longest first; those of equal length stay in their order. */
void pare_length_sort_run(const pare_length_sort *sort, const uint32_t *lengths, uint32_t *items, size_t count);

/* Examples put into rows of tokens, which are the sequences of a batch: row r holds members[begin[r] .. begin[r + 1]).
 */
typedef struct pare_rows {
    uint32_t *members; /* [examples] */
    uint32_t *begin;   /* [count + 1] */
    uint32_t *lengths; /* [count] tokens */
    size_t count;
} pare_rows;

/* What packing works in. */
typedef struct pare_packer {
    uint32_t *chosen, *below; /* [as many examples as are ever packed] */
    uint32_t *heads;          /* [length + 1] and */
    uint64_t *capacities;     /* a bit each for 0 .. length */
} pare_packer;

/* Room for so many examples, each in a row of its own at worst; in rows of `length` tokens at most. Whatever a failure
 * leaves is to be freed. */
pare_status pare_rows_new(size_t examples, pare_rows *out);
void pare_rows_free(pare_rows *rows);
pare_status pare_packer_new(size_t examples, uint32_t length, pare_packer *out);
void pare_packer_free(pare_packer *packer);

/* Puts rows->members[0 .. examples), any order, into rows of `length` tokens. */
void pare_rows_pack(pare_packer *packer, const pare_length_sort *sort, const uint32_t *lengths, uint32_t length,
                    size_t examples, pare_rows *rows);
/* The same with the row length, at most `most`, that leaves the least padding: the longest example's, or up to a
 * quarter more. */
void pare_rows_fit(pare_packer *packer, const pare_length_sort *sort, const uint32_t *lengths, uint32_t most,
                   size_t examples, pare_rows *rows);
/* Tokens of a row with padding, where `length` are real: a multiple of 8, if that is no more than `most`. */
uint32_t pare_rows_round(uint32_t length, uint32_t most);

/* A source of a mixture: examples [begin, begin + examples), of which `held` are held out. */
typedef struct pare_mixture_source {
    double share;
    size_t begin, examples;
    uint32_t held;
    uint64_t places; /* in an epoch */
} pare_mixture_source;

typedef struct pare_mixture {
    pare_mixture_source *sources; /* [count] */
    size_t count;                 /* 0: no mixture */
    uint64_t places;              /* of an epoch */
    uint8_t *owners;              /* [places] whose an example in this place is */
    size_t largest;               /* examples of one source */
    uint32_t *order;              /* [largest] */
} pare_mixture;

/* An epoch: step t trains on rows order[t batch ..]; without packing each row is one example. */
typedef struct pare_epoch {
    uint64_t number;
    pare_rows rows;    /* of all places: each holds one of the trained examples */
    size_t count;      /* of the rows that are trained on, the same in all epochs */
    uint32_t *order;   /* [places], the first `count` of them in use */
    uint32_t *scratch; /* [places] */
} pare_epoch;

/* Token arrays that a batch points to. */
typedef struct pare_batch_arrays {
    uint32_t *ids;
    int32_t *targets, *positions, *start; /* [room] as ids; the last two NULL where examples are not packed */
    uint32_t *numbers;                    /* [room] */
    int32_t *lengths;                     /* [sequences_room] */
    size_t room, sequences_room;
} pare_batch_arrays;

struct pare_batches {
    const pare_examples *examples;
    pare_batches_options options;
    uint32_t *lengths; /* [examples->count] */
    uint32_t *numbers; /* [examples->count] of an example's first prediction */
    uint64_t predictions;
    uint32_t *trained; /* examples, by their index */
    size_t trained_count, held_count;
    pare_mixture mixture;
    size_t places; /* of an epoch: the trained examples, or the mixture's */
    pare_length_sort sort;
    pare_packer packer;
    pare_epoch epoch;
    pare_rows fitted, held;      /* examples of the step at hand, where they are not packed; held-out ones */
    uint32_t *step, *held_order; /* rows of the step at hand; held-out ones: the longest first */
    pare_batch_arrays whole, part, validation, listed;
};

/* Fisher-Yates; `what` and `number` name the draw. */
enum { PARE_DRAW_SPLIT = 1, PARE_DRAW_EXAMPLES, PARE_DRAW_ROWS, PARE_DRAW_STEPS };
void pare_batches_shuffle(uint64_t seed, uint32_t what, uint64_t number, uint32_t *items, size_t count);

/* Nothing where the options have no sources. Whatever a failure leaves is to be freed. */
pare_status pare_mixture_new(const pare_batches_options *options, size_t examples, pare_mixture *out);
void pare_mixture_free(pare_mixture *mixture);
/* Fills members [places] of the epoch `number`. */
void pare_mixture_arrange(pare_batches *batches, uint64_t number, uint32_t *members);
/* Marks what is held out. drawn: room for all examples of a source. */
void pare_mixture_split(const pare_batches *batches, uint32_t *drawn, uint8_t *is_held);

pare_status pare_epoch_new(pare_batches *batches);
void pare_epoch_free(pare_epoch *epoch);
/* Orders the epoch `number`. */
void pare_epoch_arrange(pare_batches *batches, uint64_t number);

/* Makes room for `sequences` of `length` tokens. */
pare_status pare_batch_arrays_reserve(pare_batch_arrays *arrays, size_t sequences, size_t length, bool packed);
void pare_batch_arrays_free(pare_batch_arrays *arrays);
/* Fills sequence `index` of `length` tokens with examples[0 .. count), one behind the other. */
void pare_batch_fill(const pare_batches *batches, pare_batch_arrays *arrays, size_t index, size_t length, bool packed,
                     const uint32_t *examples, size_t count);
/* Tokens of an example at which something is predicted. */
uint32_t pare_example_predictions(const pare_examples *examples, const pare_example *example);
/* The batch that the arrays hold, counted. */
pare_batch pare_batch_of(const pare_batch_arrays *arrays, int64_t sequences, int64_t length, bool packed);

#endif
