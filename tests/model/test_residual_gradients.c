/* Gradients of the residual stream against what they must explain: each layer's own weight gradients, and each other.
 */
#include "tiny_pass.h"

enum { SEQUENCES = 3, LENGTH = 9, LAYERS = 3 };

/* Sums of 27 fp32 products, against the same in double. */
static const double bound = 1e-5;

typedef struct stream {
    tiny_gradients weights;
    int64_t hidden;
    uint32_t below; /* the last layer that was shown */
    bool middle_next;
    double *output[LAYERS], *middle[LAYERS]; /* [tokens, d] */
    int64_t outputs[LAYERS], middles[LAYERS];
} stream;

static void keep(double *to, int64_t *seen, int64_t hidden, int64_t first, int64_t tokens, const float *gradient) {
    assert_int_equal(*seen, first);
    for (int64_t i = 0; i < tokens * hidden; i++)
        to[first * hidden + i] = (double)gradient[i];
    *seen += tokens;
}

static pare_status keep_output(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *gradient) {
    stream *s = context;
    assert_true(layer <= s->below && !s->middle_next);
    s->below = layer;
    s->middle_next = true;
    keep(s->output[layer], &s->outputs[layer], s->hidden, first, tokens, gradient);
    return PARE_OK;
}

static pare_status keep_middle(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *gradient) {
    stream *s = context;
    assert_true(layer == s->below && s->middle_next);
    s->middle_next = false;
    keep(s->middle[layer], &s->middles[layer], s->hidden, first, tokens, gradient);
    return PARE_OK;
}

static pare_status keep_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                             const float *gradient, const float *squares) {
    return tiny_rows(&((stream *)context)->weights, id, first, rows, columns, gradient, squares);
}

static bool wants(void *context, size_t id) {
    return tiny_wants(&((stream *)context)->weights, id);
}

static stream run(const tiny_pass *t, const pare_source *source, int64_t micro_batch, bool weights, uint32_t lowest) {
    stream s = {.hidden = t->model->config.hidden, .below = LAYERS};
    size_t elements = (size_t)(t->sequences * t->length * s.hidden);
    for (int layer = 0; layer < LAYERS; layer++) {
        s.output[layer] = calloc(elements, sizeof(double));
        s.middle[layer] = calloc(elements, sizeof(double));
    }
    s.weights.count = t->model->tensor_count;
    for (size_t id = 0; weights && id < s.weights.count; id++)
        s.weights.of[id] = calloc(t->model->tensors[id]->count, sizeof(float));
    pare_pass_shape shape = {.sequences = t->sequences,
                             .length = t->length,
                             .gradients = true,
                             .composed = true,
                             .micro_batch = micro_batch};
    pare_gradient_sink sink = {.wants = wants,
                               .rows = keep_rows,
                               .output_gradient = keep_output,
                               .middle_gradient = keep_middle,
                               .lowest_layer = lowest,
                               .context = &s};
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, source, t->ids, &sink, &loss), PARE_OK);
    pare_pass_free(pass);
    return s;
}

static void stream_free(stream *s) {
    for (int layer = 0; layer < LAYERS; layer++) {
        free(s->output[layer]);
        free(s->middle[layer]);
    }
    tiny_gradients_free(&s->weights);
}

/* Block inputs and outputs of a forward, to multiply with. */
typedef struct blocks {
    int64_t hidden;
    double *x[LAYERS], *out[LAYERS];
} blocks;

static pare_status keep_block(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *x,
                              const float *out) {
    blocks *b = context;
    for (int64_t i = 0; i < tokens * b->hidden; i++) {
        b->x[layer][first * b->hidden + i] = (double)x[i];
        b->out[layer][first * b->hidden + i] = (double)out[i];
    }
    return PARE_OK;
}

static blocks run_blocks(const tiny_pass *t, const pare_source *source, bool inputs, int64_t micro_batch) {
    blocks b = {.hidden = t->model->config.hidden};
    for (int layer = 0; layer < LAYERS; layer++) {
        b.x[layer] = calloc((size_t)(t->sequences * t->length * b.hidden), sizeof(double));
        b.out[layer] = calloc((size_t)(t->sequences * t->length * b.hidden), sizeof(double));
    }
    pare_pass_shape shape = {.sequences = t->sequences,
                             .length = t->length,
                             .composed = true,
                             .observed = true,
                             .inputs = inputs,
                             .micro_batch = micro_batch};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    pare_pass_on_block(pass, keep_block, &b);
    assert_int_equal(pare_pass_forward(pass, source, t->ids, t->sequences), PARE_OK);
    pare_pass_free(pass);
    return b;
}

static void blocks_free(blocks *b) {
    for (int layer = 0; layer < LAYERS; layer++) {
        free(b->x[layer]);
        free(b->out[layer]);
    }
}

/* Scaling Down by 1 + e adds e (output - middle) to the block's output, and scaling O adds e (middle - input) to the
 * middle. So the sum of w dL/dw over Down is <dL/d(output), output - middle>, and over O <dL/d(middle), middle -
 * input>. The middle is the output of a forward in which Down is masked. */
static double explained(const tiny_pass *t, const tiny_gradients *weights, uint32_t layer, pare_role role) {
    size_t id = pare_tensor_id(layer, role);
    double sum = 0.0;
    for (size_t i = 0; i < t->model->tensors[id]->count; i++) {
        float w;
        memcpy(&w, (const char *)t->model->tensors[id]->data + i * sizeof w, sizeof w);
        sum += (double)w * (double)weights->of[id][i];
    }
    return sum;
}

static void weights_explain(const tiny_pass *t, const stream *s, uint32_t layer) {
    int64_t elements = t->sequences * t->length * s->hidden;
    size_t down = pare_tensor_id(layer, PARE_ROLE_DOWN);
    float **mask = calloc(t->model->tensor_count, sizeof *mask);
    mask[down] = calloc(t->model->config.widths[layer].ffn, sizeof **mask);
    pare_source plain = {.model = t->model, .backend = t->backend};
    pare_source without = {.model = t->model, .backend = t->backend, .column_scale = mask};
    blocks whole = run_blocks(t, &plain, false, 0), half = run_blocks(t, &without, true, 2);
    double ffn = 0.0, attention = 0.0;
    for (int64_t i = 0; i < elements; i++) {
        ffn += s->output[layer][i] * (whole.out[layer][i] - half.out[layer][i]);
        attention += s->middle[layer][i] * (half.out[layer][i] - half.x[layer][i]);
    }
    assert_close("down", ffn, explained(t, &s->weights, layer, PARE_ROLE_DOWN), bound);
    assert_close("O", attention, explained(t, &s->weights, layer, PARE_ROLE_O), bound);
    blocks_free(&whole);
    blocks_free(&half);
    free(mask[down]);
    free(mask);
}

static tiny_pass open_tiny(void) {
    return tiny_pass_open((tiny_model){.layers = LAYERS, .kv_heads = 2, .heads = 4, .scale = 0.4}, SEQUENCES, LENGTH,
                          1);
}

static void weight_gradients_follow(void **state) {
    (void)state;
    tiny_pass t = open_tiny();
    pare_source source = {.model = t.model, .backend = t.backend};
    for (int64_t micro = 1; micro <= SEQUENCES; micro++) {
        stream s = run(&t, &source, micro, true, 0);
        for (uint32_t layer = 0; layer < LAYERS; layer++) {
            assert_int_equal(s.outputs[layer], SEQUENCES * LENGTH);
            assert_int_equal(s.middles[layer], SEQUENCES * LENGTH);
            weights_explain(&t, &s, layer);
        }
        stream_free(&s);
    }
    tiny_pass_close(&t);
}

/* Nothing is shown of a skipped layer, nor of those below the lowest that was asked for. */
static void only_layers_that_run_are_shown(void **state) {
    (void)state;
    tiny_pass t = open_tiny();
    bool skip[LAYERS] = {false, true, false};
    pare_source source = {.model = t.model, .backend = t.backend, .skip_layer = skip};
    stream s = run(&t, &source, 0, false, 0);
    assert_int_equal(s.outputs[0], SEQUENCES * LENGTH);
    assert_int_equal(s.outputs[1] + s.middles[1], 0);
    assert_int_equal(s.outputs[2], SEQUENCES * LENGTH);
    stream_free(&s);
    skip[1] = false;
    s = run(&t, &source, 0, false, 1);
    assert_int_equal(s.outputs[0] + s.middles[0], 0);
    assert_int_equal(s.outputs[1], SEQUENCES * LENGTH);
    assert_int_equal(s.middles[2], SEQUENCES * LENGTH);
    stream_free(&s);
    tiny_pass_close(&t);
}

/* Whether weights are wanted, and how many sequences go at a time, changes nothing of what is shown. */
static void nothing_else_changes_them(void **state) {
    (void)state;
    tiny_pass t = open_tiny();
    pare_source source = {.model = t.model, .backend = t.backend};
    stream with = run(&t, &source, 0, true, 0), alone = run(&t, &source, 0, false, 0),
           split = run(&t, &source, 2, true, 0);
    int64_t elements = SEQUENCES * LENGTH * with.hidden;
    for (int layer = 0; layer < LAYERS; layer++) {
        assert_memory_equal(with.output[layer], alone.output[layer], (size_t)elements * sizeof(double));
        assert_memory_equal(with.middle[layer], alone.middle[layer], (size_t)elements * sizeof(double));
        for (int64_t i = 0; i < elements; i++)
            assert_true(fabs(with.middle[layer][i] - split.middle[layer][i]) < 1e-6);
    }
    stream_free(&with);
    stream_free(&alone);
    stream_free(&split);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weight_gradients_follow),
        cmocka_unit_test(only_layers_that_run_are_shown),
        cmocka_unit_test(nothing_else_changes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
