/* Gates that are learnt: gradients by differences, six steps of DDP against torch (tests/oracle/gates.py), what is left
 * of a run that is taken up, and the schedule. */
#include "model/teacher.h"
#include "tiny_slopes.h"
#include "train/gate_penalty.h"

#define GOLDEN PARE_SOURCE_DIR "/tests/data/gates.json"

static pare_gates_options all_layers(const pare_model *model, bool query_heads) {
    pare_layer_range all = {0, model->config.layers};
    return (pare_gates_options){.attention = all, .ffn = all, .query_heads = query_heads, .seed = 3};
}

/* Groups of several query heads, layers of several widths, odd widths, half of the weights zero. */
static void gradients_are_those_of_the_loss(void **state) {
    (void)state;
    static const pare_widths widths[] = {{4, 2, 13}, {2, 2, 9}, {6, 3, 301}};
    for (int query = 0; query < 2; query++) {
        tiny_pass t = tiny_trained_open((tiny_model){.layers = 3,
                                                     .hidden = 10,
                                                     .heads = 4,
                                                     .head_size = 6,
                                                     .scale = 1.0,
                                                     .widths = widths,
                                                     .dtype = PARE_DTYPE_BF16},
                                        true, 3, 9);
        pare_gates_options options = all_layers(t.model, query);
        pare_trained *gates;
        size_t count;
        expect(pare_trained_gates(t.model, t.backend, &options, &gates), PARE_OK, "");
        tiny_move(gates, 0.2f);
        slopes s = slopes_open(&t, gates);
        const pare_gate_part *parts = pare_gate_parts(gates, &count);
        assert_int_equal(count, 6);
        for (size_t i = 0; i < count; i++)
            check_slope(&s, parts[i].first, parts[i].units, t.model->tensors[parts[i].output]->name);
        check_gradients_add_up(&s);
        slopes_close(&s);
        tiny_pass_close(&t);
    }
}

/* Layers out of range have none, and a gate below zero is closed, but its gradient is there. */
static void only_what_is_asked_for_has_gates(void **state) {
    (void)state;
    tiny_pass t = tiny_trained_open((tiny_model){.layers = 3}, false, 2, 6);
    pare_gates_options options = {.attention = {0, 1}, .ffn = {1, 3}, .seed = 1};
    pare_trained *gates;
    size_t count;
    expect(pare_trained_gates(t.model, t.backend, &options, &gates), PARE_OK, "");
    const pare_gate_part *parts = pare_gate_parts(gates, &count);
    assert_int_equal(count, 3);
    assert_int_equal(gates->count, 4 + 2 * 24);
    for (size_t i = 0; i < gates->count; i++)
        assert_true(fabsf(gates->value[i] - 1.0f) > 0.0f && fabsf(gates->value[i] - 1.0f) < 0.06f);
    gates->value[parts[1].first] = -7.0f;
    expect(gates->refresh(gates), PARE_OK, "");
    assert_true(gates->value[parts[1].first] >= PARE_GATE_LEAST && gates->value[parts[1].first] < 0.0f);
    float *down = tiny_merged(gates, parts[1].output, 5);
    for (int row = 0; row < 16; row++)
        for (int column = 0; column < 24; column++) {
            double stored = stored_at(t.model->tensors[parts[1].output], (size_t)(row * 24 + column));
            float z = fmaxf(gates->value[parts[1].first + (size_t)column], 0.0f);
            assert_true(fabs((double)down[row * 24 + column] - stored * (double)z) <= 1e-6 * fabs(stored));
        }
    free(down);
    assert_true(gates->changes(gates, parts[1].output) && !gates->changes(gates, pare_tensor_id(0, PARE_ROLE_DOWN)));
    double loss;
    pare_pass *pass = tiny_trained_pass(&t, true);
    memset(gates->gradient, 0, gates->count * sizeof(float));
    expect(pare_pass_gradient(pass, &gates->source, t.ids, gates->sink, &loss), PARE_OK, "");
    assert_true(fabsf(gates->gradient[parts[1].first]) > 0.0f);
    pare_pass_free(pass);
    pare_trained_free(gates);
    tiny_pass_close(&t);
}

/* A run of the bundled model. */
typedef struct run {
    json_t *golden;
    pare_model *model;
    pare_backend *backend;
    uint32_t *ids;
    pare_trained *gates;
    pare_pass *pass;
    pare_model_teacher *teacher;
    pare_gate_penalty penalty;
    pare_adamw optimizer;
    pare_schedule schedule;
} run;

static int64_t whole(const run *r, const char *name) {
    return (int64_t)json_integer_value(json_object_get(r->golden, name));
}

static void read_ids(run *r) {
    json_t *root = load_json(BUNDLED_GOLDEN), *rows = json_object_get(root, "ids");
    int64_t sequences = whole(r, "sequences"), length = whole(r, "length");
    r->ids = calloc((size_t)(sequences * length), sizeof *r->ids);
    for (int64_t i = 0; i < sequences * length; i++)
        r->ids[i] = (uint32_t)json_integer_value(
            json_array_get(json_array_get(rows, (size_t)(i / length)), (size_t)(i % length)));
    json_decref(root);
}

/* One group, by parameters; seven tenths are to be left. */
static void open_penalty(run *r) {
    size_t count;
    const pare_gate_part *parts = pare_gate_parts(r->gates, &count);
    uint32_t *groups = calloc(count, sizeof *groups);
    double *weights = calloc(count, sizeof *weights), target = 0.7;
    for (size_t i = 0; i < count; i++)
        weights[i] = (double)parts[i].parameters;
    pare_gate_penalty_options options = {
        .schedule = r->schedule, .multiplier_rate = 2e-2, .square_rate = 4e-1, .mu_first = 0.5, .mu_last = 0.1};
    options.schedule.peak = 1.0;
    expect(pare_gate_penalty_new(&options, parts, count, groups, weights, &target, 1, &r->penalty), PARE_OK, "");
    free(groups);
    free(weights);
}

static run run_open(void) {
    run r = {.golden = load_json(GOLDEN),
             .schedule = {.peak = 2e-2, .warmup = 2, .decay = 4, .total = 6, .cosine = true}};
    read_ids(&r);
    assert_int_equal(pare_model_open(BUNDLED_MODEL, &r.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &r.backend), PARE_OK);
    pare_gates_options options = all_layers(r.model, false);
    expect(pare_trained_gates(r.model, r.backend, &options, &r.gates), PARE_OK, "");
    for (size_t i = 0; i < r.gates->count; i++)
        r.gates->value[i] = (float)(0.5 + 0.6 * cos((double)i));
    expect(r.gates->refresh(r.gates), PARE_OK, "");
    pare_pass_shape shape = {.sequences = whole(&r, "sequences"),
                             .length = whole(&r, "length"),
                             .gradients = true,
                             .composed = true,
                             .taught = true};
    pare_pass_shape of = pare_model_teacher_shape(&shape);
    expect(pare_pass_new(r.model, r.backend, &shape, &r.pass), PARE_OK, "");
    expect(pare_model_teacher_new(r.model, r.backend, &of, 1.0, 2.0, &r.teacher), PARE_OK, "");
    pare_pass_teach(r.pass, pare_model_teacher_of(r.teacher));
    expect(pare_adamw_new(r.gates->count, 0.9, 0.999, 1e-8, 0.0, &r.optimizer), PARE_OK, "");
    open_penalty(&r);
    return r;
}

static void run_close(run *r) {
    pare_gate_penalty_free(&r->penalty);
    pare_adamw_free(&r->optimizer);
    pare_pass_free(r->pass);
    pare_model_teacher_free(r->teacher);
    pare_trained_free(r->gates);
    pare_backend_close(r->backend);
    pare_model_close(r->model);
    free(r->ids);
    json_decref(r->golden);
}

static double norm_of(const pare_trained *gates) {
    double sum = 0.0;
    for (size_t i = 0; i < gates->count; i++)
        sum += (double)gates->gradient[i] * (double)gates->gradient[i];
    return sqrt(sum);
}

static void near(double value, double expected, double allowed, const char *what) {
    if (!(fabs(value - expected) <= allowed)) fail_msg("%s: %.9g, not %.9g", what, value, expected);
}

static double number(const json_t *json, const char *name) {
    return json_number_value(json_object_get(json, name));
}

/* The pass is fp32 and sums 5e5 products; AdamW divides a gradient by its own size, so that an error of 1e-5 of it
 * moves z by as little of a step. */
static void check_step(run *r, uint64_t step) {
    const json_t *expected = json_array_get(json_object_get(r->golden, "steps"), (size_t)step);
    double loss;
    memset(r->gates->gradient, 0, r->gates->count * sizeof(float));
    expect(pare_pass_gradient(r->pass, &r->gates->source, r->ids, r->gates->sink, &loss), PARE_OK, "");
    near(loss, number(expected, "loss"), 2e-5 * loss, "loss");
    near(norm_of(r->gates), number(expected, "loss_gradient"), 1e-4 * number(expected, "loss_gradient"), "norm of dL");
    pare_gate_penalty_step(&r->penalty, step, r->gates->value, r->gates->gradient);
    near(r->penalty.left, number(expected, "left"), 1e-5, "share");
    near(r->penalty.mixed, number(expected, "mixed"), 1e-5, "undecided");
    near(norm_of(r->gates), number(expected, "gradient"), 1e-4 * number(expected, "gradient"), "norm of all");
    const json_t *first = json_object_get(expected, "first_gradients");
    for (size_t i = 0; i < json_array_size(first); i++)
        near((double)r->gates->gradient[i], json_number_value(json_array_get(first, i)), 1e-4, "gradient of a gate");
    pare_adamw_step(&r->optimizer, pare_schedule_rate(&r->schedule, step), r->gates->gradient, r->gates->value);
    expect(r->gates->refresh(r->gates), PARE_OK, "");
}

static void six_steps_are_those_of_torch(void **state) {
    (void)state;
    run r = run_open();
    for (uint64_t step = 0; step < 6; step++)
        check_step(&r, step);
    const json_t *z = json_object_get(r.golden, "z"), *multipliers = json_object_get(r.golden, "multipliers");
    for (size_t i = 0; i < json_array_size(z); i++)
        near((double)r.gates->value[i], json_number_value(json_array_get(z, i)), 2e-4, "z");
    for (size_t i = 0; i < 3; i++)
        near((double)r.penalty.multipliers[i], json_number_value(json_array_get(multipliers, i)), 2e-4, "multiplier");
    int64_t closed = 0;
    for (size_t i = 0; i < r.gates->count; i++)
        closed += !(r.gates->value[i] > 0.0f);
    near((double)closed, (double)whole(&r, "closed"), 1.0, "closed gates");
    run_close(&r);
}

/* The multipliers go on as if they had never been put away; a file that ends early is refused. */
static void penalties_are_taken_up(void **state) {
    (void)state;
    run one = run_open(), two = run_open();
    char *text;
    size_t bytes;
    for (uint64_t step = 0; step < 3; step++)
        pare_gate_penalty_step(&one.penalty, step, one.gates->value, one.gates->gradient);
    FILE *file = open_memstream(&text, &bytes);
    expect(pare_gate_penalty_save(&one.penalty, file), PARE_OK, "");
    fclose(file);
    file = fmemopen(text, bytes, "rb");
    expect(pare_gate_penalty_load(&two.penalty, file), PARE_OK, "");
    fclose(file);
    pare_gate_penalty_step(&one.penalty, 3, one.gates->value, one.gates->gradient);
    pare_gate_penalty_step(&two.penalty, 3, one.gates->value, two.gates->gradient);
    assert_memory_equal(one.penalty.multipliers, two.penalty.multipliers, 3 * sizeof(float));
    file = fmemopen(text, bytes - 1, "rb");
    expect(pare_gate_penalty_load(&two.penalty, file), PARE_FORMAT_ERROR, "ends early");
    fclose(file);
    free(text);
    run_close(&one);
    run_close(&two);
}

/* eq. 12 to 14: 0 at 0, half at mu, 1 from 2 mu on, and the slope of what is not cut. */
static void retention_is_a_soft_step(void **state) {
    (void)state;
    const double mus[] = {0.5, 0.1, 0.05};
    for (int i = 0; i < 3; i++) {
        double mu = mus[i], slope, h = 1e-6;
        near(pare_gate_retention(-1.0, mu, NULL), 0.0, 1e-12, "closed");
        near(pare_gate_retention(mu, mu, &slope), 0.5, 1e-12, "half");
        near(pare_gate_retention(2.0 * mu, mu, NULL), 1.0, 1e-3, "open");
        double by_differences =
            (pare_gate_retention(mu + h, mu, NULL) - pare_gate_retention(mu - h, mu, NULL)) / (2.0 * h);
        near(slope, by_differences, 1e-5 * slope, "slope");
    }
    pare_gate_penalty_options options = {.schedule = {.total = 400}, .mu_first = 0.5, .mu_last = 0.1};
    near(pare_gate_mu(&options, 0), 0.5, 1e-12, "mu");
    near(pare_gate_mu(&options, 100), 0.3, 1e-12, "mu");
    near(pare_gate_mu(&options, 400), 0.1, 1e-12, "mu");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_loss), cmocka_unit_test(only_what_is_asked_for_has_gates),
        cmocka_unit_test(six_steps_are_those_of_torch),    cmocka_unit_test(penalties_are_taken_up),
        cmocka_unit_test(retention_is_a_soft_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
