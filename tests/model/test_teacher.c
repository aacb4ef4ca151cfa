/* Losses and gradients by a teacher: against the formula on whole rows of logits, against finite differences, and
 * nothing at all from a teacher who knows no more. The vocabulary is larger than one tile of the head. */
#include "distributions.h"
#include "model/teacher.h"
#include "tiny_pass.h"

enum { SEQUENCES = 3, LENGTH = 9, VOCABULARY = 4500 };

typedef struct lesson {
    tiny_pass student, teacher;
    pare_model_teacher *by;
    pare_pass *pass;
    pare_source source;
} lesson;

static const tiny_model tiny = {.vocabulary = VOCABULARY, .scale = 0.4},
                        wider = {
                            .vocabulary = VOCABULARY, .scale = 0.4, .seed = 5, .layers = 3, .hidden = 24, .ffn = 40};

static lesson lesson_open(tiny_model of_teacher, double ce, double kd) {
    lesson l = {.student = tiny_pass_open(tiny, SEQUENCES, LENGTH, 1),
                .teacher = tiny_pass_open(of_teacher, SEQUENCES, LENGTH, 1)};
    pare_pass_shape shape = {.sequences = SEQUENCES,
                             .length = LENGTH,
                             .gradients = true,
                             .composed = true,
                             .taught = true,
                             .micro_batch = 2};
    pare_pass_shape of = pare_model_teacher_shape(&shape);
    l.source = (pare_source){.model = l.student.model, .backend = l.student.backend};
    assert_int_equal(pare_pass_new(l.student.model, l.student.backend, &shape, &l.pass), PARE_OK);
    assert_int_equal(pare_model_teacher_new(l.teacher.model, l.student.backend, &of, ce, kd, &l.by), PARE_OK);
    pare_pass_teach(l.pass, pare_model_teacher_of(l.by));
    return l;
}

static void lesson_close(lesson *l) {
    pare_pass_free(l->pass);
    pare_model_teacher_free(l->by);
    tiny_pass_close(&l->student);
    tiny_pass_close(&l->teacher);
}

static double loss_of(const lesson *l, const pare_source *source) {
    double sum;
    assert_int_equal(pare_pass_forward(l->pass, source, l->student.ids, SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_loss(l->pass, source, NULL, &sum), PARE_OK);
    return sum;
}

static float *logits_of(const tiny_pass *t, const uint32_t *ids) {
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH};
    pare_source source = {.model = t->model, .backend = t->backend};
    float *logits = malloc((size_t)SEQUENCES * LENGTH * VOCABULARY * sizeof *logits);
    pare_pass *pass;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, ids, SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_logits(pass, &source, 0, (int64_t)SEQUENCES * LENGTH, logits), PARE_OK);
    pare_pass_free(pass);
    return logits;
}

/* Sums over all predictions by the formula, of whole rows in double. */
static pare_taught by_formula(const lesson *l) {
    float *s = logits_of(&l->student, l->student.ids), *t = logits_of(&l->teacher, l->student.ids);
    pare_taught sums = {0};
    for (int at = 0; at < SEQUENCES * LENGTH; at++) {
        if (at % LENGTH == LENGTH - 1) continue;
        const float *q = s + (size_t)at * VOCABULARY, *p = t + (size_t)at * VOCABULARY;
        sums.ce += logits_log_sum(q, VOCABULARY) - (double)q[l->student.ids[at + 1]];
        sums.same += logits_best(q, VOCABULARY) == logits_best(p, VOCABULARY);
        sums.kl += logits_divergence(p, q, VOCABULARY);
    }
    free(s);
    free(t);
    return sums;
}

/* Logits are the same bits in both, so what differs are exponentials (3e-7) and fp32 sums of a tile. */
static void losses_are_the_formula(void **state) {
    (void)state;
    lesson l = lesson_open(wider, 0.5, 2.0);
    double sum = loss_of(&l, &l.source);
    pare_taught expected = by_formula(&l), actual = pare_pass_taught(l.pass);
    assert_true(expected.kl > 1.0 && expected.same < SEQUENCES * (LENGTH - 1));
    assert_true(fabs(actual.ce - expected.ce) <= 1e-5 * expected.ce);
    assert_true(fabs(actual.kl - expected.kl) <= 1e-5 * expected.ce);
    assert_true(actual.same == expected.same);
    assert_true(fabs(sum - 0.5 * expected.ce - 2.0 * expected.kl) <= 3e-5 * expected.ce);
    lesson_close(&l);
}

static void agreement_is_counted(void **state) {
    (void)state;
    tiny_model near = tiny;
    near.scale = 0.4000001;
    lesson l = lesson_open(near, 1.0, 1.0);
    loss_of(&l, &l.source);
    assert_true(pare_pass_taught(l.pass).same > SEQUENCES * (LENGTH - 1) / 2);
    assert_true(pare_pass_taught(l.pass).same == by_formula(&l).same);
    lesson_close(&l);
}

static tiny_gradients gradients_of(const lesson *l) {
    tiny_gradients g = {.count = l->student.model->tensor_count};
    for (size_t id = 0; id < g.count; id++)
        g.of[id] = calloc(l->student.model->tensors[id]->count, sizeof(float));
    pare_gradient_sink sink = {.wants = tiny_wants, .rows = tiny_rows, .context = &g};
    double loss;
    assert_int_equal(pare_pass_gradient(l->pass, &l->source, l->student.ids, &sink, &loss), PARE_OK);
    return g;
}

/* The directional derivative along the gradient's signs, by central differences at h and h / 2, extrapolated. The loss
 * is a few units of fp32 logits: good to about 1e-6, divided by a change of about 6e-3. */
static void check_tensor(const lesson *l, size_t id, const float *gradient) {
    enum { PREDICTIONS = SEQUENCES * (LENGTH - 1) };
    size_t count = l->student.model->tensors[id]->count;
    float **displacement = calloc(l->student.model->tensor_count, sizeof *displacement);
    pare_source source = l->source;
    double expected = 0.0, loss[4];
    displacement[id] = calloc(count, sizeof(float));
    source.displacement = displacement;
    for (size_t i = 0; i < count; i++)
        expected += fabs((double)gradient[i]);
    assert_true(expected > 0.0);
    double step = fmin(6e-3 / expected, 0.01);
    for (int k = 0; k < 4; k++) {
        float size = (float)(k < 2 ? step : step / 2.0) * (k % 2 ? -1.0f : 1.0f);
        for (size_t i = 0; i < count; i++)
            displacement[id][i] = gradient[i] > 0.0f ? size : gradient[i] < 0.0f ? -size : 0.0f;
        loss[k] = loss_of(l, &source) / PREDICTIONS;
    }
    double wide = (loss[0] - loss[1]) / (2.0 * step), near = (loss[2] - loss[3]) / step;
    double actual = (4.0 * near - wide) / 3.0;
    if (!(fabs(actual - expected) <= 1e-3 * expected + 4e-6 / step))
        fail_msg("tensor %zu: gradient %.8g, by differences %.8g", id, expected, actual);
    free(displacement[id]);
    free(displacement);
}

static void check_gradients(double ce, double kd) {
    lesson l = lesson_open(wider, ce, kd);
    tiny_gradients g = gradients_of(&l);
    for (size_t id = 0; id < g.count; id++)
        check_tensor(&l, id, g.of[id]);
    tiny_gradients_free(&g);
    lesson_close(&l);
}

static void gradients_are_slopes(void **state) {
    (void)state;
    check_gradients(0.5, 2.0);
}

static void gradients_of_the_teacher_alone(void **state) {
    (void)state;
    check_gradients(0.0, 1.0);
}

/* KL 0 and a gradient of zeros, in every bit. */
static void who_knows_as_much_teaches_nothing(void **state) {
    (void)state;
    lesson l = lesson_open(tiny, 0.0, 1.0);
    tiny_gradients g = gradients_of(&l);
    assert_true(pare_pass_taught(l.pass).kl == 0.0);
    assert_true(pare_pass_taught(l.pass).same == SEQUENCES * (LENGTH - 1));
    for (size_t id = 0; id < g.count; id++)
        for (size_t i = 0; i < l.student.model->tensors[id]->count; i++)
            assert_true(g.of[id][i] == 0.0f);
    tiny_gradients_free(&g);
    lesson_close(&l);
}

/* Three sequences packed into one row, with a target that is open and others that are none: the sums are those of the
 * sequences alone. */
static void packed_rows_are_the_sequences(void **state) {
    (void)state;
    enum { ALL = SEQUENCES * LENGTH };
    lesson l = lesson_open(wider, 0.0, 1.0);
    double alone = loss_of(&l, &l.source), packed;
    int32_t targets[ALL], positions[ALL], start[ALL];
    for (int i = 0; i < ALL; i++) {
        bool last = i % LENGTH == LENGTH - 1;
        targets[i] = last ? -1 : i == 4 ? PARE_TARGET_OPEN : (int32_t)l.student.ids[i + 1];
        positions[i] = i % LENGTH;
        start[i] = i - i % LENGTH;
    }
    pare_pass_shape shape = {.sequences = 1, .length = ALL, .taught = true}, of = pare_model_teacher_shape(&shape);
    pare_layout layout = {.length = ALL, .targets = targets, .open = true, .positions = positions, .start = start};
    pare_model_teacher *by;
    pare_pass *pass;
    assert_int_equal(pare_pass_new(l.student.model, l.student.backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_model_teacher_new(l.teacher.model, l.student.backend, &of, 0.0, 1.0, &by), PARE_OK);
    pare_pass_teach(pass, pare_model_teacher_of(by));
    pare_pass_arrange(pass, &layout);
    assert_int_equal(pare_pass_forward(pass, &l.source, l.student.ids, 1), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &l.source, NULL, &packed), PARE_OK);
    assert_true(fabs(packed - alone) <= 1e-5 * alone);
    pare_pass_free(pass);
    pare_model_teacher_free(by);
    lesson_close(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_are_the_formula),
        cmocka_unit_test(agreement_is_counted),
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(gradients_of_the_teacher_alone),
        cmocka_unit_test(who_knows_as_much_teaches_nothing),
        cmocka_unit_test(packed_rows_are_the_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
