#include "support/shards.h"
#include "support/memory.h"
#include "support/peer.h"

#include <stdlib.h>
#include <string.h>

pare_shards pare_shards_alone(int64_t sequences, int64_t length) {
    pare_shards shards = {.sequences = sequences, .count = 1};
    while (shards.count < PARE_SHARDS && sequences / (2 * shards.count) * length >= PARE_SHARD_TOKENS)
        shards.count *= 2;
    shards.last = shards.count;
    return shards;
}

/* Of a rank; the first has one in any case. */
static int first_of(const pare_shards *shards, int rank) {
    int ranks = pare_peer_count();
    return (int)(((int64_t)shards->count * rank + ranks - 1) / ranks);
}

pare_shards pare_shards_of(int64_t sequences, int64_t length) {
    pare_shards shards = pare_shards_alone(sequences, length);
    if (shards.count == 1) return shards;
    shards.first = first_of(&shards, pare_peer_rank());
    shards.last = first_of(&shards, pare_peer_rank() + 1);
    return shards;
}

int64_t pare_shard_begin(const pare_shards *shards, int shard) {
    return shards->sequences / shards->count * shard + shards->sequences % shards->count * shard / shards->count;
}

int pare_shards_rank(const pare_shards *shards, int64_t sequence) {
    int rank = 0;
    if (pare_shards_own(shards) == shards->sequences) return pare_peer_rank();
    while (pare_shard_begin(shards, first_of(shards, rank + 1)) <= sequence)
        rank++;
    return rank;
}

int64_t pare_shard_most(const pare_shards *shards) {
    return (shards->sequences + shards->count - 1) / shards->count;
}

int64_t pare_shards_own(const pare_shards *shards) {
    return pare_shard_begin(shards, shards->last) - pare_shard_begin(shards, shards->first);
}

int64_t pare_shards_batches(const pare_shards *shards, int first, int last, int64_t most) {
    int64_t count = 0;
    for (int shard = first; shard < last; shard++)
        count += (pare_shard_begin(shards, shard + 1) - pare_shard_begin(shards, shard) + most - 1) / most;
    return count;
}

static size_t size_of(pare_sum_kind kind) {
    static const size_t sizes[] = {sizeof(float), sizeof(double), sizeof(int64_t)};
    return sizes[kind];
}

static uint64_t bytes_of(const pare_shard_sum *sum) {
    return sum->count * size_of(sum->kind);
}

/* In the room, where one lies behind the other, each as its kind is aligned. */
static uint64_t room_of(const pare_shard_sum *sum) {
    uint64_t unit = sizeof(double);
    return (bytes_of(sum) + unit - 1) / unit * unit;
}

static uint64_t bytes_of_all(const pare_shard_sums *sums) {
    uint64_t total = 0;
    for (size_t i = 0; i < sums->count; i++)
        total += room_of(&sums->list[i]);
    return total;
}

/* Shards whose sums a process keeps apart: what it has of all before it is one of them. */
static uint64_t kept_apart(const pare_shards *shards) {
    int own = shards->last - shards->first;
    return shards->first && own > 1 ? (uint64_t)own : 1;
}

uint64_t pare_shard_sums_bytes(const pare_shards *shards, uint64_t values) {
    return shards->count > 1 ? values : 0;
}

uint64_t pare_shard_sums_more_bytes(const pare_shards *shards, uint64_t values) {
    return shards->count > 1 ? (kept_apart(shards) - 1) * values : 0;
}

pare_status pare_shard_sums_add(pare_shard_sums *sums, const pare_shard_sum *sum) {
    enum { FIRST = 16 };
    if (sums->count == sums->capacity) {
        size_t capacity = sums->capacity ? 2 * sums->capacity : FIRST;
        pare_shard_sum *list = realloc(sums->list, capacity * sizeof *list);
        if (!list) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory for a list of %zu sums", capacity);
        sums->list = list;
        sums->capacity = capacity;
    }
    sums->list[sums->count++] = *sum;
    return PARE_OK;
}

pare_status pare_shard_sums_add_double(pare_shard_sums *sums, double *values, size_t count) {
    return values
               ? pare_shard_sums_add(sums, &(pare_shard_sum){.kind = PARE_SUM_DOUBLE, .values = values, .count = count})
               : PARE_OK;
}

void pare_shard_sums_clear(pare_shard_sums *sums) {
    sums->count = 0;
}

void pare_shard_sums_free(pare_shard_sums *sums) {
    free(sums->list);
    pare_free(sums->room);
    *sums = (pare_shard_sums){0};
}

/* Grown where the sums are more than those before. */
static pare_status make_room(pare_shard_sums *sums, const pare_shards *shards) {
    uint64_t wanted = kept_apart(shards) * bytes_of_all(sums);
    if (wanted <= sums->room_bytes) return PARE_OK;
    pare_free(sums->room);
    sums->room = NULL;
    sums->room_bytes = 0;
    PARE_TRY(pare_alloc_uninitialized(&sums->room, (size_t)wanted, 1, "sums over sequences"));
    sums->room_bytes = wanted;
    return PARE_OK;
}

pare_status pare_shard_sums_enter(pare_shard_sums *sums, const pare_shards *shards, int shard) {
    if (shards->count == 1 || !sums->count) return PARE_OK;
    if (shard == shards->first) PARE_TRY(make_room(sums, shards));
    for (size_t i = 0; i < sums->count; i++) {
        const pare_shard_sum *sum = &sums->list[i];
        if (sum->seen)
            *sum->seen = false;
        else
            memset(sum->values, 0, (size_t)bytes_of(sum));
    }
    return PARE_OK;
}

void pare_sum_singles(const float *from, float *to, int64_t count) {
#pragma omp parallel for simd schedule(static) if (count > 65536)
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void add_doubles(const double *from, double *to, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void add_counts(const int64_t *from, int64_t *to, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        to[i] += from[i];
}

static void add_values(const pare_shard_sum *sum, const void *from, void *to) {
    int64_t count = (int64_t)sum->count;
    if (sum->kind == PARE_SUM_SINGLE) pare_sum_singles(from, to, count);
    if (sum->kind == PARE_SUM_DOUBLE) add_doubles(from, to, count);
    if (sum->kind == PARE_SUM_COUNT) add_counts(from, to, count);
}

/* The shard in `values` is added to those before, which lie in the room; the last takes them, and is the sum of all.
 * What the first half comes to is kept. */
static void fold(pare_shard_sums *sums, const pare_shards *shards, int shard, size_t i, unsigned char *so_far) {
    const pare_shard_sum *sum = &sums->list[i];
    if (shard == 0)
        memcpy(so_far, sum->values, (size_t)bytes_of(sum));
    else if (shard + 1 < shards->count)
        add_values(sum, sum->values, so_far);
    else
        add_values(sum, so_far, sum->values);
    if (sum->half && shard + 1 == shards->count / 2) memcpy(sum->half, so_far, (size_t)bytes_of(sum));
}

void pare_shard_sums_leave(pare_shard_sums *sums, const pare_shards *shards, int shard) {
    uint64_t all = bytes_of_all(sums);
    if (shards->count == 1 || !sums->count) return;
    unsigned char *at = sums->room + (shards->first ? (uint64_t)(shard - shards->first) * all : 0);
    for (size_t i = 0; i < sums->count; i++) {
        const pare_shard_sum *sum = &sums->list[i];
        if (sum->seen && !*sum->seen) memset(sum->values, 0, (size_t)bytes_of(sum));
        if (shards->first)
            memcpy(at, sum->values, (size_t)bytes_of(sum));
        else
            fold(sums, shards, shard, i, at);
        at += room_of(sum);
    }
}

/* The rank that has the last shard of the first half. */
static int rank_of_half(const pare_shards *shards) {
    int rank = 0;
    while (first_of(shards, rank + 1) < shards->count / 2)
        rank++;
    return rank;
}

/* Some of a sum's values, as bytes that go on at once. */
typedef struct piece {
    const pare_shard_sum *sum;
    size_t at, bytes; /* of the sum */
    uint64_t before;  /* bytes of the sums before it */
} piece;

static unsigned char *values_of(const piece *p) {
    return (unsigned char *)p->sum->values + p->at;
}

/* What the ranks before have comes in, this rank's shards are added to it in their order, and the next one gets it. */
static pare_status pass_up(pare_shard_sums *sums, const pare_shards *shards, const piece *p) {
    uint64_t all = bytes_of_all(sums);
    int rank = pare_peer_rank();
    unsigned char *values = values_of(p), *own = sums->room ? sums->room + p->before + p->at : NULL;
    pare_shard_sum part = {.kind = p->sum->kind, .count = p->bytes / size_of(p->sum->kind)};
    if (rank) PARE_TRY(pare_peer_receive(values, p->bytes, rank - 1));
    for (int shard = shards->first; rank && shard < shards->last; shard++, own += all) {
        add_values(&part, own, values);
        if (p->sum->half && shard + 1 == shards->count / 2)
            memcpy((unsigned char *)p->sum->half + p->at, values, p->bytes);
    }
    if (rank + 1 == pare_peer_count()) return PARE_OK;
    return pare_peer_send(rank ? values : own, p->bytes, rank + 1);
}

/* From the last rank, which has all of it, back to the first. */
static pare_status pass_down(const piece *p) {
    int rank = pare_peer_rank();
    if (rank + 1 < pare_peer_count()) PARE_TRY(pare_peer_receive(values_of(p), p->bytes, rank + 1));
    return rank ? pare_peer_send(values_of(p), p->bytes, rank - 1) : PARE_OK;
}

/* All sums along the ranks and back, piece by piece, so that all of them are busy at a time. */
static pare_status pass_along(pare_shard_sums *sums, const pare_shards *shards, bool up) {
    enum { PIECE = 1 << 20 };
    piece p = {0};
    for (size_t i = 0; i < sums->count; p.before += room_of(&sums->list[i++])) {
        size_t bytes = (size_t)bytes_of(&sums->list[i]);
        p.sum = &sums->list[i];
        for (p.at = 0; p.at < bytes; p.at += p.bytes) {
            p.bytes = bytes - p.at < PIECE ? bytes - p.at : PIECE;
            PARE_TRY(up ? pass_up(sums, shards, &p) : pass_down(&p));
        }
    }
    return PARE_OK;
}

static pare_status share_halves(const pare_shard_sums *sums, const pare_shards *shards) {
    for (size_t i = 0; i < sums->count; i++) {
        const pare_shard_sum *sum = &sums->list[i];
        if (sum->half) PARE_TRY(pare_peer_broadcast(sum->half, (size_t)bytes_of(sum), rank_of_half(shards)));
    }
    return PARE_OK;
}

pare_status pare_shard_sums_finish(pare_shard_sums *sums, const pare_shards *shards) {
    bool several = pare_shards_own(shards) < shards->sequences;
    if (shards->count == 1 || !sums->count) return PARE_OK;
    if (several) {
        PARE_TRY(pass_along(sums, shards, true));
        PARE_TRY(pass_along(sums, shards, false));
        PARE_TRY(share_halves(sums, shards));
    }
    for (size_t i = 0; i < sums->count; i++)
        if (sums->list[i].seen) *sums->list[i].seen = true;
    return PARE_OK;
}
