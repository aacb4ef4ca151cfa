#include "score/signals.h"
#include "calibrate/entropy.h"
#include "calibrate/smooth.h"
#include "importance/expert_removal.h"

static void backward(const pare_recipe *recipe, pare_pass_shape *shape) {
    shape->gradients = shape->shards = true;
    shape->samples = pare_recipe_needs_squares(recipe);
}

/* Weights are displaced, or have noise. */
static void composed_backward(const pare_recipe *recipe, pare_pass_shape *shape) {
    backward(recipe, shape);
    shape->composed = true;
}

static void entropy_backward(const pare_recipe *recipe, pare_pass_shape *shape) {
    backward(recipe, shape);
    shape->objective = &pare_entropy;
}

static void sample_backward(const pare_recipe *recipe, pare_pass_shape *shape) {
    (void)recipe;
    shape->gradients = shape->samples = shape->shards = true;
}

static void observed(const pare_recipe *recipe, pare_pass_shape *shape) {
    (void)recipe;
    shape->observed = shape->shards = true;
}

static void inputs_kept(const pare_recipe *recipe, pare_pass_shape *shape) {
    (void)recipe;
    shape->inputs = shape->shards = true;
}

/* Of experts' outputs alone, not of weights. */
static void felt_backward(const pare_recipe *recipe, pare_pass_shape *shape) {
    (void)recipe;
    shape->gradients = shape->frozen = shape->shards = true;
}

/* What inputs are, and what experts make of tokens, adds up over these. */
static void seen_forward(const pare_recipe *recipe, pare_pass_shape *shape) {
    (void)recipe;
    shape->shards = true;
}

static uint64_t moreau_state(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan,
                             int ranks) {
    return pare_moreau_share_bytes(model, plan->displaced, &recipe->moreau, ranks);
}

static uint64_t smooth_state(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan,
                             int ranks) {
    (void)ranks;
    return pare_smoothed_gradient_measure(model, plan->scored, recipe->moreau.steps, true).state;
}

static uint64_t errors_state(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan,
                             int ranks) {
    int64_t tokens = plan->shape.sequences * plan->shape.length;
    (void)recipe, (void)ranks;
    return pare_expert_outputs_bytes(model, tokens) + pare_expert_removal_bytes(model, tokens);
}

static const pare_signal_row rows[PARE_SIGNAL_COUNT] = {
    [PARE_SIGNAL_GRADIENT] = {backward, NULL, NULL, pare_signal_gradient_work, pare_score_gradient},
    [PARE_SIGNAL_ENTROPY] = {entropy_backward, NULL, NULL, pare_signal_gradient_work, pare_score_gradient},
    [PARE_SIGNAL_MOREAU] = {composed_backward, moreau_state, NULL, pare_signal_steps_work, pare_score_moreau},
    [PARE_SIGNAL_SMOOTH] = {composed_backward, NULL, NULL, pare_signal_steps_work, pare_score_smooth},
    [PARE_SIGNAL_SMOOTH_ROWS] = {composed_backward, smooth_state, NULL, pare_signal_steps_work, pare_score_smooth_rows},
    [PARE_SIGNAL_SAMPLES] = {sample_backward, NULL, NULL, pare_signal_samples_work, pare_score_groups},
    [PARE_SIGNAL_INPUTS] = {seen_forward, NULL, NULL, pare_signal_forward_work, pare_score_inputs},
    [PARE_SIGNAL_DEPTH] = {NULL, NULL, NULL, NULL, pare_score_depth},
    [PARE_SIGNAL_INFLUENCE] = {observed, NULL, NULL, pare_signal_forward_work, pare_score_influence},
    [PARE_SIGNAL_GATES] = {NULL, NULL, pare_score_gates_measure, pare_signal_gates_work, pare_score_gates},
    [PARE_SIGNAL_EXPERT_OUTPUTS] = {seen_forward, NULL, NULL, pare_signal_forward_work, pare_score_expert_outputs},
    [PARE_SIGNAL_EXPERT_TOKENS] = {seen_forward, NULL, NULL, pare_signal_forward_work, pare_score_expert_tokens},
    [PARE_SIGNAL_EXPERT_SHARES] = {seen_forward, NULL, NULL, pare_signal_forward_work, pare_score_expert_shares},
    [PARE_SIGNAL_EXPERT_ERRORS] = {seen_forward, errors_state, NULL, pare_signal_errors_work, pare_score_expert_errors},
    [PARE_SIGNAL_EXPERT_GRADIENT] = {felt_backward, NULL, NULL, pare_signal_felt_work, pare_score_expert_gradient},
    [PARE_SIGNAL_REMOVAL] = {inputs_kept, NULL, NULL, pare_signal_removal_work, pare_score_removal},
};

const pare_signal_row *pare_signal_row_of(pare_signal signal) {
    return &rows[signal];
}
