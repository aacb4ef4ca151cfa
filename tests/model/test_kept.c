/* A pass that keeps blocks for their backward gives the bits of one that runs them again, however many it keeps, and
 * holds what its plan says. */
#include "support/memory.h"
#include "tiny_adapters.h"

static const tiny_model odd = {
    .layers = 4, .hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .scale = 0.2};

enum { SEQUENCES = 5, LENGTH = 70, MICRO_BATCH = 2, PARTS = 3, LAYERS = 4 };

static uint64_t total(const pare_pass_memory *memory) {
    return memory->weights + memory->activations + memory->gradients;
}

/* The shape with a limit that leaves room for so many blocks. */
static pare_pass_shape with_room(const tiny_pass *t, pare_pass_shape shape, int64_t blocks) {
    pare_pass_memory none, all, some;
    shape.limit = 0;
    shape.keep = PARE_KEPT_NONE;
    assert_int_equal(pare_pass_measure(t->model, t->backend, &shape, &none), PARE_OK);
    assert_int_equal(none.kept, 0);
    shape.keep = PARE_KEPT_AS_ROOM;
    assert_int_equal(pare_pass_measure(t->model, t->backend, &shape, &all), PARE_OK);
    assert_int_equal(all.kept, LAYERS * PARTS);
    uint64_t block = (total(&all) - total(&none)) / (uint64_t)all.kept;
    assert_true(block > 0);
    shape.limit = total(&none) + pare_model_bytes(t->model) + (uint64_t)blocks * block + block / 2;
    assert_int_equal(pare_pass_measure(t->model, t->backend, &shape, &some), PARE_OK);
    assert_int_equal(some.kept, blocks < all.kept ? blocks : all.kept);
    assert_true(total(&some) <= shape.limit);
    return shape;
}

/* The loss; room for `blocks` blocks, or -1 without any being asked for. */
static double run(const tiny_pass *t, pare_pass_shape shape, int64_t blocks, const pare_adapters *adapters,
                  const pare_source *source, const pare_gradient_sink *sink) {
    pare_pass *pass;
    pare_pass_memory memory;
    double loss, again;
    if (blocks >= 0) shape = with_room(t, shape, blocks);
    assert_int_equal(pare_pass_measure(t->model, t->backend, &shape, &memory), PARE_OK);
    uint64_t before = pare_memory_current();
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    assert_true(pare_memory_current() - before <= total(&memory) + 65536);
    if (adapters) pare_pass_adapt(pass, adapters);
    assert_int_equal(pare_pass_gradient(pass, source, t->ids, sink, &loss), PARE_OK);
    if (sink) {
        assert_int_equal(pare_pass_gradient(pass, source, t->ids, sink, &again), PARE_OK);
        assert_true(loss == again);
    }
    pare_pass_free(pass);
    return loss;
}

/* Of adapters with dropout beside frozen weights, some in one micro-batch and some in several. */
static void adapters_are_the_same(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, SEQUENCES, LENGTH, 2);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_pass_shape shape = {.sequences = SEQUENCES,
                             .length = LENGTH,
                             .gradients = true,
                             .frozen = true,
                             .rank = 3,
                             .dropout = true,
                             .micro_batch = MICRO_BATCH};
    tiny_adapters again, kept;
    tiny_adapters_new(&again, &t, 3, 0.3f, true);
    double expected = run(&t, shape, -1, &again.all, &source, NULL);
    static const int64_t rooms[] = {0, 1, 4, 11, 100};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        tiny_adapters_new(&kept, &t, 3, 0.3f, true);
        assert_true(run(&t, shape, rooms[i], &kept.all, &source, NULL) == expected);
        for (size_t id = 0; id < t.model->tensor_count; id++) {
            if (!again.list[id].rank) continue;
            size_t rank = (size_t)again.list[id].rank * sizeof(float);
            assert_memory_equal(kept.da[id], again.da[id], rank * (size_t)again.columns[id]);
            assert_memory_equal(kept.db[id], again.db[id], rank * (size_t)again.rows[id]);
        }
        tiny_adapters_free(&kept);
    }
    tiny_adapters_free(&again);
    tiny_pass_close(&t);
}

static void new_gradients(const tiny_pass *t, tiny_gradients *out) {
    *out = (tiny_gradients){.count = t->model->tensor_count};
    for (size_t id = 0; id < out->count; id++)
        out->of[id] = calloc(t->model->tensors[id]->count, sizeof(float));
}

/* Of all weights, which are composed with noise for every block. */
static void gradients_of_weights_are_the_same(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, SEQUENCES, LENGTH, 2);
    pare_source source = {.model = t.model, .backend = t.backend, .sigma = 0.05f, .seed = 9};
    pare_pass_shape shape = {
        .sequences = SEQUENCES, .length = LENGTH, .gradients = true, .composed = true, .micro_batch = MICRO_BATCH};
    tiny_gradients again, kept;
    new_gradients(&t, &again);
    new_gradients(&t, &kept);
    pare_gradient_sink sink = {.wants = tiny_wants, .rows = tiny_rows, .context = &again};
    double expected = run(&t, shape, -1, NULL, &source, &sink);
    sink.context = &kept;
    static const int64_t rooms[] = {1, 5, 100};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        assert_true(run(&t, shape, rooms[i], NULL, &source, &sink) == expected);
        for (size_t id = 0; id < kept.count; id++) {
            assert_memory_equal(kept.of[id], again.of[id], t.model->tensors[id]->count * sizeof(float));
            memset(kept.of[id], 0, t.model->tensors[id]->count * sizeof(float));
        }
    }
    tiny_gradients_free(&again);
    tiny_gradients_free(&kept);
    tiny_pass_close(&t);
}

/* A limit that the weights themselves would fill leaves room for none. */
static void weights_come_first(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, SEQUENCES, LENGTH, 1);
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH, .gradients = true, .micro_batch = MICRO_BATCH};
    pare_pass_memory memory;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OK);
    shape.keep = PARE_KEPT_AS_ROOM;
    shape.limit = total(&memory) + pare_model_bytes(t.model) / 2;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OK);
    assert_int_equal(memory.kept, 0);
    shape.gradients = false;
    shape.limit = 0;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OK);
    assert_int_equal(memory.kept, 0);
    tiny_pass_close(&t);
}

/* All that are asked for, beside weights that do not count, or none of the pass. */
static void all_or_refused(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(odd, SEQUENCES, LENGTH, 1);
    pare_pass_shape shape = {
        .sequences = SEQUENCES, .length = LENGTH, .gradients = true, .keep = PARE_KEPT_ALL, .micro_batch = MICRO_BATCH};
    pare_pass_memory memory;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OK);
    assert_int_equal(memory.kept, LAYERS * PARTS);
    assert_int_equal(memory.blocks, LAYERS * PARTS);
    shape.limit = total(&memory);
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OK);
    assert_int_equal(memory.kept, LAYERS * PARTS);
    shape.limit--;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OUT_OF_MEMORY);
    assert_non_null(strstr(pare_message(), "--keep-activations auto"));
    shape.keep = PARE_KEPT_AS_ROOM;
    assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &memory), PARE_OK);
    assert_true(memory.kept < LAYERS * PARTS);
    tiny_pass_close(&t);
}

/* What a call that says nothing gets. */
static void auto_is_the_default(void **state) {
    (void)state;
    pare_runtime runtime = {0};
    assert_int_equal(pare_kept_rule_of(NULL), PARE_KEPT_AS_ROOM);
    assert_int_equal(pare_kept_rule_of(&runtime), PARE_KEPT_AS_ROOM);
    runtime.keep_activations = PARE_KEEP_YES;
    assert_int_equal(pare_kept_rule_of(&runtime), PARE_KEPT_ALL);
    runtime.keep_activations = PARE_KEEP_NO;
    assert_int_equal(pare_kept_rule_of(&runtime), PARE_KEPT_NONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adapters_are_the_same), cmocka_unit_test(gradients_of_weights_are_the_same),
        cmocka_unit_test(weights_come_first),    cmocka_unit_test(all_or_refused),
        cmocka_unit_test(auto_is_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
