/* Requests as sequences of a pass. The answers to one question share what their inputs begin with: it stands once in
 * front, but for its last token, with which every answer's own stretch begins, so that each token predicts at most one
 * thing (model/layout.h has the mask). */
#ifndef PARE_EVALUATE_ZERO_SHOT_PACK_H
#define PARE_EVALUATE_ZERO_SHOT_PACK_H

#include "evaluate/task_request.h"
#include "model/layout.h"

/* Requests [first, first + count) as one sequence of `length` tokens, of which `shared` stand in front. */
typedef struct pare_packed {
    uint32_t first, count, shared, length;
} pare_packed;

typedef struct pare_packed_list {
    pare_packed *list; /* [count], longest first, freed with pare_free */
    uint32_t count;
    uint64_t tokens; /* of all sequences */
} pare_packed_list;

/* As many answers of a document in a sequence as fit `longest` tokens, but at least one. Requests that share nothing
 * stand alone. */
pare_status pare_packed_list_make(const pare_task_requests *requests, uint32_t longest, pare_packed_list *out);
void pare_packed_list_free(pare_packed_list *list);

/* What decides how many sequences are computed together, each filled up to the longest. */
typedef struct pare_packed_plan {
    int64_t tokens; /* that a batch may have, filled up */
    int64_t block;  /* of these, that go through a block of the model together */
    int64_t enough; /* tokens at which a larger batch gains little but fewer reads of the weights */
    bool streamed;  /* these come from a disk each time: batches are as large as they may be, whatever is wasted */
} pare_packed_plan;

/* How many of list[0, count), longest first, make a batch: whole blocks of sequences, unless none is left; as many as
 * are enough, and more as long as none of them is filled up with more than a tenth of the longest. At least one. */
uint32_t pare_packed_batch_count(const pare_packed *list, uint32_t count, const pare_packed_plan *plan);

/* Room for a batch of sequences, and its layout. */
typedef struct pare_packed_batch {
    uint32_t *ids;                                 /* [tokens] */
    int32_t *positions, *start, *shared, *targets; /* [tokens] */
    double *nll;                                   /* [tokens] */
    pare_layout layout;
} pare_packed_batch;

pare_status pare_packed_batch_new(size_t tokens, pare_packed_batch *out);
void pare_packed_batch_free(pare_packed_batch *batch);

/* Lays `count` sequences out, each filled up to the first one's length. */
void pare_packed_batch_fill(const pare_task_requests *requests, const pare_packed *list, uint32_t count,
                            pare_packed_batch *batch);

/* likelihoods: [requests], the sums of log-probabilities of this batch's requests, from its nll. */
void pare_packed_batch_sum(const pare_task_requests *requests, const pare_packed *list, uint32_t count,
                           const pare_packed_batch *batch, double *likelihoods);

#endif
