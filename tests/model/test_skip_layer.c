/* A pass that skips layers against the model written without them: the same bits, forward and backward. */
#include "tiny_pass.h"
#include "without_layers.h"

enum { LAYERS = 4, SEQUENCES = 3, LENGTH = 9 };

static const tiny_model shape = {.layers = LAYERS,
                                 .hidden = 24,
                                 .heads = 4,
                                 .kv_heads = 2,
                                 .head_size = 6,
                                 .ffn = 13,
                                 .vocabulary = 32,
                                 .positions = 64,
                                 .dtype = PARE_DTYPE_F32,
                                 .shards = 1,
                                 .scale = 0.4};

/* Two leave out the top layer, whose activations are those that a backward finds ready when it is there. */
static const bool skipped[][LAYERS] = {
    {true, true, true, false},  {true, false, false, false}, {false, true, true, false},
    {false, false, true, true}, {false, false, false, true},
};
enum { CASES = sizeof skipped / sizeof *skipped };

/* `t` without the skipped layers, same ids. */
static tiny_pass open_without(const tiny_pass *t, const bool *left_out) {
    tiny_pass without = *t;
    without.folder = without_layers_write(t->model, shape, left_out);
    assert_int_equal(pare_model_open(without.folder, &without.model), PARE_OK);
    return without;
}

static void close_without(tiny_pass *without) {
    pare_model_close(without->model);
    tiny_remove(without->folder);
    free(without->folder);
}

/* Id in the whole model of tensor `id` of the one without. */
static size_t id_in_whole(const tiny_pass *t, const tiny_pass *without, size_t id, const bool *left_out) {
    uint32_t layer;
    pare_role role;
    if (id == pare_tensor_id_embedding()) return id;
    if (!pare_tensor_id_split(without->model, id, &layer, &role))
        return pare_tensor_id_final_norm(t->model) + (id - pare_tensor_id_final_norm(without->model));
    uint32_t whole = 0;
    for (uint32_t kept = 0;; whole++)
        if (!left_out[whole] && kept++ == layer) return pare_tensor_id(whole, role);
}

/* All tensors wanted, and each alone: then the backward ends at it, above or below a skipped layer. */
static void gradients_equal(const tiny_pass *t, const bool *left_out, int64_t micro_batch) {
    tiny_pass without = open_without(t, left_out);
    pare_source whole_source = {.model = t->model, .backend = t->backend, .skip_layer = left_out};
    pare_source short_source = {.model = without.model, .backend = t->backend};
    tiny_gradients whole, shorter, one;
    double loss = tiny_pass_gradients(t, &whole_source, micro_batch, -1, &whole);
    assert_true(tiny_pass_gradients(&without, &short_source, micro_batch, -1, &shorter) == loss);
    for (size_t id = 0; id < shorter.count; id++) {
        size_t in_whole = id_in_whole(t, &without, id, left_out), bytes = without.model->tensors[id]->count * 4;
        assert_memory_equal(whole.of[in_whole], shorter.of[id], bytes);
        assert_true(tiny_pass_gradients(t, &whole_source, micro_batch, (int64_t)in_whole, &one) == loss);
        assert_memory_equal(one.of[in_whole], shorter.of[id], bytes);
        tiny_gradients_free(&one);
    }
    for (uint32_t layer = 0; layer < LAYERS; layer++) /* never handed out, so still as it was */
        assert_true(left_out[layer] == (bool)isnan(whole.of[pare_tensor_id(layer, PARE_ROLE_UP)][0]));
    tiny_gradients_free(&whole);
    tiny_gradients_free(&shorter);
    close_without(&without);
}

static void gradients_are_those_of_the_shorter_model(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(shape, SEQUENCES, LENGTH, 1);
    for (int i = 0; i < CASES; i++)
        for (int64_t micro = 2; micro <= SEQUENCES; micro++)
            gradients_equal(&t, skipped[i], micro);
    tiny_pass_close(&t);
}

static double loss_of(pare_pass *pass, const pare_source *source) {
    double sum;
    assert_int_equal(pare_pass_loss(pass, source, NULL, &sum), PARE_OK);
    return sum;
}

/* Forward alone, with block inputs kept and not, and begun again above a layer. */
static void losses_are_those_of_the_shorter_model(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(shape, SEQUENCES, LENGTH, 1);
    pare_pass_shape lean = {.sequences = SEQUENCES, .length = LENGTH}, kept = lean;
    pare_pass *passes[2];
    kept.inputs = true;
    assert_int_equal(pare_pass_new(t.model, t.backend, &lean, &passes[0]), PARE_OK);
    assert_int_equal(pare_pass_new(t.model, t.backend, &kept, &passes[1]), PARE_OK);
    for (int i = 0; i < CASES; i++) {
        tiny_pass without = open_without(&t, skipped[i]);
        pare_source plain = {.model = t.model, .backend = t.backend}, source = plain;
        pare_source short_source = {.model = without.model, .backend = t.backend};
        source.skip_layer = skipped[i];
        pare_pass *shorter;
        assert_int_equal(pare_pass_new(without.model, t.backend, &lean, &shorter), PARE_OK);
        assert_int_equal(pare_pass_forward(shorter, &short_source, t.ids, SEQUENCES), PARE_OK);
        double expected = loss_of(shorter, &short_source);
        for (int p = 0; p < 2; p++) {
            assert_int_equal(pare_pass_forward(passes[p], &source, t.ids, SEQUENCES), PARE_OK);
            assert_true(loss_of(passes[p], &source) == expected);
        }
        uint32_t lowest = 0;
        while (!skipped[i][lowest])
            lowest++;
        assert_int_equal(pare_pass_forward(passes[1], &plain, t.ids, SEQUENCES), PARE_OK);
        assert_true(loss_of(passes[1], &plain) != expected);
        assert_int_equal(pare_pass_forward_from(passes[1], &source, lowest), PARE_OK);
        assert_true(loss_of(passes[1], &source) == expected);
        pare_pass_free(shorter);
        close_without(&without);
    }
    pare_pass_free(passes[0]);
    pare_pass_free(passes[1]);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_those_of_the_shorter_model),
        cmocka_unit_test(losses_are_those_of_the_shorter_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
