#include "calibrate/output_fisher.h"
#include "support/memory.h"
#include "support/progress.h"

#include <math.h>

enum { CHUNK = 1024, MOST_IN_GROUP = 32, ATTENTION = 0, FFN = 1 };

typedef struct gathering {
    const pare_fisher_request *request;
    pare_output_fisher *out;
    void *operand; /* [CHUNK, d] */
    float scale;   /* gradients are tiny; bf16 operands and fp32 sums are happier near 1 */
    float *scaled; /* [CHUNK, d] */
    uint64_t passes_done, passes;
} gathering;

uint64_t pare_output_fisher_bytes(const pare_model *model) {
    uint64_t d = model->config.hidden;
    return (uint64_t)model->config.layers * PARE_OUTPUT_STAGES * d * d * sizeof(float);
}

static pare_status add(gathering *g, uint32_t layer, int stage, int64_t tokens, const float *gradient) {
    const pare_backend *backend = g->request->source->backend;
    int64_t d = g->out->hidden;
    for (int64_t first = 0; first < tokens; first += CHUNK) {
        int64_t n = tokens - first < CHUNK ? tokens - first : CHUNK;
        pare_matmul shape = {.batch = 1, .m = d, .n = d, .k = n, .transpose_a = true, .accumulate = true};
        for (int64_t i = 0; i < n * d; i++)
            g->scaled[i] = gradient[first * d + i] * g->scale;
        backend->operations->to_operand(backend, g->scaled, n * d, g->operand);
        PARE_TRY(backend->operations->matmul(backend, &shape, g->operand, g->operand, g->out->metric[layer][stage]));
    }
    return PARE_OK;
}

static pare_status see_output(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *gradient) {
    (void)first;
    return add(context, layer, FFN, tokens, gradient);
}

static pare_status see_middle(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *gradient) {
    (void)first;
    return add(context, layer, ATTENTION, tokens, gradient);
}

static bool wants(void *context, size_t id) {
    (void)context;
    (void)id;
    return false;
}

static pare_status no_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                           const float *gradient, const float *squares) {
    (void)context, (void)id, (void)first, (void)rows, (void)columns, (void)gradient, (void)squares;
    return PARE_OK;
}

static pare_status report_step(void *context, uint64_t done, uint64_t total) {
    const gathering *g = context;
    return pare_progress_report(g->request->runtime, "feeling outputs", g->passes_done * total + done,
                                g->passes * total);
}

static pare_pass_shape shape_of(const pare_fisher_request *request, int64_t group) {
    return (pare_pass_shape){.sequences = group,
                             .length = request->length,
                             .gradients = true,
                             .composed = request->composed,
                             .limit = request->limit};
}

pare_status pare_output_fisher_group(const pare_fisher_request *request, int64_t *group, pare_pass_memory *memory) {
    for (*group = request->sequences; *group > 1; --*group) {
        pare_pass_shape shape = shape_of(request, *group);
        if (request->sequences % *group || *group > MOST_IN_GROUP) continue;
        pare_status status = pare_pass_measure(request->source->model, request->source->backend, &shape, memory);
        if (status != PARE_OUT_OF_MEMORY) return status;
    }
    pare_pass_shape shape = shape_of(request, 1);
    return pare_pass_measure(request->source->model, request->source->backend, &shape, memory);
}

static pare_status allocate(gathering *g, pare_output_fisher *out) {
    const pare_fisher_request *request = g->request;
    const pare_model *model = request->source->model;
    size_t d = model->config.hidden;
    *out = (pare_output_fisher){.layers = model->config.layers, .hidden = model->config.hidden};
    PARE_TRY(pare_alloc(&out->metric, out->layers, sizeof *out->metric, "output metrics"));
    PARE_TRY(pare_scratch_open(&out->memory, pare_output_fisher_bytes(model), request->scratch, "the output metrics"));
    for (uint32_t i = 0; i < out->layers; i++)
        for (int stage = 0; stage < PARE_OUTPUT_STAGES; stage++)
            out->metric[i][stage] =
                (float *)out->memory.data + ((size_t)i * PARE_OUTPUT_STAGES + (size_t)stage) * d * d;
    PARE_TRY(pare_alloc_uninitialized(&g->scaled, CHUNK * d, sizeof(float), "output gradients"));
    return pare_alloc_uninitialized(&g->operand, CHUNK * d, pare_operand_size(request->source->backend),
                                    "output gradients");
}

static pare_status gather(gathering *g, int64_t group) {
    const pare_fisher_request *request = g->request;
    pare_pass_shape shape = shape_of(request, group);
    pare_gradient_sink sink = {
        .wants = wants, .rows = no_rows, .output_gradient = see_output, .middle_gradient = see_middle, .context = g};
    pare_pass *pass;
    g->passes = (uint64_t)(request->sequences / group);
    g->scale = (float)(group * (request->length - 1));
    PARE_TRY(pare_pass_new(request->source->model, request->source->backend, &shape, &pass));
    pare_pass_on_step(pass, report_step, g);
    pare_status status = PARE_OK;
    for (int64_t s = 0; s < request->sequences && status == PARE_OK; s += group) {
        double loss = 0.0;
        status = pare_pass_gradient(pass, request->source, request->ids + s * request->length, &sink, &loss);
        g->out->loss += loss / (double)g->passes;
        g->passes_done++;
    }
    pare_pass_free(pass);
    return status;
}

pare_status pare_output_fisher_run(const pare_fisher_request *request, pare_output_fisher *out) {
    gathering g = {.request = request, .out = out};
    int64_t group;
    pare_pass_memory memory;
    *out = (pare_output_fisher){0};
    PARE_TRY(pare_output_fisher_group(request, &group, &memory));
    pare_status status = allocate(&g, out);
    if (status == PARE_OK) status = gather(&g, group);
    pare_free(g.scaled);
    pare_free(g.operand);
    if (status != PARE_OK) pare_output_fisher_free(out);
    return status;
}

void pare_output_fisher_free(pare_output_fisher *fisher) {
    pare_free(fisher->metric);
    pare_scratch_close(&fisher->memory);
    *fisher = (pare_output_fisher){0};
}
