#include "generate/continuation.h"
#include "generate/generate.h"
#include "generate/sampling.h"
#include "generate/stop.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "tokenizer/tokenizer.h"

#include <string.h>

enum { TOKENS = 128 };

typedef struct writer {
    const pare_model *model;
    const pare_tokenizer *tokenizer;
    const pare_backend *backend;
    pare_generator *generator;
    pare_sampler *sampler;
    pare_stop stop;
    pare_random random;
    uint32_t *prompt; /* [count] ids, BOS included */
    size_t count;
    float *logits; /* [vocabulary] */
    pare_text_stream stream;
    pare_buffer text; /* not yet shown */
    pare_piece_fn piece;
    void *user;
} writer;

static void writer_close(writer *w) {
    pare_generator_free(w->generator);
    pare_sampler_free(w->sampler);
    pare_buffer_free(&w->text);
    pare_free(w->stop.ids);
    pare_free(w->prompt);
    pare_free(w->logits);
}

/* What an empty prompt begins with, where the tokenizer puts nothing in front: its BOS, or else the configuration's.
 * Returns how many ids that is. */
static size_t lone_token(const writer *w, uint32_t *id) {
    int64_t bos = pare_tokenizer_bos(w->tokenizer);
    if (bos < 0) bos = w->model->config.bos;
    *id = (uint32_t)bos;
    return bos >= 0;
}

static pare_status read_prompt(writer *w, const char *prompt) {
    uint32_t *ids, lone;
    const uint32_t *front;
    size_t count, before = pare_tokenizer_front(w->tokenizer, &front);
    PARE_TRY(pare_tokenizer_encode(w->tokenizer, prompt, strlen(prompt), &ids, &count));
    if (!before && !count) {
        before = lone_token(w, &lone);
        front = &lone;
    }
    pare_status status = pare_alloc(&w->prompt, before + count + 1, sizeof *w->prompt, "prompt");
    for (; status == PARE_OK && w->count < before; w->count++)
        w->prompt[w->count] = front[w->count];
    if (status == PARE_OK && count) memcpy(w->prompt + w->count, ids, count * sizeof *ids);
    w->count += count;
    pare_ids_free(ids);
    if (status == PARE_OK && !w->count)
        return pare_fail(PARE_BAD_ARGUMENT, "the prompt is empty and %s has no BOS token to begin with; give a prompt",
                         pare_checkpoint_directory(w->model->checkpoint));
    return status;
}

/* *tokens: how many may be written. Asked for none in particular, it is what fits. */
static pare_status check_room(const writer *w, uint32_t asked, uint32_t *tokens) {
    uint32_t positions = w->model->config.max_positions;
    if (w->count >= positions)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "the prompt has %zu tokens, but %s was made for %u positions; shorten the prompt", w->count,
                         pare_checkpoint_directory(w->model->checkpoint), positions);
    uint32_t room = positions - (uint32_t)w->count;
    if (asked > room)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "the prompt has %zu tokens, and %s was made for %u positions: --tokens can be at most %u, "
                         "not %u",
                         w->count, pare_checkpoint_directory(w->model->checkpoint), positions, room, asked);
    *tokens = asked ? asked : room < TOKENS ? room : TOKENS;
    return PARE_OK;
}

static pare_status writer_open(writer *w, const pare_continuation *request, uint32_t *tokens) {
    const pare_model *model = w->model;
    const pare_generate_options *options = request->options;
    uint32_t vocabulary = model->config.vocabulary;
    PARE_TRY(pare_sampler_new(vocabulary, options->temperature, options->top_p, &w->sampler));
    PARE_TRY(pare_model_tokenizer(model, &w->tokenizer));
    PARE_TRY(pare_stop_read(model, w->tokenizer, &w->stop));
    PARE_TRY(read_prompt(w, options->prompt ? options->prompt : ""));
    PARE_TRY(check_room(w, options->tokens, tokens));
    pare_source source = {.model = model, .backend = w->backend};
    pare_generator_shape shape = {.batch = 1,
                                  .capacity = (int64_t)w->count + *tokens,
                                  .limit = pare_runtime_limit(request->runtime),
                                  .adapters = request->adapters};
    PARE_TRY(pare_generator_new(&source, &shape, &w->generator));
    return pare_alloc_uninitialized(&w->logits, vocabulary, sizeof *w->logits, "logits");
}

/* Adds a token to the text. Ids of the model that the tokenizer has no text for are silent. */
static pare_status add_token(writer *w, uint32_t id) {
    return id < pare_tokenizer_size(w->tokenizer) ? pare_text_stream_put(&w->stream, id, &w->text) : PARE_OK;
}

/* Hands over what has come together; false if nobody wants more. */
static bool show(writer *w) {
    bool more = !w->text.bytes || w->piece(w->user, w->text.data, w->text.bytes);
    w->text.bytes = 0;
    return more;
}

/* The prompt goes through the decoder too, so that what follows is decoded as its continuation. */
static pare_status read_prompt_text(writer *w) {
    w->stream = pare_tokenizer_stream(w->tokenizer);
    for (size_t i = 0; i < w->count; i++)
        PARE_TRY(add_token(w, w->prompt[i]));
    PARE_TRY(pare_text_stream_flush(&w->stream, &w->text));
    w->text.bytes = 0;
    return PARE_OK;
}

static pare_status write_text(writer *w, uint32_t tokens) {
    uint32_t token;
    PARE_TRY(read_prompt_text(w));
    PARE_TRY(pare_generator_step(w->generator, w->prompt, (int64_t)w->count, w->logits));
    for (uint32_t i = 0; i < tokens; i++) {
        PARE_TRY(pare_interrupted());
        PARE_TRY(pare_sample(w->sampler, w->logits, &w->random, &token));
        if (pare_stop_at(&w->stop, token)) break;
        PARE_TRY(add_token(w, token));
        if (!show(w)) return PARE_OK;
        if (i + 1 < tokens) PARE_TRY(pare_generator_step(w->generator, &token, 1, w->logits));
    }
    PARE_TRY(pare_text_stream_end(&w->stream, &w->text));
    show(w);
    return PARE_OK;
}

pare_status pare_continuation_write(const pare_continuation *request, pare_piece_fn piece, void *user) {
    writer w = {.model = request->model,
                .backend = request->backend,
                .random = {.seed = request->options->seed},
                .piece = piece,
                .user = user};
    uint32_t tokens = 0;
    pare_status status = writer_open(&w, request, &tokens);
    if (status == PARE_OK) status = write_text(&w, tokens);
    writer_close(&w);
    return status;
}
