/* The gradients of experts that no token reaches are handed over, too, as the zeros that they are, whether
 * micro-batches are added up or there is one alone. */
#include "family_fixture.h"
#include "model/expert_tensors.h"

static int setup(void **state) {
    return fixture_open(state, families_load_from(EXPERTS_GOLDEN));
}

typedef struct heard {
    const pare_model *model;
    int64_t *rows; /* [tensor_count] that were handed over */
    bool *felt;    /* [tensor_count] some of them are not zero */
} heard;

static bool wants(void *context, size_t id) {
    const pare_model *model = ((const heard *)context)->model;
    pare_expert_place place;
    bool inside = pare_tensor_id_split_expert(model, id, &place) && !pare_tensor_is_absent(model->tensors[id]);
    return inside && (place.what == PARE_EXPERT_OWN || place.what == PARE_EXPERT_BIAS);
}

static pare_status hear(void *context, size_t id, int64_t first, int64_t rows, int64_t columns, const float *values,
                        const float *samples) {
    heard *h = context;
    assert_int_equal(first, h->rows[id]);
    h->rows[id] += rows;
    for (int64_t i = 0; i < rows * columns; i++)
        h->felt[id] |= fabsf(values[i]) > 0.0f || (samples && fabsf(samples[i]) > 0.0f);
    return PARE_OK;
}

/* Of so many sequences of two tokens; micro_batch 0: all at once. Returns how many tensors nothing was felt of. */
static size_t silent(const fixture *f, const char *name, int64_t sequences, int64_t micro_batch, bool samples) {
    family_model m = open_named(f, name);
    const pare_model *model = m.model;
    heard h = {.model = model,
               .rows = calloc(model->tensor_count, sizeof *h.rows),
               .felt = calloc(model->tensor_count, sizeof *h.felt)};
    pare_source source = {.model = model, .backend = f->backend};
    const pare_pass_shape shape = {
        .sequences = sequences, .length = 2, .gradients = true, .samples = samples, .micro_batch = micro_batch};
    const pare_gradient_sink sink = {
        .wants = wants, .rows = hear, .samples = samples ? PARE_SAMPLES_SQUARES : PARE_SAMPLES_NONE, .context = &h};
    pare_pass *pass;
    double loss;
    size_t none = 0;
    assert_int_equal(pare_pass_new(model, f->backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, f->all.ids, &sink, &loss), PARE_OK);
    pare_pass_free(pass);
    for (size_t id = 0; id < model->tensor_count; id++) {
        int64_t rows, columns;
        if (!wants(&h, id)) continue;
        pare_tensor_matrix(model->tensors[id], &rows, &columns);
        if (h.rows[id] != rows) fail_msg("%s: %lld rows", model->tensors[id]->name, (long long)h.rows[id]);
        none += !h.felt[id];
    }
    free(h.rows);
    free(h.felt);
    family_close(&m);
    return none;
}

static void unreached_experts_have_a_gradient(void **state) {
    static const char *const names[] = {"olmoe normalised, one of four", "gpt_oss"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int samples = 0; samples < 2; samples++) {
            assert_true(silent(*state, names[i], 1, 0, samples) > 0);
            assert_true(silent(*state, names[i], 2, 1, samples) > 0);
            assert_int_equal(silent(*state, names[i], 2, 1, samples), silent(*state, names[i], 2, 0, samples));
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(unreached_experts_have_a_gradient)};
    return cmocka_run_group_tests(tests, setup, fixture_close);
}
