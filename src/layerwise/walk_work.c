/* What a walk has to do, beside what its visitor makes of each layer. */
#include "calibrate/gram.h"
#include "layerwise/experts.h"
#include "repair/held_out.h"

/* Bytes that sums over the inputs move for each of them: it is read, and added to sums in fp64. */
enum { MOMENT_BYTES = 8 };

static double tokens_of(const pare_layerwise_request *r) {
    return (double)r->sequences * (double)r->length;
}

/* Operations of a layer's blocks. With the dense stream each half runs three times: the dense one, the pruned one to
 * what is compared, and on from it once the half was changed. */
static double streams_of(const pare_walk_shape *w, uint32_t layer) {
    const pare_layerwise_request *r = w->request;
    pare_block_operations o = pare_block_operations_of(r->source->model, layer, r->sequences, r->length);
    double whole = pare_attention_operations(&o) + pare_ffn_operations(&o);
    if (r->idle) return 0.0;
    if (r->two) return 3.0 * whole;
    if (w->through) return whole;
    if (w->together) return 2.0 * whole - o.narrow;
    return whole + o.heads + o.attention + o.wide;
}

/* Of one kind of input: its Gram matrix, and the product with what the dense model has there. */
static void add_inputs(const pare_walk_shape *w, uint32_t layer, pare_input_kind kind, pare_work *work) {
    const pare_layerwise_request *r = w->request;
    double width = (double)pare_input_width(r->source->model, layer, kind), d = r->source->model->config.hidden;
    bool reads = pare_stage_reads(kind);
    double share = reads ? r->reader_share : r->output_share;
    if (reads && !w->readers) return;
    if (r->needs.gram) work->amount[PARE_WORK_PRODUCTS] += pare_gram_operations(tokens_of(r), width);
    if (r->two && share > 0.0) work->amount[PARE_WORK_PRODUCTS] += 2.0 * tokens_of(r) * width * d;
    if (r->needs.norms || r->intercepts) work->amount[PARE_WORK_BYTES] += MOMENT_BYTES * tokens_of(r) * width;
}

/* The experts' own: each token is in the sums of those that it reaches, and what they read runs again. */
static void add_experts(const pare_walk_shape *w, uint32_t layer, pare_work *work) {
    const pare_layerwise_request *r = w->request;
    const pare_experts *experts = &r->source->model->config.experts;
    double tokens = tokens_of(r) * (double)experts->chosen, d = r->source->model->config.hidden, f = experts->width;
    if (r->idle || !pare_layerwise_prunes_experts(r, layer)) return;
    work->amount[PARE_WORK_BLOCKS] += 4.0 * tokens * d * f;
    if (r->needs.gram)
        work->amount[PARE_WORK_PRODUCTS] += pare_gram_operations(tokens, d) + pare_gram_operations(tokens, f);
    if (r->needs.norms) work->amount[PARE_WORK_BYTES] += MOMENT_BYTES * tokens * (d + f);
}

/* The map that readers are fitted with, and what it makes of them. */
static void add_map(const pare_layerwise_request *r, double rows, pare_work *work) {
    int64_t d = r->source->model->config.hidden;
    pare_work fit = pare_least_squares_work(d, d, d), halves = pare_held_out_work(d, d);
    pare_work_add(work, &fit, 1.0);
    if (r->held_out) pare_work_add(work, &halves, 1.0);
    work->amount[PARE_WORK_SINGLE] += 2.0 * rows * (double)d * (double)d;
}

static void add_maps(const pare_layerwise_request *r, uint32_t layer, pare_work *work) {
    for (int stage = 0; stage < PARE_STAGES; stage++) {
        pare_stage_roles roles = pare_stage_roles_of(r->source->model, layer, (pare_stage)stage);
        double sum = 0.0;
        for (int i = 0; i < roles.reader_count; i++) {
            int64_t rows, columns;
            pare_tensor_matrix(r->source->model->tensors[pare_tensor_id(layer, roles.readers[i])], &rows, &columns);
            sum += (double)rows;
        }
        add_map(r, sum, work);
    }
}

pare_work pare_layerwise_work(const pare_walk_shape *w) {
    const pare_layerwise_request *r = w->request;
    pare_work work = {{0}};
    for (uint32_t layer = 0; layer < r->source->model->config.layers; layer++) {
        work.amount[PARE_WORK_BLOCKS] += streams_of(w, layer);
        for (int kind = 0; kind < PARE_INPUT_KINDS && !r->idle; kind++)
            add_inputs(w, layer, (pare_input_kind)kind, &work);
        add_experts(w, layer, &work);
        if (w->readers && r->two && r->reader_share > 0.0) add_maps(r, layer, &work);
    }
    return work;
}

pare_work pare_layerwise_finish_work(const pare_layerwise_request *r, bool head) {
    const pare_config *config = &r->source->model->config;
    double d = config->hidden;
    pare_work work = {{0}};
    if (!r->two) return work;
    work.amount[PARE_WORK_BYTES] = 2.0 * MOMENT_BYTES * tokens_of(r) * d;
    if (!head || config->tied) return work;
    work.amount[PARE_WORK_PRODUCTS] = 2.0 * 2.0 * tokens_of(r) * d * d;
    add_map(r, config->vocabulary, &work);
    return work;
}
