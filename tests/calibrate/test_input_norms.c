/* Sums of squares that observers see, against sums over the operands themselves, by token and by feature, in one
 * micro-batch and in several. */
#include "calibrate/input_norms.h"
#include "model/tiny_pass.h"
#include "model/walk.h"
#include "support/memory.h"

enum { SEQUENCES = 9, LENGTH = 10, WIDTH = 24 };

/* A plain observer: keeps whole inputs. */
typedef struct recorder {
    const pare_backend *backend;
    double squares[2][PARE_INPUT_KINDS][WIDTH];
    int64_t seen[2][PARE_INPUT_KINDS];
    int by_feature;
} recorder;

static bool wants(void *context, uint32_t layer, pare_input_kind kind) {
    (void)context;
    return layer > 0 || kind != PARE_INPUT_GATE_UP;
}

static pare_status see(void *context, uint32_t layer, pare_input_kind kind, const void *x, int64_t tokens,
                       int64_t width, bool by_feature) {
    recorder *r = context;
    float value;
    assert_true(wants(context, layer, kind));
    assert_int_equal(width, kind == PARE_INPUT_DOWN ? 24 : 16);
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t j = 0; j < width; j++) {
            int64_t at = by_feature ? j * tokens + t : t * width + j;
            r->backend->operations->from_operand(r->backend, pare_operand_at(r->backend, x, at), 1, &value);
            r->squares[layer][kind][j] += (double)value * (double)value;
        }
    r->seen[layer][kind] += tokens;
    r->by_feature += by_feature;
    return PARE_OK;
}

static void walk_with(const tiny_pass *t, int64_t micro, const pare_observer *observer) {
    pare_source source = {.model = t->model, .backend = t->backend};
    pare_walk walk;
    float x[SEQUENCES * LENGTH * 16];
    assert_int_equal(pare_walk_new(&source, LENGTH, micro, &walk), PARE_OK);
    pare_walk_embed(&walk, t->ids, SEQUENCES * LENGTH, x);
    for (uint32_t layer = 0; layer < 2; layer++) {
        pare_block block = pare_walk_block(&walk, layer);
        block.observer = observer;
        for (int64_t s = 0; s < SEQUENCES; s += micro) {
            block.batch = SEQUENCES - s < micro ? SEQUENCES - s : micro;
            assert_int_equal(pare_block_forward(&block, x + s * LENGTH * 16, x + s * LENGTH * 16), PARE_OK);
        }
    }
    pare_walk_free(&walk);
}

static void norms_are_plain_sums(void **state) {
    (void)state;
    for (int dtype = 0; dtype < 3; dtype += 2)
        for (int64_t micro = 2; micro <= SEQUENCES; micro += SEQUENCES - 2) {
            tiny_pass t = tiny_pass_open((tiny_model){.scale = 0.4, .dtype = (pare_dtype)dtype}, SEQUENCES, LENGTH, 1);
            pare_input_norms norms;
            static recorder plain;
            plain = (recorder){.backend = t.backend};
            pare_observer observer = {.wants = wants, .see = see, .context = &plain};
            walk_with(&t, micro, &observer);
            assert_int_equal(pare_input_norms_new(t.model, t.backend, false, &norms), PARE_OK);
            walk_with(&t, micro, &norms.observer);
            assert_int_equal(norms.tokens, SEQUENCES * LENGTH);
            assert_int_equal(plain.by_feature > 0, micro == SEQUENCES);
            for (uint32_t layer = 0; layer < 2; layer++)
                for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
                    for (int j = 0; j < (kind == PARE_INPUT_DOWN ? 24 : 16); j++) {
                        bool wanted = wants(NULL, layer, (pare_input_kind)kind);
                        assert_int_equal(plain.seen[layer][kind], wanted ? SEQUENCES * LENGTH : 0);
                        if (wanted)
                            assert_close("squares", norms.squares[layer][kind][j], plain.squares[layer][kind][j],
                                         1e-12);
                        assert_true(norms.squares[layer][kind][j] > 0.0);
                    }
            pare_input_norms_free(&norms);
            tiny_pass_close(&t);
        }
}

/* In two halves, in place, a block gives the bits of the whole block. */
static void halves_make_a_block(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open((tiny_model){.scale = 0.4}, SEQUENCES, LENGTH, 1);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_walk walk;
    float x[SEQUENCES * LENGTH * 16];
    assert_int_equal(pare_walk_new(&source, LENGTH, SEQUENCES, &walk), PARE_OK);
    pare_walk_embed(&walk, t.ids, SEQUENCES * LENGTH, x);
    for (uint32_t layer = 0; layer < 2; layer++) {
        pare_block block = pare_walk_block(&walk, layer);
        assert_int_equal(pare_block_attention_forward(&block, x, x), PARE_OK);
        assert_int_equal(pare_block_ffn_forward(&block, x, x), PARE_OK);
    }
    static float whole[SEQUENCES * LENGTH * 16];
    pare_walk_embed(&walk, t.ids, SEQUENCES * LENGTH, whole);
    for (uint32_t layer = 0; layer < 2; layer++) {
        pare_block block = pare_walk_block(&walk, layer);
        assert_int_equal(pare_block_forward(&block, whole, whole), PARE_OK);
    }
    assert_memory_equal(x, whole, sizeof whole);
    pare_walk_free(&walk);
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(norms_are_plain_sums), cmocka_unit_test(halves_make_a_block)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
