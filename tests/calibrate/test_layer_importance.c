/* Block influence against cosines of the residual stream taken in double; losses without a layer against the model
 * written without it. */
#include "calibrate/layer_importance.h"
#include "model/tiny_pass.h"
#include "model/without_layers.h"

enum { LAYERS = 4, SEQUENCES = 3, LENGTH = 9 };

static const tiny_model tiny = {.layers = LAYERS,
                                .hidden = 20,
                                .heads = 4,
                                .kv_heads = 2,
                                .head_size = 6,
                                .ffn = 13,
                                .vocabulary = 32,
                                .positions = 64,
                                .dtype = PARE_DTYPE_F32,
                                .shards = 1,
                                .scale = 0.4};

typedef struct progress {
    uint64_t calls, total;
    uint64_t stop_at; /* 0: never */
} progress;

static pare_status count(void *context, uint64_t done, uint64_t total) {
    progress *p = context;
    assert_int_equal(done, ++p->calls);
    p->total = total;
    return done == p->stop_at ? PARE_INTERRUPTED : PARE_OK;
}

/* The residual stream below each block and above the last, as a pass shows it to an observer. */
typedef struct streams {
    double *at[LAYERS + 1]; /* [tokens, d] */
    int64_t hidden;
} streams;

static pare_status keep_stream(void *context, uint32_t layer, int64_t first, int64_t tokens, const float *x,
                               const float *out) {
    streams *s = context;
    for (int64_t i = 0; i < tokens * s->hidden; i++) {
        double *below = &s->at[layer][first * s->hidden + i];
        assert_true(layer == 0 || *below == (double)x[i]);
        *below = (double)x[i];
        s->at[layer + 1][first * s->hidden + i] = (double)out[i];
    }
    return PARE_OK;
}

static void read_streams(const tiny_pass *t, streams *s) {
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH, .inputs = true};
    pare_source source = {.model = t->model, .backend = t->backend};
    pare_pass *pass;
    s->hidden = t->model->config.hidden;
    for (int i = 0; i <= LAYERS; i++)
        s->at[i] = calloc((size_t)(SEQUENCES * LENGTH * s->hidden), sizeof(double));
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    pare_pass_on_block(pass, keep_stream, s);
    assert_int_equal(pare_pass_forward(pass, &source, t->ids, SEQUENCES), PARE_OK);
    pare_pass_free(pass);
}

static double expected_influence(const streams *s, uint32_t layer) {
    double sum = 0.0;
    for (int64_t t = 0; t < SEQUENCES * LENGTH; t++) {
        double xy = 0.0, xx = 0.0, yy = 0.0;
        for (int64_t i = t * s->hidden; i < (t + 1) * s->hidden; i++) {
            xy += s->at[layer][i] * s->at[layer + 1][i];
            xx += s->at[layer][i] * s->at[layer][i];
            yy += s->at[layer + 1][i] * s->at[layer + 1][i];
        }
        sum += xy / sqrt(xx * yy);
    }
    return 1.0 - sum / (SEQUENCES * LENGTH);
}

/* The lowest stream is the embedding's rows; keep_stream has seen that each block's input is the output below it. */
static void streams_begin_with_the_embedding(const tiny_pass *t, const streams *s) {
    for (int64_t token = 0; token < SEQUENCES * LENGTH; token++)
        for (int64_t i = 0; i < s->hidden; i++) {
            float value;
            size_t element = (size_t)t->ids[token] * (size_t)s->hidden + (size_t)i;
            memcpy(&value, (const char *)t->model->tensors[0]->data + element * sizeof value, sizeof value);
            assert_true(s->at[0][token * s->hidden + i] == (double)value);
        }
}

/* The same sums in another order, in double: 1e-12. Smaller micro-batches round the stream itself otherwise, in fp32.
 */
static void influence_is_one_minus_the_cosine(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, SEQUENCES, LENGTH, 2);
    streams s;
    read_streams(&t, &s);
    streams_begin_with_the_embedding(&t, &s);
    pare_source source = {.model = t.model, .backend = t.backend};
    for (int64_t micro = 1; micro <= SEQUENCES; micro++)
        for (int kept = 0; kept < 2; kept++) {
            pare_pass_shape shape = {
                .sequences = SEQUENCES, .length = LENGTH, .observed = true, .inputs = kept, .micro_batch = micro};
            progress seen = {0};
            pare_layer_batch batch = {.ids = t.ids, .sequences = SEQUENCES, .step = count, .step_context = &seen};
            pare_pass *pass;
            double influence[LAYERS];
            assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
            assert_int_equal(pare_layer_influence(pass, &source, &batch, influence), PARE_OK);
            assert_int_equal(seen.calls, LAYERS);
            for (uint32_t layer = 0; layer < LAYERS; layer++)
                assert_close("influence", influence[layer], expected_influence(&s, layer),
                             micro == SEQUENCES ? 1e-12 : 2e-5);
            pare_pass_free(pass);
        }
    for (int i = 0; i <= LAYERS; i++)
        free(s.at[i]);
    tiny_pass_close(&t);
}

static double loss_without(const tiny_pass *t, uint32_t layer, int64_t sequences) {
    bool left_out[LAYERS] = {false};
    left_out[layer] = true;
    char *folder = without_layers_write(t->model, tiny, left_out);
    pare_model *shorter;
    pare_pass_shape shape = {.sequences = sequences, .length = LENGTH};
    pare_pass *pass;
    double sum;
    assert_int_equal(pare_model_open(folder, &shorter), PARE_OK);
    pare_source source = {.model = shorter, .backend = t->backend};
    assert_int_equal(pare_pass_new(shorter, t->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, t->ids, sequences), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, NULL, &sum), PARE_OK);
    pare_pass_free(pass);
    pare_model_close(shorter);
    tiny_remove(folder);
    free(folder);
    return sum / (double)(sequences * (LENGTH - 1));
}

/* Also where fewer sequences are run than the pass has room for. */
static void removal_is_the_loss_of_the_shorter_model(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, SEQUENCES, LENGTH, 1);
    pare_source source = {.model = t.model, .backend = t.backend};
    for (int kept = 0; kept < 2; kept++)
        for (int64_t sequences = SEQUENCES - 1; sequences <= SEQUENCES; sequences++) {
            pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH, .inputs = kept};
            progress seen = {0};
            pare_layer_batch batch = {.ids = t.ids, .sequences = sequences, .step = count, .step_context = &seen};
            pare_pass *pass;
            double dense, losses[LAYERS], sum;
            assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
            assert_int_equal(pare_layer_removal_losses(pass, &source, &batch, &dense, losses), PARE_OK);
            for (uint32_t layer = 0; layer < LAYERS; layer++) {
                assert_true(losses[layer] == loss_without(&t, layer, sequences));
                assert_true(losses[layer] != dense);
            }
            assert_int_equal(seen.calls, seen.total);
            assert_int_equal(seen.total, kept ? LAYERS + LAYERS * (LAYERS + 1) / 2 : LAYERS * (LAYERS + 1));
            assert_int_equal(pare_pass_forward(pass, &source, t.ids, sequences), PARE_OK);
            assert_int_equal(pare_pass_loss(pass, &source, NULL, &sum), PARE_OK);
            assert_true(sum / (double)(sequences * (LENGTH - 1)) == dense);
            pare_pass_free(pass);
        }
    tiny_pass_close(&t);
}

/* A layer that is gone already costs nothing more and moves nothing. */
static void skipped_layers_stay_out(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, SEQUENCES, LENGTH, 1);
    bool skip[LAYERS] = {false, true, false, false};
    pare_source source = {.model = t.model, .backend = t.backend, .skip_layer = skip};
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH, .observed = true};
    pare_layer_batch batch = {.ids = t.ids, .sequences = SEQUENCES};
    pare_pass *pass;
    double dense, losses[LAYERS], influence[LAYERS];
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_layer_removal_losses(pass, &source, &batch, &dense, losses), PARE_OK);
    assert_int_equal(pare_layer_influence(pass, &source, &batch, influence), PARE_OK);
    assert_true(dense == loss_without(&t, 1, SEQUENCES));
    assert_true(losses[1] == dense && losses[0] != dense);
    assert_true(influence[1] == 0.0 && influence[0] > 0.0);
    assert_true(skip[1] && !skip[0] && !skip[2] && !skip[3]);
    pare_pass_free(pass);
    tiny_pass_close(&t);
}

static void stops_and_refuses(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, SEQUENCES, LENGTH, 1);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH};
    progress seen = {.stop_at = 6};
    pare_layer_batch batch = {.ids = t.ids, .sequences = SEQUENCES, .step = count, .step_context = &seen};
    pare_pass *pass;
    double dense, values[LAYERS];
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_layer_removal_losses(pass, &source, &batch, &dense, values), PARE_INTERRUPTED);
    assert_int_equal(seen.calls, 6);
    assert_int_equal(pare_layer_influence(pass, &source, &batch, values), PARE_BAD_ARGUMENT);
    assert_int_equal(pare_pass_forward_from(pass, &source, 1), PARE_BAD_ARGUMENT);
    pare_pass_free(pass);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(influence_is_one_minus_the_cosine),
        cmocka_unit_test(removal_is_the_loss_of_the_shorter_model),
        cmocka_unit_test(skipped_layers_stay_out),
        cmocka_unit_test(stops_and_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
