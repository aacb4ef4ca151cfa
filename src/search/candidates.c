#include "search/candidates.h"
#include "model/work.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <string.h>

static pare_pass_shape shape_of(const pare_candidate_windows *windows, bool inputs, uint64_t limit) {
    return (pare_pass_shape){
        .sequences = windows->sequences, .length = windows->length, .inputs = inputs, .composed = true, .limit = limit};
}

/* All hidden states are kept if there is room. */
static pare_status choose_shape(const pare_model *model, const pare_backend *backend,
                                const pare_candidate_windows *windows, pare_pass_shape *shape, uint64_t *bytes) {
    uint64_t answers = pare_answers_bytes(windows->predictions, model->config.vocabulary);
    uint64_t held = answers + windows->beside, limit = pare_limit_beside(windows->limit, held);
    pare_pass_memory memory;
    pare_status status;
    *shape = shape_of(windows, true, limit);
    status = pare_pass_measure(model, backend, shape, &memory);
    if (status == PARE_OUT_OF_MEMORY) {
        *shape = shape_of(windows, false, limit);
        status = pare_pass_measure(model, backend, shape, &memory);
    }
    PARE_TRY(status);
    *bytes = held + memory.weights + memory.activations;
    return PARE_OK;
}

/* The windows for rough measures; false: there are none. */
static bool rough_of(const pare_candidate_windows *windows, pare_candidate_windows *rough) {
    *rough = *windows;
    rough->sequences = windows->sequences / PARE_ROUGH_SHARE;
    rough->predictions = windows->predictions / windows->sequences * rough->sequences;
    return rough->predictions >= PARE_ROUGH_PREDICTIONS;
}

/* What both hold; rough measures are left out where they would take the room that the others need to keep their hidden
 * states. */
typedef struct shapes {
    pare_candidate_windows windows, rough;
    pare_pass_shape shape, rough_shape;
    bool has_rough;
    uint64_t bytes;
} shapes;

static pare_status choose_shapes(const pare_model *model, const pare_backend *backend,
                                 const pare_candidate_windows *windows, shapes *out) {
    uint64_t alone, rough, both;
    *out = (shapes){.windows = *windows};
    PARE_TRY(choose_shape(model, backend, windows, &out->shape, &alone));
    out->bytes = alone;
    if (!rough_of(windows, &out->rough)) return PARE_OK;
    pare_candidate_windows beside = *windows;
    pare_pass_shape shape;
    if (choose_shape(model, backend, &out->rough, &out->rough_shape, &rough) != PARE_OK) return PARE_OK;
    beside.beside = rough;
    if (choose_shape(model, backend, &beside, &shape, &both) != PARE_OK) return PARE_OK;
    out->has_rough = pare_pass_keeps_inputs(&shape) == pare_pass_keeps_inputs(&out->shape);
    if (!out->has_rough) return PARE_OK;
    out->windows = beside;
    out->shape = shape;
    out->bytes = both;
    return PARE_OK;
}

pare_status pare_candidates_measure(const pare_model *model, const pare_backend *backend,
                                    const pare_candidate_windows *windows, uint64_t *bytes) {
    shapes chosen;
    PARE_TRY(choose_shapes(model, backend, windows, &chosen));
    *bytes = chosen.bytes;
    return PARE_OK;
}

static pare_status open_one(const pare_model *model, const pare_backend *backend, const pare_candidate_windows *windows,
                            const pare_pass_shape *shape, pare_candidates *out) {
    *out = (pare_candidates){
        .source = {.model = model, .backend = backend}, .ids = windows->ids, .sequences = windows->sequences};
    PARE_TRY(pare_alloc(&out->ran, model->config.layers, sizeof *out->ran, "candidates"));
    PARE_TRY(pare_pass_new(model, backend, shape, &out->pass));
    PARE_TRY(pare_pass_forward(out->pass, &out->source, windows->ids, windows->sequences));
    return pare_answers_new(out->pass, &out->source, windows->predictions, &out->answers);
}

pare_status pare_candidates_new(const pare_model *model, const pare_backend *backend,
                                const pare_candidate_windows *windows, pare_candidates *out) {
    shapes chosen;
    *out = (pare_candidates){0};
    PARE_TRY(choose_shapes(model, backend, windows, &chosen));
    pare_status status = open_one(model, backend, &chosen.windows, &chosen.shape, out);
    if (status == PARE_OK && chosen.has_rough) status = pare_alloc(&out->rough, 1, sizeof *out->rough, "candidates");
    if (status == PARE_OK && chosen.has_rough)
        status = open_one(model, backend, &chosen.rough, &chosen.rough_shape, out->rough);
    if (status != PARE_OK) pare_candidates_free(out);
    return status;
}

void pare_candidates_free(pare_candidates *c) {
    if (c->rough) pare_candidates_free(c->rough);
    pare_free(c->rough);
    pare_pass_free(c->pass);
    pare_answers_free(&c->answers);
    pare_free(c->ran);
    *c = (pare_candidates){0};
}

/* The first layer that differs from what ran last; the number of layers where none does. */
static uint32_t first_difference(const pare_candidates *c, const uint32_t (*level)[PARE_STAGES]) {
    uint32_t layer = 0;
    while (layer < c->source.model->config.layers && !memcmp(c->ran[layer], level[layer], sizeof *level))
        layer++;
    return layer;
}

pare_status pare_candidates_divergence(pare_candidates *c, const pare_source *source,
                                       const uint32_t (*level)[PARE_STAGES], bool roughly, double *kl) {
    if (roughly && c->rough) return pare_candidates_divergence(c->rough, source, level, false, kl);
    bool on = c->runs && pare_pass_keeps_inputs(pare_pass_shape_of(c->pass));
    uint32_t from = first_difference(c, level);
    c->runs = false;
    PARE_TRY(on ? pare_pass_forward_from(c->pass, source, from)
                : pare_pass_forward(c->pass, source, c->ids, c->sequences));
    memcpy(c->ran, level, c->source.model->config.layers * sizeof *c->ran);
    c->runs = true;
    return pare_answers_divergence(&c->answers, c->pass, source, kl);
}

bool pare_candidates_has_rough(const pare_candidate_windows *windows) {
    pare_candidate_windows rough;
    return rough_of(windows, &rough);
}

/* Parts are felt one after the other, the last layers first, and moves change two layers: this share of the blocks runs
 * as a rule (.48 in 400 measurements of SmolLM2-135M). Of a large vocabulary this share is looked at (.16 of its 49152
 * ids for 1008 predictions), and bytes that a weight of a block moves as its rows are taken. */
static const double blocks_run = 0.5, likely = 0.2, taken_bytes = 6.0;

static double block_weights(const pare_model *model) {
    double sum = 0.0;
    for (size_t id = 0; id < model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        if (pare_tensor_id_split(model, id, &layer, &role)) sum += (double)model->tensors[id]->count;
    }
    return sum;
}

/* The dense model's answers, with all ids for which of them are likely, and so many measurements. */
static void add_windows(const pare_model *model, const pare_candidate_windows *windows,
                        const pare_candidates_shape *shape, double steps, pare_work *work) {
    double run = shape->alike ? 1.0 : blocks_run, looked = model->config.vocabulary > PARE_LIKELY_WHOLE ? likely : 1.0;
    pare_work head = pare_work_head(model, windows->predictions);
    pare_work blocks = pare_work_blocks(model, windows->sequences, windows->length);
    pare_work_add(work, &blocks, 1.0 + steps * run * shape->left);
    pare_work_add(work, &head, (looked < 1.0 ? 2.0 : 0.0) + looked * (1.0 + steps));
    work->amount[PARE_WORK_BYTES] += steps * run * shape->left * taken_bytes * block_weights(model);
}

pare_work pare_candidates_work(const pare_model *model, const pare_candidate_windows *windows,
                               const pare_candidates_shape *shape) {
    pare_work work = {{0}};
    pare_candidate_windows rough;
    bool has_rough = shape->rough > 0.0 && rough_of(windows, &rough);
    add_windows(model, windows, shape, shape->whole + (has_rough ? 0.0 : shape->rough), &work);
    if (has_rough) add_windows(model, &rough, shape, shape->rough, &work);
    return work;
}
