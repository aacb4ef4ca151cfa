#include "evaluate/zero_shot_pack.h"
#include "support/memory.h"

#include <stdlib.h>

static const uint32_t *input_of(const pare_task_requests *requests, uint32_t request) {
    return requests->ids.ids + requests->list[request].start;
}

static uint32_t smaller(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

/* Tokens that the inputs of both begin with. */
static uint32_t common(const pare_task_requests *requests, uint32_t a, uint32_t b) {
    uint32_t most = smaller(pare_task_request_input(&requests->list[a]), pare_task_request_input(&requests->list[b]));
    const uint32_t *x = input_of(requests, a), *y = input_of(requests, b);
    uint32_t same = 0;
    while (same < most && x[same] == y[same])
        same++;
    return same;
}

/* The longest run of requests from `first` on, below `end`, that shares something and fits. */
static pare_packed pack(const pare_task_requests *requests, uint32_t first, uint32_t end, uint32_t longest) {
    uint32_t alone = pare_task_request_input(&requests->list[first]), prefix = alone;
    uint64_t inputs = alone;
    pare_packed packed = {.first = first, .count = 1, .length = alone};
    for (uint32_t r = first + 1; r < end; r++) {
        prefix = smaller(prefix, common(requests, first, r));
        if (prefix < 2) break;
        uint32_t shared = prefix - 1;
        inputs += pare_task_request_input(&requests->list[r]);
        uint64_t length = inputs - (uint64_t)(r - first) * shared;
        if (length > longest) break;
        packed = (pare_packed){first, r - first + 1, shared, (uint32_t)length};
    }
    return packed;
}

static int longer_first(const void *a, const void *b) {
    const pare_packed *x = a, *y = b;
    if (x->length != y->length) return x->length > y->length ? -1 : 1;
    return x->first < y->first ? -1 : x->first > y->first;
}

pare_status pare_packed_list_make(const pare_task_requests *requests, uint32_t longest, pare_packed_list *out) {
    *out = (pare_packed_list){0};
    PARE_TRY(pare_alloc(&out->list, requests->count, sizeof *out->list, "the tasks' sequences"));
    for (uint32_t d = 0; d < requests->documents; d++)
        for (uint32_t r = requests->first[d]; r < requests->first[d + 1];) {
            pare_packed packed = pack(requests, r, requests->first[d + 1], longest);
            out->list[out->count++] = packed;
            out->tokens += packed.length;
            r += packed.count;
        }
    qsort(out->list, out->count, sizeof *out->list, longer_first);
    return PARE_OK;
}

void pare_packed_list_free(pare_packed_list *list) {
    pare_free(list->list);
    *list = (pare_packed_list){0};
}

static int64_t at_least_one(int64_t n) {
    return n < 1 ? 1 : n;
}

uint32_t pare_packed_batch_count(const pare_packed *list, uint32_t count, const pare_packed_plan *plan) {
    int64_t length = list[0].length, most = at_least_one(plan->tokens / length), n = 0;
    int64_t block = at_least_one(plan->block / length);
    int64_t enough = at_least_one(plan->enough / length / block) * block;
    if (most > count) most = count;
    if (plan->streamed) return (uint32_t)most;
    while (n < most && (n < enough || 10 * (int64_t)list[n].length >= 9 * length))
        n++;
    return (uint32_t)(n < count && n > block ? n - n % block : n);
}

pare_status pare_packed_batch_new(size_t tokens, pare_packed_batch *out) {
    *out = (pare_packed_batch){0};
    int32_t **columns[] = {&out->positions, &out->start, &out->shared, &out->targets};
    pare_status status = pare_alloc(&out->ids, tokens, sizeof *out->ids, "a batch of requests");
    for (int i = 0; i < 4 && status == PARE_OK; i++)
        status = pare_alloc(columns[i], tokens, sizeof **columns[i], "a batch of requests");
    if (status == PARE_OK) status = pare_alloc(&out->nll, tokens, sizeof *out->nll, "a batch of requests");
    if (status != PARE_OK) pare_packed_batch_free(out);
    return status;
}

void pare_packed_batch_free(pare_packed_batch *batch) {
    void *all[] = {batch->ids, batch->positions, batch->start, batch->shared, batch->targets, batch->nll};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pare_free(all[i]);
    *batch = (pare_packed_batch){0};
}

/* The position whose prediction is the request's first that counts. */
static uint32_t first_scored(const pare_task_request *request) {
    return pare_task_request_input(request) - request->scored;
}

/* Positions [from, to) of the request at `at` on; predictions at `scored` and later ones count. */
static void put(pare_packed_batch *batch, size_t at, const uint32_t *input, uint32_t from, uint32_t to, uint32_t scored,
                int32_t start) {
    for (uint32_t p = from; p < to; p++, at++) {
        batch->ids[at] = input[p];
        batch->positions[at] = (int32_t)p;
        batch->start[at] = start;
        batch->shared[at] = start ? (int32_t)from : 0;
        batch->targets[at] = p >= scored ? (int32_t)input[p + 1] : -1;
    }
}

static void put_padding(pare_packed_batch *batch, size_t row, uint32_t from, uint32_t to) {
    for (uint32_t t = from; t < to; t++) {
        batch->ids[row + t] = 0;
        batch->positions[row + t] = batch->shared[row + t] = 0;
        batch->start[row + t] = (int32_t)t;
        batch->targets[row + t] = -1;
    }
}

/* One sequence at token `row` of the batch. */
static void put_sequence(const pare_task_requests *requests, const pare_packed *packed, size_t row,
                         pare_packed_batch *batch) {
    uint32_t scored = UINT32_MAX, t = packed->shared;
    for (uint32_t r = packed->first; r < packed->first + packed->count; r++)
        scored = smaller(scored, first_scored(&requests->list[r]));
    put(batch, row, input_of(requests, packed->first), 0, packed->shared, scored, 0);
    for (uint32_t r = packed->first; r < packed->first + packed->count; r++) {
        const pare_task_request *request = &requests->list[r];
        uint32_t end = pare_task_request_input(request);
        put(batch, row + t, input_of(requests, r), packed->shared, end, first_scored(request), (int32_t)t);
        t += end - packed->shared;
    }
    put_padding(batch, row, t, (uint32_t)batch->layout.length);
}

void pare_packed_batch_fill(const pare_task_requests *requests, const pare_packed *list, uint32_t count,
                            pare_packed_batch *batch) {
    batch->layout = (pare_layout){.length = list[0].length,
                                  .positions = batch->positions,
                                  .start = batch->start,
                                  .shared = batch->shared,
                                  .targets = batch->targets};
    for (uint32_t i = 0; i < count; i++)
        put_sequence(requests, &list[i], (size_t)i * list[0].length, batch);
}

static double sum_of(const double *nll, uint32_t from, uint32_t to) {
    double sum = 0.0;
    for (uint32_t t = from; t < to; t++)
        sum += nll[t];
    return sum;
}

void pare_packed_batch_sum(const pare_task_requests *requests, const pare_packed *list, uint32_t count,
                           const pare_packed_batch *batch, double *likelihoods) {
    for (uint32_t i = 0; i < count; i++) {
        const pare_packed *packed = &list[i];
        const double *nll = batch->nll + (size_t)i * list[0].length;
        uint32_t t = packed->shared;
        for (uint32_t r = packed->first; r < packed->first + packed->count; r++) {
            const pare_task_request *request = &requests->list[r];
            uint32_t own = pare_task_request_input(request) - packed->shared, scored = first_scored(request);
            double shared = sum_of(nll, smaller(scored, packed->shared), packed->shared);
            likelihoods[r] = -(shared + sum_of(nll, t, t + own));
            t += own;
        }
    }
}
