/* Sums over calibration sequences, cut into pieces that do not depend on how many ranks there are (support/peer.h).
 *
 * A shard is a contiguous run of sequences. Within one, sums add up from zero, micro-batch by micro-batch; the sums of
 * the shards are added one after the other, in their order, by one process as by several. Ranks take shards in
 * contiguous ranges; work of one shard is not shared: every rank does it all. */
#ifndef PARE_SUPPORT_SHARDS_H
#define PARE_SUPPORT_SHARDS_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

/* Shards at most; and tokens of one at least: so many as make a product run at full speed. */
enum { PARE_SHARDS = 8, PARE_SHARD_TOKENS = 2048 };

typedef struct pare_shards {
    int64_t sequences;
    int count;       /* a power of two, so that a half of them is a half of the sequences */
    int first, last; /* this rank's: [first, last) */
} pare_shards;

pare_shards pare_shards_of(int64_t sequences, int64_t length);
/* All of them are this process's. */
pare_shards pare_shards_alone(int64_t sequences, int64_t length);
/* The first sequence of a shard; of `count`: behind the last. */
int64_t pare_shard_begin(const pare_shards *shards, int shard);
/* The rank that has a sequence; where there is one shard, this one. */
int pare_shards_rank(const pare_shards *shards, int64_t sequence);
/* Sequences of the largest. */
int64_t pare_shard_most(const pare_shards *shards);
/* This rank's sequences, which begin with pare_shard_begin(shards, first). */
int64_t pare_shards_own(const pare_shards *shards);

/* Micro-batches of at most so many sequences, of which none crosses a shard's border: in shards [first, last). */
int64_t pare_shards_batches(const pare_shards *shards, int first, int last, int64_t most);

typedef enum pare_sum_kind { PARE_SUM_SINGLE, PARE_SUM_DOUBLE, PARE_SUM_COUNT } pare_sum_kind;

/* Values that add up over the sequences. */
typedef struct pare_shard_sum {
    pare_sum_kind kind; /* float, double, int64_t */
    void *values;       /* [count] of the shard in hand; in the end of all */
    size_t count;
    bool *seen; /* whether values hold something: whoever adds first then overwrites; NULL: they are zeroed instead */
    void *half; /* [count] what the first half of the shards came to, where there is more than one; NULL: not wanted */
} pare_shard_sum;

/* Those that add up together. */
typedef struct pare_shard_sums {
    pare_shard_sum *list;
    size_t count, capacity;
    unsigned char *room; /* the shards so far; of a rank that is not the first: its own, one behind the other */
    uint64_t room_bytes;
} pare_shard_sums;

pare_status pare_shard_sums_add(pare_shard_sums *sums, const pare_shard_sum *sum);
pare_status pare_shard_sums_add_double(pare_shard_sums *sums, double *values, size_t count);
/* Forgets the list and keeps the room. */
void pare_shard_sums_clear(pare_shard_sums *sums);
void pare_shard_sums_free(pare_shard_sums *sums);

/* In turns around the work on each of this rank's shards. */
pare_status pare_shard_sums_enter(pare_shard_sums *sums, const pare_shards *shards, int shard);
void pare_shard_sums_leave(pare_shard_sums *sums, const pare_shards *shards, int shard);
/* After the last of them; called by all ranks: values are those of all shards, on all ranks. */
pare_status pare_shard_sums_finish(pare_shard_sums *sums, const pare_shards *shards);

/* to[i] += from[i] */
void pare_sum_singles(const float *from, float *to, int64_t count);

/* Bytes of the room for values of so many bytes; of one process, and what a rank takes beyond that. */
uint64_t pare_shard_sums_bytes(const pare_shards *shards, uint64_t values);
uint64_t pare_shard_sums_more_bytes(const pare_shards *shards, uint64_t values);

#endif
