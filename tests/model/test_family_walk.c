/* Block after block by hand, one part after the other, makes of every family what a pass makes of it; so does a pass
 * that leaves a layer out, and one that goes on from a layer in the middle. */
#include "families.h"
#include "model/walk.h"
#include "support/memory.h"

typedef struct shown {
    float *out; /* [tokens, d] of the last block that was shown */
    int64_t hidden;
} shown;

static pare_status keep_output(void *context, uint32_t layer, int64_t first_token, int64_t tokens, const float *x,
                               const float *out) {
    (void)layer, (void)x;
    shown *s = context;
    memcpy(s->out + first_token * s->hidden, out, (size_t)(tokens * s->hidden) * sizeof *out);
    return PARE_OK;
}

/* What the last block makes. from: the layer that the pass goes on from, behind a forward of all; 0: none. */
static void pass_output(const pare_source *source, const uint32_t *ids, uint32_t from, float *out) {
    shown s = {.out = out, .hidden = source->model->config.hidden};
    pare_pass_shape shape = {
        .sequences = FAMILY_SEQUENCES, .length = FAMILY_LENGTH, .observed = true, .inputs = from > 0};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(source->model, source->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, source, ids, FAMILY_SEQUENCES), PARE_OK);
    pare_pass_on_block(pass, keep_output, &s);
    if (from)
        assert_int_equal(pare_pass_forward_from(pass, source, from), PARE_OK);
    else
        assert_int_equal(pare_pass_forward(pass, source, ids, FAMILY_SEQUENCES), PARE_OK);
    pare_pass_free(pass);
}

/* without: a layer that is left out, or `layers`. */
static void walk_output(const pare_source *source, const uint32_t *ids, uint32_t without, float *x) {
    size_t bytes = (size_t)FAMILY_TOKENS * source->model->config.hidden * sizeof *x;
    float *middle = malloc(bytes);
    pare_walk walk;
    assert_int_equal(pare_walk_new(source, FAMILY_LENGTH, FAMILY_SEQUENCES, &walk), PARE_OK);
    assert_int_equal(pare_walk_embed(&walk, ids, FAMILY_TOKENS, x), PARE_OK);
    for (uint32_t layer = 0; layer < source->model->config.layers; layer++) {
        if (layer == without) continue;
        pare_block block = pare_walk_block(&walk, layer);
        block.batch = FAMILY_SEQUENCES;
        assert_int_equal(pare_block_attend(&block, x), PARE_OK);
        assert_int_equal(pare_block_attention_output(&block, x, middle), PARE_OK);
        assert_int_equal(pare_block_activate(&block, pare_block_ffn_reads(&block, x, middle)), PARE_OK);
        assert_int_equal(pare_block_ffn_output(&block, middle, x), PARE_OK);
    }
    pare_walk_free(&walk);
    free(middle);
}

/* What a pass does in place of a walk through all blocks. */
typedef enum course { WHOLE, WITHOUT_LAYER, FROM_LAYER } course;

static double check_case(const families *all, const json_t *one, const pare_backend *backend, course how) {
    family_model m = family_open(one, (family_form){0});
    uint32_t layers = m.model->config.layers;
    size_t count = (size_t)FAMILY_TOKENS * m.model->config.hidden;
    float *walked = malloc(count * sizeof *walked), *passed = malloc(count * sizeof *passed);
    bool *skip = calloc(layers, sizeof *skip);
    pare_source source = {.model = m.model, .backend = backend};
    walk_output(&source, all->ids, how == WITHOUT_LAYER ? 0 : layers, walked);
    if (how == WITHOUT_LAYER) {
        skip[0] = true;
        source.skip_layer = skip;
    }
    pass_output(&source, all->ids, how == FROM_LAYER ? layers - 1 : 0, passed);
    double worst = family_apart(walked, passed, count);
    free(skip);
    free(walked);
    free(passed);
    family_close(&m);
    return worst;
}

static void check(course how) {
    families all = families_load();
    pare_backend *backend;
    size_t i, wrong = 0;
    json_t *one;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) {
        double differs = check_case(&all, one, backend, how);
        if (differs <= 1e-6) continue;
        wrong++;
        fprintf(stderr, "%s: hidden states differ by %.2g of the largest\n", family_name(one), differs);
    }
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

static void whole(void **state) {
    (void)state;
    check(WHOLE);
}

static void without_a_layer(void **state) {
    (void)state;
    check(WITHOUT_LAYER);
}

static void from_a_layer(void **state) {
    (void)state;
    check(FROM_LAYER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole),
        cmocka_unit_test(without_a_layer),
        cmocka_unit_test(from_a_layer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
