#include "score/plan.h"
#include "calibrate/input_norms.h"
#include "model/expert_tensors.h"
#include "score/signals.h"
#include "support/memory.h"
#include "support/peer.h"
#include "support/runtime.h"

/* A matrix of an expert, whose channels are units as those of the layer's FFN are. */
static bool is_of_expert(const pare_model *model, size_t id, uint32_t *layer) {
    pare_expert_place place;
    bool own = pare_tensor_id_split_expert(model, id, &place) && place.what == PARE_EXPERT_OWN;
    if (own) *layer = place.layer;
    return own && !pare_tensor_is_absent(model->tensors[id]);
}

static void mark_tensors(const pare_model *model, const pare_plan_request *request, pare_calibration_plan *plan) {
    const pare_target *target = request->target;
    bool all = request->score_all && request->displace == PARE_DISPLACE_ALL;
    for (size_t id = 0; id < model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        bool inside = pare_tensor_id_split(model, id, &layer, &role) && !pare_tensor_is_absent(model->tensors[id]);
        bool unit = inside && (pare_role_is_matrix(role) || pare_role_bears_units(role));
        bool cut =
            unit && pare_layer_in(pare_role_in(role, PARE_PART_ATTENTION) ? target->attention : target->ffn, layer);
        if (target->mode == PARE_MODE_BLOCK && is_of_expert(model, id, &layer)) {
            cut = pare_layer_in(target->ffn, layer);
            unit = true;
        }
        if (target->mode == PARE_MODE_CHANNEL) cut = true;
        if (request->only) cut = request->only[id];
        plan->scored[id] = cut || (unit && all);
        plan->displaced[id] = cut || request->displace == PARE_DISPLACE_ALL;
    }
}

/* The displacement stays in memory if the pass fits beside it, and goes to a scratch file otherwise. */
static pare_status place_state(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                               pare_calibration_plan *plan, pare_pass_memory *pass) {
    uint64_t limit = plan->sizes.limit, state = plan->sizes.state;
    plan->shape.limit = pare_limit_beside(limit, state);
    if (pare_pass_measure(model, backend, &plan->shape, pass) == PARE_OK) return PARE_OK;
    plan->shape.limit = limit;
    if (state) {
        plan->scratch = pare_runtime_scratch(runtime);
        plan->sizes.scratch = state;
    }
    return pare_pass_measure(model, backend, &plan->shape, pass);
}

/* The pass of one of several ranks that leaves room for its share of the state, cut as that of one process, for which
 * the plan's shape is. False if there is none, be it without blocks that are kept. */
static bool fits_beside(const pare_model *model, const pare_backend *backend, uint64_t limit, uint64_t share,
                        pare_pass_shape *shape, pare_pass_memory *pass) {
    pare_pass_shape beside = *shape;
    pare_pass_memory less;
    beside.micro_batch = pass->micro_batch;
    beside.limit = pare_limit_beside(limit, share);
    bool fits = pare_pass_measure(model, backend, &beside, &less) == PARE_OK;
    if (!fits) {
        beside = *shape;
        if (beside.keep == PARE_KEPT_AS_ROOM) beside.keep = PARE_KEPT_NONE;
        fits = pare_pass_measure(model, backend, &beside, &less) == PARE_OK &&
               less.weights + less.activations + less.gradients + share <= limit;
    }
    if (!fits) return false;
    *shape = beside;
    *pass = less;
    return true;
}

/* What one of several ranks holds of the state, where that is not all of it. */
static void place_share(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                        uint64_t share, pare_calibration_plan *plan, pare_pass_memory *pass) {
    if (share == plan->sizes.state) return;
    bool fits = fits_beside(model, backend, plan->sizes.limit, share, &plan->shape, pass);
    plan->sizes.state = share;
    plan->sizes.scratch = fits ? 0 : share;
    plan->scratch = fits ? NULL : pare_runtime_scratch(runtime);
}

static pare_status note_shape(pare_calibration_plan *plan) {
    plan->sizes.sequences = (uint64_t)plan->shape.sequences;
    plan->sizes.length = (uint64_t)plan->shape.length;
    return PARE_OK;
}

/* The largest number of sequences that divides all of them and fits, at most 32. */
static pare_status choose_group(const pare_model *model, const pare_backend *backend, pare_calibration_plan *plan,
                                pare_pass_memory *pass) {
    enum { MOST = 32 };
    pare_pass_shape shape = plan->shape;
    shape.limit = plan->shape.limit = plan->sizes.limit;
    for (int64_t group = shape.sequences < MOST ? shape.sequences : MOST; group > 0; group--) {
        if (plan->shape.sequences % group) continue;
        shape.sequences = plan->group = group;
        pare_status status = pare_pass_measure(model, backend, &shape, pass);
        if (status == PARE_OK || group == 1) return status;
    }
    return PARE_OK;
}

/* What a salience that scores whole tensors holds beside the pass, single weights being counted elsewhere. */
static uint64_t gathered_bytes(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan) {
    uint64_t most = 0;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (plan->scored[id] && model->tensors[id]->count > most) most = model->tensors[id]->count;
    bool gathers = recipe->salience && recipe->mode != PARE_MODE_ELEMENT;
    return gathers ? pare_gathered_bytes(recipe->salience, most) : 0;
}

/* Scores of the channels of experts, of each matrix and of all together, and where they go by them norms of inputs:
 * more than a few kilobytes, as those of other units are. */
static uint64_t expert_bytes(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan) {
    uint64_t matrices = 0;
    uint32_t layer;
    for (size_t id = 0; id < model->tensor_count; id++)
        matrices += plan->scored[id] && is_of_expert(model, id, &layer);
    if (!matrices || !recipe->salience || recipe->mode != PARE_MODE_BLOCK) return 0;
    uint64_t scores = (matrices + matrices / PARE_EXPERT_PARTS) * model->config.experts.width * sizeof(double);
    bool norms = pare_signal_has(recipe->signal, PARE_TRAIT_INPUTS);
    return scores + (norms ? pare_input_norms_expert_bytes(model) : 0);
}

static pare_status fill_plan(const pare_model *model, const pare_backend *backend, const pare_plan_request *request,
                             const pare_runtime *runtime, pare_calibration_plan *plan) {
    const pare_recipe *recipe = request->recipe;
    const pare_signal_row *signal = pare_signal_row_of(recipe->signal);
    pare_pass_memory pass = {0};
    plan->sizes.limit = pare_runtime_limit(runtime);
    plan->sizes.limit_origin = pare_runtime_limit_origin(runtime);
    plan->sizes.mapped = pare_model_bytes(model);
    if (!pare_recipe_needs_data(recipe) || pare_recipe_trains(recipe)) return PARE_OK;
    if (!request->sequences) return PARE_OK; /* what text would show was read from a file */
    if (signal->measure) {
        pare_signal_sizes sizes = {model, backend, runtime, recipe, request->target};
        PARE_TRY(signal->measure(&sizes, plan));
        if (signal->work) plan->work = signal->work(model, recipe, plan);
        return note_shape(plan);
    }
    if (signal->shape) signal->shape(recipe, &plan->shape);
    /* Gradients of single weights are stored beside the pass. */
    if (recipe->mode != PARE_MODE_ELEMENT) plan->shape.keep = pare_kept_rule_of(runtime);
    if (signal->state) plan->sizes.state = signal->state(model, recipe, plan, 1);
    if (recipe->mode == PARE_MODE_ELEMENT && !plan->shape.gradients) return note_shape(plan);
    bool divisible = request->only && !plan->shape.composed;
    uint64_t limit = plan->sizes.limit;
    uint64_t gathered = gathered_bytes(model, recipe, plan) + expert_bytes(model, recipe, plan);
    plan->sizes.limit = pare_limit_beside(limit, gathered);
    PARE_TRY(divisible ? choose_group(model, backend, plan, &pass) : place_state(model, backend, runtime, plan, &pass));
    if (signal->state)
        place_share(model, backend, runtime, signal->state(model, recipe, plan, pare_peer_count()), plan, &pass);
    plan->sizes.limit = limit;
    pare_pass_memory_plan(&pass, &plan->sizes);
    plan->sizes.weights += gathered;
    if (signal->work) plan->work = signal->work(model, recipe, plan);
    return note_shape(plan);
}

pare_status pare_plan_new(const pare_model *model, const pare_backend *backend, const pare_runtime *runtime,
                          const pare_plan_request *request, pare_calibration_plan *out) {
    *out = (pare_calibration_plan){.shape = {.sequences = request->sequences, .length = request->length},
                                   .group = request->sequences};
    pare_status status = pare_alloc(&out->scored, model->tensor_count, sizeof(bool), "plan");
    if (status == PARE_OK) status = pare_alloc(&out->displaced, model->tensor_count, sizeof(bool), "plan");
    if (status == PARE_OK) {
        mark_tensors(model, request, out);
        status = fill_plan(model, backend, request, runtime, out);
    }
    if (status != PARE_OK) pare_plan_free(out);
    return status;
}

void pare_plan_free(pare_calibration_plan *plan) {
    pare_free(plan->scored);
    pare_free(plan->displaced);
    *plan = (pare_calibration_plan){0};
}
