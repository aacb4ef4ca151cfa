/* What this machine can do, and how much of it a pass gets. */
#include "report/speed.h"
#include "backend/backend.h"
#include "calibrate/moreau.h"
#include "calibrate/pictures.h"
#include "evaluate/synthetic.h"
#include "evaluate/timed.h"
#include "model/gradient_sink.h"
#include "model/work.h"
#include "report/report.h"
#include "support/memory.h"
#include "support/order.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPEATS = 100 };

typedef struct bench {
    const pare_model *model;
    const pare_runtime *runtime;
    pare_backend *backend, *other; /* in the compute type in use, and in the other one */
    int64_t sequences, length;
    uint32_t repeats;
    uint32_t *ids;
    pare_product_run reference; /* what passes are held against */
    pare_speed_results results;
} bench;

static double median(double *values, uint32_t count) {
    qsort(values, count, sizeof *values, pare_ascending_double);
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

/* Median rate over the repeats, after a run that does not count. */
static pare_status gemm_rate(const bench *b, pare_product_run *g, double *rate) {
    double rates[MAX_REPEATS];
    PARE_TRY(pare_product_run_once(g));
    for (uint32_t i = 0; i < b->repeats; i++) {
        PARE_TRY(pare_timed(pare_product_run_once, g, &rates[i]));
        rates[i] = g->flops / rates[i];
        PARE_TRY(pare_progress_report(b->runtime, "measuring matrix products", i + 1, b->repeats));
    }
    *rate = median(rates, b->repeats);
    return PARE_OK;
}

/* *rate: of the faster of a square product and the model's own widest one, which is left in *best. */
static pare_status machine_rate(const bench *b, const pare_backend *backend, double *rate, pare_product_run *best) {
    const pare_config *c = &b->model->config;
    int64_t side = backend->operand == PARE_DTYPE_F32 ? 2048 : 4096;
    double square_rate = 0.0, own_rate = 0.0;
    pare_product_run own;
    PARE_TRY(pare_product_run_new(backend, side, side, side, best));
    pare_status status =
        pare_product_run_new(backend, b->sequences * b->length, pare_product_outputs(c), c->hidden, &own);
    if (status == PARE_OK) status = gemm_rate(b, best, &square_rate);
    if (status == PARE_OK) status = gemm_rate(b, &own, &own_rate);
    if (status == PARE_OK && own_rate > square_rate) {
        pare_product_run swap = own;
        own = *best;
        *best = swap;
    }
    pare_product_run_free(&own);
    if (status != PARE_OK) pare_product_run_free(best);
    *rate = (own_rate > square_rate ? own_rate : square_rate) / 1e9;
    return status;
}

/* Rates of both compute types, NaN for bf16 where the CPU has no such products. The product of the type in use stays
 * for reference, or that of fp32 where what is in use is made of it. */
static pare_status measure_machine(bench *b) {
    pare_compute other = b->backend->operand == PARE_DTYPE_F32 ? PARE_COMPUTE_BF16 : PARE_COMPUTE_FP32;
    PARE_TRY(pare_backend_open_cpu(other, b->runtime->threads, &b->other));
    const pare_backend *backends[] = {b->backend, b->other};
    for (int i = 0; i < 2; i++) {
        bool bf16 = backends[i]->operand == PARE_DTYPE_BF16;
        double *rate = bf16 ? &b->results.gemm_bf16 : &b->results.gemm_fp32;
        pare_product_run run;
        *rate = NAN;
        if (!backends[i]->native) continue;
        PARE_TRY(machine_rate(b, backends[i], rate, &run));
        if (b->reference.backend)
            pare_product_run_free(&run);
        else
            b->reference = run;
    }
    return PARE_OK;
}

/* Times `work` and records medians. A shared machine's speed drifts, so every repeat is held against reference products
 * right before and after it, and the median of those fractions is the one reported. */
static pare_status measure_work(bench *b, pare_work_speed *out, const char *stage, pare_timed_fn work, void *context,
                                double flops) {
    double times[MAX_REPEATS], fractions[MAX_REPEATS], before, after, tokens = (double)(b->sequences * b->length);
    PARE_TRY(work(context));
    for (uint32_t i = 0; i < b->repeats; i++) {
        PARE_TRY(pare_progress_report(b->runtime, stage, i, b->repeats));
        PARE_TRY(pare_timed(pare_product_run_once, &b->reference, &before));
        PARE_TRY(pare_timed(work, context, &times[i]));
        PARE_TRY(pare_timed(pare_product_run_once, &b->reference, &after));
        fractions[i] = flops / times[i] / (2.0 * b->reference.flops / (before + after));
    }
    PARE_TRY(pare_progress_report(b->runtime, stage, b->repeats, b->repeats));
    double seconds = median(times, b->repeats);
    *out = (pare_work_speed){.seconds = seconds,
                             .tokens_per_second = tokens / seconds,
                             .gflops = flops / seconds / 1e9,
                             .fraction = median(fractions, b->repeats)};
    return PARE_OK;
}

typedef struct pass_run {
    bench *bench;
    pare_pass *pass;
    pare_source source;
    pare_gradient_sink sink;
    pare_moreau moreau;
    pare_moreau_state state;
} pass_run;

static void note_memory(bench *b) {
    uint64_t now = pare_memory_anonymous_resident();
    if (now > b->results.anonymous_bytes) b->results.anonymous_bytes = now;
}

static pare_status run_forward(void *context) {
    pass_run *r = context;
    double sum;
    PARE_TRY(pare_pass_forward(r->pass, &r->source, r->bench->ids, r->bench->sequences));
    PARE_TRY(pare_pass_loss(r->pass, &r->source, NULL, &sum));
    note_memory(r->bench);
    return PARE_OK;
}

static pare_status run_gradient(void *context) {
    pass_run *r = context;
    double loss;
    PARE_TRY(pare_pass_gradient(r->pass, &r->source, r->bench->ids, &r->sink, &loss));
    note_memory(r->bench);
    return PARE_OK;
}

static pare_status run_moreau(void *context) {
    pass_run *r = context;
    PARE_TRY(pare_moreau_run(r->pass, &r->source, r->bench->ids, &r->moreau, NULL, &r->state));
    note_memory(r->bench);
    return PARE_OK;
}

static double operations_of(pare_work work) {
    return pare_work_operations(&work);
}

static pare_status measure_forward(bench *b) {
    pass_run r = {.bench = b, .source = {.model = b->model, .backend = b->backend}};
    pare_pass_shape shape = {.sequences = b->sequences, .length = b->length};
    PARE_TRY(pare_pass_new(b->model, b->backend, &shape, &r.pass));
    pare_status status = measure_work(b, &b->results.forward, "forward", run_forward, &r,
                                      operations_of(pare_work_forward(b->model, b->sequences, b->length)));
    pare_pass_free(r.pass);
    return status;
}

static pare_status measure_gradient(bench *b) {
    pass_run r = {.bench = b,
                  .source = {.model = b->model, .backend = b->backend},
                  .sink = {.wants = pare_gradient_all, .rows = pare_gradient_dropped}};
    pare_pass_shape shape = {.sequences = b->sequences, .length = b->length, .gradients = true};
    PARE_TRY(pare_pass_new(b->model, b->backend, &shape, &r.pass));
    pare_status status = measure_work(b, &b->results.forward_backward, "forward and backward", run_gradient, &r,
                                      operations_of(pare_work_gradient_of_all(b->model, b->sequences, b->length)));
    pare_pass_free(r.pass);
    return status;
}

static pare_status measure_moreau(bench *b) {
    pass_run r = {
        .bench = b,
        .source = {.model = b->model, .backend = b->backend, .seed = 1},
        .moreau = {
            .steps = 1, .draws = 1, .sigma = 0.05, .rho = 0.2, .gamma = 2e-4, .eta = 5e-6, .prox = PARE_PROX_GROUP}};
    pare_pass_shape shape = {.sequences = b->sequences, .length = b->length, .gradients = true, .composed = true};
    bool *displaced;
    PARE_TRY(pare_alloc(&displaced, b->model->tensor_count, sizeof *displaced, "tensor list"));
    memset(displaced, true, b->model->tensor_count);
    /* As in a prune: in memory if it fits beside the pass, else in a scratch file. */
    bool fits = pare_moreau_state_bytes(b->model, displaced, &r.moreau) < pare_runtime_limit(b->runtime) / 2;
    const char *scratch = fits ? NULL : pare_runtime_scratch(b->runtime);
    pare_status status = pare_moreau_state_new(b->model, displaced, &r.moreau, scratch, &r.state);
    pare_free(displaced);
    if (status != PARE_OK) return status;
    b->results.moreau_state_bytes = r.state.memory.bytes;
    b->results.moreau_state_in_file = !fits;
    status = pare_pass_new(b->model, b->backend, &shape, &r.pass);
    if (status == PARE_OK)
        status = measure_work(b, &b->results.moreau, "Moreau step", run_moreau, &r,
                              operations_of(pare_work_gradient_of_all(b->model, b->sequences, b->length)));
    pare_pass_free(r.pass);
    pare_moreau_state_free(&r.state);
    return status;
}

static const char *shape_of(const pare_bench_options *options) {
    return options->shape ? options->shape : "7b";
}

static void describe(bench *b, const pare_bench_options *options, bool synthetic) {
    b->results.shape = synthetic ? shape_of(options) : NULL;
    b->results.layers = b->model->config.layers;
    b->results.tokens = (uint64_t)(b->sequences * b->length);
    b->results.threads = omp_get_max_threads();
    b->results.bf16 = b->backend->operand == PARE_DTYPE_BF16;
    for (int role = 0; role < PARE_LAYER_ROLES; role++)
        b->results.block_bytes += b->model->tensors[pare_tensor_id(0, (pare_role)role)]->bytes;
    b->results.model_bytes = pare_model_bytes(b->model);
}

/* Tokens from all over the vocabulary, or pictures of noise. */
static pare_status make_ids(bench *b) {
    pare_windows windows;
    if (pare_reads_pictures(&b->model->config)) {
        PARE_TRY(pare_pictures_noise(b->model, (uint32_t)b->sequences, &windows));
        b->ids = windows.ids;
        return PARE_OK;
    }
    PARE_TRY(pare_alloc(&b->ids, (size_t)(b->sequences * b->length), sizeof *b->ids, "token ids"));
    for (int64_t i = 0; i < b->sequences * b->length; i++)
        b->ids[i] = (uint32_t)((uint64_t)i * 7919u % b->model->config.vocabulary);
    return PARE_OK;
}

static pare_status measure(bench *b, const pare_bench_options *options, bool synthetic) {
    PARE_TRY(pare_backend_open_cpu(b->runtime->compute, b->runtime->threads, &b->backend));
    PARE_TRY(make_ids(b));
    describe(b, options, synthetic);
    PARE_TRY(measure_machine(b));
    PARE_TRY(measure_forward(b));
    PARE_TRY(measure_gradient(b));
    return measure_moreau(b);
}

pare_status pare_bench(const pare_model *model, const pare_bench_options *options, const pare_runtime *runtime,
                       char **report) {
    static const pare_runtime defaults = {0};
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_bench_options, options));
    PARE_TRY(pare_runtime_check(runtime));
    pare_model *synthetic = NULL;
    bench b = {.model = model,
               .runtime = runtime ? runtime : &defaults,
               .sequences = options->samples ? options->samples : 10,
               .length = options->length ? options->length : 128,
               .repeats = options->repeats ? options->repeats : 3};
    if (b.length < 2 || b.length > 1 << 20 || b.sequences > 1 << 20 || b.repeats > MAX_REPEATS)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%lld samples of %lld tokens, %u repeats: give lengths of 2 or more and at most %d repeats",
                         (long long)b.sequences, (long long)b.length, b.repeats, MAX_REPEATS);
    bool pictures = model && pare_reads_pictures(&model->config);
    if (pictures && options->length && options->length != model->config.max_positions)
        return pare_fail(PARE_BAD_ARGUMENT, "--length %u: a picture is always %u tokens of %s; leave it out",
                         options->length, model->config.max_positions, pare_checkpoint_directory(model->checkpoint));
    if (pictures) b.length = model->config.max_positions;
    if (!model) {
        PARE_TRY(pare_synthetic_open(shape_of(options), options->layers ? options->layers : 1,
                                     pare_runtime_scratch(b.runtime), &synthetic));
        b.model = synthetic;
    }
    pare_status status = measure(&b, options, synthetic != NULL);
    if (status == PARE_OK) status = pare_report_text(PARE_REPORT_SPEED, &b.results, report);
    pare_product_run_free(&b.reference);
    pare_free(b.ids);
    pare_backend_close(b.other);
    pare_backend_close(b.backend);
    pare_model_close(synthetic);
    return status;
}
