/* The walk by itself: whatever is observed on the way, and in however many micro-batches, the streams leave every layer
 * with what its block computes; a layer whose attention and FFN both read what enters it included. What is
 * computed by hand, all sequences at once, is the expected value. */
#include "layerwise/layerwise.h"
#include "model/tiny_pass.h"

enum { SEQUENCES = 5, LENGTH = 7, HIDDEN = 24 };

static const tiny_model tiny = {.layers = 3,
                                .hidden = HIDDEN,
                                .heads = 4,
                                .kv_heads = 2,
                                .head_size = 6,
                                .ffn = 40,
                                .vocabulary = 60,
                                .scale = 0.3};

typedef struct scene {
    tiny_pass t;
    pare_source source;
    pare_layerwise l;
    pare_repaired repaired;
    unsigned seen; /* kinds of input that visits were for */
} scene;

static void scene_open(scene *s) {
    *s = (scene){.t = tiny_pass_open(tiny, SEQUENCES, LENGTH, 1)};
    s->source = (pare_source){.model = s->t.model, .backend = s->t.backend};
}

/* parallel: attention and FFN are to read what enters a layer. */
static pare_layerwise_request request_of(const scene *s, bool parallel, int64_t micro_batch) {
    s->t.model->config.architecture.parallel = parallel;
    return (pare_layerwise_request){.source = &s->source,
                                    .ids = s->t.ids,
                                    .sequences = SEQUENCES,
                                    .length = LENGTH,
                                    .micro_batch = micro_batch,
                                    .stage = "walking",
                                    .doing = "walking",
                                    .advice = "",
                                    .one_by_one = true,
                                    .states = PARE_DTYPE_F32,
                                    .needs = {.norms = true, .gram = true}};
}

static void begin(scene *s, const pare_layerwise_request *request) {
    pare_layerwise_memory plan = {0};
    assert_int_equal(pare_layerwise_plan(request, &plan), PARE_OK);
    assert_int_equal(pare_layerwise_new(request, &plan, &s->repaired, &s->l), PARE_OK);
}

static void end(scene *s) {
    pare_layerwise_free(&s->l);
    pare_repaired_free(&s->repaired);
}

/* Looks, and changes nothing. */
static pare_status visit(void *context, uint32_t layer, unsigned kinds, bool last) {
    scene *s = context;
    (void)last;
    s->seen |= kinds;
    assert_int_equal(pare_layerwise_watch(&s->l, layer, kinds, &s->l.asked.needs), PARE_OK);
    if (s->l.asked.two)
        for (int kind = 0; kind < PARE_INPUT_KINDS; kind++) {
            double energy = -1.0;
            if (!(kinds >> kind & 1)) continue;
            assert_int_equal(pare_layerwise_compare(&s->l, (pare_input_kind)kind, &energy), PARE_OK);
            assert_true(energy == 0.0); /* the two streams are the same */
        }
    else
        assert_int_equal(pare_layerwise_observe(&s->l, false), PARE_OK);
    for (int kind = 0; kind < PARE_INPUT_KINDS; kind++)
        if (kinds >> kind & 1) assert_true(s->l.statistics[kind].gram[0] > 0.0f);
    pare_layerwise_forget(&s->l);
    return PARE_OK;
}

static void walk(scene *s, const unsigned *stages) {
    pare_layer_visitor visitor = {
        .stages = stages, .visit = visit, .last = tiny.layers - 1, .beyond = true, .context = s};
    s->seen = 0;
    assert_int_equal(pare_layerwise_walk(&s->l, &visitor), PARE_OK);
    assert_int_equal(s->seen, PARE_ALL_INPUTS);
}

/* [SEQUENCES * LENGTH, hidden] all sequences at once; freed with free(). */
static float *by_hand(const scene *s, bool parallel) {
    size_t count = (size_t)SEQUENCES * LENGTH * HIDDEN;
    float *x = malloc(count * sizeof *x), *middle = malloc(count * sizeof *middle);
    pare_walk hand;
    assert_true(x && middle);
    assert_int_equal(pare_walk_new(&s->source, LENGTH, SEQUENCES, &hand), PARE_OK);
    assert_int_equal(pare_walk_embed(&hand, s->t.ids, SEQUENCES * LENGTH, x), PARE_OK);
    for (uint32_t layer = 0; layer < tiny.layers; layer++) {
        pare_block block = pare_walk_block(&hand, layer);
        assert_int_equal(pare_block_attend(&block, x), PARE_OK);
        assert_int_equal(pare_block_attention_output(&block, x, middle), PARE_OK);
        assert_int_equal(pare_block_activate(&block, parallel ? x : middle), PARE_OK);
        assert_int_equal(pare_block_ffn_output(&block, middle, x), PARE_OK);
    }
    pare_walk_free(&hand);
    free(middle);
    return x;
}

enum { STATES = SEQUENCES * LENGTH * HIDDEN };

static double distance(const float *a, const float *b) {
    double most = 0.0;
    for (int64_t i = 0; i < STATES; i++)
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    return most;
}

/* A product may add up in another order where it has another number of rows; states are around 1. */
static void assert_states(pare_layer_states *side, const float *expected) {
    assert_true(distance(pare_layer_load(side, 0, SEQUENCES * LENGTH), expected) < 1e-4);
}

static void streams_leave_what_blocks_compute(void **state) {
    (void)state;
    static const unsigned *const ways[] = {pare_layerwise_one_by_one, pare_layerwise_together};
    scene s;
    scene_open(&s);
    float *serial = by_hand(&s, false), *parallel = by_hand(&s, true);
    assert_true(distance(serial, parallel) > 1e-2);
    for (int way = 0; way < 2; way++)
        for (int64_t micro_batch = 2; micro_batch <= SEQUENCES; micro_batch += 3)
            for (int shape = 0; shape < 2; shape++) {
                pare_layerwise_request request = request_of(&s, shape == 1, micro_batch);
                request.one_by_one = way == 0;
                begin(&s, &request);
                walk(&s, ways[way]);
                assert_states(&s.l.pruned, shape ? parallel : serial);
                end(&s);
            }
    free(serial);
    free(parallel);
    tiny_pass_close(&s.t);
}

static void both_streams_go_together(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    for (int shape = 0; shape < 2; shape++) {
        float *expected = by_hand(&s, shape == 1);
        pare_layerwise_request request = request_of(&s, shape == 1, 2);
        request.two = true;
        request.reader_share = request.output_share = 0.5;
        begin(&s, &request);
        walk(&s, pare_layerwise_one_by_one);
        assert_false(s.l.apart);
        assert_states(&s.l.pruned, expected);
        assert_states(&s.l.dense, expected);
        end(&s);
        free(expected);
    }
    tiny_pass_close(&s.t);
}

static pare_layer_fate middle_goes(void *context, uint32_t layer) {
    (void)context;
    return layer == 1 ? PARE_LAYER_GOES : PARE_LAYER_STAYS;
}

static pare_status pass_dense(void *context, uint32_t layer, unsigned kinds, bool last) {
    scene *s = context;
    pare_input_kind kind = (pare_input_kind)__builtin_ctz(kinds);
    (void)layer, (void)last;
    return pare_stage_reads(kind) ? PARE_OK : pare_layerwise_pass_dense(&s->l, pare_stage_of(kind));
}

/* The dense stream goes through the layer that the pruned model does not have. */
static void a_layer_that_goes(void **state) {
    (void)state;
    scene s;
    scene_open(&s);
    float *expected = by_hand(&s, false);
    pare_layerwise_request request = request_of(&s, false, 2);
    request.two = true;
    begin(&s, &request);
    pare_layer_visitor visitor = {.stages = pare_layerwise_one_by_one,
                                  .fate = middle_goes,
                                  .visit = pass_dense,
                                  .last = tiny.layers - 1,
                                  .beyond = true,
                                  .context = &s};
    assert_int_equal(pare_layerwise_walk(&s.l, &visitor), PARE_OK);
    assert_true(s.l.apart);
    assert_states(&s.l.dense, expected);
    assert_true(distance(s.l.pruned.now.memory.data, expected) > 1e-2);
    end(&s);
    free(expected);
    tiny_pass_close(&s.t);
}

/* Every matrix belongs to one stage, as a reader or as its output. */
static void stages_have_all_matrices(void **state) {
    (void)state;
    scene s;
    unsigned roles = 0;
    scene_open(&s);
    for (int stage = 0; stage < PARE_STAGES; stage++) {
        pare_stage_roles found = pare_stage_roles_of(s.t.model, 0, (pare_stage)stage);
        for (int i = 0; i < found.reader_count; i++) {
            assert_false(roles >> found.readers[i] & 1);
            roles |= 1u << found.readers[i];
            assert_int_equal(pare_stage_of(pare_input_of(found.readers[i])), stage);
        }
        assert_false(roles >> found.output & 1);
        roles |= 1u << found.output;
        assert_true(pare_stage_reads(found.reads) && !pare_stage_reads(found.writes));
    }
    assert_int_equal(roles, (1u << PARE_MATRIX_ROLES) - 1);
    tiny_pass_close(&s.t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_leave_what_blocks_compute),
        cmocka_unit_test(both_streams_go_together),
        cmocka_unit_test(a_layer_that_goes),
        cmocka_unit_test(stages_have_all_matrices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
