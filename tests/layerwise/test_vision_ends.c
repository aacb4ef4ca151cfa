/* Of pictures the head reads the first token alone, and what is fitted in front of it looks at no other: the final
 * norm's factors by hand, and a head that makes up for everything at five tokens of more channels than that, which it
 * could not at all tokens. */
#include "layerwise/layerwise.h"
#include "model/vision.h"

enum { MOST = 64 };

typedef struct scene {
    vision_model m;
    pare_backend *backend;
    pare_source source;
    pare_layerwise l;
    pare_repaired repaired;
    int64_t hidden, length;
} scene;

static pare_layer_fate first_goes(void *context, uint32_t layer) {
    (void)context;
    return layer ? PARE_LAYER_STAYS : PARE_LAYER_GOES;
}

static pare_status pass_dense(void *context, uint32_t layer, unsigned kinds, bool last) {
    scene *s = context;
    pare_input_kind kind = (pare_input_kind)__builtin_ctz(kinds);
    (void)layer, (void)last;
    return pare_stage_reads(kind) ? PARE_OK : pare_layerwise_pass_dense(&s->l, pare_stage_of(kind));
}

/* The two models, one of them without its first layer, up to the final norm. */
static void walk(const json_t *one, scene *s) {
    *s = (scene){.m = vision_open(one)};
    const pare_model *model = s->m.opened.model;
    assert_int_equal(pare_backend_open_reference(&s->backend), PARE_OK);
    s->source = (pare_source){.model = model, .backend = s->backend};
    s->hidden = model->config.hidden;
    s->length = s->m.windows.length;
    assert_true(s->hidden <= MOST && s->hidden > VISION_PICTURES);
    assert_true(VISION_PICTURES * s->length > s->hidden);
    pare_layerwise_request request = {.source = &s->source,
                                      .ids = s->m.windows.ids,
                                      .sequences = VISION_PICTURES,
                                      .length = s->length,
                                      .micro_batch = 2,
                                      .stage = "walking",
                                      .doing = "walking",
                                      .advice = "",
                                      .one_by_one = true,
                                      .two = true,
                                      .states = PARE_DTYPE_F32,
                                      .needs = {.gram = true},
                                      .reader_share = 1.0,
                                      .output_share = 0.5,
                                      .damping = 1e-9};
    pare_layer_visitor visitor = {.stages = pare_layerwise_one_by_one,
                                  .fate = first_goes,
                                  .visit = pass_dense,
                                  .last = model->config.layers - 1,
                                  .beyond = true,
                                  .context = s};
    size_t norm = pare_tensor_id_final_norm(model), head = pare_tensor_id_head(model);
    pare_layerwise_memory plan = {.repaired =
                                      pare_repaired_bytes(model, norm, 1, (uint64_t)s->hidden) +
                                      pare_repaired_bytes(model, head, model->config.vocabulary, (uint64_t)s->hidden)};
    assert_int_equal(pare_layerwise_plan(&request, &plan), PARE_OK);
    assert_int_equal(pare_layerwise_new(&request, &plan, &s->repaired, &s->l), PARE_OK);
    assert_int_equal(pare_layerwise_walk(&s->l, &visitor), PARE_OK);
}

static void scene_close(scene *s) {
    pare_layerwise_free(&s->l);
    pare_repaired_free(&s->repaired);
    pare_backend_close(s->backend);
    vision_close(&s->m);
}

/* A picture's first token, centred and divided by its deviation. */
static void first_token(const scene *s, const pare_layer_states *states, size_t picture, double *out) {
    const float *x = (const float *)states->now.memory.data + (int64_t)picture * s->length * s->hidden;
    double mean = 0.0, squares = s->m.opened.model->config.rms_eps * (double)s->hidden;
    for (int64_t i = 0; i < s->hidden; i++)
        mean += (double)x[i] / (double)s->hidden;
    for (int64_t i = 0; i < s->hidden; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    for (int64_t i = 0; i < s->hidden; i++)
        out[i] = ((double)x[i] - mean) / sqrt(squares / (double)s->hidden);
}

static void check_norm(scene *s) {
    double across[MOST] = {0}, squares[MOST] = {0}, q[MOST], p[MOST];
    size_t id = pare_tensor_id_final_norm(s->m.opened.model);
    float stored[MOST];
    for (size_t k = 0; k < VISION_PICTURES; k++) {
        first_token(s, &s->l.dense, k, q);
        first_token(s, &s->l.pruned, k, p);
        for (int64_t i = 0; i < s->hidden; i++) {
            across[i] += q[i] * p[i];
            squares[i] += p[i] * p[i];
        }
    }
    assert_int_equal(pare_layerwise_finish(&s->l, true, false), PARE_OK);
    pare_source_rows(&s->source, id, 0, 1, stored);
    const float *fitted = s->repaired.matrix[id];
    for (int64_t i = 0; i < s->hidden; i++)
        assert_true(fabs((double)stored[i] * across[i] / squares[i] - (double)fitted[i]) < 1e-4);
}

/* What a row of the head makes of a picture's first token, without its bias. */
static double logit(const scene *s, const pare_layer_states *states, size_t picture, const float *row) {
    const pare_model *model = s->m.opened.model;
    float weight[MOST], bias[MOST];
    double x[MOST], sum = 0.0;
    pare_source_rows(&s->source, pare_tensor_id_final_norm(model), 0, 1, weight);
    pare_source_rows(&s->source, pare_tensor_id_end(model, PARE_END_FINAL_NORM_BIAS), 0, 1, bias);
    first_token(s, states, picture, x);
    for (int64_t i = 0; i < s->hidden; i++)
        sum += (double)row[i] * (x[i] * (double)weight[i] + (double)bias[i]);
    return sum;
}

static void check_head(scene *s) {
    size_t id = pare_tensor_id_head(s->m.opened.model);
    double apart = 0.0, left = 0.0;
    assert_int_equal(pare_layerwise_finish(&s->l, false, true), PARE_OK);
    const float *fitted = s->repaired.matrix[id];
    assert_non_null(fitted);
    for (uint32_t row = 0; row < s->m.opened.model->config.vocabulary; row++)
        for (size_t k = 0; k < VISION_PICTURES; k++) {
            float stored[MOST];
            pare_source_rows(&s->source, id, row, 1, stored);
            double dense = logit(s, &s->l.dense, k, stored);
            apart = fmax(apart, fabs(dense - logit(s, &s->l.pruned, k, stored)));
            left = fmax(left, fabs(dense - logit(s, &s->l.pruned, k, fitted + (size_t)row * (size_t)s->hidden)));
        }
    if (!(apart > 0.0 && left < 1e-2 * apart)) fail_msg("logits are %g apart, then %g", apart, left);
}

static void first_tokens_alone(void **state) {
    (void)state;
    json_t *golden = load_json(VISION_GOLDEN);
    for (size_t i = 0; i < 2; i++) {
        const json_t *one = json_array_get(json_object_get(golden, "cases"), i);
        static scene s;
        walk(one, &s);
        check_norm(&s);
        scene_close(&s);
        walk(one, &s);
        check_head(&s);
        scene_close(&s);
    }
    json_decref(golden);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_tokens_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
