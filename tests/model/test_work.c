/* What passes have to do, counted by hand for a tiny model. */
#include "golden.h"
#include "model/work.h"
#include "tiny_model.h"

/* Two layers of 4 heads of 4 in 2 groups: Q 16 x 16, K and V 8 x 16, O 16 x 16, gate and up 24 x 16, down 16 x 24; 32
 * tokens in the vocabulary. */
static const tiny_model grouped = {.layers = 2, .hidden = 16, .heads = 4, .kv_heads = 2, .head_size = 4, .ffn = 24};

enum {
    SEQUENCES = 3,
    LENGTH = 5,
    TOKENS = SEQUENCES * LENGTH,
    HEADS = 2 * TOKENS * (16 * 16 + 2 * 8 * 16),
    MERGED = 2 * TOKENS * 16 * 16,
    WIDE = 2 * TOKENS * 2 * 24 * 16,
    NARROW = 2 * TOKENS * 16 * 24,
    /* One tile holds all keys of a sequence: scores and sums of 4 heads of 4. */
    ATTENTION = 2 * 2 * SEQUENCES * LENGTH * LENGTH * 4 * 4,
    LOGITS = 2 * TOKENS * 32 * 16,
};

static pare_model *open_model(tiny_model tiny, char **folder) {
    pare_model *model;
    *folder = tiny_model_write(tiny);
    assert_int_equal(pare_model_open(*folder, &model), PARE_OK);
    return model;
}

static void close_model(pare_model *model, char *folder) {
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

static void a_block_by_its_products(void **state) {
    (void)state;
    char *folder;
    pare_model *model = open_model(grouped, &folder);
    pare_block_operations o = pare_block_operations_of(model, 1, SEQUENCES, LENGTH);
    assert_true(o.heads == HEADS && o.attention == ATTENTION && o.merged == MERGED);
    assert_true(o.wide == WIDE && o.narrow == NARROW);
    close_model(model, folder);
}

static void long_sequences_see_tiles(void **state) {
    (void)state;
    char *folder;
    pare_model *model = open_model(grouped, &folder);
    /* 128 queries see 128 keys, the 10 behind them all 138. */
    pare_block_operations o = pare_block_operations_of(model, 0, 1, 138);
    assert_true(o.attention == 4.0 * (128.0 * 128.0 + 10.0 * 138.0) * 16.0);
    close_model(model, folder);
}

static void a_forward_and_a_gradient(void **state) {
    (void)state;
    for (int tied = 0; tied < 2; tied++) {
        tiny_model tiny = grouped;
        tiny.tied = tied;
        char *folder;
        pare_model *model = open_model(tiny, &folder);
        const double block = HEADS + ATTENTION + MERGED + WIDE + NARROW;
        pare_work forward = pare_work_forward(model, SEQUENCES, LENGTH);
        assert_true(forward.amount[PARE_WORK_BLOCKS] == 2 * block);
        assert_true(pare_work_operations(&forward) == 2 * block + LOGITS);
        /* Again without down; then two products for each of the forward's, and five of attention for its two. */
        pare_gradient_shape shape = {
            .sequences = SEQUENCES, .length = LENGTH, .weights = true, .head = true, .again = 0.5};
        pare_work gradient = pare_work_gradient(model, &shape);
        assert_true(gradient.amount[PARE_WORK_BLOCKS] == 2 * block + (block - NARROW));
        assert_true(gradient.amount[PARE_WORK_BACKWARD] == 2 * (2 * (block - ATTENTION) + 2.5 * ATTENTION));
        assert_true(gradient.amount[PARE_WORK_PRODUCTS] == (tied ? 5.0 : 4.0) * LOGITS);
        shape.weights = shape.head = false;
        gradient = pare_work_gradient(model, &shape);
        assert_true(gradient.amount[PARE_WORK_BACKWARD] == 2 * (block - ATTENTION + 2.5 * ATTENTION));
        assert_true(gradient.amount[PARE_WORK_PRODUCTS] == 3.0 * LOGITS);
        close_model(model, folder);
    }
}

static void seconds_are_amounts_over_rates(void **state) {
    (void)state;
    pare_work work = {{[PARE_WORK_BLOCKS] = 6.0, [PARE_WORK_BYTES] = 8.0}}, more = work;
    pare_rates rates = {{[PARE_WORK_BLOCKS] = 2.0, [PARE_WORK_BYTES] = 4.0}};
    assert_true(pare_work_seconds(&work, &rates) == 5.0);
    pare_work_add(&more, &work, 2.0);
    assert_true(pare_work_seconds(&more, &rates) == 15.0 && pare_work_operations(&more) == 18.0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_by_its_products),
        cmocka_unit_test(long_sequences_see_tiles),
        cmocka_unit_test(a_forward_and_a_gradient),
        cmocka_unit_test(seconds_are_amounts_over_rates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
