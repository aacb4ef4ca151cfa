/* Which experts tokens reach: chosen, shared out and sorted as the formulas have it, with ties and experts that are
 * off; gradients of logits equal differences; and weights of experts that no token reaches are never multiplied. */
#include "families.h"
#include "model/expert_tensors.h"
#include "model/routing.h"

enum { TOKENS = 5, EXPERTS = 6, CHOSEN = 3 };

typedef struct made {
    float probability[TOKENS * EXPERTS], share[TOKENS * CHOSEN];
    int32_t expert[TOKENS * CHOSEN], order[TOKENS * CHOSEN];
    int64_t first[EXPERTS + 1];
} made;

static pare_routing routing_of(made *m, bool normalised) {
    static const pare_experts rules[] = {{.scale = 1.0, .groups = 1, .groups_chosen = 1},
                                         {.scale = 1.0, .groups = 1, .groups_chosen = 1, .normalised = true}};
    for (int i = 0; i < TOKENS * EXPERTS; i++)
        m->probability[i] = 2.0f * counted(3, (uint32_t)i);
    return (pare_routing){.tokens = TOKENS,
                          .experts = EXPERTS,
                          .chosen = CHOSEN,
                          .rule = &rules[normalised],
                          .probability = m->probability,
                          .share = m->share,
                          .expert = m->expert,
                          .order = m->order,
                          .first = m->first};
}

static void shares_are_a_softmax(void **state) {
    (void)state;
    static const bool off[EXPERTS] = {[2] = true};
    for (int normalised = 0; normalised < 2; normalised++) {
        made m, logits;
        pare_routing r = routing_of(&m, normalised);
        routing_of(&logits, normalised);
        pare_routing_choose(&r, off);
        for (int t = 0; t < TOKENS; t++) {
            const float *l = logits.probability + t * EXPERTS;
            double all = 0.0, chosen = 0.0;
            for (int e = 0; e < EXPERTS; e++)
                all += off[e] ? 0.0 : exp((double)l[e]);
            for (int i = 0; i < CHOSEN; i++)
                chosen += exp((double)l[m.expert[t * CHOSEN + i]]);
            for (int i = 0; i < CHOSEN; i++) {
                int32_t e = m.expert[t * CHOSEN + i];
                int larger = 0;
                for (int j = 0; j < EXPERTS; j++)
                    larger += !off[j] && l[j] > l[e];
                assert_int_equal(larger, i); /* there are no ties */
                assert_true(fabs((double)m.share[t * CHOSEN + i] - exp((double)l[e]) / (normalised ? chosen : all)) <
                            1e-6);
            }
            assert_true(m.probability[t * EXPERTS + 2] == 0.0f);
        }
    }
}

static void places_are_sorted(void **state) {
    (void)state;
    made m;
    pare_routing r = routing_of(&m, true);
    pare_routing_choose(&r, NULL);
    assert_int_equal(m.first[0], 0);
    assert_int_equal(m.first[EXPERTS], TOKENS * CHOSEN);
    for (int e = 0; e < EXPERTS; e++)
        for (int64_t i = m.first[e]; i < m.first[e + 1]; i++) {
            assert_int_equal(m.expert[m.order[i]], e);
            assert_true(i == m.first[e] || m.order[i] > m.order[i - 1]);
        }
}

static void of_equals_the_lower_index_comes_first(void **state) {
    (void)state;
    made m;
    pare_routing r = routing_of(&m, true);
    for (int i = 0; i < TOKENS * EXPERTS; i++)
        m.probability[i] = i % EXPERTS == 4 ? 1.0f : 0.5f;
    pare_routing_choose(&r, NULL);
    static const int32_t wanted[CHOSEN] = {4, 0, 1};
    for (int i = 0; i < TOKENS * CHOSEN; i++)
        assert_int_equal(m.expert[i], wanted[i % CHOSEN]);
}

/* Of sum over tokens and places of c share, by differences in double; which experts are chosen does not change. */
static double sum_of(const float *logits, const made *at, bool normalised) {
    double sum = 0.0;
    for (int t = 0; t < TOKENS; t++) {
        double all = 0.0;
        for (int e = 0; e < EXPERTS && !normalised; e++)
            all += exp((double)logits[t * EXPERTS + e]);
        for (int i = 0; i < CHOSEN && normalised; i++)
            all += exp((double)logits[t * EXPERTS + at->expert[t * CHOSEN + i]]);
        for (int i = 0; i < CHOSEN; i++)
            sum += (double)counted(9, (uint32_t)(t * CHOSEN + i)) *
                   exp((double)logits[t * EXPERTS + at->expert[t * CHOSEN + i]]) / all;
    }
    return sum;
}

static void gradients_are_differences(void **state) {
    (void)state;
    for (int normalised = 0; normalised < 2; normalised++) {
        made m, logits;
        float felt[TOKENS * CHOSEN], found[TOKENS * EXPERTS];
        pare_routing r = routing_of(&m, normalised);
        routing_of(&logits, normalised);
        pare_routing_choose(&r, NULL);
        for (int i = 0; i < TOKENS * CHOSEN; i++)
            felt[i] = m.share[i] * counted(9, (uint32_t)i);
        pare_routing_backward(&r, felt, found);
        for (int i = 0; i < TOKENS * EXPERTS; i++) {
            const float step = 1.0f / 64;
            float kept = logits.probability[i];
            logits.probability[i] = kept + step;
            double up = sum_of(logits.probability, &m, normalised);
            logits.probability[i] = kept - step;
            double down = sum_of(logits.probability, &m, normalised);
            logits.probability[i] = kept;
            /* The third derivative of a softmax is below 1: step^2 / 6 of it. */
            assert_true(fabs((double)found[i] - (up - down) / (2.0 * (double)step)) < 1e-4);
        }
    }
}

/* Sum over tokens and places of c share, as pare shares out. */
static double sum_by(const pare_experts *rule, const float *correction, const float *logits, made *m) {
    pare_routing r = routing_of(m, false);
    double sum = 0.0;
    r.rule = rule;
    r.correction = correction;
    memcpy(m->probability, logits, sizeof m->probability);
    pare_routing_choose(&r, NULL);
    for (int i = 0; i < TOKENS * CHOSEN; i++)
        sum += (double)counted(9, (uint32_t)i) * (double)m->share[i];
    return sum;
}

/* Of sigmoids, in groups and with a correction, and of sparsemixer, where nothing is too far to count. */
static void other_shares_have_their_gradients(void **state) {
    (void)state;
    static const float correction[EXPERTS] = {0.5f, 0.0f, -0.25f, 0.125f, 0.75f, 0.0f};
    static const pare_experts rules[] = {
        {.scale = 0.75, .groups = 1, .groups_chosen = 1, .sigmoid = true, .normalised = true},
        {.scale = 2.5, .groups = 2, .groups_chosen = 1, .groups_by_two = true, .sigmoid = true},
        {.scale = 1.0, .groups = 1, .groups_chosen = 1, .jitter = 100.0}};
    for (size_t rule = 0; rule < sizeof rules / sizeof *rules; rule++) {
        const float *added = rules[rule].sigmoid ? correction : NULL, step = 1.0f / 64;
        made m, up, down;
        float felt[TOKENS * CHOSEN], found[TOKENS * EXPERTS], logits[TOKENS * EXPERTS];
        pare_routing r = routing_of(&m, false);
        r.rule = &rules[rule];
        memcpy(logits, m.probability, sizeof logits);
        sum_by(&rules[rule], added, logits, &m);
        for (int i = 0; i < TOKENS * CHOSEN; i++)
            felt[i] = m.share[i] * counted(9, (uint32_t)i);
        pare_routing_backward(&r, felt, found);
        for (int i = 0; i < TOKENS * EXPERTS; i++) {
            float kept = logits[i];
            logits[i] = kept + step;
            double above = sum_by(&rules[rule], added, logits, &up);
            logits[i] = kept - step;
            double below = sum_by(&rules[rule], added, logits, &down);
            logits[i] = kept;
            assert_memory_equal(up.expert, m.expert, sizeof m.expert);
            assert_memory_equal(down.expert, m.expert, sizeof m.expert);
            /* Third derivatives below 2.5, and shares in fp32. */
            assert_true(fabs((double)found[i] - (above - below) / (2.0 * (double)step)) < 3e-4);
        }
        for (int t = 0; t < TOKENS && rules[rule].groups == 2; t++)
            for (int i = 1; i < CHOSEN; i++)
                assert_int_equal(m.expert[t * CHOSEN + i] / 3, m.expert[t * CHOSEN] / 3);
    }
}

/* Where the largest logit is 0, logits of 0 count: 0 / 0 is not above the bound, as transformers' mask has it. */
static void sparsemixer_shares_zeros_out(void **state) {
    (void)state;
    static const pare_experts rule = {.scale = 1.0, .groups = 1, .groups_chosen = 1, .jitter = 0.01};
    static const float half = 0.5f, whole = 1.0f;
    made m;
    pare_routing r = routing_of(&m, false);
    r.rule = &rule;
    r.tokens = 1;
    r.chosen = 2;
    for (int e = 0; e < EXPERTS; e++)
        m.probability[e] = e == 1 || e == 4 ? 0.0f : -1.0f - (float)e;
    pare_routing_choose_token(&r, NULL, 0);
    assert_int_equal(m.expert[0], 1);
    assert_int_equal(m.expert[1], 4);
    assert_memory_equal(&m.share[0], &half, sizeof half);
    assert_memory_equal(&m.share[1], &whole, sizeof whole); /* the first one is out of the second choice */
}

/* Tokens that one expert alone is left to in each layer: NaN in all others changes nothing. */
static void unreached_experts_are_never_multiplied(void **state) {
    (void)state;
    families all = families_load_from(EXPERTS_GOLDEN);
    family_model m = family_open(family_case(&all, "olmoe normalised, one of four"), (family_form){0});
    const pare_config *config = &m.model->config;
    static const bool off[4] = {true, true, false, true};
    const bool *layers[2] = {off, off};
    pare_backend *backend;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    pare_source source = {.model = m.model, .backend = backend, .experts_off = layers};
    float *sound = family_logits(m.model, &source, all.ids);
    float *nan = malloc((size_t)config->hidden * config->experts.width * sizeof *nan);
    float **stored = calloc(m.model->tensor_count, sizeof *stored);
    for (uint32_t i = 0; i < config->hidden * config->experts.width; i++)
        nan[i] = NAN;
    for (uint32_t layer = 0; layer < config->layers; layer++)
        for (uint32_t expert = 0; expert < 4; expert++)
            for (pare_expert_part part = 0; part < PARE_EXPERT_PARTS && off[expert]; part++)
                stored[pare_tensor_id_expert(config, layer, expert, part)] = nan;
    source.stored = stored;
    float *spoilt = family_logits(m.model, &source, all.ids);
    assert_memory_equal(sound, spoilt, (size_t)FAMILY_TOKENS * config->vocabulary * sizeof *sound);
    stored[pare_tensor_id_expert(config, 0, 2, PARE_EXPERT_UP)] = nan;
    float *reached = family_logits(m.model, &source, all.ids);
    assert_true(isnan(reached[0]));
    free(sound);
    free(spoilt);
    free(reached);
    free(nan);
    free(stored);
    pare_backend_close(backend);
    family_close(&m);
    families_free(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_a_softmax),
        cmocka_unit_test(places_are_sorted),
        cmocka_unit_test(of_equals_the_lower_index_comes_first),
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(other_shares_have_their_gradients),
        cmocka_unit_test(sparsemixer_shares_zeros_out),
        cmocka_unit_test(unreached_experts_are_never_multiplied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
