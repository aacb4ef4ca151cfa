#include "train/gates.h"
#include "select/size.h"
#include "support/memory.h"
#include "support/random.h"
#include "support/vectorize.h"
#include "train/trained_internal.h"

#include <math.h>
#include <string.h>

/* Draws of normal numbers that nothing else makes. */
#define GATE_DRAW ((uint64_t)0x67617465 << 32)
static const float GATE_BEGIN = 1.0f, GATE_DEVIATION = 0.01f;
enum { STRETCH = 256 }; /* columns that a thread sums at a time */

typedef struct gates {
    pare_trained trained; /* first: a pare_trained is one of these */
    pare_gate_part *parts;
    size_t count;
    size_t *part_of; /* [tensor_count] 1 + index of the part whose output it is; 0: none */
    float **factors; /* [tensor_count] */
    double *sums;    /* [widest] of the columns of an output */
    pare_gradient_sink sink;
} gates;

static const gates *gates_of(const pare_trained *trained) {
    return (const gates *)trained;
}

/* Of a layer's half; units 0: it has no gates. */
static pare_gate_part describe(const pare_model *model, const pare_gates_options *o, uint32_t layer, pare_part part) {
    const pare_config *c = &model->config;
    const pare_widths *w = &c->widths[layer];
    bool heads = part == PARE_PART_ATTENTION;
    pare_gate_part p = {.layer = layer, .part = part};
    p.output = pare_tensor_id(layer, heads ? PARE_ROLE_O : PARE_ROLE_DOWN);
    if (!pare_layer_in(heads ? o->attention : o->ffn, layer)) return p;
    uint32_t shared = pare_widths_shared(w);
    p.units = !heads ? w->ffn : o->query_heads ? w->heads : w->kv_heads;
    p.columns = !heads ? 1 : (int64_t)c->head_size * (o->query_heads ? 1 : shared);
    if (!heads)
        p.parameters = pare_channel_parameters(c, w);
    else if (o->query_heads) /* of one of each group */
        p.parameters = pare_query_parameters(c, w) / (w->kv_heads ? w->kv_heads : 1);
    else
        p.parameters = pare_group_parameters(c, w);
    return p;
}

static int64_t width_of(const pare_gate_part *part) {
    return (int64_t)part->units * part->columns;
}

static bool wants(void *context, size_t id) {
    return ((const gates *)context)->part_of[id] != 0;
}

PARE_VECTORIZE static void add_products(const float *restrict weights, const float *restrict gradient, int64_t n,
                                        double *restrict sums) {
    for (int64_t j = 0; j < n; j++)
        sums[j] += (double)(weights[j] * gradient[j]);
}

/* sums[j] of columns [column, column + n): over the rows in their order, whatever the threads. */
static void sum_stretch(const pare_tensor *tensor, int64_t first, int64_t rows, int64_t columns, int64_t column,
                        const float *gradient, double *sums) {
    int64_t n = columns - column < STRETCH ? columns - column : STRETCH;
    float weights[STRETCH];
    memset(sums + column, 0, (size_t)n * sizeof *sums);
    for (int64_t row = 0; row < rows; row++) {
        pare_tensor_values(tensor, (uint64_t)((first + row) * columns + column), (size_t)n, weights);
        add_products(weights, gradient + row * columns + column, n, sums + column);
    }
}

static pare_status take_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    gates *g = context;
    const pare_gate_part *part = &g->parts[g->part_of[id] - 1];
    const pare_tensor *tensor = g->trained.model->tensors[id];
    (void)samples;
#pragma omp parallel for schedule(static) if (rows * columns > 8192)
    for (int64_t column = 0; column < columns; column += STRETCH)
        sum_stretch(tensor, first, rows, columns, column, gradient, g->sums);
    for (uint32_t u = 0; u < part->units; u++) {
        double sum = 0.0;
        for (int64_t j = 0; j < part->columns; j++)
            sum += g->sums[u * part->columns + j];
        g->trained.gradient[part->first + u] += (float)sum;
    }
    return PARE_OK;
}

static pare_status refresh(pare_trained *trained) {
    const gates *g = gates_of(trained);
    for (size_t i = 0; i < g->count; i++) {
        const pare_gate_part *part = &g->parts[i];
        for (uint32_t u = 0; u < part->units; u++) {
            float *z = &trained->value[part->first + u];
            *z = fmaxf(*z, PARE_GATE_LEAST);
            for (int64_t j = 0; j < part->columns; j++)
                g->factors[part->output][u * part->columns + j] = fmaxf(*z, 0.0f);
        }
    }
    return PARE_OK;
}

static pare_status merged(const pare_trained *trained, size_t id, int64_t first, int64_t rows, float *out) {
    pare_source_rows(&trained->source, id, first, rows, out);
    return PARE_OK;
}

static bool changes(const pare_trained *trained, size_t id) {
    return gates_of(trained)->part_of[id] != 0;
}

static void free_gates(pare_trained *trained) {
    gates *g = (gates *)trained;
    pare_gate_factors_free(g->factors, trained->model->tensor_count);
    pare_trained_release(trained);
    pare_free(g->parts);
    pare_free(g->part_of);
    pare_free(g->sums);
    pare_free(g);
}

static size_t list_parts(gates *g, const pare_gates_options *options) {
    size_t next = 0;
    for (uint32_t layer = 0; layer < g->trained.model->config.layers; layer++)
        for (pare_part part = PARE_PART_ATTENTION; part <= PARE_PART_FFN; part++) {
            pare_gate_part p = describe(g->trained.model, options, layer, part);
            if (!p.units) continue;
            p.first = next;
            next += p.units;
            g->parts[g->count++] = p;
            g->part_of[p.output] = g->count;
        }
    return next;
}

static pare_status allocate(gates *g, const pare_gates_options *options) {
    pare_trained *trained = &g->trained;
    size_t tensors = trained->model->tensor_count, layers = trained->model->config.layers;
    int64_t widest = 1;
    PARE_TRY(pare_alloc(&g->parts, 2 * layers, sizeof *g->parts, "gates"));
    PARE_TRY(pare_alloc(&g->part_of, tensors, sizeof *g->part_of, "gates"));
    PARE_TRY(pare_alloc(&g->factors, tensors, sizeof *g->factors, "gates"));
    trained->count = list_parts(g, options);
    PARE_TRY(pare_trained_allocate(trained));
    for (size_t i = 0; i < g->count; i++) {
        int64_t width = width_of(&g->parts[i]);
        widest = width > widest ? width : widest;
        PARE_TRY(pare_alloc(&g->factors[g->parts[i].output], (size_t)width, sizeof(float), "gates"));
    }
    return pare_alloc(&g->sums, (size_t)widest, sizeof *g->sums, "gates");
}

static void begin(pare_trained *trained, uint64_t seed) {
    pare_normal_fill(trained->value, seed, GATE_DRAW, 0, 0, trained->count);
    for (size_t i = 0; i < trained->count; i++)
        trained->value[i] = GATE_BEGIN + GATE_DEVIATION * trained->value[i];
}

pare_status pare_trained_gates(const pare_model *model, const pare_backend *backend, const pare_gates_options *options,
                               pare_trained **out) {
    gates *g;
    *out = NULL;
    PARE_TRY(pare_alloc(&g, 1, sizeof *g, "gates"));
    g->sink = (pare_gradient_sink){.wants = wants, .rows = take_rows, .context = g};
    g->trained = (pare_trained){.model = model,
                                .backend = backend,
                                .kind = "gates",
                                .sink = &g->sink,
                                .refresh = refresh,
                                .merged = merged,
                                .changes = changes,
                                .free = free_gates};
    pare_status status = allocate(g, options);
    if (status != PARE_OK) {
        free_gates(&g->trained);
        return status;
    }
    g->trained.source = (pare_source){.model = model, .backend = backend, .column_scale = g->factors};
    begin(&g->trained, options->seed);
    *out = &g->trained;
    return refresh(&g->trained);
}

uint64_t pare_trained_gates_bytes(const pare_model *model, const pare_gates_options *options) {
    uint64_t bytes = 0, widest = 1;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (pare_part part = PARE_PART_ATTENTION; part <= PARE_PART_FFN; part++) {
            pare_gate_part p = describe(model, options, layer, part);
            uint64_t width = p.units ? (uint64_t)width_of(&p) : 0;
            bytes += (2 * (uint64_t)p.units + width) * sizeof(float) + sizeof p;
            widest = width > widest ? width : widest;
        }
    return bytes + widest * sizeof(double) + model->tensor_count * (sizeof(size_t) + sizeof(float *));
}

const pare_gate_part *pare_gate_parts(const pare_trained *trained, size_t *count) {
    *count = gates_of(trained)->count;
    return gates_of(trained)->parts;
}

void pare_gates_release_factors(pare_trained *trained, float ***out) {
    gates *g = (gates *)trained;
    *out = g->factors;
    g->factors = NULL;
    trained->source.column_scale = NULL;
}

void pare_gate_factors_free(float **factors, size_t tensors) {
    for (size_t id = 0; factors && id < tensors; id++)
        pare_free(factors[id]);
    pare_free(factors);
}
