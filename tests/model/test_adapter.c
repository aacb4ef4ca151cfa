/* Adapters against weights that hold the same displacement; micro-batches; how far down a backward goes. */
#include "support/memory.h"
#include "tiny_adapters.h"

static const tiny_model odd = {
    .layers = 3, .hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .scale = 0.2};

/* keep * (W + scale B A) - W */
static float *displacement_of(const tiny_adapters *t, size_t id) {
    const pare_tensor *tensor = t->of->model->tensors[id];
    float *out = malloc(tensor->count * sizeof *out), *stored = malloc(tensor->count * sizeof *stored);
    pare_to_float(stored, tensor->data, tensor->dtype, tensor->count);
    for (int64_t row = 0; row < t->rows[id]; row++)
        for (int64_t column = 0; column < t->columns[id]; column++) {
            size_t at = (size_t)(row * t->columns[id] + column);
            double sum = 0.0, keep = t->keep[id] ? (double)t->keep[id][row] : 1.0, w = (double)stored[at];
            for (int64_t r = 0; r < t->list[id].rank; r++)
                sum += (double)t->b[id][row * t->list[id].rank + r] * (double)t->a[id][r * t->columns[id] + column];
            out[at] = (float)(keep * (w + (double)t->all.scale * sum) - w);
        }
    free(stored);
    return out;
}

/* What the chain rule makes of dL/d(keep * (W + scale B A)). */
typedef struct chain {
    float *da[128], *db[128];
} chain;

static void chain_of(const tiny_adapters *t, const tiny_gradients *of, chain *out) {
    *out = (chain){0};
    for (size_t id = 0; id < of->count; id++) {
        int64_t rank = t->list[id].rank, rows = t->rows[id], columns = t->columns[id];
        if (!rank) continue;
        float *da = out->da[id] = calloc((size_t)(rank * columns), sizeof *da);
        float *db = out->db[id] = calloc((size_t)(rank * rows), sizeof *db);
        for (int64_t row = 0; row < rows; row++)
            for (int64_t column = 0; column < columns; column++)
                for (int64_t r = 0; r < rank; r++) {
                    float keep = t->keep[id] ? t->keep[id][row] : 1.0f;
                    float g = t->all.scale * of->of[id][row * columns + column] * keep;
                    da[r * columns + column] += t->b[id][row * rank + r] * g;
                    db[row * rank + r] += g * t->a[id][r * columns + column];
                }
    }
}

static void chain_free(chain *c) {
    for (size_t id = 0; id < 128; id++) {
        free(c->da[id]);
        free(c->db[id]);
    }
}

/* The mean distance of dA and dB from the expected ones. */
static double mean_distance(const tiny_adapters *t, float *const da[128], float *const db[128], const chain *expected) {
    double sum = 0.0, count = 0.0;
    for (size_t id = 0; id < t->of->model->tensor_count; id++) {
        if (!expected->da[id]) continue;
        sum += tiny_distance(da[id], expected->da[id], (size_t)(t->list[id].rank * t->columns[id]));
        sum += tiny_distance(db[id], expected->db[id], (size_t)(t->list[id].rank * t->rows[id]));
        count += 2.0;
    }
    return sum / count;
}

/* Loss of the model whose weights hold what the adapters do, and gradients by the chain rule. */
static double displaced(const tiny_pass *t, const tiny_adapters *adapters, chain *gradients) {
    float *displacement[128] = {0};
    tiny_gradients of_weights;
    for (size_t id = 0; id < t->model->tensor_count; id++)
        if (adapters->list[id].rank) displacement[id] = displacement_of(adapters, id);
    pare_source source = {.model = t->model, .backend = t->backend, .displacement = displacement};
    double loss = tiny_pass_gradients(t, &source, 0, -1, &of_weights);
    chain_of(adapters, &of_weights, gradients);
    for (size_t id = 0; id < t->model->tensor_count; id++)
        free(displacement[id]);
    tiny_gradients_free(&of_weights);
    return loss;
}

static void check_fp32(int64_t length, bool kept) {
    tiny_pass t = tiny_pass_open(odd, 2, length, 1);
    tiny_adapters adapters;
    tiny_adapters_new(&adapters, &t, 3, 0.0f, kept);
    pare_source plain = {.model = t.model, .backend = t.backend};
    chain expected;
    double expected_loss = displaced(&t, &adapters, &expected);
    double loss = tiny_adapters_gradients(&adapters, &plain, 0);
    double distance = mean_distance(&adapters, adapters.da, adapters.db, &expected);
    print_message("loss off by %.2g, gradients by %.2g\n", loss - expected_loss, distance);
    assert_true(fabs(loss - expected_loss) < 2e-6);
    assert_true(distance < 2e-5);
    chain_free(&expected);
    tiny_adapters_free(&adapters);
    tiny_pass_close(&t);
}

/* Both are held against fp32, with adapters that bf16 holds exactly. */
static void check_bf16(int64_t length) {
    tiny_pass t = tiny_pass_open(odd, 2, length, 1), precise = t;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_BF16, 1, &t.backend), PARE_OK);
    tiny_adapters adapters;
    tiny_adapters_new(&adapters, &t, 3, 0.0f, false);
    pare_source plain = {.model = t.model, .backend = t.backend};
    chain truth, rounded;
    double true_loss = displaced(&precise, &adapters, &truth), rounded_loss = displaced(&t, &adapters, &rounded);
    double loss = tiny_adapters_gradients(&adapters, &plain, 0);
    double distance = mean_distance(&adapters, adapters.da, adapters.db, &truth);
    double allowed = mean_distance(&adapters, rounded.da, rounded.db, &truth);
    print_message("loss off by %.2g (displaced weights: %.2g), gradients by %.2g (%.2g)\n", loss - true_loss,
                  rounded_loss - true_loss, distance, allowed);
    assert_true(fabs(loss - true_loss) < 1e-2);
    assert_true(distance < 1.25 * allowed && distance < 0.1);
    chain_free(&truth);
    chain_free(&rounded);
    tiny_adapters_free(&adapters);
    pare_backend_close(precise.backend);
    tiny_pass_close(&t);
}

/* Single roundings of 2^-24, a few dozen terms each, through three blocks. */
static void fp32_is_the_displaced_model(void **state) {
    (void)state;
    check_fp32(9, false);
    check_fp32(40, false);
}

static void output_factors_act_on_the_whole_layer(void **state) {
    (void)state;
    check_fp32(9, true);
    check_fp32(40, true);
}

/* Operands are rounded to 2^-9 in both, in the displaced model the sums of weights and displacements, too: adapters
 * lose no more than a quarter above what these lose. */
static void bf16_loses_what_displaced_weights_lose(void **state) {
    (void)state;
    check_bf16(9);
    check_bf16(40);
}

static void micro_batches_change_rounding_only(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, 3, 30, 2);
    pare_source source = {.model = t.model, .backend = t.backend};
    tiny_adapters whole, parts;
    tiny_adapters_new(&whole, &t, 3, 0.3f, true);
    tiny_adapters_new(&parts, &t, 3, 0.3f, true);
    double expected = tiny_adapters_gradients(&whole, &source, 3); /* by feature */
    for (int64_t micro = 1; micro < 3; micro++) {                  /* by token */
        assert_true(fabs(tiny_adapters_gradients(&parts, &source, micro) - expected) < 2e-6);
        for (size_t id = 0; id < t.model->tensor_count; id++) {
            if (!whole.list[id].rank) continue;
            assert_true(tiny_distance(parts.da[id], whole.da[id], (size_t)(whole.list[id].rank * whole.columns[id])) <
                        2e-5);
            assert_true(tiny_distance(parts.db[id], whole.db[id], (size_t)(whole.list[id].rank * whole.rows[id])) <
                        2e-5);
        }
    }
    parts.all.draw++;
    assert_true(fabs(tiny_adapters_gradients(&parts, &source, 3) - expected) > 1e-4);
    tiny_adapters_free(&whole);
    tiny_adapters_free(&parts);
    tiny_pass_close(&t);
}

static void gradients_are_added_and_repeat_to_the_bit(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, 2, 40, 2);
    pare_source source = {.model = t.model, .backend = t.backend};
    tiny_adapters one, two;
    tiny_adapters_new(&one, &t, 3, 0.3f, false);
    tiny_adapters_new(&two, &t, 3, 0.3f, false);
    assert_true(tiny_adapters_gradients(&one, &source, 0) == tiny_adapters_gradients(&two, &source, 0));
    pare_pass_shape shape = {.sequences = 2, .length = 40, .gradients = true, .rank = 3, .dropout = true};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    pare_pass_adapt(pass, &two.all);
    assert_int_equal(pare_pass_gradient(pass, &source, t.ids, NULL, &loss), PARE_OK);
    for (size_t id = 0; id < t.model->tensor_count; id++)
        for (int64_t i = 0; one.list[id].rank && i < one.list[id].rank * one.columns[id]; i++)
            assert_true(fabsf(two.da[id][i] - 2.0f * one.da[id][i]) <= 1e-5f + 1e-4f * fabsf(one.da[id][i]));
    pare_pass_free(pass);
    tiny_adapters_free(&one);
    tiny_adapters_free(&two);
    tiny_pass_close(&t);
}

typedef struct steps {
    uint64_t done, total;
} steps;

static pare_status count_step(void *context, uint64_t done, uint64_t total) {
    *(steps *)context = (steps){done, total};
    return PARE_OK;
}

/* With gradients of one role of the middle layer only: these are what they are with all, and nothing below is run. */
static void check_lowest(int role, bool only_b) {
    tiny_pass t = tiny_pass_open(odd, 2, 9, 1);
    pare_source source = {.model = t.model, .backend = t.backend};
    size_t id = pare_tensor_id(1, (pare_role)role);
    tiny_adapters all, one;
    tiny_adapters_new(&all, &t, 3, 0.3f, false);
    tiny_adapters_new(&one, &t, 3, 0.3f, false);
    tiny_adapters_gradients(&all, &source, 0);
    for (size_t other = 0; other < t.model->tensor_count; other++) {
        if (other != id || only_b) one.list[other].da = NULL;
        if (other != id) one.list[other].db = NULL;
    }
    pare_pass_shape shape = {
        .sequences = 2, .length = 9, .gradients = true, .frozen = true, .rank = 3, .dropout = true, .micro_batch = 1};
    pare_pass *pass;
    steps seen = {0};
    double loss;
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    pare_pass_adapt(pass, &one.all);
    pare_pass_on_step(pass, count_step, &seen);
    assert_int_equal(pare_pass_gradient(pass, &source, t.ids, NULL, &loss), PARE_OK);
    assert_int_equal(seen.total, 3 + 2);
    assert_int_equal(seen.done, seen.total);
    assert_true(tiny_distance(one.db[id], all.db[id], (size_t)(3 * one.rows[id])) < 2e-5 || role == PARE_ROLE_GATE);
    if (!only_b) assert_true(tiny_distance(one.da[id], all.da[id], (size_t)(2 * one.columns[id])) < 2e-5);
    for (size_t other = 0; other < t.model->tensor_count; other++)
        for (int64_t i = 0; other != id && one.da[other] && i < one.columns[other]; i++)
            assert_true(one.da[other][i] == 0.0f);
    pare_pass_free(pass);
    tiny_adapters_free(&all);
    tiny_adapters_free(&one);
    tiny_pass_close(&t);
}

static void a_backward_stops_at_the_lowest_adapter(void **state) {
    (void)state;
    check_lowest(PARE_ROLE_Q, false);
    check_lowest(PARE_ROLE_V, true);
    check_lowest(PARE_ROLE_DOWN, true);
}

static void what_has_no_room_is_refused(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, 2, 9, 1);
    pare_source source = {.model = t.model, .backend = t.backend};
    tiny_adapters adapters;
    tiny_adapters_new(&adapters, &t, 3, 0.3f, false);
    pare_pass_shape shape = {.sequences = 2, .length = 9, .rank = 2, .dropout = true};
    for (int wrong = 0; wrong < 4; wrong++) {
        pare_pass *pass;
        shape.rank = wrong == 0 ? 2 : 3;
        shape.dropout = wrong != 1;
        adapters.all.dropout = wrong == 2 ? 1.0f : wrong == 3 ? NAN : 0.3f;
        assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
        pare_pass_adapt(pass, &adapters.all);
        assert_int_equal(pare_pass_forward(pass, &source, t.ids, 2), PARE_BAD_ARGUMENT);
        pare_pass_adapt(pass, NULL);
        assert_int_equal(pare_pass_forward(pass, &source, t.ids, 2), PARE_OK);
        pare_pass_free(pass);
    }
    tiny_adapters_free(&adapters);
    tiny_pass_close(&t);
}

/* The plan of a pass with adapters is what it holds. */
static void memory_is_what_was_measured(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, 3, 30, 1);
    pare_pass_shape shape = {
        .sequences = 3, .length = 30, .gradients = true, .rank = 3, .dropout = true, .micro_batch = 2, .frozen = true};
    pare_pass_memory adapted, bare;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &adapted), PARE_OK);
    uint64_t before = pare_memory_current();
    pare_pass *pass;
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    uint64_t with = pare_memory_current() - before;
    pare_pass_free(pass);
    assert_int_equal(pare_memory_current(), before);
    shape.rank = 0;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &bare), PARE_OK);
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    uint64_t without = pare_memory_current() - before;
    pare_pass_free(pass);
    /* 60 tokens: low and dlow of seven roles, one product in floats, dropped: 61 by 25 */
    assert_int_equal(adapted.activations - bare.activations, 15 * 3 * 60 * 4 + 61 * 25 * 4);
    assert_int_equal(adapted.gradients, 0);
    assert_int_equal(with - without, adapted.activations - bare.activations);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp32_is_the_displaced_model),
        cmocka_unit_test(output_factors_act_on_the_whole_layer),
        cmocka_unit_test(bf16_loses_what_displaced_weights_lose),
        cmocka_unit_test(micro_batches_change_rounding_only),
        cmocka_unit_test(gradients_are_added_and_repeat_to_the_bit),
        cmocka_unit_test(a_backward_stops_at_the_lowest_adapter),
        cmocka_unit_test(what_has_no_room_is_refused),
        cmocka_unit_test(memory_is_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
