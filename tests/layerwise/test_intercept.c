/* Biases in the repair of units, by what whole blocks make of it: a refitted bias leaves no mean error, never makes the
 * fit worse, and without a fit it is the mean of what the removed units gave. */
#include "biased.h"
#include "layerwise/units.h"
#include "support/memory.h"

/* Families whose outputs have biases, and those of them that may lose heads. */
static const struct {
    const char *name;
    bool heads;
} families_with[] = {{"gpt2", false}, {"opt", false}, {"starcoder2", true}, {"llama biases", true}};
enum { FAMILIES_WITH = sizeof families_with / sizeof *families_with };

static pare_repair_job job_of(const biased *b, pare_repair_options options) {
    return (pare_repair_job){.source = &b->source,
                             .ids = b->all.ids,
                             .sequences = FAMILY_SEQUENCES,
                             .length = FAMILY_LENGTH,
                             .options = options};
}

/* Half of the units of one stage of layer 0 goes. */
static pare_selection half_of(const biased *b, pare_stage stage) {
    static const uint32_t odd[] = {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31};
    const pare_widths *w = &b->m.model->config.widths[0];
    pare_selection kept;
    assert_int_equal(pare_selection_all(b->m.model, &kept), PARE_OK);
    if (stage == PARE_STAGE_ATTENTION)
        assert_int_equal(pare_kept_set_groups(b->m.model, 0, odd, w->kv_heads / 2, &kept.layer[0]), PARE_OK);
    else
        assert_int_equal(pare_kept_set_channels(odd, w->ffn / 2 < 16 ? w->ffn / 2 : 16, &kept.layer[0]), PARE_OK);
    return kept;
}

typedef struct outcome {
    biased_block block;
    pare_stage_fit fit;
    double error;
    double *mean; /* [d] */
    pare_repaired repaired;
} outcome;

static outcome repair(const biased *b, pare_stage stage, pare_repair_options options, const biased_block *dense) {
    outcome o;
    pare_stage_fit fits[8][PARE_STAGES];
    pare_selection kept = half_of(b, stage);
    pare_repair_job job = job_of(b, options);
    pare_layerwise_memory plan;
    assert_int_equal(pare_repair_measure(&job, &kept, false, &plan), PARE_OK);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_repair_run(&job, &kept, &o.repaired, fits), PARE_OK);
    uint64_t planned = plan.hidden + plan.statistics + plan.weights + plan.activations + plan.repaired;
    /* Not planned: tables by tensor, and lists of units. */
    assert_true(pare_memory_peak() - before < planned + (16 << 10));
    o.block = biased_run_left(b, &kept, &o.repaired, 0);
    o.fit = fits[0][stage];
    o.mean = malloc((size_t)b->hidden * sizeof *o.mean);
    bool attention = stage == PARE_STAGE_ATTENTION;
    o.error = biased_error(attention ? dense->middle : dense->out, attention ? o.block.middle : o.block.out, b->hidden,
                           o.mean);
    pare_selection_free(&kept);
    return o;
}

static void outcome_free(outcome *o) {
    biased_block_free(&o->block);
    free(o->mean);
    pare_repaired_free(&o->repaired);
}

/* The bias as it is now - as it was, [d]. */
static double *bias_change(const biased *b, const pare_repaired *repaired, pare_stage stage) {
    pare_role role = stage == PARE_STAGE_ATTENTION ? PARE_ROLE_O_BIAS : PARE_ROLE_DOWN_BIAS;
    size_t id = pare_tensor_id_in(&b->m.model->config, 0, role);
    const float *now = repaired->matrix[id];
    float *was = biased_values(&b->source, id);
    double *change = malloc((size_t)b->hidden * sizeof *change);
    assert_non_null(now);
    for (int64_t i = 0; i < b->hidden; i++)
        change[i] = (double)now[i] - (double)was[i];
    free(was);
    return change;
}

static void check_stage(const biased *b, pare_stage stage) {
    const pare_repair_options cut = {.keep_outputs = true}, bias = {.keep_outputs = true, .biases = true};
    const pare_repair_options plain = {.damping = 1e-2}, both = {.damping = 1e-2, .biases = true};
    biased_block dense = biased_run(b, &b->source, 0);
    outcome c = repair(b, stage, cut, &dense), o = repair(b, stage, bias, &dense);
    outcome p = repair(b, stage, plain, &dense), i = repair(b, stage, both, &dense);
    double *change = bias_change(b, &o.repaired, stage), size = sqrt(c.error / FAMILY_TOKENS);
    /* Sums of 96 products in fp32 are right to about 1e-5 of their size. */
    for (int64_t k = 0; k < b->hidden; k++) {
        assert_true(fabs(change[k] - c.mean[k]) < 1e-5 * size);
        assert_true(fabs(o.mean[k]) < 1e-5 * size);
        assert_true(fabs(i.mean[k]) < 1e-5 * size);
    }
    assert_true(biased_largest(p.mean, b->hidden) > 1e-3 * size);
    assert_true(o.error < c.error);
    assert_true(i.error < p.error && i.error < o.error);
    assert_close("error before", i.fit.output.before, c.error, 1e-4);
    assert_close("error after", i.fit.output.after, i.error, 1e-3);
    assert_true(i.fit.bias && o.fit.bias && !p.fit.bias && !o.fit.fitted);
    print_message("cut %.4g, bias %.4g, fitted %.4g, both %.4g\n", c.error, o.error, p.error, i.error);
    free(change);
    outcome_free(&c);
    outcome_free(&o);
    outcome_free(&p);
    outcome_free(&i);
    biased_block_free(&dense);
}

static void outputs_leave_no_mean_error(void **state) {
    (void)state;
    for (size_t i = 0; i < FAMILIES_WITH; i++) {
        biased b = biased_open(families_with[i].name);
        print_message("%s\n", families_with[i].name);
        check_stage(&b, PARE_STAGE_FFN);
        if (families_with[i].heads) check_stage(&b, PARE_STAGE_ATTENTION);
        biased_close(&b);
    }
}

/* With both streams, the mean of what the dense model has behind the stage is met by its share. */
static void targets_with_a_share_of_the_dense_model(void **state) {
    (void)state;
    biased b = biased_open("starcoder2");
    pare_selection kept = half_of(&b, PARE_STAGE_ATTENTION);
    pare_repair_job job = job_of(&b, (pare_repair_options){.damping = 1e-2, .biases = true, .alpha = 1.0});
    pare_stage_fit fits[8][PARE_STAGES];
    pare_repaired repaired;
    assert_int_equal(pare_repair_run(&job, &kept, &repaired, fits), PARE_OK);
    biased_block dense = biased_run(&b, &b.source, 1), left = biased_run_left(&b, &kept, &repaired, 1);
    double *mean = malloc((size_t)b.hidden * sizeof *mean);
    double error = biased_error(dense.out, left.out, b.hidden, mean);
    assert_true(biased_largest(mean, b.hidden) < 1e-4 * sqrt(error / FAMILY_TOKENS));
    assert_close("error behind the second block", fits[1][PARE_STAGE_FFN].output.after, error, 1e-2);
    free(mean);
    biased_block_free(&dense);
    biased_block_free(&left);
    pare_repaired_free(&repaired);
    pare_selection_free(&kept);
    biased_close(&b);
}

/* Errors of what Q makes in the second block, whose inputs the first one has spoiled. */
static double reader_error(const biased *b, pare_repair_options options, pare_stage_fit *fit, double *states) {
    pare_selection kept = half_of(b, PARE_STAGE_FFN);
    pare_stage_fit fits[8][PARE_STAGES];
    pare_repaired repaired;
    pare_mask mask;
    pare_source source = b->source;
    int64_t rows = (int64_t)b->m.model->config.widths[1].heads * b->m.model->config.head_size;
    pare_repair_job job = job_of(b, options);
    assert_int_equal(pare_repair_run(&job, &kept, &repaired, fits), PARE_OK);
    biased_block dense = biased_run(b, &b->source, 1), left = biased_run_left(b, &kept, &repaired, 1);
    assert_int_equal(pare_mask_new(b->m.model, &kept, &repaired, &mask), PARE_OK);
    pare_mask_apply(&mask, &source);
    double *wanted = biased_outputs(&b->source, 1, PARE_ROLE_Q, dense.inputs[PARE_INPUT_QKV]);
    double *made = biased_outputs(&source, 1, PARE_ROLE_Q, left.inputs[PARE_INPUT_QKV]);
    double *mean = malloc((size_t)rows * sizeof *mean), error = biased_error(wanted, made, rows, mean);
    if (options.biases) assert_true(biased_largest(mean, rows) < 1e-4 * biased_largest(wanted, rows));
    *fit = fits[1][PARE_STAGE_ATTENTION];
    *states = biased_error(dense.inputs[PARE_INPUT_QKV], left.inputs[PARE_INPUT_QKV], b->hidden, NULL);
    free(wanted);
    free(made);
    free(mean);
    biased_block_free(&dense);
    biased_block_free(&left);
    pare_mask_free(&mask);
    pare_repaired_free(&repaired);
    pare_selection_free(&kept);
    return error;
}

static void readers_leave_no_mean_error(void **state) {
    (void)state;
    static const char *const names[] = {"qwen2", "gpt2", "starcoder2", "llama biases"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (int held_out = 0; held_out < 2; held_out++) {
            biased b = biased_open(names[i]);
            pare_repair_options options = {
                .keep_outputs = true, .beta = 1.0, .reader_damping = 0.1, .held_out = held_out};
            pare_stage_fit plain, biased_fit;
            double states, error = reader_error(&b, options, &plain, &states), with;
            assert_close("states", plain.readers.before, states, 1e-4);
            options.biases = true;
            with = reader_error(&b, options, &biased_fit, &states);
            assert_close("states", biased_fit.readers.before, states, 1e-4);
            assert_true(biased_fit.readers.after < biased_fit.readers.before);
            print_message("%s: %.4g, with biases %.4g; readers %.4g, %.4g\n", names[i], error, with,
                          plain.readers.after, biased_fit.readers.after);
            /* Halves may choose another damping; and where outputs have biases, readers see other states. */
            assert_true(held_out || (with < error && biased_fit.readers.after < plain.readers.after));
            assert_true(strcmp(names[i], "qwen2") || with < error);
            biased_close(&b);
        }
}

/* Channels of the hidden state that go get nothing from the biases of outputs: what the last stage was fitted by is
 * what the pruned model has there. */
static void check_channels(bool biases) {
    enum { LEFT = 24 };
    biased b = biased_open("llama biases");
    pare_selection kept;
    assert_int_equal(pare_selection_all(b.m.model, &kept), PARE_OK);
    kept.hidden = LEFT;
    assert_int_equal(pare_alloc(&kept.hidden_channel, LEFT, sizeof(uint32_t), "channels"), PARE_OK);
    for (uint32_t i = 0; i < LEFT; i++)
        kept.hidden_channel[i] = i + i / 3;
    pare_repair_job job = job_of(
        &b,
        (pare_repair_options){.damping = 1e-2, .reader_damping = 1e-2, .biases = biases, .alpha = 1.0, .beta = 1.0});
    pare_stage_fit fits[8][PARE_STAGES];
    pare_repaired repaired;
    assert_int_equal(pare_repair_run(&job, &kept, &repaired, fits), PARE_OK);
    biased_block dense = biased_run(&b, &b.source, 1), left = biased_run_left(&b, &kept, &repaired, 1);
    double error = 0.0;
    for (int64_t t = 0; t < FAMILY_TOKENS; t++)
        for (int64_t i = 0, k = 0; i < b.hidden; i++) {
            bool here = k < LEFT && kept.hidden_channel[k] == i;
            double difference = dense.out[t * b.hidden + i] - left.out[t * b.hidden + i];
            k += here;
            if (here) error += difference * difference;
            if (!here) assert_true(fabs(left.out[t * b.hidden + i]) < 1e-6);
        }
    assert_close("error behind the second block", fits[1][PARE_STAGE_FFN].output.after, error, 1e-5);
    biased_block_free(&dense);
    biased_block_free(&left);
    pare_repaired_free(&repaired);
    pare_selection_free(&kept);
    biased_close(&b);
}

static void removed_channels_get_no_bias(void **state) {
    (void)state;
    check_channels(false);
    check_channels(true);
}

/* A model without biases is repaired the same, to the bit. */
static void without_biases_nothing_changes(void **state) {
    (void)state;
    biased b = biased_open("llama");
    pare_repair_options options = {
        .alpha = 0.5, .beta = 1.0, .damping = 1e-2, .reader_damping = 1e-2, .held_out = true};
    pare_repaired repaired[2];
    for (int i = 0; i < 2; i++) {
        pare_selection kept = half_of(&b, PARE_STAGE_FFN);
        pare_stage_fit fits[8][PARE_STAGES];
        options.biases = i;
        pare_repair_job job = job_of(&b, options);
        assert_int_equal(pare_repair_run(&job, &kept, &repaired[i], fits), PARE_OK);
        pare_selection_free(&kept);
    }
    assert_int_equal(repaired[0].used, repaired[1].used);
    assert_true(repaired[0].used > 0);
    assert_memory_equal(repaired[0].memory.data, repaired[1].memory.data, repaired[0].used);
    pare_repaired_free(&repaired[0]);
    pare_repaired_free(&repaired[1]);
    biased_close(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_leave_no_mean_error),    cmocka_unit_test(targets_with_a_share_of_the_dense_model),
        cmocka_unit_test(readers_leave_no_mean_error),    cmocka_unit_test(removed_channels_get_no_bias),
        cmocka_unit_test(without_biases_nothing_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
