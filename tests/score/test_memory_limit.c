/* What a memory limit does to a plan and to the scores: first things move elsewhere, then they shrink, then one
 * sentence says that nothing fits; and what is held stays under the limit. */
#include "model/tiny_pass.h"
#include "options/resolve.h"
#include "score/score.h"
#include "support/memory.h"

/* What a plan does not count: tables of pointers and of scores, norms, rotation, a gathered row sum. */
enum { SLACK = 96 << 10 };

static const tiny_model tiny = {
    .layers = 4, .hidden = 48, .heads = 8, .kv_heads = 4, .head_size = 6, .ffn = 160, .vocabulary = 200, .scale = 0.2};

typedef struct scene {
    tiny_pass t;
    char *scratch;
    pare_runtime runtime;
    pare_recipe recipe;
} scene;

static scene open_scene(const char *method) {
    scene s = {.t = tiny_pass_open(tiny, 8, 24, 1), .scratch = tiny_folder()};
    pare_prune_options options = {.method = method, .sigma = -1.0, .eta = -1.0};
    if (strncmp(method, "moreau", 6) == 0) options.steps = 2;
    assert_int_equal(pare_recipe_resolve(&options, &s.recipe), PARE_OK);
    s.runtime = (pare_runtime){.threads = 1, .compute = PARE_COMPUTE_FP32, .scratch = s.scratch};
    return s;
}

static void close_scene(scene *s) {
    assert_int_equal(rmdir(s->scratch), 0); /* empty: scratch files have no name */
    free(s->scratch);
    tiny_pass_close(&s->t);
}

static pare_status plan_at(scene *s, uint64_t limit, pare_calibration_plan *plan) {
    uint32_t layers = s->t.model->config.layers;
    pare_target target = {.attention = {0, layers}, .ffn = {0, layers}};
    s->runtime.memory_limit = limit;
    pare_plan_request request = {
        .recipe = &s->recipe, .target = &target, .sequences = s->t.sequences, .length = s->t.length};
    return pare_plan_new(s->t.model, s->t.backend, &s->runtime, &request, plan);
}

/* Scores with this plan, and the most memory held beyond what was held before. */
static pare_score_result score_with(scene *s, const pare_calibration_plan *plan, uint64_t *held) {
    pare_score_result result;
    pare_score_request request = {.model = s->t.model,
                                  .backend = s->t.backend,
                                  .recipe = &s->recipe,
                                  .plan = plan,
                                  .runtime = &s->runtime,
                                  .seed = 5,
                                  .ids = s->t.ids,
                                  .batches = 1};
    uint64_t before = pare_memory_current();
    pare_memory_peak_reset();
    assert_int_equal(pare_score_units(&request, &result), PARE_OK);
    *held = pare_memory_peak() - before;
    return result;
}

static void compare(const scene *s, const pare_score_result *a, const pare_score_result *b) {
    for (uint32_t layer = 0; layer < s->t.model->config.layers; layer++) {
        for (uint32_t i = 0; i < s->t.model->config.widths[layer].kv_heads; i++)
            assert_close("head", a->scores.heads[layer][i], b->scores.heads[layer][i], 1e-5);
        for (uint32_t i = 0; i < s->t.model->config.widths[layer].ffn; i++)
            assert_close("channel", a->scores.ffn[layer][i], b->scores.ffn[layer][i], 1e-5);
    }
}

static uint64_t planned(const pare_plan *p) {
    return p->weights + p->activations + p->gradients + p->state - p->scratch;
}

typedef struct sightings {
    bool in_memory, in_scratch, small_batches, refused;
} sightings;

/* One plan at one limit, run and compared with what an ample limit gives. */
static bool run_at(scene *s, uint64_t limit, const pare_score_result *ample, sightings *seen) {
    pare_calibration_plan plan;
    uint64_t held, before = pare_memory_current();
    if (plan_at(s, limit, &plan) != PARE_OK) {
        assert_non_null(strstr(pare_message(), "--memory"));
        assert_true(pare_memory_current() == before);
        seen->refused = true;
        return false;
    }
    assert_true(plan.sizes.limit == limit);
    assert_true(planned(&plan.sizes) <= limit);
    assert_true(plan.sizes.scratch == (plan.scratch ? plan.sizes.state : 0));
    pare_score_result result = score_with(s, &plan, &held);
    if (held > planned(&plan.sizes) + SLACK)
        fprintf(stderr, "held %llu, planned %llu\n", (unsigned long long)held,
                (unsigned long long)planned(&plan.sizes));
    assert_true(held <= planned(&plan.sizes) + SLACK);
    assert_true(held >= planned(&plan.sizes)); /* nothing is planned for that does not exist */
    compare(s, &result, ample);
    seen->in_memory |= plan.sizes.state && !plan.scratch;
    seen->in_scratch |= plan.sizes.scratch > 0;
    seen->small_batches |= plan.sizes.micro_batch < (uint64_t)s->t.sequences;
    pare_score_free(&result);
    pare_plan_free(&plan);
    return true;
}

static sightings run_down(const char *method) {
    scene s = open_scene(method);
    pare_calibration_plan plan, ample_plan;
    sightings seen = {0};
    uint64_t held;
    assert_int_equal(plan_at(&s, (uint64_t)1 << 40, &ample_plan), PARE_OK);
    assert_null(ample_plan.scratch);
    assert_int_equal(ample_plan.sizes.micro_batch, s.t.sequences);
    pare_score_result ample = score_with(&s, &ample_plan, &held);
    uint64_t limit = planned(&ample_plan.sizes);
    while (run_at(&s, limit, &ample, &seen) && limit > 64)
        limit -= limit / 12;
    assert_int_equal(plan_at(&s, 1, &plan), PARE_OUT_OF_MEMORY);
    pare_score_free(&ample);
    pare_plan_free(&ample_plan);
    close_scene(&s);
    return seen;
}

static void a_moreau_run_makes_room(void **state) {
    (void)state;
    sightings seen = run_down("moreau-gs");
    assert_true(seen.in_memory && seen.in_scratch && seen.small_batches && seen.refused);
}

static void a_gradient_makes_room(void **state) {
    (void)state;
    sightings seen = run_down("taylor");
    assert_true(!seen.in_memory && !seen.in_scratch && seen.small_batches && seen.refused);
}

static void methods_without_data_need_nothing(void **state) {
    (void)state;
    static const char *const methods[] = {"magnitude-l1", "random"};
    for (size_t i = 0; i < 2; i++) {
        scene s = open_scene(methods[i]);
        pare_calibration_plan plan;
        uint64_t held;
        assert_int_equal(plan_at(&s, 1, &plan), PARE_OK);
        assert_true(planned(&plan.sizes) == 0);
        pare_score_result result = score_with(&s, &plan, &held);
        assert_true(held < SLACK);
        pare_score_free(&result);
        pare_plan_free(&plan);
        close_scene(&s);
    }
}

static void only_scored_tensors_take_less(void **state) {
    (void)state;
    scene s = open_scene("moreau");
    pare_calibration_plan all, some;
    assert_int_equal(plan_at(&s, (uint64_t)1 << 40, &all), PARE_OK);
    pare_target target = {.attention = {1, 3}, .ffn = {1, 3}};
    pare_plan_request request = {
        .recipe = &s.recipe, .target = &target, .displace = PARE_DISPLACE_SCORED, .sequences = 8, .length = 24};
    assert_int_equal(pare_plan_new(s.t.model, s.t.backend, &s.runtime, &request, &some), PARE_OK);
    assert_true(all.sizes.state == 4 * pare_model_parameters(s.t.model));
    assert_true(some.sizes.state == 2 * 4 * (2 * 48 * 48 + 2 * 24 * 48 + 3 * 160 * 48));
    for (size_t id = 0; id < s.t.model->tensor_count; id++) {
        uint32_t layer;
        pare_role role;
        bool inside = pare_tensor_id_split(s.t.model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
        assert_true(all.displaced[id]);
        assert_int_equal(all.scored[id], inside);
        assert_int_equal(some.scored[id], inside && (layer == 1 || layer == 2));
        assert_int_equal(some.displaced[id], some.scored[id]);
    }
    pare_plan_free(&all);
    pare_plan_free(&some);
    close_scene(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_moreau_run_makes_room),
        cmocka_unit_test(a_gradient_makes_room),
        cmocka_unit_test(methods_without_data_need_nothing),
        cmocka_unit_test(only_scored_tensors_take_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
