/* Gradients that add up shard by shard (model/pass.h) are those of one sum, of every tensor: of blocks, experts and
 * latents, and of what stands in front of and behind the blocks. */
#include "family_fixture.h"

/* Two shards, the second of them the larger. */
enum { SEQUENCES = 87, TOKENS = SEQUENCES * FAMILY_LENGTH };

/* Sums in fp32 over some thousand tokens, in another order: of the largest number of a tensor, or a thousandth of the
 * largest of all (what a bias of the keys adds to all scores alike has no gradient but rounding). */
static const double bound = 2e-5, floor_share = 1e-3;

typedef struct kept {
    const pare_model *model;
    float **gradient; /* [tensor_count] */
    size_t shown;
} kept;

static bool wants_all(void *context, size_t id) {
    const kept *k = context;
    return !pare_tensor_is_absent(k->model->tensors[id]);
}

static pare_status keep(void *context, size_t id, int64_t first, int64_t rows, int64_t columns, const float *gradient,
                        const float *samples) {
    kept *k = context;
    (void)samples;
    if (!k->gradient[id]) k->gradient[id] = calloc((size_t)k->model->tensors[id]->count, sizeof(float));
    assert_non_null(k->gradient[id]);
    memcpy(k->gradient[id] + first * columns, gradient, (size_t)(rows * columns) * sizeof *gradient);
    k->shown += (size_t)(rows * columns);
    return PARE_OK;
}

static kept gradients(const fixture *f, const pare_model *model, const uint32_t *ids, bool shards, double *loss) {
    kept k = {.model = model, .gradient = calloc(model->tensor_count, sizeof *k.gradient)};
    pare_source source = {.model = model, .backend = f->backend};
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = FAMILY_LENGTH, .gradients = true, .shards = shards};
    pare_gradient_sink sink = {.wants = wants_all, .rows = keep, .context = &k};
    pare_pass *pass;
    assert_non_null(k.gradient);
    assert_int_equal(pare_pass_new(model, f->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_shards(pass).count, shards ? 2 : 1);
    if (pare_pass_gradient(pass, &source, ids, &sink, loss) != PARE_OK) fail_msg("%s", pare_message());
    pare_pass_free(pass);
    return k;
}

static void kept_free(kept *k) {
    for (size_t id = 0; id < k->model->tensor_count; id++)
        free(k->gradient[id]);
    free(k->gradient);
}

static double largest_of(const float *values, size_t count) {
    double largest = 0.0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)values[i]));
    return largest;
}

static double largest_of_all(const kept *k) {
    double largest = 0.0;
    for (size_t id = 0; id < k->model->tensor_count; id++)
        if (k->gradient[id]) largest = fmax(largest, largest_of(k->gradient[id], (size_t)k->model->tensors[id]->count));
    return largest;
}

static double apart(const float *a, const float *b, size_t count) {
    double worst = 0.0;
    for (size_t i = 0; i < count; i++)
        worst = family_worse(worst, fabs((double)a[i] - (double)b[i]));
    return worst;
}

static void compare(const fixture *f, const char *name) {
    family_model m = open_named(f, name);
    double losses[2];
    uint32_t *ids = malloc(TOKENS * sizeof *ids);
    assert_non_null(ids);
    for (uint32_t t = 0; t < TOKENS; t++)
        ids[t] = (t * t * 7 + t % FAMILY_LENGTH * 13) % m.model->config.vocabulary;
    kept whole = gradients(f, m.model, ids, false, &losses[0]), cut = gradients(f, m.model, ids, true, &losses[1]);
    assert_true(fabs(losses[0] - losses[1]) < 1e-9 * losses[0]);
    assert_int_equal(whole.shown, cut.shown);
    double least = floor_share * largest_of_all(&whole);
    for (size_t id = 0; id < m.model->tensor_count; id++) {
        assert_int_equal(whole.gradient[id] == NULL, cut.gradient[id] == NULL);
        if (!whole.gradient[id]) continue;
        size_t count = (size_t)m.model->tensors[id]->count;
        double error = apart(cut.gradient[id], whole.gradient[id], count);
        error /= fmax(largest_of(whole.gradient[id], count), least);
        if (!(error <= bound)) fail_msg("%s: %s is off by %g", name, m.model->tensors[id]->name, error);
    }
    kept_free(&whole);
    kept_free(&cut);
    free(ids);
    family_close(&m);
}

static void test_shards(void **state) {
    static const char *const others[] = {
        "llama", "gpt2", "phi", "opt narrow embedding", "gemma", "bloom heads of 7, other names"};
    static const char *const experts[] = {"deepseek_v2", "qwen2_moe", "gpt_oss"};
    const fixture *f = *state;
    bool mixtures = families_have_experts();
    const char *const *names = mixtures ? experts : others;
    size_t count = mixtures ? sizeof experts / sizeof *experts : sizeof others / sizeof *others;
    for (size_t i = 0; i < count; i++)
        compare(f, names[i]);
}

static int set_up(void **state) {
    return fixture_open(state, families_load());
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shards)};
    return cmocka_run_group_tests(tests, set_up, fixture_close);
}
