/* What is kept between two groups (checkpoint/state_file.h), numbers little-endian: u64 groups that are through, and of
 * all, f64 the loss so far; f32 full matrices, f64 sums of squares, f64 spreads, as far as they are gathered. */
#include "calibrate/gram.h"
#include "calibrate/input_moments_internal.h"
#include "calibrate/linear_fisher_internal.h"
#include "calibrate/shrinkage.h"
#include "checkpoint/state_file.h"
#include "model/gradient_sink.h"
#include "model/work.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/progress.h"
#include "support/runtime.h"

#include <string.h>

enum { CHUNK = 1024, MOST_IN_GROUP = 32 }; /* tokens of a product, sequences */

_Static_assert((int)PARE_SPREAD_PANEL <= (int)CHUNK, "what spreads want has room in `scaled`");

/* What a choice comes to. */
typedef struct extent {
    uint64_t elements; /* of blocks */
    uint64_t rows;     /* of all wanted */
    uint64_t widest;   /* rows of a matrix with blocks */
    uint32_t lowest;   /* layer that holds a wanted one */
} extent;

static extent extent_of(const pare_model *model, const pare_fisher_choice *choice) {
    extent e = {.lowest = model->config.layers};
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!pare_fisher_wants(model, choice, id)) continue;
        uint64_t rows = (uint64_t)pare_fisher_rows(model, id);
        uint32_t layer;
        pare_role role;
        pare_tensor_id_split(model, id, &layer, &role);
        e.lowest = layer < e.lowest ? layer : e.lowest;
        e.rows += rows;
        uint64_t block = (uint64_t)pare_fisher_block(model, choice, id);
        e.elements += rows * block;
        if (block && rows > e.widest) e.widest = rows;
    }
    return e;
}

uint64_t pare_linear_fisher_bytes(const pare_model *model, const pare_fisher_choice *choice) {
    return extent_of(model, choice).elements * sizeof(float);
}

uint64_t pare_linear_fisher_room_bytes(const pare_model *model, const pare_backend *backend,
                                       const pare_fisher_choice *choice) {
    extent e = extent_of(model, choice);
    return e.rows * (sizeof(double) + sizeof(float)) + e.widest * CHUNK * (sizeof(float) + pare_operand_size(backend));
}

/* A forward and a backward without weights' gradients, in which blocks run again; and what outputs add to their
 * matrices. */
pare_work pare_linear_fisher_work(const pare_fisher_request *request, const pare_fisher_choice *choice) {
    const pare_model *model = request->source->model;
    pare_work work = pare_work_gradient(
        model, &(pare_gradient_shape){.sequences = request->sequences, .length = request->length, .again = 1.0});
    double tokens = (double)request->sequences * (double)request->length;
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!pare_fisher_wants(model, choice, id)) continue;
        double rows = (double)pare_fisher_rows(model, id);
        work.amount[PARE_WORK_BYTES] += 4.0 * tokens * rows * sizeof(float);
        double block = (double)pare_fisher_block(model, choice, id);
        if (block > 0.0) work.amount[PARE_WORK_PRODUCTS] += rows / block * pare_gram_operations(tokens, block);
    }
    return work;
}

/* out: tokens [first, first + n) of features [begin, begin + width) times the scale, laid out as the values. */
static void scale_tokens(const pare_moment_values *v, int64_t first, int64_t n, int64_t begin, int64_t width,
                         float scale, float *out) {
    int64_t lines = v->by_feature ? width : n, length = v->by_feature ? n : width;
    int64_t from = v->by_feature ? begin * v->tokens + first : first * v->width + begin;
    int64_t stride = v->by_feature ? v->tokens : v->width;
#pragma omp parallel for schedule(static) if (lines * length > 65536)
    for (int64_t i = 0; i < lines; i++) {
        float *line = out + i * length;
        size_t at = (size_t)(from + i * stride) * pare_dtype_size(v->dtype);
        pare_to_float(line, (const char *)v->x + at, v->dtype, (size_t)length);
        for (int64_t j = 0; j < length; j++)
            line[j] *= scale;
    }
}

/* Tokens [first, first + n) of the gradient, to every block; anew: nothing is there yet. */
static pare_status add_products(pare_fisher_gathering *g, const pare_moment_values *gradient, int64_t first, int64_t n,
                                bool anew, pare_blocks blocks, float *full) {
    const pare_backend *backend = g->request->source->backend;
    for (int64_t i = 0; i < blocks.count; i++) {
        const pare_inputs inputs = {g->operand, n, blocks.size, gradient->by_feature};
        scale_tokens(gradient, first, n, i * blocks.size, blocks.size, g->scale, g->scaled);
        backend->operations->to_operand(backend, g->scaled, n * blocks.size, g->operand);
        PARE_TRY(pare_gram_add_lower(backend, &inputs, anew, full + pare_blocks_begin(blocks, i)));
    }
    return PARE_OK;
}

/* first: of the micro-batch's tokens, among those of the group. */
static pare_status add(pare_fisher_gathering *g, uint32_t layer, pare_role role, int64_t first_token,
                       const pare_moment_values *gradient) {
    size_t id = pare_tensor_id(layer, role);
    int64_t rows = gradient->width;
    pare_fisher_room *room = &g->room[role];
    if (!g->squares[id]) return PARE_OK;
    pare_blocks blocks = pare_blocks_of(rows, g->out->block[id]);
    if (!first_token) memset(room->squares, 0, (size_t)rows * sizeof *room->squares);
    pare_moments_add(gradient, &(pare_moment_sums){.squares = room->squares});
    for (int64_t first = 0; g->out->full[id] && first < gradient->tokens; first += CHUNK) {
        int64_t n = gradient->tokens - first < CHUNK ? gradient->tokens - first : CHUNK;
        PARE_TRY(add_products(g, gradient, first, n, first_token + first == 0, blocks, room->full));
    }
    if (first_token + gradient->tokens < g->tokens) return PARE_OK;
    for (int64_t i = 0; g->out->full[id] && i < blocks.count; i++)
        pare_gram_mirror(room->full + pare_blocks_begin(blocks, i), blocks.size);
    return pare_fisher_share(g, role, id, rows);
}

/* The residual stream, which is the output of Down or O, is there in fp32: what operands it becomes is decided here. */
static pare_status add_stream(pare_fisher_gathering *g, uint32_t layer, pare_role role, int64_t first, int64_t tokens,
                              const float *gradient) {
    pare_moment_values values = {.x = gradient,
                                 .dtype = PARE_DTYPE_F32,
                                 .tokens = tokens,
                                 .width = g->request->source->model->config.hidden,
                                 .length = tokens};
    size_t id = pare_tensor_id(layer, role);
    if (!first) g->room[role].spread = 0.0;
    if (g->out->spread && g->out->full[id])
        pare_spread_add(gradient, tokens, g->request->length, values.width, g->scaled, &g->room[role].spread);
    return add(g, layer, role, first, &values);
}

static pare_status see_output(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *gradient) {
    return add_stream(context, layer, PARE_ROLE_DOWN, first, tokens, gradient);
}

static pare_status see_middle(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *gradient) {
    return add_stream(context, layer, PARE_ROLE_O, first, tokens, gradient);
}

static pare_status see_linear(void *context, uint32_t layer, pare_role role, const pare_linear_output *gradient) {
    pare_fisher_gathering *g = context;
    pare_moment_values values = {.x = gradient->gradient,
                                 .dtype = g->request->source->backend->operand,
                                 .by_feature = gradient->by_feature,
                                 .tokens = gradient->tokens,
                                 .width = gradient->width,
                                 .length = gradient->tokens};
    return pare_role_writes(role) ? PARE_OK : add(g, layer, role, gradient->first_token, &values);
}

static pare_status report_step(void *context, uint64_t done, uint64_t total) {
    const pare_fisher_gathering *g = context;
    return pare_progress_report(g->request->runtime, "feeling outputs", g->passes_done * total + done,
                                g->passes * total);
}

/* rooms: bytes beside the pass. */
static pare_pass_shape shape_of(const pare_fisher_request *request, int64_t group, uint64_t rooms) {
    return (pare_pass_shape){.sequences = group,
                             .length = request->length,
                             .gradients = true,
                             .composed = request->composed,
                             .limit = pare_limit_beside(request->limit, rooms)};
}

static pare_status find_group(const pare_fisher_request *request, uint64_t rooms, int64_t *group,
                              pare_pass_memory *memory) {
    for (*group = request->sequences; *group > 1; --*group) {
        pare_pass_shape shape = shape_of(request, *group, rooms);
        if (request->sequences % *group || *group > MOST_IN_GROUP) continue;
        pare_status status = pare_pass_measure(request->source->model, request->source->backend, &shape, memory);
        if (status != PARE_OUT_OF_MEMORY) return status;
    }
    pare_pass_shape shape = shape_of(request, 1, rooms);
    return pare_pass_measure(request->source->model, request->source->backend, &shape, memory);
}

pare_status pare_linear_fisher_group(const pare_fisher_request *request, const pare_fisher_choice *choice,
                                     int64_t *group, pare_pass_memory *memory) {
    uint64_t rooms = pare_fisher_rooms_bytes(request->source->model, choice);
    PARE_TRY(find_group(request, rooms, group, memory));
    memory->gradients += rooms;
    return PARE_OK;
}

static void place(pare_fisher_gathering *g, const pare_fisher_choice *choice) {
    const pare_model *model = g->request->source->model;
    pare_linear_fisher *out = g->out;
    float *full = out->memory.data, *diagonal = out->diagonals;
    double *sums = g->sums;
    for (size_t id = 0; id < out->tensor_count; id++) {
        if (!pare_fisher_wants(model, choice, id)) continue;
        int64_t rows = pare_fisher_rows(model, id);
        out->diagonal[id] = diagonal;
        g->squares[id] = sums;
        diagonal += rows;
        sums += rows;
        out->block[id] = pare_fisher_block(model, choice, id);
        if (!out->block[id]) continue;
        out->full[id] = full;
        full += rows * out->block[id];
    }
}

static pare_status allocate(pare_fisher_gathering *g, const pare_fisher_choice *choice) {
    const pare_fisher_request *request = g->request;
    const pare_model *model = request->source->model;
    pare_linear_fisher *out = g->out;
    extent e = extent_of(model, choice);
    out->tensor_count = model->tensor_count;
    g->rows = e.rows;
    PARE_TRY(pare_alloc(&out->full, out->tensor_count, sizeof *out->full, "output metrics"));
    PARE_TRY(pare_alloc(&out->block, out->tensor_count, sizeof *out->block, "output metrics"));
    PARE_TRY(pare_alloc(&out->diagonal, out->tensor_count, sizeof *out->diagonal, "output metrics"));
    PARE_TRY(pare_alloc(&out->diagonals, e.rows, sizeof *out->diagonals, "output metrics"));
    if (choice->spread) PARE_TRY(pare_alloc(&out->spread, out->tensor_count, sizeof *out->spread, "output metrics"));
    PARE_TRY(pare_alloc(&g->squares, out->tensor_count, sizeof *g->squares, "output metrics"));
    PARE_TRY(pare_alloc(&g->sums, e.rows, sizeof *g->sums, "output metrics"));
    PARE_TRY(pare_alloc_uninitialized(&g->scaled, CHUNK * e.widest, sizeof(float), "output gradients"));
    PARE_TRY(pare_alloc_uninitialized(&g->operand, CHUNK * e.widest, pare_operand_size(request->source->backend),
                                      "output gradients"));
    PARE_TRY(pare_scratch_open(&out->memory, pare_linear_fisher_bytes(model, choice), request->scratch,
                               "the output metrics"));
    place(g, choice);
    return PARE_OK;
}

static pare_status describe(void *context, pare_state_file *file) {
    pare_fisher_gathering *g = context;
    pare_linear_fisher *out = g->out;
    PARE_TRY(pare_state_pass(file, &g->passes_done, sizeof g->passes_done));
    PARE_TRY(pare_state_same(file, g->passes));
    if (g->passes_done > g->passes) return pare_state_refuse(file->place, "has more groups than there are");
    PARE_TRY(pare_state_doubles(file, &out->loss, 1));
    PARE_TRY(pare_state_numbers(file, out->memory.data, PARE_DTYPE_F32, out->memory.bytes / sizeof(float)));
    PARE_TRY(pare_state_doubles(file, g->sums, g->rows));
    return out->spread ? pare_state_doubles(file, out->spread, out->tensor_count) : PARE_OK;
}

static pare_state_place place_of(const pare_fisher_gathering *g) {
    return (pare_state_place){.path = g->request->state,
                              .what = "what the loss feels",
                              .anew = "feel the outputs anew",
                              .key = g->request->key};
}

static pare_status keep(pare_fisher_gathering *g) {
    const pare_state_place place = place_of(g);
    return place.path ? pare_state_save(&place, describe, g) : PARE_OK;
}

static pare_status take_up(pare_fisher_gathering *g) {
    const pare_state_place place = place_of(g);
    bool found;
    return place.path ? pare_state_load(&place, describe, g, &found) : PARE_OK;
}

/* A group of each rank, as far as there are some. */
static pare_status run_round(pare_fisher_gathering *g, pare_pass *pass, const pare_gradient_sink *sink) {
    const pare_fisher_request *request = g->request;
    uint64_t left = g->passes - g->passes_done, ranks = (uint64_t)pare_peer_count(), rank = (uint64_t)pare_peer_rank();
    uint64_t count = left < ranks ? left : ranks;
    double loss = 0.0;
    if (rank < count)
        PARE_TRY(pare_pass_gradient(pass, request->source, request->ids + (int64_t)(g->passes_done + rank) * g->tokens,
                                    sink, &loss));
    for (uint64_t of = 0; of < count; of++) {
        double other = loss;
        PARE_TRY(pare_peer_broadcast(&other, sizeof other, (int)of));
        g->out->loss += other / (double)g->passes;
    }
    g->passes_done += count;
    return PARE_OK;
}

static pare_status gather(pare_fisher_gathering *g, const pare_fisher_choice *choice, int64_t group) {
    const pare_fisher_request *request = g->request;
    pare_pass_shape shape = shape_of(request, group, pare_fisher_rooms_bytes(request->source->model, choice));
    pare_gradient_sink sink = {.wants = pare_gradient_none,
                               .rows = pare_gradient_dropped,
                               .output_gradient = see_output,
                               .middle_gradient = see_middle,
                               .linear_gradient = see_linear,
                               .lowest_layer = extent_of(request->source->model, choice).lowest,
                               .context = g};
    pare_pass *pass;
    g->passes = (uint64_t)(request->sequences / group);
    g->scale = (float)(group * (request->length - 1));
    g->tokens = group * request->length;
    PARE_TRY(take_up(g));
    if (g->passes_done == g->passes) return PARE_OK;
    PARE_TRY(pare_pass_new(request->source->model, request->source->backend, &shape, &pass));
    pare_pass_on_step(pass, report_step, g);
    pare_status status = PARE_OK;
    while (g->passes_done < g->passes && status == PARE_OK) {
        status = run_round(g, pass, &sink);
        if (status == PARE_OK) status = keep(g);
    }
    pare_pass_free(pass);
    return status == PARE_OK ? pare_fisher_hand_out(g) : status;
}

static void finish_sums(pare_fisher_gathering *g, uint64_t rows) {
    double square = (double)g->scale * (double)g->scale;
    for (uint64_t i = 0; i < rows; i++)
        g->out->diagonals[i] = (float)(g->sums[i] * square);
    for (size_t id = 0; g->out->spread && id < g->out->tensor_count; id++)
        g->out->spread[id] *= square * square;
}

pare_status pare_linear_fisher_run(const pare_fisher_request *request, const pare_fisher_choice *choice,
                                   pare_linear_fisher *out) {
    pare_fisher_gathering g = {.request = request, .out = out};
    int64_t group;
    pare_pass_memory memory;
    *out = (pare_linear_fisher){0};
    if (request->sequences < 1 || request->length < 2)
        return pare_fail(PARE_BAD_ARGUMENT,
                         "%lld calibration sequences of %lld tokens predict nothing; take at least one of two tokens",
                         (long long)request->sequences, (long long)request->length);
    PARE_TRY(pare_linear_fisher_group(request, choice, &group, &memory));
    pare_status status = allocate(&g, choice);
    if (status == PARE_OK) status = pare_fisher_rooms_new(&g, choice);
    if (status == PARE_OK) status = gather(&g, choice, group);
    if (status == PARE_OK) finish_sums(&g, g.rows);
    pare_fisher_rooms_free(&g);
    pare_free(g.squares);
    pare_free(g.sums);
    pare_free(g.scaled);
    pare_free(g.operand);
    if (status != PARE_OK) pare_linear_fisher_free(out);
    return status;
}

void pare_linear_fisher_free(pare_linear_fisher *fisher) {
    pare_free(fisher->full);
    pare_free(fisher->block);
    pare_free(fisher->diagonal);
    pare_free(fisher->diagonals);
    pare_free(fisher->spread);
    pare_scratch_close(&fisher->memory);
    *fisher = (pare_linear_fisher){0};
}
