/* Gates as a signal: they are trained until what they leave open has the size that is asked for (train/gates.h,
 * train/gate_penalty.h). A unit's score is its z times its parameters in those of an FFN channel, so that its price per
 * parameter, which the training has weighed already, is z. */
#include "score/score_internal.h"
#include "select/size.h"
#include "support/memory.h"
#include "support/runtime.h"
#include "train/gate_penalty.h"
#include "train/run.h"
#include "train/window_examples.h"

#include <math.h>

enum { SAVE_EVERY = 10 };

typedef struct learning {
    const pare_score_request *request;
    pare_trained *gates;
    const pare_gate_part *parts;
    size_t count;
    pare_gate_penalty penalty;
    pare_examples examples;
    pare_batches *batches;
    pare_trainer_options training;
    pare_gate_trace trace;
} learning;

static pare_gates_options gates_of(const pare_target *target, uint64_t seed) {
    return (pare_gates_options){
        .attention = target->attention, .ffn = target->ffn, .query_heads = target->query_heads, .seed = seed};
}

static pare_batches_options batches_of(const pare_recipe *recipe, const pare_calibration_plan *plan, uint64_t seed) {
    uint32_t batch = (uint32_t)recipe->gates.batch, sequences = (uint32_t)plan->shape.sequences;
    return (pare_batches_options){
        .batch = batch < sequences ? batch : sequences, .length = (uint32_t)plan->shape.length, .seed = seed};
}

/* Rates are those of so many steps: in fewer they are higher, so that gates and multipliers get as far. */
static pare_schedule schedule_of(const pare_gates_recipe *r, double rate) {
    static const double published_steps = 1000.0;
    uint64_t steps = (uint64_t)r->steps, warmup = (uint64_t)(r->warmup * (double)steps);
    return (pare_schedule){.peak = rate * published_steps / (double)steps,
                           .warmup = warmup,
                           .decay = steps - warmup,
                           .total = steps,
                           .cosine = true};
}

static pare_trainer_options training_of(const pare_model *model, const pare_recipe *recipe, const pare_runtime *runtime,
                                        const pare_calibration_plan *plan) {
    const pare_gates_recipe *r = &recipe->gates;
    return (pare_trainer_options){.schedule = schedule_of(r, r->rate),
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .epsilon = 1e-8,
                                  .memory = pare_limit_beside(plan->sizes.limit, plan->sizes.state),
                                  .keep = pare_kept_rule_of(runtime),
                                  .teacher = {.model = model, .ce = r->ce, .kd = r->kd}};
}

/* The gates, the moments of what is trained, and the examples with the list of them. */
static uint64_t state_bytes(const pare_model *model, const pare_recipe *recipe, const pare_gates_options *gates,
                            size_t count, const pare_calibration_plan *plan) {
    uint64_t sequences = (uint64_t)plan->shape.sequences, ids = sequences * (uint64_t)plan->shape.length;
    return pare_trained_gates_bytes(model, gates) + 2 * count * sizeof(float) + ids * sizeof(uint32_t) +
           sequences * sizeof(pare_example) + (uint64_t)recipe->gates.steps * sizeof(pare_gate_step);
}

pare_status pare_score_gates_measure(const pare_signal_sizes *sizes, pare_calibration_plan *plan) {
    pare_gates_options options = gates_of(sizes->target, 0);
    pare_trained *gates;
    PARE_TRY(pare_trained_gates(sizes->model, sizes->backend, &options, &gates));
    plan->sizes.state = state_bytes(sizes->model, sizes->recipe, &options, gates->count, plan);
    pare_batches_options batches = batches_of(sizes->recipe, plan, 0);
    pare_trainer_options training = training_of(sizes->model, sizes->recipe, sizes->runtime, plan);
    pare_pass_memory pass = {0};
    pare_status status = pare_trainer_measure(gates, &batches, &training, &pass);
    if (status == PARE_OK) pare_pass_memory_plan(&pass, &plan->sizes);
    pare_trained_free(gates);
    return status;
}

static uint32_t units_left(const pare_gate_part *part, const pare_target *target, const pare_widths *goal) {
    if (part->part == PARE_PART_FFN) return goal->ffn;
    return target->query_heads ? goal->heads : goal->kv_heads;
}

/* The parts' groups, the weights of their units, and the groups' shares that are to be left. */
typedef struct grouping {
    uint32_t *groups; /* [parts] */
    double *weights;  /* [parts] */
    double *shares;   /* [parts], of which [count] are used */
    size_t count;
} grouping;

/* Among which units the share is settled: those that selection will compare. */
static void settle(const learning *l, grouping *g) {
    const pare_score_request *r = l->request;
    const pare_target *target = r->target;
    const pare_config *c = &r->model->config;
    bool local = target->ranking == PARE_RANK_LOCAL || target->ranking == PARE_RANK_RISING;
    double weight = 0.0, now = (double)pare_parameters_with(r->model, c->widths, c->hidden);
    g->count = local ? l->count : 1;
    for (size_t i = 0; i < l->count; i++) {
        const pare_gate_part *part = &l->parts[i];
        uint32_t stay = units_left(part, target, &r->goal->widths[part->layer]);
        g->groups[i] = local ? (uint32_t)i : 0;
        g->weights[i] = (double)part->parameters;
        g->shares[i] = (double)stay / (double)part->units;
        weight += g->weights[i] * (double)part->units;
    }
    if (!local) g->shares[0] = fmax(1.0 - (now - (double)r->goal->parameters) / weight, 0.0);
}

static pare_status new_penalty(learning *l) {
    const pare_gates_recipe *r = &l->request->recipe->gates;
    pare_gate_penalty_options options = {.schedule = schedule_of(r, 1.0),
                                         .multiplier_rate = r->multiplier_rate,
                                         .square_rate = r->square_rate,
                                         .mu_first = r->mu_first,
                                         .mu_last = r->mu_last};
    grouping g = {0};
    pare_status status = pare_alloc(&g.groups, l->count, sizeof *g.groups, "gates");
    if (status == PARE_OK) status = pare_alloc(&g.weights, l->count, sizeof *g.weights, "gates");
    if (status == PARE_OK) status = pare_alloc(&g.shares, l->count, sizeof *g.shares, "gates");
    if (status == PARE_OK) {
        settle(l, &g);
        status =
            pare_gate_penalty_new(&options, l->parts, l->count, g.groups, g.weights, g.shares, g.count, &l->penalty);
    }
    pare_free(g.groups);
    pare_free(g.weights);
    pare_free(g.shares);
    return status;
}

static pare_status press(void *context, uint64_t step, pare_trained *trained) {
    learning *l = context;
    pare_gate_penalty_step(&l->penalty, step, trained->value, trained->gradient);
    l->trace.steps[step] = (pare_gate_step){
        .left = l->penalty.left, .mixed = l->penalty.mixed, .mu = pare_gate_mu(&l->penalty.options, step)};
    return PARE_OK;
}

static pare_status save(void *context, FILE *file) {
    const learning *l = context;
    PARE_TRY(pare_gate_penalty_save(&l->penalty, file));
    bool whole = fwrite(l->trace.steps, sizeof *l->trace.steps, l->trace.count, file) == l->trace.count;
    return whole ? PARE_OK : pare_fail(PARE_FILE_ERROR, "the progress of the gates could not be kept");
}

static pare_status load(void *context, FILE *file) {
    learning *l = context;
    PARE_TRY(pare_gate_penalty_load(&l->penalty, file));
    bool whole = fread(l->trace.steps, sizeof *l->trace.steps, l->trace.count, file) == l->trace.count;
    return whole ? PARE_OK : pare_fail(PARE_FORMAT_ERROR, "what was kept of the gates ends early");
}

static pare_status prepare(learning *l) {
    const pare_score_request *r = l->request;
    pare_gates_options options = gates_of(r->target, r->seed);
    pare_windows windows = {.ids = (uint32_t *)(uintptr_t)r->ids,
                            .count = (uint32_t)r->plan->shape.sequences,
                            .length = (uint32_t)r->plan->shape.length};
    pare_batches_options batches = batches_of(r->recipe, r->plan, r->seed);
    l->trace.count = (size_t)r->recipe->gates.steps;
    PARE_TRY(pare_trained_gates(r->model, r->backend, &options, &l->gates));
    l->parts = pare_gate_parts(l->gates, &l->count);
    PARE_TRY(pare_alloc(&l->trace.steps, l->trace.count, sizeof *l->trace.steps, "the gates' steps"));
    PARE_TRY(new_penalty(l));
    PARE_TRY(pare_window_examples(r->model, &windows, false, &l->examples));
    PARE_TRY(pare_batches_new(&l->examples, &batches, &l->batches));
    l->training = training_of(r->model, r->recipe, r->runtime, r->plan);
    l->training.kept = r->state != NULL;
    l->training.clipped = press;
    l->training.save = save;
    l->training.load = load;
    l->training.context = l;
    return PARE_OK;
}

static pare_status train(learning *l) {
    const pare_score_request *r = l->request;
    pare_training_run run = {.save_every = SAVE_EVERY, .state = r->state, .key = r->key};
    pare_trainer trainer;
    PARE_TRY(pare_trainer_new(l->gates, l->batches, &l->training, r->runtime, &trainer));
    pare_status status = pare_training_run_steps(&trainer, &run);
    if (status == PARE_NUMERIC_ERROR)
        status = pare_fail(status,
                           "the loss or its gradient is not a number in step %llu of the gates' training: give a "
                           "--gate-rate below %g",
                           (unsigned long long)trainer.steps_done + 1, r->recipe->gates.rate);
    for (size_t i = 0; i < trainer.curve.count && status == PARE_OK; i++)
        l->trace.steps[i].loss = trainer.curve.list[i].loss;
    pare_trainer_free(&trainer);
    return status;
}

static void hand_over(learning *l, pare_score_result *out) {
    const pare_config *c = &l->request->model->config;
    for (size_t i = 0; i < l->count; i++) {
        const pare_gate_part *part = &l->parts[i];
        bool heads = part->part == PARE_PART_ATTENTION, queries = l->request->target->query_heads;
        double *scores = (heads ? queries ? out->scores.query : out->scores.heads : out->scores.ffn)[part->layer];
        uint64_t channel = pare_channel_parameters(c, &c->widths[part->layer]);
        double size = (double)part->parameters / (double)(channel ? channel : 1); /* 0: a layer of experts alone */
        for (uint32_t u = 0; u < part->units; u++)
            scores[u] = size * (double)l->gates->value[part->first + u];
    }
    pare_gates_release_factors(l->gates, &out->factors);
    out->factor_count = l->request->model->tensor_count;
    out->gates = l->trace;
    l->trace = (pare_gate_trace){0};
}

pare_status pare_score_gates(pare_scoring *scoring, pare_score_result *out) {
    learning l = {.request = scoring->request};
    pare_status status = prepare(&l);
    if (status == PARE_OK) status = train(&l);
    if (status == PARE_OK) hand_over(&l, out);
    pare_gate_penalty_free(&l.penalty);
    pare_batches_free(l.batches);
    pare_examples_free(&l.examples);
    pare_trained_free(l.gates);
    pare_free(l.trace.steps);
    return status;
}
