/* A salience that the caller brings goes the way of the built-in ones: the same formula removes the same weights and
 * units, bit for bit, whatever the target; what it reads is what was asked for; and a callback that gives up or gives
 * what is no score is answered with one sentence, with nothing written. */
#include "prune/sparse_run.h"

#include <pthread.h>

typedef struct calls {
    int count;
    float bad;          /* given for the last weight of the matrix below, unless 0 */
    pare_status status; /* returned for it */
    pthread_t thread;
} calls;

static pare_status answer(void *user, const pare_matrix_view *m, float *scores) {
    calls *c = user;
    c->count++;
    assert_true(pthread_equal(pthread_self(), c->thread));
    bool here = m->layer == 1 && strcmp(m->module, "up_proj") == 0;
    if (here) assert_string_equal(m->tensor, "model.layers.1.mlp.up_proj.weight");
    if (here && c->bad != 0.0f) scores[m->rows * m->columns - 1] = c->bad;
    return here ? c->status : PARE_OK;
}

static pare_status magnitude(void *user, const pare_matrix_view *m, float *scores) {
    assert_null(m->inputs);
    assert_null(m->gradient);
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        scores[i] = fabsf(m->weights[i]);
    return answer(user, m, scores);
}

static pare_status square(void *user, const pare_matrix_view *m, float *scores) {
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        scores[i] = m->weights[i] * m->weights[i];
    return answer(user, m, scores);
}

static pare_status wanda(void *user, const pare_matrix_view *m, float *scores) {
    assert_null(m->outputs);
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        scores[i] = fabsf(m->weights[i]) * m->inputs[i % m->columns];
    return answer(user, m, scores);
}

static pare_status taylor(void *user, const pare_matrix_view *m, float *scores) {
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        scores[i] = fabsf(m->weights[i] * m->gradient[i]);
    return answer(user, m, scores);
}

static pare_status second(void *user, const pare_matrix_view *m, float *scores) {
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        scores[i] = fabsf(m->weights[i] * m->weights[i] * m->squares[i]);
    return answer(user, m, scores);
}

static pare_status owanda(void *user, const pare_matrix_view *m, float *scores) {
    for (int64_t i = 0; i < m->rows * m->columns; i++)
        scores[i] = fabsf(m->weights[i]) * m->outputs[i / m->columns];
    return answer(user, m, scores);
}

/* |w| times the input's standard deviation, which no built-in method has. */
static pare_status deviation(void *user, const pare_matrix_view *m, float *scores) {
    for (int64_t i = 0; i < m->rows * m->columns; i++) {
        float variance = m->variance[i % m->columns];
        assert_true(isfinite(m->mean[i % m->columns]) && variance >= 0.0f);
        scores[i] = fabsf(m->weights[i]) * sqrtf(variance);
    }
    return answer(user, m, scores);
}

/* SHA-256 of the weights that a run writes. */
static void weights_of(const prune_run *r, char text[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    char *path = pare_path_join(r->output, "model.safetensors");
    prune_run_do(r);
    assert_int_equal(pare_digest_new(&digest), PARE_OK);
    prune_run_digest_file(digest, path);
    pare_digest_finish(digest, text);
    free(path);
}

typedef struct twin {
    const char *built_in;
    pare_salience_fn fill;
    unsigned reads;
    const char *key, *value; /* a setting of both, or NULL */
} twin;

/* The built-in method, and its choices with the formula as a callback. alone: without naming the method. */
static void check_twin(prune_run *r, const twin *t, bool alone) {
    calls c = {.thread = pthread_self()};
    pare_own_salience own = {.name = "mine", .reads = t->reads, .fill = t->fill, .user = &c};
    pare_setting setting = {t->key, t->value};
    char expected[PARE_DIGEST_TEXT], got[PARE_DIGEST_TEXT];
    r->options.settings = &setting;
    r->options.setting_count = t->key != NULL;
    r->options.force = true;
    r->options.method = t->built_in;
    weights_of(r, expected);
    if (alone) r->options.method = NULL;
    r->options.salience = &own;
    weights_of(r, got);
    if (strcmp(got, expected) != 0) fprintf(stderr, "%s differs from its twin\n", t->built_in);
    assert_string_equal(got, expected);
    assert_true(c.count >= 14); /* seven matrices of two layers */
    r->options.salience = NULL;
}

static void check_targets(const twin *t, bool alone) {
    prune_run r = sparse_run_open(sparse_tiny, t->built_in, 0.5);
    r.runtime.threads = 2;
    check_twin(&r, t, alone);
    sparse_run_pattern(&r, 2, 4);
    check_twin(&r, t, alone);
    prune_run_close(&r);
}

static void single_weights(void **state) {
    static const twin named[] = {{"magnitude", magnitude, 0, NULL, NULL},
                                 {"gblm-gradient", taylor, PARE_READS_GRADIENT, NULL, NULL},
                                 {"sparseswaps", wanda, PARE_READS_INPUTS, NULL, NULL},
                                 {"wanda", wanda, PARE_READS_INPUTS, "compensate", "obs"}};
    static const twin plain[] = {{"wanda", wanda, PARE_READS_INPUTS, NULL, NULL},
                                 {"owanda", owanda, PARE_READS_OUTPUTS, "compare", "row"},
                                 {"magnitude", magnitude, 0, "compare", "matrix"}};
    (void)state;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        check_targets(&named[i], false);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        check_targets(&plain[i], true);
}

/* Targets of which the dense model's scores decide first. */
static void settled_before(void **state) {
    static const twin global = {"wanda", wanda, PARE_READS_INPUTS, "compare", "global"};
    static const twin owl = {"wanda-owl", wanda, PARE_READS_INPUTS, NULL, NULL};
    static const twin permuted = {"wanda", wanda, PARE_READS_INPUTS, "permute", "allocate"};
    (void)state;
    prune_run r = sparse_run_open(sparse_tiny, "wanda", 0.4);
    check_twin(&r, &global, true);
    check_twin(&r, &owl, false);
    sparse_run_pattern(&r, 2, 4);
    check_twin(&r, &permuted, true);
    prune_run_close(&r);
}

static void units(void **state) {
    static const twin all[] = {{"wanda-structured", wanda, PARE_READS_INPUTS, NULL, NULL},
                               {"magnitude-l1", magnitude, 0, "reduction", "mean"},
                               {"magnitude-l2", square, 0, "reduction", "mean"},
                               {"taylor", taylor, PARE_READS_GRADIENT, NULL, NULL},
                               {"taylor-second", second, PARE_READS_SQUARES, NULL, NULL},
                               {"taylor", taylor, PARE_READS_GRADIENT, "mode", "channel"},
                               {"taylor", taylor, PARE_READS_GRADIENT, "gqa", "query"},
                               {"taylor", taylor, PARE_READS_GRADIENT, "compensate", "ls"}};
    static const twin named = {"moreau-gs", taylor, PARE_READS_GRADIENT, NULL, NULL};
    tiny_model tiny = {.layers = 2, .hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 40, .scale = 0.3};
    (void)state;
    prune_run r = prune_run_open(tiny);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_twin(&r, &all[i], true);
    check_twin(&r, &named, false);
    prune_run_close(&r);
}

/* What is recorded says that the scores came from outside. */
static void records(void **state) {
    calls c = {.thread = pthread_self()};
    pare_own_salience own = {"spread", PARE_READS_MOMENTS, deviation, &c};
    (void)state;
    prune_run r = sparse_run_open(sparse_tiny, NULL, 0.5);
    r.options.salience = &own;
    prune_run_do(&r);
    char *path = pare_path_join(r.output, "pruning.json");
    json_t *manifest = json_load_file(path, 0, NULL), *recipe = json_object_get(manifest, "recipe");
    assert_string_equal(json_string_value(json_object_get(recipe, "salience")), "own");
    assert_string_equal(json_string_value(json_object_get(recipe, "salience_name")), "spread");
    assert_string_equal(json_string_value(json_object_get(manifest, "method")), "own");
    json_decref(manifest);
    free(path);
    prune_run_close(&r);
}

static void expect(const prune_run *r, pare_status status, const char *sentence) {
    assert_int_equal(prune_run_try(r), status);
    if (!strstr(pare_message(), sentence)) fprintf(stderr, "%s\n", pare_message());
    assert_non_null(strstr(pare_message(), sentence));
    assert_null(strchr(pare_message(), '\n'));
    assert_false(pare_file_exists(r->output));
}

static void bad_callbacks(void **state) {
    static const float bad[] = {NAN, INFINITY, -1.0f};
    calls c = {.thread = pthread_self()};
    pare_own_salience own = {"mine", PARE_READS_INPUTS, wanda, &c};
    (void)state;
    prune_run r = sparse_run_open(sparse_tiny, "wanda", 0.5);
    r.options.salience = &own;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c.bad = bad[i];
        expect(&r, PARE_NUMERIC_ERROR, "for row 26, column 17 of model.layers.1.mlp.up_proj.weight: scores must be");
    }
    c.bad = 0.0f;
    c.status = PARE_UNSUPPORTED;
    expect(&r, PARE_UNSUPPORTED, "the salience mine gave up on model.layers.1.mlp.up_proj.weight with status 4");
    prune_run_method(&r, "wanda-structured");
    expect(&r, PARE_UNSUPPORTED, "the salience mine gave up on");
    c.status = (pare_status)99;
    expect(&r, PARE_CHECK_FAILED, "with status 99");
    prune_run_close(&r);
}

static void refusals(void **state) {
    calls c = {.thread = pthread_self()};
    pare_own_salience own = {"mine", PARE_READS_OUTPUTS, owanda, &c};
    pare_setting setting = {"salience", "l1"};
    (void)state;
    prune_run r = prune_run_open(sparse_tiny);
    r.options.salience = &own;
    r.options.method = NULL;
    expect(&r, PARE_BAD_ARGUMENT, "the salience is for single weights");
    r.options.method = "best";
    expect(&r, PARE_BAD_ARGUMENT, "the salience mine cannot take effect: best ranks by exact errors");
    r.options.method = "layer-removal";
    expect(&r, PARE_BAD_ARGUMENT, "ranks by a score of whole layers");
    r.options.method = "taylor";
    r.options.settings = &setting;
    r.options.setting_count = 1;
    expect(&r, PARE_BAD_ARGUMENT, "the salience is given twice");
    r.options.setting_count = 0;
    own.reads = 1u << 20;
    expect(&r, PARE_BAD_ARGUMENT, "reads something unknown (0x100000)");
    own.name = NULL;
    expect(&r, PARE_BAD_ARGUMENT, "needs a name and a function");
    prune_run_method(&r, "best-sparse");
    own = (pare_own_salience){"mine", 0, magnitude, &c};
    expect(&r, PARE_BAD_ARGUMENT, "ranks by the masks that ADMM chooses");
    assert_int_equal(c.count, 0);
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(single_weights), cmocka_unit_test(settled_before),
                                       cmocka_unit_test(units),          cmocka_unit_test(records),
                                       cmocka_unit_test(bad_callbacks),  cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
