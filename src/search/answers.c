#include "search/answers.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST 1e-9 /* what is left below that is rounding */

static int64_t kept_of(int64_t ids) {
    return ids < PARE_ANSWERS_KEPT ? ids : PARE_ANSWERS_KEPT;
}

uint64_t pare_answers_bytes(int64_t predictions, uint32_t vocabulary) {
    uint64_t each = sizeof(int32_t) + 2 * sizeof(float);
    uint64_t kept = (uint64_t)kept_of(vocabulary) * each;
    return (uint64_t)predictions * (kept + 2 * sizeof(double) + sizeof(int64_t)) + pare_likely_ids_bytes(vocabulary);
}

void pare_answers_free(pare_answers *a) {
    pare_free(a->id);
    pare_free(a->log);
    pare_free(a->rest);
    pare_free(a->share);
    pare_likely_ids_free(&a->among);
    pare_free(a->looked);
    pare_free(a->first);
    *a = (pare_answers){0};
}

/* Restores the heap below `at`: the least logit, of equal ones the highest id, on top. */
static void sink(float *log, int32_t *id, int64_t count, int64_t at) {
    for (int64_t child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count &&
            (log[child + 1] < log[child] || (log[child + 1] == log[child] && id[child + 1] > id[child])))
            child++;
        if (log[at] < log[child] || (log[at] == log[child] && id[at] > id[child])) return;
        float value = log[at];
        int32_t number = id[at];
        log[at] = log[child], id[at] = id[child];
        log[child] = value, id[child] = number;
    }
}

/* The tile's logits of one prediction; its ids are larger than all before. */
static void collect(pare_answers *a, int64_t prediction, int64_t row, int64_t rows, const float *logits) {
    float *log = a->log + prediction * a->kept;
    int32_t *id = a->id + prediction * a->kept;
    int64_t have = a->first[prediction];
    for (int64_t j = 0; j < rows; j++) {
        if (have < a->kept) {
            log[have] = logits[j];
            id[have++] = (int32_t)(row + j);
            for (int64_t at = a->kept / 2; have == a->kept && at-- > 0;)
                sink(log, id, a->kept, at);
        } else if (logits[j] > log[0]) {
            log[0] = logits[j];
            id[0] = (int32_t)(row + j);
            sink(log, id, a->kept, 0);
        }
    }
    a->first[prediction] = have;
}

static pare_status collect_tile(void *context, int64_t first, int64_t count, int64_t row, int64_t rows,
                                const float *logits, const float *logsum) {
    pare_answers *a = context;
    (void)logsum;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++)
        collect(a, first + i, row, rows, logits + i * rows);
    return PARE_OK;
}

typedef struct answer {
    int32_t id;
    float log;
} answer;

static int by_id(const void *a, const void *b) {
    const answer *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* By id, as logarithms of probabilities, with what is left. */
static void finish(pare_answers *a, int64_t prediction, double logsum) {
    answer list[PARE_ANSWERS_KEPT];
    float *log = a->log + prediction * a->kept;
    int32_t *id = a->id + prediction * a->kept;
    double all = 0.0;
    for (int64_t i = 0; i < a->kept; i++)
        list[i] = (answer){id[i], (float)((double)log[i] - logsum)};
    qsort(list, (size_t)a->kept, sizeof *list, by_id);
    for (int64_t i = 0; i < a->kept; i++) {
        id[i] = list[i].id;
        log[i] = list[i].log;
        all += exp((double)log[i]);
    }
    a->rest[prediction] = a->all ? 0.0 : fmax(1.0 - all, 0.0);
}

static pare_status allocate(pare_answers *a) {
    size_t predictions = (size_t)a->predictions, all = predictions * (size_t)a->kept;
    PARE_TRY(pare_alloc(&a->id, all, sizeof *a->id, "dense answers"));
    PARE_TRY(pare_alloc(&a->log, all, sizeof *a->log, "dense answers"));
    PARE_TRY(pare_alloc(&a->looked, all, sizeof *a->looked, "dense answers"));
    PARE_TRY(pare_alloc(&a->rest, predictions, sizeof *a->rest, "dense answers"));
    return pare_alloc(&a->first, predictions, sizeof *a->first, "dense answers");
}

/* NULL: the whole vocabulary. */
static const pare_listed_ids *listed_of(const pare_answers *a, pare_listed_ids *room) {
    *room = (pare_listed_ids){a->among.id, a->among.count};
    return a->among.id ? room : NULL;
}

static pare_status fill(pare_answers *a, pare_pass *pass, const pare_source *source) {
    pare_listed_ids room;
    const float *logsum;
    int64_t predictions;
    PARE_TRY(pare_alloc(&a->share, (size_t)a->predictions, sizeof *a->share, "dense answers"));
    PARE_TRY(pare_likely_ids_find(pass, source, a->share, &a->among));
    a->kept = kept_of(a->among.count);
    a->all = a->kept == a->among.count;
    PARE_TRY(allocate(a));
    PARE_TRY(pare_pass_look(pass, source, listed_of(a, &room), collect_tile, a, &logsum, &predictions));
    if (!predictions)
        return pare_fail(PARE_BAD_ARGUMENT, "--allocate search measures by the answers to labelled pictures, and the "
                                            "last ones of the calibration have no labels: put them into one folder per "
                                            "class, or leave it out");
    for (int64_t i = 0; i < predictions; i++) {
        a->share[i] = a->among.id ? fmin(exp((double)logsum[i] - a->share[i]), 1.0) : 1.0;
        finish(a, i, (double)logsum[i]);
    }
    return PARE_OK;
}

pare_status pare_answers_new(pare_pass *pass, const pare_source *source, int64_t predictions, pare_answers *out) {
    *out = (pare_answers){.predictions = predictions};
    pare_status status = fill(out, pass, source);
    if (status != PARE_OK) pare_answers_free(out);
    return status;
}

static pare_status look_tile(void *context, int64_t first, int64_t count, int64_t row, int64_t rows,
                             const float *logits, const float *logsum) {
    pare_answers *a = context;
    (void)logsum;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < count; i++) {
        const int32_t *id = a->id + (first + i) * a->kept;
        float *looked = a->looked + (first + i) * a->kept;
        int64_t at = row ? a->first[first + i] : 0;
        for (; at < a->kept && id[at] < row + rows; at++)
            looked[at] = logits[i * rows + id[at] - row];
        a->first[first + i] = at;
    }
    return PARE_OK;
}

static double divergence_at(const pare_answers *a, int64_t prediction, double logsum) {
    const float *dense = a->log + prediction * a->kept, *looked = a->looked + prediction * a->kept;
    double sum = 0.0, all = 0.0, rest = a->rest[prediction];
    for (int64_t i = 0; i < a->kept; i++) {
        double p = (double)dense[i], q = (double)looked[i] - logsum;
        sum += exp(p) * (p - q);
        all += exp(q);
    }
    double other = fmax(1.0 - all, LEAST);
    return a->share[prediction] * (rest > LEAST ? sum + rest * log(rest / other) : sum);
}

pare_status pare_answers_divergence(pare_answers *a, pare_pass *pass, const pare_source *source, double *kl) {
    pare_listed_ids room;
    const float *logsum;
    int64_t predictions;
    double sum = 0.0;
    PARE_TRY(pare_pass_look(pass, source, listed_of(a, &room), look_tile, a, &logsum, &predictions));
    for (int64_t i = 0; i < predictions; i++)
        sum += divergence_at(a, i, (double)logsum[i]);
    *kl = sum / (double)(predictions ? predictions : 1);
    return PARE_OK;
}
