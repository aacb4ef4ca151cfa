/* The gradient of a batch: its sequences are cut into shards that depend on the batch alone (support/shards.h), each
 * adds up from zero, and the sums of the shards are added one after the other. Ranks take shards in turns; of what they
 * come to, each adds up a slice of the numbers, and in the end all have all of it. */
#include "support/memory.h"
#include "support/peer.h"
#include "support/shards.h"
#include "train/trainer_internal.h"

#include <string.h>

static pare_shards most_shards(const pare_batches_options *batches) {
    return pare_shards_alone(batches->batch, batches->length);
}

int64_t pare_trainer_sequences(const pare_batches_options *batches) {
    pare_shards shards = most_shards(batches);
    return pare_shard_most(&shards);
}

bool pare_trainer_sums(const pare_batches_options *batches) {
    return most_shards(batches).count > 1;
}

/* Pieces of the norm (adamw.h), so that each is one rank's. */
static size_t piece_begin(int rank) {
    return (size_t)PARE_NORM_PIECES * (size_t)rank / (size_t)pare_peer_count();
}

size_t pare_trainer_slice_begin(const pare_trainer *trainer, int rank) {
    size_t count = trainer->trained->count, begin = pare_norm_piece(count) * piece_begin(rank);
    return begin < count ? begin : count;
}

uint64_t pare_trainer_largest_slice(uint64_t count) {
    uint64_t ranks = (uint64_t)pare_peer_count(), pieces = (PARE_NORM_PIECES + ranks - 1) / ranks;
    uint64_t most = pare_norm_piece((size_t)count) * pieces;
    return most < count ? most : count;
}

size_t pare_trainer_slice_count(const pare_trainer *trainer, int rank) {
    return pare_trainer_slice_begin(trainer, rank + 1) - pare_trainer_slice_begin(trainer, rank);
}

/* The slices of an array of all numbers, each from its rank to all. */
static pare_status share_slices(const pare_trainer *trainer, float *values) {
    for (int rank = 0; rank < pare_peer_count(); rank++) {
        size_t count = pare_trainer_slice_count(trainer, rank);
        float *slice = values + pare_trainer_slice_begin(trainer, rank);
        if (count) PARE_TRY(pare_peer_broadcast(slice, count * sizeof *values, rank));
    }
    return PARE_OK;
}

/* The gradient is wanted on all ranks. */
static bool is_whole(const pare_trainer *trainer) {
    return !trainer->owned || trainer->options->clipped;
}

pare_status pare_trainer_clip(pare_trainer *trainer, double *norm) {
    float *gradient = trainer->trained->gradient;
    size_t count = trainer->trained->count;
    double part[PARE_NORM_PIECES], most = trainer->options->clip;
    int own = pare_peer_rank();
    if (is_whole(trainer)) {
        *norm = pare_gradient_clip(gradient, count, most);
        return PARE_OK;
    }
    size_t begin = pare_trainer_slice_begin(trainer, own);
    pare_norm_parts(gradient + begin, count, piece_begin(own), piece_begin(own + 1), part);
    for (int rank = 0; rank < pare_peer_count(); rank++) {
        size_t first = piece_begin(rank), pieces = piece_begin(rank + 1) - first;
        if (pieces) PARE_TRY(pare_peer_broadcast(part + first, pieces * sizeof *part, rank));
    }
    *norm = pare_norm_of(part);
    pare_norm_clip(gradient + begin, pare_trainer_slice_count(trainer, own), *norm, most);
    return PARE_OK;
}

pare_status pare_trainer_share_values(pare_trainer *trainer) {
    return trainer->owned ? share_slices(trainer, trainer->trained->value) : PARE_OK;
}

pare_status pare_trainer_sum_new(pare_trainer *trainer) {
    if (!pare_trainer_sums(pare_batches_options_of(trainer->batches))) return PARE_OK;
    return pare_alloc_uninitialized(&trainer->sum, pare_trainer_slice_count(trainer, pare_peer_rank()) + 1,
                                    sizeof *trainer->sum, "sums of gradients");
}

/* Adds a part's gradients, and what it gives to the mean loss of the whole batch. */
static pare_status add_part(pare_trainer *trainer, const pare_batch *part, int64_t first, double *loss) {
    pare_trained *trained = trainer->trained;
    double share = 0.0;
    if (!part->predictions) return PARE_OK;
    if (trained->adapters) {
        trained->adapters->draw = trainer->steps_done;
        trained->adapters->first_sequence = (uint64_t)first;
    }
    pare_trainer_arrange(trainer, part);
    PARE_TRY(pare_pass_gradient(trainer->pass, &trained->source, part->ids, trained->sink, &share));
    *loss += share;
    return PARE_OK;
}

/* Of sequences [first, end), from zero. */
static pare_status gradient_of(pare_trainer *trainer, const pare_batch *whole, int64_t first, int64_t end,
                               double *loss) {
    memset(trainer->trained->gradient, 0, trainer->trained->count * sizeof(float));
    *loss = 0.0;
    for (int64_t count; first < end; first += count) {
        pare_batch part;
        count = pare_trainer_fitting(trainer, whole->lengths[first], end - first);
        PARE_TRY(pare_batches_part(trainer->batches, whole, first, count, &part));
        PARE_TRY(add_part(trainer, &part, first, loss));
    }
    return PARE_OK;
}

/* Shards that are in hand at the same time, one of each rank. */
typedef struct turn {
    int first, count;
    float *room; /* [PIECE] */
} turn;

enum { PIECE = 1 << 18 };

static size_t piece_of(size_t left) {
    return left < PIECE ? left : PIECE;
}

/* One rank's part of this rank's slice, to the sum of those before it. */
static void fold(float *sum, const float *part, size_t count, bool first) {
    if (first)
        memcpy(sum, part, count * sizeof *sum);
    else
        pare_sum_singles(part, sum, (int64_t)count);
}

static pare_status take_slice(pare_trainer *trainer, const turn *t, int from) {
    int own = pare_peer_rank();
    size_t count = pare_trainer_slice_count(trainer, own);
    bool first = t->first + from == 0;
    for (size_t at = 0, n; at < count; at += n) {
        const float *part = trainer->trained->gradient + pare_trainer_slice_begin(trainer, own) + at;
        n = piece_of(count - at);
        if (from != own) PARE_TRY(pare_peer_receive(t->room, n * sizeof *t->room, from));
        fold(trainer->sum + at, from == own ? part : t->room, n, first);
    }
    return PARE_OK;
}

static pare_status send_slice(const pare_trainer *trainer, int owner) {
    const float *slice = trainer->trained->gradient + pare_trainer_slice_begin(trainer, owner);
    size_t count = pare_trainer_slice_count(trainer, owner);
    for (size_t at = 0, n; at < count; at += n) {
        n = piece_of(count - at);
        PARE_TRY(pare_peer_send(slice + at, n * sizeof *slice, owner));
    }
    return PARE_OK;
}

static pare_status add_turn(pare_trainer *trainer, const turn *t, double share, double *loss) {
    int own = pare_peer_rank();
    for (int rank = 0; rank < t->count; rank++) {
        double other = share;
        PARE_TRY(pare_peer_broadcast(&other, sizeof other, rank));
        *loss += other;
    }
    for (int owner = 0; owner < pare_peer_count(); owner++) {
        for (int from = 0; own == owner && from < t->count; from++)
            PARE_TRY(take_slice(trainer, t, from));
        if (own != owner && own < t->count) PARE_TRY(send_slice(trainer, owner));
    }
    return PARE_OK;
}

static pare_status run_turns(pare_trainer *trainer, const pare_batch *whole, const pare_shards *shards, float *room,
                             double *loss) {
    int ranks = pare_peer_count(), own = pare_peer_rank();
    for (int first = 0; first < shards->count; first += ranks) {
        turn t = {.first = first, .count = shards->count - first < ranks ? shards->count - first : ranks, .room = room};
        int shard = first + own;
        double share = 0.0;
        if (own < t.count)
            PARE_TRY(gradient_of(trainer, whole, pare_shard_begin(shards, shard), pare_shard_begin(shards, shard + 1),
                                 &share));
        PARE_TRY(add_turn(trainer, &t, share, loss));
    }
    return PARE_OK;
}

/* This rank's slice where the gradient is; all of them, where that is whole. */
static pare_status hand_out(pare_trainer *trainer) {
    float *gradient = trainer->trained->gradient;
    int own = pare_peer_rank();
    memcpy(gradient + pare_trainer_slice_begin(trainer, own), trainer->sum,
           pare_trainer_slice_count(trainer, own) * sizeof *gradient);
    return is_whole(trainer) ? share_slices(trainer, gradient) : PARE_OK;
}

/* One shard is the first rank's. */
static pare_status run_alone(pare_trainer *trainer, const pare_batch *whole, double *loss) {
    float *gradient = trainer->trained->gradient;
    int own = pare_peer_rank();
    if (!own) PARE_TRY(gradient_of(trainer, whole, 0, whole->sequences, loss));
    PARE_TRY(pare_peer_broadcast(loss, sizeof *loss, 0));
    if (is_whole(trainer)) return pare_peer_broadcast(gradient, trainer->trained->count * sizeof *gradient, 0);
    size_t begin = pare_trainer_slice_begin(trainer, own), count = pare_trainer_slice_count(trainer, own);
    for (int rank = 1; !own && rank < pare_peer_count(); rank++) {
        size_t others = pare_trainer_slice_count(trainer, rank);
        const float *slice = gradient + pare_trainer_slice_begin(trainer, rank);
        if (others) PARE_TRY(pare_peer_send(slice, others * sizeof *slice, rank));
    }
    return own && count ? pare_peer_receive(gradient + begin, count * sizeof *gradient, 0) : PARE_OK;
}

pare_status pare_trainer_gradient(pare_trainer *trainer, const pare_batch *whole, double *loss) {
    pare_shards shards = pare_shards_alone(whole->sequences, whole->layout.length);
    float *room;
    *loss = 0.0;
    if (shards.count == 1) return run_alone(trainer, whole, loss);
    PARE_TRY(pare_alloc_uninitialized(&room, PIECE, sizeof *room, "gradients of other ranks"));
    pare_status status = run_turns(trainer, whole, &shards, room, loss);
    pare_free(room);
    return status == PARE_OK ? hand_out(trainer) : status;
}
