/* SmoothGrad's passes and the smoothed gradient against whole passes of the same noise, added up in double. */
#include "calibrate/moreau_run.h"
#include "calibrate/smooth.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .scale = 0.3};
static const double sigma = 0.2;
static const uint64_t seed = 5;

/* What a sink received: every draw's rows added up, signed and absolute. */
typedef struct received {
    const pare_source *source;
    double *sum[128], *size[128];
    uint64_t draws; /* bit i: rows of draw i came */
    int32_t after;
    double loss;
    int32_t stop_after;
} received;

static bool wants_some(void *context, size_t id) {
    return ((received *)context)->sum[id] != NULL;
}

static pare_status receive(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                           const float *gradient, const float *squares) {
    assert_null(squares);
    received *r = context;
    r->draws |= (uint64_t)1 << r->source->draw;
    for (int64_t i = 0; i < rows * columns; i++) {
        r->sum[id][first * columns + i] += (double)gradient[i];
        r->size[id][first * columns + i] += fabs((double)gradient[i]);
    }
    return PARE_OK;
}

static pare_status after_draw(void *context, int32_t draw, double loss) {
    received *r = context;
    assert_int_equal(draw, r->after);
    r->after++;
    r->loss += loss;
    return r->after == r->stop_after ? PARE_INTERRUPTED : PARE_OK;
}

static received received_new(const tiny_pass *t, const pare_source *source) {
    received r = {.source = source};
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        if (id == pare_tensor_id(0, PARE_ROLE_UP)) continue; /* one that nobody wants */
        r.sum[id] = calloc(t->model->tensors[id]->count, sizeof(double));
        r.size[id] = calloc(t->model->tensors[id]->count, sizeof(double));
    }
    return r;
}

static void received_free(const tiny_pass *t, received *r) {
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        free(r->sum[id]);
        free(r->size[id]);
    }
}

static pare_pass *pass_of(const tiny_pass *t) {
    pare_pass_shape shape = {.sequences = t->sequences, .length = t->length, .gradients = true, .composed = true};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    return pass;
}

/* The same by hand; returns the mean loss. */
static double by_hand(const tiny_pass *t, int32_t draws, received *hand) {
    double loss = 0.0;
    for (int32_t draw = 0; draw < draws; draw++) {
        tiny_gradients gradients;
        pare_source source = {
            .model = t->model, .backend = t->backend, .sigma = (float)sigma, .seed = seed, .draw = (uint64_t)draw};
        loss += tiny_pass_gradients(t, &source, 0, -1, &gradients) / draws;
        hand->source = &source;
        for (size_t id = 0; id < t->model->tensor_count; id++) {
            int64_t rows, columns;
            pare_tensor_matrix(t->model->tensors[id], &rows, &columns);
            if (hand->sum[id]) receive(hand, id, 0, rows, columns, gradients.of[id], NULL);
        }
        tiny_gradients_free(&gradients);
    }
    return loss;
}

static void every_draw_reaches_the_sink(void **state) {
    (void)state;
    enum { DRAWS = 6 };
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    pare_pass *pass = pass_of(&t);
    pare_source source = {.model = t.model, .backend = t.backend, .seed = seed};
    received got = received_new(&t, &source), hand = received_new(&t, NULL);
    pare_gradient_sink sink = {.wants = wants_some, .rows = receive, .context = &got};
    pare_smooth smooth = {.draws = DRAWS, .sigma = sigma, .after_draw = after_draw, .context = &got};
    double loss, expected = by_hand(&t, DRAWS, &hand);
    /* Stopped after two, continued with the third. */
    got.stop_after = 2;
    assert_int_equal(pare_smooth_passes(pass, &source, t.ids, &smooth, &sink, &loss), PARE_INTERRUPTED);
    assert_int_equal(got.draws, 3);
    assert_true(source.sigma == 0.0f);
    smooth.first = 2;
    assert_int_equal(pare_smooth_passes(pass, &source, t.ids, &smooth, &sink, &loss), PARE_OK);
    assert_int_equal(got.draws, (1 << DRAWS) - 1);
    assert_close("loss", got.loss / (double)DRAWS, expected, 1e-12);
    for (size_t id = 0; id < t.model->tensor_count; id++)
        for (size_t i = 0; got.sum[id] && i < t.model->tensors[id]->count; i++) {
            assert_true(got.sum[id][i] == hand.sum[id][i]);
            assert_true(got.size[id][i] == hand.size[id][i]);
        }
    received_free(&t, &got);
    received_free(&t, &hand);
    pare_pass_free(pass);
    tiny_pass_close(&t);
}

/* Divides rows of a matrix by their root mean square, elements of a vector by their size. */
static void unit_by_hand(const pare_tensor *tensor, double *x) {
    int64_t rows, columns;
    pare_tensor_matrix(tensor, &rows, &columns);
    if (tensor->rank == 1) {
        rows = columns;
        columns = 1;
    }
    for (int64_t row = 0; row < rows; row++) {
        double squares = 0.0;
        for (int64_t i = row * columns; i < (row + 1) * columns; i++)
            squares += x[i] * x[i];
        for (int64_t i = row * columns; i < (row + 1) * columns && squares > 0.0; i++)
            x[i] /= sqrt(squares / (double)columns);
    }
}

static void check_mean(const tiny_pass *t, int32_t draws, bool unit, const char *scratch) {
    pare_pass *pass = pass_of(t);
    pare_source source = {.model = t->model, .backend = t->backend, .seed = seed};
    received got = received_new(t, &source), hand = received_new(t, NULL);
    pare_gradient_sink sink = {.wants = wants_some, .rows = receive, .context = &got};
    pare_smooth smooth = {.draws = draws, .sigma = sigma};
    double loss, expected = by_hand(t, draws, &hand);
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_smoothed_gradient_run(pass, &source, t->ids, &smooth, unit, scratch, &sink, &loss), PARE_OK);
    assert_true(pare_memory_current() == before);
    bool wanted[128];
    for (size_t id = 0; id < t->model->tensor_count; id++)
        wanted[id] = got.sum[id] != NULL;
    pare_smoothed_bytes bytes = pare_smoothed_gradient_measure(t->model, wanted, draws, unit);
    assert_int_equal(bytes.state > 0, draws > 1);
    assert_int_equal(bytes.rows > 0, unit);
    assert_true(pare_memory_peak() - before <= bytes.rows + (scratch ? 0 : bytes.state) + (64u << 10));
    assert_close("loss", loss, expected, 1e-12);
    for (size_t id = 0; id < t->model->tensor_count; id++) {
        const pare_tensor *tensor = t->model->tensors[id];
        if (!wanted[id]) continue;
        for (size_t i = 0; i < tensor->count; i++)
            hand.sum[id][i] /= draws;
        if (unit) unit_by_hand(tensor, hand.sum[id]);
        double largest = 0.0;
        for (size_t i = 0; i < tensor->count; i++)
            largest = fmax(largest, fabs(hand.sum[id][i]));
        for (size_t i = 0; i < tensor->count; i++)
            assert_true(fabs(got.sum[id][i] - hand.sum[id][i]) <= 1e-5 * largest);
    }
    received_free(t, &got);
    received_free(t, &hand);
    pare_pass_free(pass);
}

/* The vocabulary is larger than the batch, so rows of the embedding are zero and stay so. */
static void means_and_unit_rows(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    char *folder = tiny_folder();
    for (int unit = 0; unit < 2; unit++) {
        check_mean(&t, 1, unit, NULL);
        check_mean(&t, 4, unit, NULL);
        check_mean(&t, 4, unit, folder);
    }
    rmdir(folder);
    free(folder);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_draw_reaches_the_sink),
        cmocka_unit_test(means_and_unit_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
