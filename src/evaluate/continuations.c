#include "evaluate/continuations.h"
#include "generate/generate.h"
#include "generate/sampling.h"
#include "generate/stop.h"
#include "model/patches.h"
#include "support/memory.h"
#include "support/progress.h"
#include "support/runtime.h"
#include "tokenizer/tokenizer.h"

#include <math.h>
#include <string.h>

/* ROWS: texts written in step, each weight being read once for all of them. */
enum { PROMPT = 32, TOKENS = 64, ROWS = 32, GRAM = 4 };

/* One text. */
typedef struct text {
    pare_random random;
    uint32_t ids[TOKENS], count, last; /* last: what the generator is to be fed with */
    bool ended;
} text;

typedef struct writer {
    const pare_evaluation *evaluation;
    const pare_model *speaker;
    pare_source source;
    uint32_t prompt, tokens, rows, texts;
    pare_stop stop;
    pare_generator *generator;
    pare_sampler *sampler;
    uint32_t *fed; /* [rows, prompt] */
    float *logits; /* [rows, vocabulary] */
    text at[ROWS];
    uint32_t measured; /* texts of GRAM tokens and more */
    double repeated;   /* sum of their shares */
    uint32_t ended;
} writer;

pare_status pare_continuations_check(const pare_model *model, uint32_t window) {
    const char *folder = pare_checkpoint_directory(model->checkpoint);
    uint32_t prompt = window < PROMPT ? window : PROMPT;
    if (pare_reads_pictures(&model->config))
        return pare_fail(PARE_BAD_ARGUMENT, "--continuations: %s reads pictures and writes no text; leave it out",
                         folder);
    if (model->config.max_positions >= prompt + GRAM) return PARE_OK;
    return pare_fail(PARE_BAD_ARGUMENT,
                     "--continuations: %s was made for %u positions, which leaves no room for text behind a prompt of "
                     "%u; leave it out",
                     folder, model->config.max_positions, prompt);
}

double pare_repeated_share(const uint32_t *ids, uint32_t count) {
    uint32_t grams = count - GRAM + 1, repeated = 0;
    for (uint32_t i = 1; i < grams; i++)
        for (uint32_t j = 0; j < i; j++)
            if (memcmp(ids + i, ids + j, GRAM * sizeof *ids) == 0) {
                repeated++;
                break;
            }
    return (double)repeated / (double)grams;
}

static void writer_close(writer *w) {
    pare_generator_free(w->generator);
    pare_sampler_free(w->sampler);
    pare_free(w->stop.ids);
    pare_free(w->fed);
    pare_free(w->logits);
}

/* As many texts at a time as fit. */
static pare_status plan(writer *w, pare_generator_shape *shape) {
    uint64_t limit = pare_runtime_limit(w->evaluation->runtime);
    for (w->rows = w->texts < ROWS ? w->texts : ROWS;; w->rows = (w->rows + 1) / 2) {
        pare_generator_memory memory;
        uint64_t logits = (uint64_t)w->rows * w->source.model->config.vocabulary * sizeof(float);
        *shape = (pare_generator_shape){.batch = w->rows,
                                        .capacity = w->prompt + w->tokens,
                                        .limit = pare_limit_beside(limit, logits),
                                        .adapters = w->evaluation->adapters};
        pare_status status = pare_generator_measure(&w->source, shape, &memory);
        if (status != PARE_OUT_OF_MEMORY || w->rows == 1) return status;
    }
}

static pare_status writer_open(writer *w) {
    const pare_evaluation *e = w->evaluation;
    const pare_tokenizer *tokenizer = NULL;
    uint32_t vocabulary = e->model->config.vocabulary, positions = e->model->config.max_positions;
    pare_generator_shape shape;
    w->source = e->source ? *e->source : (pare_source){.model = e->model, .backend = e->backend};
    w->texts = e->continuations < e->windows->count ? e->continuations : e->windows->count;
    w->prompt = e->windows->length < PROMPT ? e->windows->length : PROMPT;
    w->tokens = positions - w->prompt < TOKENS ? positions - w->prompt : TOKENS;
    if (pare_tokenizer_exists(pare_checkpoint_directory(w->speaker->checkpoint)))
        PARE_TRY(pare_model_tokenizer(w->speaker, &tokenizer));
    PARE_TRY(pare_stop_read(w->speaker, tokenizer, &w->stop));
    PARE_TRY(plan(w, &shape));
    PARE_TRY(pare_generator_new(&w->source, &shape, &w->generator));
    PARE_TRY(pare_sampler_new(vocabulary, 1.0, 0.0, &w->sampler));
    PARE_TRY(pare_alloc_uninitialized(&w->fed, (size_t)w->rows * w->prompt, sizeof *w->fed, "prompts"));
    return pare_alloc_uninitialized(&w->logits, (size_t)w->rows * vocabulary, sizeof *w->logits, "logits");
}

/* Rows without a text of their own have the last one's prompt. */
static void begin_group(writer *w, uint32_t first) {
    const pare_windows *windows = w->evaluation->windows;
    pare_generator_reset(w->generator);
    for (uint32_t i = 0; i < w->rows; i++) {
        uint32_t window = first + i < w->texts ? first + i : w->texts - 1;
        w->at[i] = (text){.random = {.seed = w->evaluation->seed, .stream = window}};
        memcpy(w->fed + (size_t)i * w->prompt, windows->ids + (size_t)window * windows->length,
               w->prompt * sizeof *w->fed);
    }
}

/* Draws a token for each text that goes on; returns how many do then. */
static pare_status draw(writer *w, uint32_t wanted, uint32_t *going) {
    uint32_t vocabulary = w->source.model->config.vocabulary;
    *going = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        text *t = &w->at[i];
        if (t->ended) continue;
        PARE_TRY(pare_sample(w->sampler, w->logits + (size_t)i * vocabulary, &t->random, &t->last));
        t->ended = pare_stop_at(&w->stop, t->last);
        if (!t->ended) t->ids[t->count++] = t->last;
        *going += !t->ended;
    }
    for (uint32_t i = 0; i < w->rows; i++)
        w->fed[i] = w->at[i].last;
    return PARE_OK;
}

static void count_group(writer *w, uint32_t wanted) {
    for (uint32_t i = 0; i < wanted; i++) {
        const text *t = &w->at[i];
        w->ended += t->ended;
        if (t->count < GRAM) continue;
        w->measured++;
        w->repeated += pare_repeated_share(t->ids, t->count);
    }
}

static pare_status write_group(writer *w, uint32_t first) {
    const pare_evaluation *e = w->evaluation;
    uint32_t wanted = w->texts - first < w->rows ? w->texts - first : w->rows, going = wanted;
    begin_group(w, first);
    PARE_TRY(pare_generator_step(w->generator, w->fed, w->prompt, w->logits));
    for (uint32_t t = 0; t < w->tokens && going; t++) {
        PARE_TRY(pare_progress_report(e->runtime, "continuing texts",
                                      (uint64_t)first * w->tokens + (uint64_t)t * wanted,
                                      (uint64_t)w->texts * w->tokens));
        if (t) PARE_TRY(pare_generator_step(w->generator, w->fed, 1, w->logits));
        PARE_TRY(draw(w, wanted, &going));
    }
    count_group(w, wanted);
    return PARE_OK;
}

pare_status pare_continuations_measure(const pare_evaluation *e, const pare_model *speaker,
                                       pare_continuation_scores *out) {
    *out = (pare_continuation_scores){0};
    PARE_TRY(pare_continuations_check(e->model, e->windows->length));
    writer w = {.evaluation = e, .speaker = speaker};
    pare_status status = writer_open(&w);
    for (uint32_t first = 0; status == PARE_OK && first < w.texts; first += w.rows)
        status = write_group(&w, first);
    writer_close(&w);
    PARE_TRY(status);
    *out = (pare_continuation_scores){.texts = w.texts,
                                      .prompt = w.prompt,
                                      .tokens = w.tokens,
                                      .repeated = w.measured ? w.repeated / w.measured : NAN,
                                      .ended = (double)w.ended / w.texts};
    return pare_progress_report(e->runtime, "continuing texts", (uint64_t)w.texts * w.tokens,
                                (uint64_t)w.texts * w.tokens);
}
