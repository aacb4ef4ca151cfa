/* A first step moves what no gradient reads any more: of experts, routers and latents, too, it is the gradient of the
 * weights as they are, times the step size. */
#include "calibrate/moreau.h"
#include "model/family_fixture.h"

enum { SEQUENCES = 3, TOKENS = SEQUENCES * FAMILY_LENGTH };

/* Large enough for weights that were moved to show. */
static const double gamma_of_all = 4.0;

static bool wants_there(void *context, size_t id) {
    return !pare_tensor_is_absent(((const pare_model *)context)->tensors[id]);
}

/* Set in each test: the context of the sink is the model. */
static float **gradient;

static pare_status keep(void *context, size_t id, int64_t first, int64_t rows, int64_t columns, const float *values,
                        const float *samples) {
    const pare_model *model = context;
    (void)samples;
    if (!gradient[id]) gradient[id] = calloc((size_t)model->tensors[id]->count, sizeof(float));
    assert_non_null(gradient[id]);
    memcpy(gradient[id] + first * columns, values, (size_t)(rows * columns) * sizeof *values);
    return PARE_OK;
}

static void check_delta(const pare_model *model, const pare_moreau_state *state) {
    for (size_t id = 0; id < model->tensor_count; id++)
        for (uint64_t i = 0; gradient[id] && i < model->tensors[id]->count; i++) {
            double expected = -gamma_of_all * (double)gradient[id][i], found = (double)state->delta[id][i];
            if (!(fabs(found - expected) <= 1e-6 * fabs(expected)))
                fail_msg("%s is moved by %g, not %g", model->tensors[id]->name, found, expected);
        }
}

static void check(const fixture *f, const char *name) {
    family_model m = open_named(f, name);
    const pare_moreau moreau = {.steps = 1, .draws = 1, .rho = 8.0, .gamma = gamma_of_all};
    pare_source source = {.model = m.model, .backend = f->backend};
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = FAMILY_LENGTH, .gradients = true, .composed = true};
    pare_gradient_sink sink = {.wants = wants_there, .rows = keep, .context = (void *)(uintptr_t)m.model};
    pare_moreau_state state;
    pare_pass *pass;
    uint32_t ids[TOKENS];
    double loss;
    bool *there = calloc(m.model->tensor_count, sizeof *there);
    gradient = calloc(m.model->tensor_count, sizeof *gradient);
    assert_true(there && gradient);
    for (uint32_t t = 0; t < TOKENS; t++)
        ids[t] = (t * t * 7 + t % FAMILY_LENGTH * 13) % m.model->config.vocabulary;
    for (size_t id = 0; id < m.model->tensor_count; id++)
        there[id] = wants_there((void *)(uintptr_t)m.model, id);
    assert_int_equal(pare_pass_new(m.model, f->backend, &shape, &pass), PARE_OK);
    if (pare_pass_gradient(pass, &source, ids, &sink, &loss) != PARE_OK) fail_msg("%s", pare_message());
    assert_int_equal(pare_moreau_state_new(m.model, there, &moreau, NULL, &state), PARE_OK);
    if (pare_moreau_run(pass, &source, ids, &moreau, NULL, &state) != PARE_OK) fail_msg("%s", pare_message());
    check_delta(m.model, &state);
    pare_moreau_state_free(&state);
    pare_pass_free(pass);
    for (size_t id = 0; id < m.model->tensor_count; id++)
        free(gradient[id]);
    free(gradient);
    free(there);
    family_close(&m);
}

static void test_experts(void **state) {
    const fixture *f = *state;
    check(f, "qwen2_moe");
    check(f, "deepseek_v2");
    check(f, "gpt_oss");
}

static int set_up(void **state) {
    return fixture_open(state, families_load_from(EXPERTS_GOLDEN));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_experts)};
    return cmocka_run_group_tests(tests, set_up, fixture_close);
}
