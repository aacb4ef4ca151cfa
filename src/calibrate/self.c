#include "calibrate/self.h"
#include "model/generate.h"
#include "model/sampling.h"
#include "model/stop.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <string.h>

/* Sequences written in step: a product of many rows reads each weight as often as one of few. A product of other
 * numbers of rows may round differently, so a group that is not full is filled up with sequences that are thrown away,
 * and what keys and values of earlier tokens may take does not depend on the machine. */
enum { LEAST_GROUP = 16, MOST_GROUP = 64, CACHE_BYTES = 1 << 30 };

typedef struct writer {
    const pare_model *model;
    const pare_runtime *runtime;
    const pare_self_request *request;
    pare_generator *generator;
    pare_sampler *sampler;
    pare_stop stop;
    int64_t group;
    float *logits; /* [group, vocabulary] */
    uint64_t done;
} writer;

static void writer_close(writer *w) {
    pare_generator_free(w->generator);
    pare_sampler_free(w->sampler);
    pare_free(w->stop.ids);
    pare_free(w->logits);
}

static int64_t usual_group(uint32_t sequences) {
    int64_t group = LEAST_GROUP;
    while (group < MOST_GROUP && group < (int64_t)sequences)
        group *= 2;
    return group;
}

/* Fewer sequences in step where their cache would be large, or where the limit asks for it. */
static pare_status writer_open(writer *w, const pare_backend *backend) {
    const pare_model *model = w->model;
    uint32_t vocabulary = model->config.vocabulary;
    pare_source source = {.model = model, .backend = backend};
    pare_generator_memory memory;
    pare_generator_shape shape = {.capacity = w->request->lead + w->request->length, .adapters = w->request->adapters};
    uint64_t limit = pare_runtime_limit(w->runtime);
    for (w->group = usual_group(w->request->sequences);; w->group /= 2) {
        uint64_t logits = (uint64_t)w->group * vocabulary * sizeof(float);
        shape.batch = w->group;
        shape.limit = limit > logits ? limit - logits : limit ? 1 : 0;
        pare_status status = pare_generator_measure(&source, &shape, &memory);
        if (status == PARE_OK && (memory.cache <= CACHE_BYTES || w->group <= LEAST_GROUP)) break;
        if (status == PARE_OK) continue;
        if (status != PARE_OUT_OF_MEMORY || w->group == 1) return status;
    }
    PARE_TRY(pare_generator_new(&source, &shape, &w->generator));
    PARE_TRY(pare_sampler_new(vocabulary, 1.0, 0.0, &w->sampler));
    PARE_TRY(pare_stop_read(model, NULL, &w->stop));
    return pare_alloc_uninitialized(&w->logits, (size_t)w->group * vocabulary, sizeof(float), "logits");
}

/* The token after `last`; *last becomes it. */
static pare_status write_token(writer *w, const float *logits, pare_random *random, uint32_t *last) {
    int64_t bos = w->model->config.bos;
    if (bos < 0 || !pare_stop_at(&w->stop, *last)) return pare_sample(w->sampler, logits, random, last);
    *last = (uint32_t)bos;
    return PARE_OK;
}

static pare_status write_group(writer *w, uint32_t first, uint32_t wanted, uint32_t *ids) {
    uint32_t vocabulary = w->model->config.vocabulary, last[MOST_GROUP];
    uint32_t lead = w->request->lead, length = w->request->length, written = lead + length;
    pare_random random[MOST_GROUP];
    int64_t bos = w->model->config.bos;
    pare_generator_reset(w->generator);
    for (uint32_t i = 0; i < (uint32_t)w->group; i++) {
        random[i] = (pare_random){.seed = w->request->seed, .stream = first + i};
        last[i] = bos >= 0 ? (uint32_t)bos : (uint32_t)pare_random_below(&random[i], vocabulary);
    }
    for (uint32_t t = 0; t < written; t++) {
        for (uint32_t i = 0; i < wanted && t >= lead; i++)
            ids[(size_t)i * length + t - lead] = last[i];
        w->done += wanted;
        PARE_TRY(pare_progress_report(w->runtime, "writing text", w->done, (uint64_t)w->request->sequences * written));
        if (t + 1 == written) break;
        PARE_TRY(pare_generator_step(w->generator, last, 1, w->logits));
        for (uint32_t i = 0; i < (uint32_t)w->group; i++)
            PARE_TRY(write_token(w, w->logits + (size_t)i * vocabulary, &random[i], &last[i]));
    }
    return PARE_OK;
}

static pare_status write_all(writer *w, const pare_backend *backend, pare_windows *out) {
    PARE_TRY(writer_open(w, backend));
    PARE_TRY(pare_alloc(&out->ids, (size_t)out->count * out->length, sizeof *out->ids, "token ids"));
    for (uint32_t first = 0, wanted; first < out->count; first += wanted) {
        wanted = out->count - first < (uint32_t)w->group ? out->count - first : (uint32_t)w->group;
        PARE_TRY(write_group(w, first, wanted, out->ids + (size_t)first * out->length));
    }
    return PARE_OK;
}

pare_status pare_self_sample(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                             const pare_self_request *request, pare_windows *out) {
    *out = (pare_windows){.count = request->sequences, .length = request->length};
    writer w = {.model = model, .runtime = runtime, .request = request};
    pare_status status = write_all(&w, backend, out);
    writer_close(&w);
    if (status != PARE_OK) pare_windows_free(out);
    return status;
}
