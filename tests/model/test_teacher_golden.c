/* A lesson of the bundled model against torch's autograd in fp64 (tests/oracle/teacher.py): the student is the same
 * model with every down_proj halved. */
#include "model/teacher.h"
#include "tiny_pass.h"

#define GOLDEN PARE_SOURCE_DIR "/tests/data/teacher.json"

typedef struct lesson {
    json_t *golden;
    pare_model *model;
    pare_backend *backend;
    int64_t sequences, length;
    uint32_t *ids;
    float **displacement; /* -W / 2 */
} lesson;

static double number(const lesson *l, const char *name) {
    return json_number_value(json_object_get(l->golden, name));
}

static void read_ids(lesson *l) {
    json_t *root = load_json(BUNDLED_GOLDEN), *rows = json_object_get(root, "ids");
    l->sequences = (int64_t)number(l, "sequences");
    l->length = (int64_t)number(l, "length");
    l->ids = calloc((size_t)(l->sequences * l->length), sizeof *l->ids);
    for (int64_t i = 0; i < l->sequences * l->length; i++)
        l->ids[i] = (uint32_t)json_integer_value(
            json_array_get(json_array_get(rows, (size_t)(i / l->length)), (size_t)(i % l->length)));
    json_decref(root);
}

static lesson lesson_open(pare_compute compute) {
    lesson l = {.golden = load_json(GOLDEN)};
    read_ids(&l);
    assert_int_equal(pare_model_open(BUNDLED_MODEL, &l.model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(compute, 1, &l.backend), PARE_OK);
    l.displacement = calloc(l.model->tensor_count, sizeof *l.displacement);
    for (uint32_t layer = 0; layer < l.model->config.layers; layer++) {
        size_t id = pare_tensor_id(layer, PARE_ROLE_DOWN);
        const pare_tensor *tensor = l.model->tensors[id];
        l.displacement[id] = calloc(tensor->count, sizeof(float));
        pare_tensor_values(tensor, 0, tensor->count, l.displacement[id]);
        for (size_t i = 0; i < tensor->count; i++)
            l.displacement[id][i] *= -0.5f;
    }
    return l;
}

static void lesson_close(lesson *l) {
    for (size_t id = 0; id < l->model->tensor_count; id++)
        free(l->displacement[id]);
    free(l->displacement);
    free(l->ids);
    json_decref(l->golden);
    pare_model_close(l->model);
    pare_backend_close(l->backend);
}

static void expect_near(const char *what, double value, double expected, double share) {
    if (!(fabs(value - expected) <= share * fabs(expected))) fail_msg("%s: %.9g, not %.9g", what, value, expected);
}

/* share: what is allowed to differ, of each number. */
static void check(pare_compute compute, double share, double same) {
    lesson l = lesson_open(compute);
    tiny_gradients g = {.count = l.model->tensor_count};
    pare_source source = {.model = l.model, .backend = l.backend, .displacement = l.displacement};
    pare_pass_shape shape = {
        .sequences = l.sequences, .length = l.length, .gradients = true, .composed = true, .taught = true};
    pare_pass_shape of = pare_model_teacher_shape(&shape);
    pare_gradient_sink sink = {.wants = tiny_wants, .rows = tiny_rows, .context = &g};
    double loss, ce = number(&l, "ce_weight"), kd = number(&l, "kd_weight");
    double predictions = (double)(l.sequences * (l.length - 1));
    pare_model_teacher *teacher;
    pare_pass *pass;
    const json_t *sizes = json_object_get(l.golden, "gradient_l2");
    size_t compared = 0;
    for (size_t id = 0; id < g.count; id++)
        g.of[id] = calloc(l.model->tensors[id]->count, sizeof(float));
    assert_int_equal(pare_pass_new(l.model, l.backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_model_teacher_new(l.model, l.backend, &of, ce, kd, &teacher), PARE_OK);
    pare_pass_teach(pass, pare_model_teacher_of(teacher));
    assert_int_equal(pare_pass_gradient(pass, &source, l.ids, &sink, &loss), PARE_OK);
    pare_taught taught = pare_pass_taught(pass);
    expect_near("cross-entropy", taught.ce, number(&l, "ce"), share);
    expect_near("divergence", taught.kl, number(&l, "kl"), share);
    expect_near("loss", loss, (ce * number(&l, "ce") + kd * number(&l, "kl")) / predictions, share);
    assert_true(fabs(taught.same - number(&l, "same")) <= same);
    for (size_t id = 0; id < g.count; id++) {
        const pare_tensor *tensor = l.model->tensors[id];
        double squares = 0.0;
        const json_t *golden = json_object_get(sizes, tensor->name);
        if (!golden) continue;
        compared++;
        for (size_t i = 0; i < tensor->count; i++)
            squares += (double)g.of[id][i] * (double)g.of[id][i];
        expect_near(tensor->name, sqrt(squares), json_number_value(golden), share);
    }
    assert_true(compared > 0);
    assert_int_equal(compared, json_object_size(sizes));
    tiny_gradients_free(&g);
    pare_pass_free(pass);
    pare_model_teacher_free(teacher);
    lesson_close(&l);
}

/* Sums of a few hundred fp32 products. */
static void single_precision(void **state) {
    (void)state;
    check(PARE_COMPUTE_FP32, 2e-4, 0);
}

/* Operands of 8 bits: a prediction or two of nearly equal ids may turn. */
static void half_precision(void **state) {
    (void)state;
    check(PARE_COMPUTE_BF16, 5e-2, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_precision), cmocka_unit_test(half_precision)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
