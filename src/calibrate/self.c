#include "calibrate/self.h"
#include "generate/generate.h"
#include "generate/sampling.h"
#include "generate/stop.h"
#include "model/work.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <omp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Sequences written in step, because a product of many rows reads each weight as often as one of few. A product of few
 * rows gains little from more threads, so every thread writes sequences of its own with products of its own, as long as
 * there are LEAST_ROWS for each; of models below SHARED_PARAMETERS even where some are left idle. Threads that have
 * their products to themselves also make the text independent of their number. */
enum { LEAST_ROWS = 16, MOST_ROWS = 64, SHARED_PARAMETERS = 32 << 20, CACHE_BYTES = 1 << 30 };

/* What one thread writes with. */
typedef struct lane {
    pare_generator *generator;
    pare_sampler *sampler;
    float *logits;         /* [rows, vocabulary] */
    pare_backend *backend; /* its own; NULL: products are shared by all threads, and there is one lane */
} lane;

typedef struct writer {
    const pare_model *model;
    const pare_runtime *runtime;
    const pare_self_request *request;
    const pare_backend *backend;
    pare_stop stop;
    lane *lanes;
    int64_t lane_count, rows; /* rows: sequences of a group */
    bool alone;               /* each lane has a backend of its own */
    uint32_t *ids;            /* [sequences, length] */
    uint32_t ranks;           /* that take groups in turns (support/peer.h) */
    uint32_t own;             /* sequences of this one */
    atomic_uint next;         /* the first sequence that no lane has taken, of this rank's groups */
    atomic_ullong done;       /* tokens */
    pare_status status;       /* of the first lane that failed */
    char failure[1024];
} writer;

static void writer_close(writer *w) {
    /* The first lane's generator has the weights of the others. */
    for (int64_t i = w->lanes ? w->lane_count - 1 : -1; i >= 0; i--) {
        pare_generator_free(w->lanes[i].generator);
        pare_sampler_free(w->lanes[i].sampler);
        pare_free(w->lanes[i].logits);
        pare_backend_close(w->lanes[i].backend);
    }
    pare_free(w->lanes);
    pare_free(w->stop.ids);
}

static int64_t parts(int64_t whole, int64_t part) {
    return (whole + part - 1) / part;
}

/* oneDNN's AVX2 products take six rows at a time, then four, then two or one, and only these last round otherwise: the
 * fewest rows from `rows` on that have none of them. */
static int64_t alike_rows(int64_t rows) {
    enum { TILE = 6, REST = 4 };
    while (rows % TILE != 0 && rows % TILE != REST)
        rows++;
    return rows;
}

static void set_usual(writer *w) {
    int64_t sequences = w->request->sequences, threads = omp_get_max_threads(), most = parts(sequences, LEAST_ROWS);
    w->alone = most >= threads || pare_model_parameters(w->model) < SHARED_PARAMETERS;
    w->lane_count = !w->alone ? 1 : most < threads ? most : threads;
    int64_t rows = alike_rows(parts(sequences, w->lane_count * parts(sequences, w->lane_count * MOST_ROWS)));
    w->rows = rows < LEAST_ROWS ? LEAST_ROWS : rows;
}

/* The next smaller plan; false if there is none. */
static bool set_smaller(writer *w) {
    int64_t half = alike_rows(w->rows / 2);
    if (w->rows > LEAST_ROWS)
        w->rows = half < LEAST_ROWS ? LEAST_ROWS : half;
    else if (w->alone)
        w->lane_count = 1, w->alone = false;
    else if (w->rows > 1)
        w->rows /= 2;
    else
        return false;
    return true;
}

/* Fewer sequences at a time where their cache would be large, or where the limit asks for it. */
static pare_status plan(writer *w, const pare_source *source, pare_generator_shape *shape) {
    uint64_t limit = pare_runtime_limit(w->runtime);
    for (set_usual(w);;) {
        pare_generator_memory memory;
        uint64_t logits = (uint64_t)(w->lane_count * w->rows) * w->model->config.vocabulary * sizeof(float);
        *shape = (pare_generator_shape){.batch = w->rows,
                                        .capacity = w->request->lead + w->request->length,
                                        .limit = pare_limit_beside(limit, logits),
                                        .adapters = w->request->adapters,
                                        .beside = w->lane_count - 1};
        pare_status status = pare_generator_measure(source, shape, &memory);
        bool small = memory.cache <= CACHE_BYTES || w->rows <= LEAST_ROWS;
        if (status == PARE_OK && small && (memory.resident || !w->alone)) return PARE_OK;
        if (status != PARE_OK && status != PARE_OUT_OF_MEMORY) return status;
        if (!set_smaller(w)) return status;
    }
}

/* What is left of a group that begins with a sequence. */
static uint32_t group_at(const writer *w, uint32_t first) {
    uint32_t left = w->request->sequences - first;
    return left < (uint32_t)w->rows ? left : (uint32_t)w->rows;
}

/* Groups of no more rows than give all ranks some: where lanes have their products to themselves, rows do not depend on
 * each other. Elsewhere groups are those of one process. */
static void share(writer *w) {
    w->ranks = (uint32_t)pare_peer_count();
    int64_t rows = alike_rows(parts(w->request->sequences, w->lane_count * w->ranks));
    rows = rows < LEAST_ROWS ? LEAST_ROWS : rows;
    if (w->alone && w->ranks > 1 && rows < w->rows) w->rows = rows;
    uint32_t first = (uint32_t)pare_peer_rank() * (uint32_t)w->rows;
    atomic_store(&w->next, first);
    for (uint32_t at = first; at < w->request->sequences; at += (uint32_t)w->rows * w->ranks)
        w->own += group_at(w, at);
}

static pare_status writer_open(writer *w) {
    pare_source source = {.model = w->model, .backend = w->backend};
    uint32_t vocabulary = w->model->config.vocabulary;
    pare_generator_shape shape;
    PARE_TRY(plan(w, &source, &shape));
    share(w);
    shape.batch = w->rows;
    PARE_TRY(pare_stop_read(w->model, NULL, &w->stop));
    PARE_TRY(pare_alloc(&w->lanes, (size_t)w->lane_count, sizeof *w->lanes, "lanes"));
    for (int64_t i = 0; i < w->lane_count; i++) {
        lane *l = &w->lanes[i];
        PARE_TRY(pare_generator_new(&source, &shape, &l->generator));
        PARE_TRY(pare_sampler_new(vocabulary, 1.0, 0.0, &l->sampler));
        PARE_TRY(pare_alloc_uninitialized(&l->logits, (size_t)w->rows * vocabulary, sizeof *l->logits, "logits"));
        shape.weights_of = w->lanes[0].generator;
    }
    return PARE_OK;
}

/* The token after `last`; *last becomes it. */
static pare_status write_token(const writer *w, pare_sampler *sampler, const float *logits, pare_random *random,
                               uint32_t *last) {
    int64_t bos = w->model->config.bos;
    if (bos < 0 || !pare_stop_at(&w->stop, *last)) return pare_sample(sampler, logits, random, last);
    *last = (uint32_t)bos;
    return PARE_OK;
}

/* Whoever waits for the text hears of it from one thread. */
static pare_status report(writer *w, uint64_t tokens) {
    uint64_t done = atomic_fetch_add(&w->done, tokens) + tokens, sequence = w->request->lead + w->request->length;
    if (omp_get_thread_num() != 0) return pare_interrupted();
    return pare_progress_report(w->runtime, "writing text", done, w->own * sequence);
}

/* Sequences [first, first + wanted); a group that is not full is filled up with others, which are thrown away. */
static pare_status write_group(writer *w, lane *l, uint32_t first, uint32_t wanted) {
    uint32_t vocabulary = w->model->config.vocabulary, last[MOST_ROWS];
    uint32_t lead = w->request->lead, length = w->request->length, written = lead + length, rows = (uint32_t)w->rows;
    uint32_t *ids = w->ids + (size_t)first * length;
    pare_random random[MOST_ROWS];
    int64_t bos = w->model->config.bos;
    pare_generator_reset(l->generator);
    for (uint32_t i = 0; i < rows; i++) {
        random[i] = (pare_random){.seed = w->request->seed, .stream = first + i};
        last[i] = bos >= 0 ? (uint32_t)bos : (uint32_t)pare_random_below(&random[i], vocabulary);
    }
    for (uint32_t t = 0; t < written; t++) {
        for (uint32_t i = 0; i < wanted && t >= lead; i++)
            ids[(size_t)i * length + t - lead] = last[i];
        PARE_TRY(report(w, wanted));
        if (t + 1 == written) break;
        PARE_TRY(pare_generator_step(l->generator, last, 1, l->logits));
        for (uint32_t i = 0; i < rows; i++)
            PARE_TRY(write_token(w, l->sampler, l->logits + (size_t)i * vocabulary, &random[i], &last[i]));
    }
    return PARE_OK;
}

/* Group after group, until all are taken. */
static pare_status write_groups(writer *w, lane *l) {
    for (;;) {
        uint32_t first = atomic_fetch_add(&w->next, (uint32_t)w->rows * w->ranks);
        if (first >= w->request->sequences) return PARE_OK;
        PARE_TRY(write_group(w, l, first, group_at(w, first)));
    }
}

/* What each rank has written, to all. */
static pare_status tell(const writer *w) {
    uint32_t length = w->request->length, owner = 0;
    for (uint32_t at = 0; at < w->request->sequences; at += (uint32_t)w->rows, owner++)
        PARE_TRY(pare_peer_broadcast(w->ids + (size_t)at * length, (size_t)group_at(w, at) * length * sizeof *w->ids,
                                     (int)(owner % w->ranks)));
    return PARE_OK;
}

static pare_status write_alone(writer *w, lane *l) {
    PARE_TRY(pare_backend_open_alone(w->backend, &l->backend));
    pare_generator_use(l->generator, l->backend);
    return write_groups(w, l);
}

/* A message belongs to its thread, so that of the first failure is carried over; the other lanes take no more groups.
 */
static pare_status write_all(writer *w) {
    if (!w->alone) return write_groups(w, w->lanes);
#pragma omp parallel for schedule(static, 1) num_threads((int)w->lane_count)
    for (int64_t i = 0; i < w->lane_count; i++) {
        pare_status status = write_alone(w, &w->lanes[i]);
        if (status == PARE_OK) continue;
#pragma omp critical
        if (w->status == PARE_OK) {
            w->status = status;
            snprintf(w->failure, sizeof w->failure, "%s", pare_message());
            atomic_store(&w->next, w->request->sequences);
        }
    }
    return w->status == PARE_OK ? PARE_OK : pare_fail(w->status, "%s", w->failure);
}

pare_status pare_self_sample(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                             const pare_self_request *request, pare_windows *out) {
    *out = (pare_windows){.count = request->sequences, .length = request->length};
    writer w = {.model = model, .runtime = runtime, .request = request, .backend = backend};
    pare_status status = writer_open(&w);
    if (status == PARE_OK)
        status = pare_alloc(&out->ids, (size_t)out->count * out->length, sizeof *out->ids, "token ids");
    w.ids = out->ids;
    if (status == PARE_OK) status = write_all(&w);
    if (status == PARE_OK) status = tell(&w);
    writer_close(&w);
    if (status != PARE_OK) pare_windows_free(out);
    return status;
}

int64_t pare_self_rows(uint32_t sequences) {
    return sequences < LEAST_ROWS ? LEAST_ROWS : sequences < MOST_ROWS ? sequences : MOST_ROWS;
}

/* A token of each sequence of a group at a time goes through all blocks and the head, and is drawn from its softmax. */
pare_work pare_self_work(const pare_model *model, const pare_self_request *request) {
    enum { DRAWN_BYTES = 80 }; /* an exponential of a logit takes as long as so many bytes of memory */
    int64_t sequences = request->sequences < LEAST_ROWS ? LEAST_ROWS : request->sequences; /* a group is filled up */
    int64_t tokens = sequences * (int64_t)(request->lead + request->length);
    pare_work blocks = pare_work_blocks(model, sequences, request->lead + request->length), work = {{0}};
    pare_work head = pare_work_head(model, tokens);
    work.amount[PARE_WORK_DECODING] = blocks.amount[PARE_WORK_BLOCKS] + head.amount[PARE_WORK_PRODUCTS];
    work.amount[PARE_WORK_BYTES] = DRAWN_BYTES * (double)tokens * model->config.vocabulary;
    return work;
}
