#include "calibrate/expert_load.h"
#include "model/gradient_sink.h"
#include "support/memory.h"
#include "support/vectorize.h"

#include <math.h>
#include <string.h>

/* Tokens whose norms are taken at a time, in parallel, before they are added up in order. */
enum { STRETCH = 256, LANES = 8 };

static double **lists(pare_expert_load *load, int index) {
    double **all[] = {&load->tokens, &load->shares, &load->outputs, &load->felt};
    return all[index];
}

enum { LISTS = 4 };

uint64_t pare_expert_load_bytes(const pare_model *model) {
    return LISTS * (uint64_t)model->config.layers * model->config.experts.count * sizeof(double);
}

pare_status pare_expert_load_new(const pare_model *model, pare_expert_load *out) {
    *out = (pare_expert_load){.layers = model->config.layers, .experts = model->config.experts.count};
    size_t count = (size_t)out->layers * out->experts;
    pare_status status = PARE_OK;
    for (int i = 0; i < LISTS && status == PARE_OK; i++)
        status = pare_alloc(lists(out, i), count, sizeof(double), "loads of experts");
    if (status != PARE_OK) pare_expert_load_free(out);
    return status;
}

pare_status pare_expert_load_copy(const pare_model *model, const pare_expert_load *from, pare_expert_load *out) {
    PARE_TRY(pare_expert_load_new(model, out));
    pare_expert_load own = *from;
    size_t bytes = (size_t)out->layers * out->experts * sizeof(double);
    for (int i = 0; i < LISTS; i++)
        memcpy(*lists(out, i), *lists(&own, i), bytes);
    return PARE_OK;
}

void pare_expert_load_free(pare_expert_load *load) {
    for (int i = 0; i < LISTS; i++)
        pare_free(*lists(load, i));
    *load = (pare_expert_load){0};
}

PARE_VECTORIZE static double norm(const float *y, int64_t d) {
    double squares[LANES] = {0};
    for (int64_t i = 0; i < d; i += LANES)
        for (int64_t j = 0; j < LANES && i + j < d; j++)
            squares[j] += (double)y[i + j] * (double)y[i + j];
    for (int j = 1; j < LANES; j++)
        squares[0] += squares[j];
    return sqrt(squares[0]);
}

typedef struct looking {
    pare_expert_parts parts;
    int64_t hidden;
} looking;

pare_expert_load *pare_expert_parts_in_hand(pare_expert_parts *parts) {
    return &parts->part[pare_pass_shard(parts->pass)];
}

static bool wants_no_input(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return false;
}

void pare_expert_load_add(pare_expert_load *load, int64_t hidden, const pare_expert_seen *seen) {
    size_t place = pare_expert_load_at(load, seen->layer, seen->expert);
    load->tokens[place] += (double)seen->tokens;
    for (int64_t first = 0; first < seen->tokens; first += STRETCH) {
        double norms[STRETCH];
        int64_t count = seen->tokens - first < STRETCH ? seen->tokens - first : STRETCH;
#pragma omp parallel for schedule(static) if (count * hidden > 8192)
        for (int64_t i = 0; i < count; i++)
            norms[i] = norm(seen->y + (first + i) * hidden, hidden);
        for (int64_t i = 0; i < count; i++) {
            double share = (double)seen->share[seen->places[first + i]];
            load->shares[place] += share;
            load->outputs[place] += (seen->in_x ? 1.0 : share) * norms[i];
        }
    }
}

static pare_status see(void *context, const pare_expert_seen *seen) {
    looking *at = context;
    pare_expert_load_add(pare_expert_parts_in_hand(&at->parts), at->hidden, seen);
    return PARE_OK;
}

static pare_status feel(void *context, uint32_t layer, uint32_t expert, int64_t tokens, const int32_t *places,
                        const float *felt) {
    looking *at = context;
    pare_expert_load *load = pare_expert_parts_in_hand(&at->parts);
    double sum = 0.0;
    for (int64_t i = 0; i < tokens; i++)
        sum += (double)felt[places[i]];
    load->felt[pare_expert_load_at(load, layer, expert)] += sum;
    return PARE_OK;
}

pare_status pare_expert_parts_begin(const pare_pass *pass, const pare_model *model, pare_expert_parts *parts) {
    const pare_shards shards = pare_pass_shards(pass);
    *parts = (pare_expert_parts){.pass = pass};
    for (int shard = shards.first; shard < shards.last; shard++)
        PARE_TRY(pare_expert_load_new(model, &parts->part[shard]));
    return PARE_OK;
}

static pare_status begin(looking *at, const pare_pass *pass, const pare_model *model) {
    at->hidden = model->config.hidden;
    return pare_expert_parts_begin(pass, model, &at->parts);
}

static pare_status add_up(pare_expert_parts *parts, pare_shard_sums *sums, pare_expert_load *load) {
    const pare_shards shards = pare_pass_shards(parts->pass);
    size_t count = (size_t)load->layers * load->experts;
    for (int i = 0; i < LISTS; i++)
        PARE_TRY(pare_shard_sums_add_double(sums, *lists(load, i), count));
    for (int shard = shards.first; shard < shards.last; shard++) {
        PARE_TRY(pare_shard_sums_enter(sums, &shards, shard));
        for (int i = 0; i < LISTS; i++)
            memcpy(*lists(load, i), *lists(&parts->part[shard], i), count * sizeof(double));
        pare_shard_sums_leave(sums, &shards, shard);
    }
    return pare_shard_sums_finish(sums, &shards);
}

pare_status pare_expert_parts_finish(pare_expert_parts *parts, pare_status so_far, pare_expert_load *load) {
    pare_shard_sums sums = {0};
    pare_status status = so_far == PARE_OK ? add_up(parts, &sums, load) : so_far;
    pare_shard_sums_free(&sums);
    for (int shard = 0; shard < PARE_SHARDS; shard++)
        pare_expert_load_free(&parts->part[shard]);
    return status;
}

static pare_observer observer_of(looking *at) {
    return (pare_observer){.wants = wants_no_input, .see_expert = see, .context = at};
}

static void leave(pare_pass *pass) {
    pare_pass_observe(pass, NULL);
    pare_pass_on_step(pass, NULL, NULL);
}

static pare_status measure(looking *at, pare_pass *pass, const pare_source *source, const pare_layer_batch *batch) {
    pare_observer observer = observer_of(at);
    pare_pass_observe(pass, &observer);
    pare_pass_on_step(pass, batch->step, batch->step_context);
    pare_status status = pare_pass_forward(pass, source, batch->ids, batch->sequences);
    leave(pass);
    return status;
}

pare_status pare_expert_load_measure(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                     pare_expert_load *load) {
    looking at;
    pare_status status = begin(&at, pass, source->model);
    if (status == PARE_OK) status = measure(&at, pass, source, batch);
    return pare_expert_parts_finish(&at.parts, status, load);
}

static pare_status feel_all(looking *at, pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                            double *loss) {
    pare_observer observer = observer_of(at);
    pare_gradient_sink sink = {.wants = pare_gradient_none, .expert_gradient = feel, .context = at};
    pare_pass_observe(pass, &observer);
    pare_pass_on_step(pass, batch->step, batch->step_context);
    pare_status status = pare_pass_gradient(pass, source, batch->ids, &sink, loss);
    leave(pass);
    return status;
}

pare_status pare_expert_load_feel(pare_pass *pass, const pare_source *source, const pare_layer_batch *batch,
                                  pare_expert_load *load, double *loss) {
    looking at;
    pare_status status = begin(&at, pass, source->model);
    if (status == PARE_OK) status = feel_all(&at, pass, source, batch, loss);
    return pare_expert_parts_finish(&at.parts, status, load);
}
