/* Rates of this machine for a model's shapes: of kinds that there is work of, and of no others; whatever they are, it
 * takes a moment. */
#include "evaluate/expected.h"
#include "golden.h"
#include "tiny_model.h"

static const tiny_model small = {.layers = 2, .hidden = 64, .heads = 4, .head_size = 16, .ffn = 128, .scale = 0.1};

typedef struct scene {
    char *folder;
    pare_model *model;
    pare_backend *backend;
} scene;

static int set_up(void **state) {
    static scene s;
    s.folder = tiny_model_write(small);
    assert_int_equal(pare_model_open(s.folder, &s.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &s.backend), PARE_OK);
    *state = &s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    pare_backend_close(s->backend);
    pare_model_close(s->model);
    tiny_remove(s->folder);
    free(s->folder);
    return 0;
}

static bool near(double a, double b) {
    return fabs(a - b) <= 1e-9 * fabs(b);
}

static void kinds_that_are_needed(void **state) {
    const scene *s = *state;
    for (int kind = 0; kind < PARE_WORK_KINDS; kind++) {
        pare_work work = {{0}};
        pare_rates rates;
        work.amount[kind] = 1.0;
        pare_rates_request request = {.model = s->model, .backend = s->backend, .length = 16, .work = &work};
        assert_int_equal(pare_rates_measure(&request, &rates), PARE_OK);
        assert_true(rates.per_second[kind] > 0.0 && rates.per_second[kind] < 1e16);
        if (kind != PARE_WORK_SINGLE) assert_true(rates.per_second[PARE_WORK_SINGLE] == 0.0);
        if (kind != PARE_WORK_DOUBLE) assert_true(rates.per_second[PARE_WORK_DOUBLE] == 0.0);
        if (kind != PARE_WORK_DECODING) assert_true(rates.per_second[PARE_WORK_DECODING] == 0.0);
    }
}

/* Products have outputs where the first layer has no FFN. */
static void without_an_ffn(void **state) {
    const scene *s = *state;
    pare_work work = {{[PARE_WORK_PRODUCTS] = 1.0}};
    pare_rates rates;
    pare_rates_request request = {.model = s->model, .backend = s->backend, .length = 16, .work = &work};
    pare_widths *first = &s->model->config.widths[0];
    uint32_t channels = first->ffn;
    first->ffn = 0;
    pare_status status = pare_rates_measure(&request, &rates);
    first->ffn = channels;
    assert_int_equal(status, PARE_OK);
    assert_true(rates.per_second[PARE_WORK_PRODUCTS] > 0.0 && rates.per_second[PARE_WORK_PRODUCTS] < 1e16);
}

/* Stages of one name together, in the order in which they came; what is little is not measured, so that it says the
 * same every time. */
static void little_work_goes_by_assumed_rates(void **state) {
    const scene *s = *state;
    pare_expected expected = {0};
    pare_work work = {{[PARE_WORK_DOUBLE] = 1e6}}, other = {{[PARE_WORK_BLOCKS] = 1e6}};
    pare_rates rates = pare_rates_assumed();
    pare_plan plan = {0};
    pare_expected_plan(&expected, &plan);
    assert_int_equal(plan.stage_count, 0);
    pare_expected_add(&expected, "one", &work, 2.0);
    pare_expected_add(&expected, "two", &other, 1.0);
    pare_expected_add(&expected, "one", &other, 1.0);
    assert_int_equal(pare_expected_measure(&expected, s->model, s->backend, 16, 0), PARE_OK);
    pare_expected_plan(&expected, &plan);
    assert_int_equal(plan.stage_count, 2);
    assert_string_equal(plan.stages[0].name, "one");
    double two = 1e6 / rates.per_second[PARE_WORK_BLOCKS];
    assert_true(near(plan.stages[0].seconds, 2e6 / rates.per_second[PARE_WORK_DOUBLE] + two));
    assert_true(near(plan.stages[1].seconds, two));
}

/* A limit that has no room for a measurement. */
static void without_room_nothing_is_measured(void **state) {
    const scene *s = *state;
    pare_expected expected = {0};
    pare_work work = {{[PARE_WORK_DOUBLE] = 1e15}};
    pare_rates rates = pare_rates_assumed();
    pare_expected_add(&expected, "one", &work, 1.0);
    assert_int_equal(pare_expected_measure(&expected, s->model, s->backend, 16, 1 << 20), PARE_OK);
    assert_true(near(expected.times[0].seconds, 1e15 / rates.per_second[PARE_WORK_DOUBLE]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_that_are_needed),
        cmocka_unit_test(without_an_ffn),
        cmocka_unit_test(little_work_goes_by_assumed_rates),
        cmocka_unit_test(without_room_nothing_is_measured),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
