/* Squares and absolute values of the gradients of single sequences, streamed beside the gradient of the batch, against
 * every sequence run alone. */
#include "tiny_pass.h"

enum { SEQUENCES = 5, LENGTH = 20 };

/* g_j of one sequence in fp32 is good to 1e-6 of its tensor's largest element or better (test_golden_gradients: its
 * norm to 1e-4 at worst), the square to twice that; sums of five add little. */
static const double bound = 1e-5;

typedef struct sampled {
    tiny_gradients gradient, samples;
    const pare_model *model;
} sampled;

static bool wants_all(void *context, size_t id) {
    (void)context, (void)id;
    return true;
}

static pare_status keep_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    sampled *s = context;
    uint32_t layer;
    pare_role role;
    bool matrix = pare_tensor_id_split(s->model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
    assert_true(matrix == (samples != NULL));
    size_t bytes = (size_t)(rows * columns) * sizeof *gradient;
    memcpy(s->gradient.of[id] + first * columns, gradient, bytes);
    if (samples) memcpy(s->samples.of[id] + first * columns, samples, bytes);
    return PARE_OK;
}

static sampled run_samples(const tiny_pass *t, int64_t micro_batch, pare_sample_gradients samples) {
    sampled out = {
        .model = t->model, .gradient.count = t->model->tensor_count, .samples.count = t->model->tensor_count};
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        size_t count = t->model->tensors[id]->count;
        out.gradient.of[id] = malloc(count * sizeof(float));
        out.samples.of[id] = malloc(count * sizeof(float));
        for (size_t i = 0; i < count; i++)
            out.gradient.of[id][i] = out.samples.of[id][i] = NAN;
    }
    pare_pass_shape shape = {
        .sequences = t->sequences, .length = t->length, .gradients = true, .samples = true, .micro_batch = micro_batch};
    pare_source source = {.model = t->model, .backend = t->backend};
    pare_gradient_sink sink = {.wants = wants_all, .rows = keep_rows, .samples = samples, .context = &out};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, t->ids, &sink, &loss), PARE_OK);
    pare_pass_free(pass);
    return out;
}

/* mean[id]: (1/N) sum_j of g_j^2 or |g_j|, one pass of one sequence after the other. */
static void samples_alone(const tiny_pass *t, pare_sample_gradients samples, double *mean[]) {
    pare_source source = {.model = t->model, .backend = t->backend};
    for (size_t id = 0; id < t->model->tensor_count; id++)
        mean[id] = calloc(t->model->tensors[id]->count, sizeof(double));
    for (int64_t j = 0; j < t->sequences; j++) {
        tiny_pass alone = *t;
        tiny_gradients g;
        alone.sequences = 1;
        alone.ids = t->ids + j * t->length;
        tiny_pass_gradients(&alone, &source, 0, -1, &g);
        for (size_t id = 0; id < t->model->tensor_count; id++)
            for (size_t i = 0; i < t->model->tensors[id]->count; i++) {
                double size = fabs((double)g.of[id][i]);
                mean[id][i] += (samples == PARE_SAMPLES_SQUARES ? size * size : size) / (double)t->sequences;
            }
        tiny_gradients_free(&g);
    }
}

/* The largest difference as a share of the tensor's largest. A row that was never written is NaN. */
static double apart(const float *actual, const double *expected, size_t count) {
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(actual[i]));
        worst = fmax(worst, fabs((double)actual[i] - expected[i]));
        largest = fmax(largest, fabs(expected[i]));
    }
    return worst / largest;
}

static double check_samples(const tiny_pass *t, int64_t micro_batch, pare_sample_gradients samples,
                            double *const mean[], const tiny_gradients *plain) {
    sampled s = run_samples(t, micro_batch, samples);
    double worst = 0.0;
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        size_t count = t->model->tensors[id]->count;
        double *gradient = malloc(count * sizeof *gradient);
        for (size_t i = 0; i < count; i++)
            gradient[i] = (double)plain->of[id][i];
        assert_true(apart(s.gradient.of[id], gradient, count) < bound);
        free(gradient);
        uint32_t layer;
        pare_role role;
        if (!pare_tensor_id_split(t->model, id, &layer, &role) || role >= PARE_MATRIX_ROLES) continue;
        double error = apart(s.samples.of[id], mean[id], count);
        if (!(error < bound)) fprintf(stderr, "%s: samples differ by %.2g\n", t->model->tensors[id]->name, error);
        assert_true(error < bound);
        worst = fmax(worst, error);
    }
    tiny_gradients_free(&s.gradient);
    tiny_gradients_free(&s.samples);
    return worst;
}

static void check_model(tiny_model tiny, int64_t sequences, int64_t length, int64_t micro_step) {
    tiny_pass t = tiny_pass_open(tiny, sequences, length, 2);
    pare_source source = {.model = t.model, .backend = t.backend};
    double *mean[128];
    tiny_gradients plain;
    tiny_pass_gradients(&t, &source, 0, -1, &plain);
    for (int samples = PARE_SAMPLES_SQUARES; samples <= PARE_SAMPLES_ABSOLUTES; samples++) {
        samples_alone(&t, (pare_sample_gradients)samples, mean);
        for (int64_t micro = 1; micro <= sequences; micro += micro_step)
            print_message("micro-batches of %d: %.2g\n", (int)micro,
                          check_samples(&t, micro, (pare_sample_gradients)samples, mean, &plain));
        for (size_t id = 0; id < t.model->tensor_count; id++)
            free(mean[id]);
    }
    tiny_gradients_free(&plain);
    tiny_pass_close(&t);
}

/* Few tokens and many: activations between the FFN's matrices are stored by token and by feature. */
static void sequences_are_measured_apart(void **state) {
    (void)state;
    check_model((tiny_model){.layers = 2, .scale = 0.4}, SEQUENCES, LENGTH, 1);
    check_model((tiny_model){.layers = 3,
                             .hidden = 24,
                             .heads = 4,
                             .kv_heads = 2,
                             .head_size = 6,
                             .ffn = 13,
                             .tied = true,
                             .scale = 0.4},
                SEQUENCES, LENGTH, 1);
}

/* FFN matrices that do not fit the rows in flight at once. */
static void rows_come_in_several_pieces(void **state) {
    (void)state;
    check_model((tiny_model){.layers = 1, .hidden = 512, .ffn = 3001, .heads = 2, .kv_heads = 1, .head_size = 16}, 2,
                40, 1);
}

static void a_pass_without_room_refuses(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open((tiny_model){.layers = 1}, 2, 4, 1);
    pare_pass_shape shape = {.sequences = 2, .length = 4, .gradients = true};
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_gradient_sink sink = {.wants = wants_all, .rows = keep_rows, .samples = PARE_SAMPLES_ABSOLUTES};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, t.ids, &sink, &loss), PARE_BAD_ARGUMENT);
    pare_pass_free(pass);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequences_are_measured_apart),
        cmocka_unit_test(rows_come_in_several_pieces),
        cmocka_unit_test(a_pass_without_room_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
