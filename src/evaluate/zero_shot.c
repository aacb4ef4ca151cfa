#include "evaluate/zero_shot.h"
#include "evaluate/group.h"
#include "evaluate/zero_shot_pack.h"
#include "support/digest.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <math.h>
#include <stdlib.h>

typedef struct scoring {
    const pare_zero_shot *zero_shot;
    const pare_task_file *file;
    pare_zero_shot_scores *out;
    pare_packed_list packed;
    pare_pass_shape shape;
    pare_packed_plan plan;
} scoring;

static pare_status agree(const scoring *s) {
    const pare_task_requests *requests = &s->out->requests;
    char text[PARE_DIGEST_TEXT];
    pare_digest *digest;
    if (pare_peer_count() == 1) return PARE_OK;
    PARE_TRY(pare_digest_new(&digest));
    pare_digest_add(digest, requests->list, requests->count * sizeof *requests->list);
    pare_digest_add(digest, requests->ids.ids, requests->ids.count * sizeof *requests->ids.ids);
    pare_digest_finish(digest, text);
    return pare_peer_agree("questions (by a digest of their ids)", text);
}

static pare_status encode(const scoring *s) {
    const pare_config *config = &s->zero_shot->model->config;
    pare_task_encoding encoding = {
        .protocol = s->zero_shot->protocol, .window = config->max_positions, .vocabulary = config->vocabulary};
    PARE_TRY(pare_model_tokenizer(s->zero_shot->model, &encoding.tokenizer));
    PARE_TRY(pare_task_requests_encode(&encoding, s->file, &s->out->requests));
    return agree(s);
}

static uint32_t longest_input(const pare_task_requests *requests) {
    uint32_t longest = 0;
    for (uint32_t i = 0; i < requests->count; i++)
        if (pare_task_request_input(&requests->list[i]) > longest)
            longest = pare_task_request_input(&requests->list[i]);
    return longest;
}

/* Sequences of at most `longest` tokens, and a pass that takes the longest of them. */
static pare_status arrange(scoring *s, uint32_t longest) {
    const pare_zero_shot *z = s->zero_shot;
    pare_packed_list_free(&s->packed);
    PARE_TRY(pare_packed_list_make(&s->out->requests, longest, &s->packed));
    pare_windows windows = {.count = s->packed.count, .length = s->packed.list[0].length};
    int64_t rank = z->adapters ? z->adapters->rank : 0;
    return pare_group_shape(z->model, z->backend, &windows, false, rank, pare_runtime_limit(z->runtime), &s->shape);
}

/* All answers of a question in one sequence if the memory allows it, else as many as fit. */
static pare_status plan(scoring *s) {
    uint32_t single = longest_input(&s->out->requests), longest = UINT32_MAX;
    pare_status status = arrange(s, longest);
    while (status == PARE_OUT_OF_MEMORY && s->packed.list && longest > single) {
        longest = s->packed.list[0].length / 2;
        if (longest < single) longest = single;
        status = arrange(s, longest);
    }
    if (status != PARE_OUT_OF_MEMORY || !s->packed.list) return status;
    return pare_fail(PARE_OUT_OF_MEMORY,
                     "a question of %s with %u tokens does not fit the memory that is left for it; raise --memory",
                     s->file->task->name, single);
}

/* The weights and what the pass holds are more than the memory that is free: each pass reads them from the disk. */
static pare_status weights_stream(const scoring *s, bool *out) {
    const pare_model *model = s->zero_shot->model;
    uint64_t available = pare_memory_available(), weights = 0;
    pare_pass_memory memory;
    PARE_TRY(pare_pass_measure(model, s->zero_shot->backend, &s->shape, &memory));
    for (size_t i = 0; i < model->tensor_count; i++)
        weights += model->tensors[i]->bytes;
    *out = available && weights + memory.weights + memory.activations > available;
    return pare_peer_broadcast(out, sizeof *out, 0); /* batches are the same on all ranks */
}

static pare_status plan_batches(scoring *s) {
    int64_t length = s->shape.length;
    s->plan = (pare_packed_plan){.tokens = s->shape.sequences * length,
                                 .block = s->shape.micro_batch * length,
                                 .enough = PARE_GROUP_BLOCK_TOKENS};
    return weights_stream(s, &s->plan.streamed);
}

static uint32_t batch_at(const scoring *s, uint32_t first) {
    return pare_packed_batch_count(s->packed.list + first, s->packed.count - first, &s->plan);
}

/* What the batches come to, before any of them is computed. */
static void count_batches(const scoring *s) {
    pare_zero_shot_scores *out = s->out;
    for (uint32_t i = 0; i < out->requests.count; i++)
        out->request_tokens += pare_task_request_input(&out->requests.list[i]);
    out->computed_tokens = s->packed.tokens;
    for (uint32_t first = 0, count; first < s->packed.count; first += count) {
        count = batch_at(s, first);
        out->batches++;
        out->padded_tokens += (uint64_t)count * s->packed.list[first].length;
    }
}

static pare_status run_batch(const scoring *s, pare_pass *pass, uint32_t first, uint32_t count,
                             pare_packed_batch *batch) {
    const pare_source source = {.model = s->zero_shot->model, .backend = s->zero_shot->backend};
    double sum;
    pare_packed_batch_fill(&s->out->requests, s->packed.list + first, count, batch);
    pare_pass_arrange(pass, &batch->layout);
    PARE_TRY(pare_pass_forward(pass, &source, batch->ids, count));
    PARE_TRY(pare_pass_loss(pass, &source, batch->nll, &sum));
    if (!isfinite(sum))
        return pare_fail(PARE_NUMERIC_ERROR,
                         "the likelihoods of %s under %s are not finite: its weights hold NaN or "
                         "infinity",
                         s->file->task->name, pare_checkpoint_directory(s->zero_shot->model->checkpoint));
    pare_packed_batch_sum(&s->out->requests, s->packed.list + first, count, batch, s->out->likelihoods);
    return PARE_OK;
}

/* Every rank takes its turn at the batches. */
static pare_status run_batches(const scoring *s, pare_pass *pass, const char *stage) {
    uint64_t layers = s->zero_shot->model->config.layers, ranks = (uint64_t)pare_peer_count(),
             rank = (uint64_t)pare_peer_rank(), index = 0;
    for (uint32_t i = 0; ranks > 1 && i < s->out->requests.count; i++)
        s->out->likelihoods[i] = -0.0; /* what nothing is changed by, 0 and -0 included */
    pare_group_progress progress = {.runtime = s->zero_shot->runtime,
                                    .stage = stage,
                                    .total = (s->out->batches - rank + ranks - 1) / ranks * layers};
    pare_packed_batch batch;
    PARE_TRY(pare_packed_batch_new((size_t)(s->shape.sequences * s->shape.length), &batch));
    pare_pass_on_step(pass, pare_group_step, &progress);
    pare_status status = PARE_OK;
    for (uint32_t first = 0, count; first < s->packed.count && status == PARE_OK; first += count, index++) {
        count = batch_at(s, first);
        if (index % ranks != rank) continue;
        status = run_batch(s, pass, first, count, &batch);
        progress.before += layers;
    }
    pare_packed_batch_free(&batch);
    PARE_TRY(status);
    return pare_peer_reduce(s->out->likelihoods, s->out->requests.count); /* each is one rank's */
}

static pare_status score(scoring *s) {
    const pare_zero_shot *z = s->zero_shot;
    pare_zero_shot_scores *out = s->out;
    PARE_TRY(encode(s));
    PARE_TRY(plan(s));
    PARE_TRY(plan_batches(s));
    PARE_TRY(pare_alloc(&out->likelihoods, out->requests.count, sizeof *out->likelihoods, "likelihoods"));
    count_batches(s);
    pare_pass *pass;
    PARE_TRY(pare_pass_new(z->model, z->backend, &s->shape, &pass));
    if (z->adapters) pare_pass_adapt(pass, z->adapters);
    char *stage = pare_format("scoring %s", s->file->task->name);
    pare_status status = run_batches(s, pass, stage);
    free(stage);
    pare_pass_free(pass);
    return status;
}

pare_status pare_zero_shot_score(const pare_zero_shot *zero_shot, const pare_task_file *file,
                                 pare_zero_shot_scores *out) {
    scoring s = {.zero_shot = zero_shot, .file = file, .out = out};
    double start = pare_clock();
    *out = (pare_zero_shot_scores){0};
    pare_status status = score(&s);
    pare_packed_list_free(&s.packed);
    out->seconds = pare_clock() - start;
    if (status != PARE_OK) pare_zero_shot_scores_free(out);
    return status;
}

void pare_zero_shot_scores_free(pare_zero_shot_scores *scores) {
    pare_task_requests_free(&scores->requests);
    pare_free(scores->likelihoods);
    *scores = (pare_zero_shot_scores){0};
}

pare_zero_shot_answer pare_zero_shot_answer_of(const pare_task_document *document, const double *likelihoods) {
    pare_zero_shot_answer answer = {0};
    double best = -INFINITY, best_norm = -INFINITY;
    for (uint32_t i = 0; i < document->count; i++) {
        double norm = document->characters[i] ? likelihoods[i] / (double)document->characters[i] : -INFINITY;
        if (likelihoods[i] > best) answer.plain = i, best = likelihoods[i];
        if (norm > best_norm) answer.normalised = i, best_norm = norm;
    }
    return answer;
}
