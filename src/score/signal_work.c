/* What signals have to do. */
#include "importance/expert_removal.h"
#include "score/signals.h"

/* Bytes that noise, or a displacement, moves for each weight, in a forward and again in a backward; what the gradients
 * of one sample do, which are made row by row, squared and added up. */
enum { COMPOSED_BYTES = 48, SAMPLE_BYTES = 12 };

static pare_gradient_shape shape_of(const pare_calibration_plan *plan) {
    double blocks = (double)plan->sizes.blocks, again = blocks > 0.0 ? 1.0 - (double)plan->sizes.kept / blocks : 1.0;
    return (pare_gradient_shape){
        .sequences = plan->shape.sequences, .length = plan->shape.length, .weights = true, .again = again};
}

/* Weights that are marked. */
static double elements_of(const pare_model *model, const bool *marked) {
    double sum = 0.0;
    for (size_t id = 0; id < model->tensor_count; id++)
        if (marked[id]) sum += (double)model->tensors[id]->count;
    return sum;
}

pare_work pare_signal_gradient_work(const pare_model *model, const pare_recipe *recipe,
                                    const pare_calibration_plan *plan) {
    pare_gradient_shape shape = shape_of(plan);
    if (pare_recipe_needs_squares(recipe)) return pare_signal_samples_work(model, recipe, plan);
    return pare_work_gradient(model, &shape);
}

pare_work pare_signal_felt_work(const pare_model *model, const pare_recipe *recipe, const pare_calibration_plan *plan) {
    pare_gradient_shape shape = shape_of(plan);
    (void)recipe;
    shape.weights = false;
    return pare_work_gradient(model, &shape);
}

pare_work pare_signal_steps_work(const pare_model *model, const pare_recipe *recipe,
                                 const pare_calibration_plan *plan) {
    pare_gradient_shape shape = shape_of(plan);
    pare_work pass = pare_work_gradient(model, &shape), work = {{0}};
    pass.amount[PARE_WORK_BYTES] += COMPOSED_BYTES * elements_of(model, plan->displaced);
    pare_work_add(&work, &pass, (double)recipe->moreau.steps * (double)recipe->moreau.draws);
    return work;
}

pare_work pare_signal_samples_work(const pare_model *model, const pare_recipe *recipe,
                                   const pare_calibration_plan *plan) {
    pare_gradient_shape shape = shape_of(plan);
    pare_work work = pare_work_gradient(model, &shape);
    (void)recipe;
    work.amount[PARE_WORK_BYTES] += SAMPLE_BYTES * (double)shape.sequences * elements_of(model, plan->scored);
    return work;
}

pare_work pare_signal_forward_work(const pare_model *model, const pare_recipe *recipe,
                                   const pare_calibration_plan *plan) {
    (void)recipe;
    return pare_work_blocks(model, plan->shape.sequences, plan->shape.length);
}

pare_work pare_signal_errors_work(const pare_model *model, const pare_recipe *recipe,
                                  const pare_calibration_plan *plan) {
    int64_t tokens = plan->shape.sequences * plan->shape.length;
    pare_work work = pare_signal_forward_work(model, recipe, plan);
    pare_work outputs = pare_expert_outputs_work(model, tokens), removal = pare_expert_removal_work(model, tokens);
    pare_work_add(&work, &outputs, 1.0);
    pare_work_add(&work, &removal, 1.0);
    return work;
}

/* In each step the dense model says something of a batch, and the gated one learns from it, with gradients of O and
 * down. */
pare_work pare_signal_gates_work(const pare_model *model, const pare_recipe *recipe,
                                 const pare_calibration_plan *plan) {
    pare_gradient_shape shape = shape_of(plan);
    if (shape.sequences > recipe->gates.batch) shape.sequences = recipe->gates.batch;
    shape.weights = false;
    pare_work step = pare_work_gradient(model, &shape), work = {{0}};
    pare_work teacher = pare_work_forward(model, shape.sequences, shape.length);
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        pare_block_operations o = pare_block_operations_of(model, layer, shape.sequences, shape.length);
        step.amount[PARE_WORK_BACKWARD] += o.merged + o.narrow;
    }
    pare_work_add(&step, &teacher, 1.0);
    pare_work_add(&work, &step, (double)recipe->gates.steps);
    return work;
}

/* Layers in front of the one that is left out need not run again. */
pare_work pare_signal_removal_work(const pare_model *model, const pare_recipe *recipe,
                                   const pare_calibration_plan *plan) {
    pare_work blocks = pare_signal_forward_work(model, recipe, plan), work = {{0}};
    pare_work head = pare_work_head(model, plan->shape.sequences * plan->shape.length);
    pare_work_add(&work, &blocks, 1.0 + (double)model->config.layers / 2.0);
    pare_work_add(&work, &head, 1.0 + (double)model->config.layers);
    return work;
}
