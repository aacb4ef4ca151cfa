/* Gradients at the outputs of the linear layers against the weight gradients they must make: dW = sum over tokens of
 * g x^T, with the inputs x that a forward shows. */
#include "tiny_pass.h"

enum { SEQUENCES = 10, LENGTH = 9, LAYERS = 2, TOKENS = SEQUENCES * LENGTH };

/* Sums of 90 fp32 products, against the same in double. */
static const double bound = 2e-6;

typedef struct flow {
    const tiny_pass *t;
    tiny_gradients weights;
    double *g[LAYERS][PARE_MATRIX_ROLES]; /* [TOKENS, rows] */
    double *x[LAYERS][PARE_INPUT_KINDS];  /* [TOKENS, columns] */
    int64_t shown[LAYERS][PARE_MATRIX_ROLES], seen[LAYERS][PARE_INPUT_KINDS];
    int by_feature, by_token; /* calls */
    uint32_t lowest;
} flow;

static const pare_input_kind input_of[PARE_MATRIX_ROLES] = {PARE_INPUT_QKV, PARE_INPUT_QKV,     PARE_INPUT_QKV,
                                                            PARE_INPUT_O,   PARE_INPUT_GATE_UP, PARE_INPUT_GATE_UP,
                                                            PARE_INPUT_DOWN};

/* Values by token, into a buffer made at the first call. */
static void keep(double **to, int64_t first, int64_t tokens, int64_t width, const void *x, bool by_feature) {
    const float *values = x;
    if (!*to) *to = calloc((size_t)(TOKENS * width), sizeof **to);
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < width; i++)
            (*to)[(first + t) * width + i] = (double)values[by_feature ? i * tokens + t : t * width + i];
}

static pare_status keep_gradient(void *context, uint32_t layer, pare_role role, const pare_linear_output *gradient) {
    flow *f = context;
    assert_true(layer >= f->lowest);
    assert_int_equal(gradient->first_token, f->shown[layer][role]);
    assert_int_equal(gradient->width, (int64_t)f->t->model->tensors[pare_tensor_id(layer, role)]->shape[0]);
    keep(&f->g[layer][role], gradient->first_token, gradient->tokens, gradient->width, gradient->gradient,
         gradient->by_feature);
    f->shown[layer][role] += gradient->tokens;
    *(gradient->by_feature ? &f->by_feature : &f->by_token) += 1;
    return PARE_OK;
}

static pare_status keep_input(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                              int64_t width, bool by_feature) {
    flow *f = context;
    keep(&f->x[layer][kind], f->seen[layer][kind], tokens, width, x, by_feature);
    f->seen[layer][kind] += tokens;
    return PARE_OK;
}

static bool wants_input(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context, (void)layer, (void)kind;
    return true;
}

static pare_status keep_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *samples) {
    return tiny_rows(&((flow *)context)->weights, id, first, rows, columns, gradient, samples);
}

static bool wants(void *context, size_t id) {
    return tiny_wants(&((flow *)context)->weights, id);
}

static void run(const tiny_pass *t, const pare_source *source, int64_t micro_batch, bool weights, uint32_t lowest,
                flow *f) {
    *f = (flow){.t = t, .lowest = lowest, .weights.count = t->model->tensor_count};
    for (size_t id = 0; weights && id < f->weights.count; id++)
        f->weights.of[id] = calloc(t->model->tensors[id]->count, sizeof(float));
    pare_pass_shape shape = {
        .sequences = t->sequences, .length = t->length, .gradients = true, .micro_batch = micro_batch};
    pare_gradient_sink sink = {
        .wants = wants, .rows = keep_rows, .linear_gradient = keep_gradient, .lowest_layer = lowest, .context = f};
    pare_observer observer = {.wants = wants_input, .see = keep_input, .context = f};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    pare_pass_observe(pass, &observer);
    assert_int_equal(pare_pass_gradient(pass, source, t->ids, &sink, &loss), PARE_OK);
    pare_pass_free(pass);
}

static void flow_free(flow *f) {
    for (int layer = 0; layer < LAYERS; layer++) {
        for (int role = 0; role < PARE_MATRIX_ROLES; role++)
            free(f->g[layer][role]);
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
            free(f->x[layer][kind]);
    }
    tiny_gradients_free(&f->weights);
}

static void weight_follows(const flow *f, uint32_t layer, pare_role role) {
    size_t id = pare_tensor_id(layer, role);
    const double *g = f->g[layer][role], *x = f->x[layer][input_of[role]];
    int64_t rows, columns;
    pare_tensor_matrix(f->t->model->tensors[id], &rows, &columns);
    double largest = 0.0, worst = 0.0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0.0;
            for (int64_t t = 0; t < TOKENS; t++)
                sum += g[t * rows + i] * x[t * columns + j];
            double got = (double)f->weights.of[id][i * columns + j];
            largest = fmax(largest, fabs(sum));
            worst = fmax(worst, fabs(sum - got));
        }
    assert_true(largest > 0.0);
    assert_true(worst <= bound * largest);
}

static tiny_pass open_tiny(void) {
    return tiny_pass_open((tiny_model){.layers = LAYERS, .kv_heads = 2, .heads = 4, .scale = 0.4}, SEQUENCES, LENGTH,
                          1);
}

/* 90 tokens at a time go by feature between gate, up and down, 27 do not; the last micro-batch is smaller. */
static void weight_gradients_follow(void **state) {
    (void)state;
    static const int64_t micro_batches[] = {SEQUENCES, 3, 8};
    tiny_pass t = open_tiny();
    pare_source source = {.model = t.model, .backend = t.backend};
    for (int i = 0; i < 3; i++) {
        flow f;
        run(&t, &source, micro_batches[i], true, 0, &f);
        for (uint32_t layer = 0; layer < LAYERS; layer++)
            for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
                assert_int_equal(f.shown[layer][role], TOKENS);
                weight_follows(&f, layer, (pare_role)role);
            }
        int calls = (SEQUENCES + (int)micro_batches[i] - 1) / (int)micro_batches[i] * LAYERS;
        int many = micro_batches[i] == 3 ? 0 : LAYERS;
        assert_int_equal(f.by_feature, 2 * many);
        assert_int_equal(f.by_token, PARE_MATRIX_ROLES * calls - 2 * many);
        flow_free(&f);
    }
    tiny_pass_close(&t);
}

/* The hook alone makes the backward go as far as asked, and no further; a skipped layer shows nothing. */
static void only_layers_that_run_are_shown(void **state) {
    (void)state;
    tiny_pass t = open_tiny();
    bool skip[LAYERS] = {true, false};
    pare_source source = {.model = t.model, .backend = t.backend};
    for (int way = 0; way < 2; way++) {
        flow f;
        source.skip_layer = way ? skip : NULL;
        run(&t, &source, 0, false, way ? 0 : 1, &f);
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            assert_int_equal(f.shown[0][role], 0);
            assert_int_equal(f.shown[1][role], TOKENS);
        }
        flow_free(&f);
    }
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_gradients_follow),
        cmocka_unit_test(only_layers_that_run_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
