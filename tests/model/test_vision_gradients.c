/* Gradients of the classification loss against differences of it, on pictures with labels; and what methods take of
 * single samples, where one picture is one sample, against every picture run alone. */
#include "distributions.h"
#include "family_gradients.h"
#include "vision.h"

static const char *const names[] = {"vit", "vit oblong patches, pixels over", "deit"};
enum { NAMES = sizeof names / sizeof *names };

/* Central differences at h and h / 2, extrapolated: good to h^4 and to the rounding of five fp32 losses, about 1e-7 of
 * each, divided by a change of the loss of loss_step. */
static const double bound = 3e-4, loss_step = 2e-2, rounding = 2e-6;

/* As in test_samples: fp32 against fp32, of a tensor's largest. */
static const double sample_bound = 1e-5;

typedef struct scene {
    vision_model m;
    const pare_model *model;
    pare_backend *backend;
    pare_pass *pass;
    float **displacement;
} scene;

static scene scene_open(const json_t *golden, const char *name) {
    scene s = {0};
    s.m = vision_open(vision_case(golden, name));
    s.model = s.m.opened.model;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &s.backend), PARE_OK);
    s.displacement = calloc(s.model->tensor_count, sizeof *s.displacement);
    pare_pass_shape shape = {.sequences = VISION_PICTURES, .length = s.m.windows.length, .composed = true};
    assert_int_equal(pare_pass_new(s.model, s.backend, &shape, &s.pass), PARE_OK);
    return s;
}

static void scene_close(scene *s) {
    pare_pass_free(s->pass);
    pare_backend_close(s->backend);
    free(s->displacement);
    vision_close(&s->m);
}

/* Mean cross-entropy of the pictures' labels, by the logits. */
static double loss_of(const scene *s, const float *logits) {
    int64_t classes = s->model->config.vocabulary;
    double loss = 0.0;
    for (size_t i = 0; i < VISION_PICTURES; i++) {
        const float *row = logits + (int64_t)i * classes;
        int32_t label = pare_patches_label(s->model, s->m.windows.ids[i * s->m.windows.length]);
        loss += logits_log_sum(row, classes) - (double)row[label];
    }
    return loss / VISION_PICTURES;
}

static double loss_at(const scene *s, size_t id, const float *direction, double step) {
    float logits[VISION_PICTURES * 16];
    for (size_t i = 0; i < s->model->tensors[id]->count; i++)
        s->displacement[id][i] = (float)(step * (double)direction[i]);
    pare_source source = {.model = s->model, .backend = s->backend, .displacement = s->displacement};
    assert_int_equal(pare_pass_forward(s->pass, &source, s->m.windows.ids, VISION_PICTURES), PARE_OK);
    for (int64_t i = 0; i < VISION_PICTURES; i++)
        assert_int_equal(
            pare_pass_logits(s->pass, &source, i * s->m.windows.length, 1, logits + i * s->model->config.vocabulary),
            PARE_OK);
    return loss_of(s, logits);
}

static double slope(const scene *s, size_t id, const float *direction, double step) {
    return (loss_at(s, id, direction, step) - loss_at(s, id, direction, -step)) / (2.0 * step);
}

/* Along random sizes with the signs of the gradient, so that no wrong element hides. */
static void check_tensor(const scene *s, size_t id, const float *gradient) {
    const pare_tensor *tensor = s->model->tensors[id];
    float *direction = malloc(tensor->count * sizeof *direction + 1);
    double expected = 0.0;
    for (size_t i = 0; i < tensor->count; i++) {
        direction[i] = copysignf(0.25f + fabsf(counted(family_stream(tensor->name), (uint32_t)i)), gradient[i]);
        expected += (double)gradient[i] * (double)direction[i];
    }
    double step = fmin(loss_step / fmax(expected, 1e-9), 0.05);
    s->displacement[id] = calloc(tensor->count + 1, sizeof(float));
    double actual = (4.0 * slope(s, id, direction, step / 2.0) - slope(s, id, direction, step)) / 3.0;
    free(s->displacement[id]);
    s->displacement[id] = NULL;
    free(direction);
    if (!(fabs(actual - expected) <= bound * expected + rounding / step))
        fail_msg("%s: gradient along a direction %.8g, by differences %.8g", tensor->name, expected, actual);
}

static void by_differences(void **state) {
    (void)state;
    json_t *golden = load_json(VISION_GOLDEN);
    for (size_t n = 0; n < NAMES; n++) {
        scene s = scene_open(golden, names[n]);
        double loss;
        pare_pass_shape shape = {.sequences = VISION_PICTURES, .length = s.m.windows.length};
        gradients g = gradients_of(s.model, s.backend, s.m.windows.ids, shape, &loss);
        for (size_t id = 0; id < s.model->tensor_count; id++)
            if (s.model->tensors[id]->count) check_tensor(&s, id, g.of[id]);
        gradients_free(&g);
        scene_close(&s);
    }
    json_decref(golden);
}

/* What the sink is shown of single samples; NULL: nothing of this tensor. */
static pare_status take_samples(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                                const float *gradient, const float *samples) {
    gradients *g = context;
    (void)gradient;
    if (!samples) return PARE_OK;
    memcpy(g->of[id] + first * columns, samples, (size_t)(rows * columns) * sizeof *samples);
    return PARE_OK;
}

static gradients samples_of(const scene *s, pare_sample_gradients kind, int64_t micro_batch) {
    gradients g = {.model = s->model, .of = calloc(s->model->tensor_count, sizeof *g.of)};
    for (size_t id = 0; id < s->model->tensor_count; id++)
        g.of[id] = calloc(s->model->tensors[id]->count + 1, sizeof(float));
    pare_source source = {.model = s->model, .backend = s->backend};
    pare_pass_shape shape = {.sequences = VISION_PICTURES,
                             .length = s->m.windows.length,
                             .gradients = true,
                             .samples = true,
                             .micro_batch = micro_batch};
    pare_gradient_sink sink = {.wants = wants_all, .rows = take_samples, .samples = kind, .context = &g};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(s->model, s->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, s->m.windows.ids, &sink, &loss), PARE_OK);
    pare_pass_free(pass);
    return g;
}

static void check_samples(const scene *s, const gradients alone[VISION_PICTURES], pare_sample_gradients kind) {
    gradients g = samples_of(s, kind, kind == PARE_SAMPLES_SQUARES ? 2 : VISION_PICTURES);
    size_t matrices = 0;
    for (size_t id = 0; id < s->model->tensor_count; id++) {
        double worst = 0.0, largest = 0.0;
        uint32_t layer;
        pare_role role;
        if (!pare_tensor_id_split(s->model, id, &layer, &role) || role >= PARE_MATRIX_ROLES) continue;
        for (size_t i = 0; i < s->model->tensors[id]->count; i++) {
            double mean = 0.0;
            for (size_t j = 0; j < VISION_PICTURES; j++) {
                double size = fabs((double)alone[j].of[id][i]);
                mean += (kind == PARE_SAMPLES_SQUARES ? size * size : size) / VISION_PICTURES;
            }
            worst = fmax(worst, fabs((double)g.of[id][i] - mean));
            largest = fmax(largest, mean);
        }
        matrices += largest > 0.0;
        if (!(worst <= sample_bound * largest))
            fail_msg("%s: samples are apart by %.2g of %.2g", s->model->tensors[id]->name, worst, largest);
    }
    assert_true(matrices >= 6 * s->model->config.layers);
    gradients_free(&g);
}

static void a_picture_is_a_sample(void **state) {
    (void)state;
    json_t *golden = load_json(VISION_GOLDEN);
    for (size_t n = 0; n < NAMES; n++) {
        scene s = scene_open(golden, names[n]);
        gradients alone[VISION_PICTURES];
        double loss;
        pare_pass_shape shape = {.sequences = 1, .length = s.m.windows.length};
        for (size_t j = 0; j < VISION_PICTURES; j++)
            alone[j] = gradients_of(s.model, s.backend, s.m.windows.ids + j * s.m.windows.length, shape, &loss);
        check_samples(&s, alone, PARE_SAMPLES_SQUARES);
        check_samples(&s, alone, PARE_SAMPLES_ABSOLUTES);
        for (size_t j = 0; j < VISION_PICTURES; j++)
            gradients_free(&alone[j]);
        scene_close(&s);
    }
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_differences),
        cmocka_unit_test(a_picture_is_a_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
