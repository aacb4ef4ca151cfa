/* LLM-Pruner's second-order scores from streamed squared gradients, against the fp64 oracle: param_second sums |w^2 A|,
 * param_mix |w g - w^2 A / 2|; heads are key/value groups with the queries that share them. */
#include "golden.h"
#include "model/pass.h"
#include "select/select.h"

enum { BEGIN = 1, END = 4, METHODS = 2 };

static const char *const names[METHODS] = {"taylor_param_second", "taylor_param_mix"};

typedef struct scoring {
    const pare_model *model;
    pare_unit_scores scores[METHODS];
} scoring;

static bool wants_matrices(void *context, size_t id) {
    uint32_t layer;
    pare_role role;
    return pare_tensor_id_split(((const scoring *)context)->model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
}

/* Where the salience of an element goes: the unit of its row, or of its column where columns are cut. */
static double *unit_of(const scoring *s, int method, size_t id, int64_t row, int64_t column) {
    uint32_t layer;
    pare_role role;
    assert_true(pare_tensor_id_split(s->model, id, &layer, &role));
    const pare_config *config = &s->model->config;
    int64_t index = role == PARE_ROLE_O || role == PARE_ROLE_DOWN ? column : row;
    bool query = role == PARE_ROLE_Q || role == PARE_ROLE_O;
    int64_t shared = query ? pare_widths_shared(&config->widths[layer]) : 1;
    if (role >= PARE_ROLE_GATE) return &s->scores[method].ffn[layer][index];
    return &s->scores[method].heads[layer][index / (config->head_size * shared)];
}

static pare_status score_rows(void *context, size_t id, int64_t first, int64_t rows, int64_t columns,
                              const float *gradient, const float *squares) {
    const scoring *s = context;
    const pare_tensor *tensor = s->model->tensors[id];
    assert_non_null(squares);
    for (int64_t i = 0; i < rows * columns; i++) {
        float weight;
        size_t element = (size_t)(first * columns + i);
        pare_to_float(&weight, (const char *)tensor->data + element * pare_dtype_size(tensor->dtype), tensor->dtype, 1);
        double w = (double)weight, second = w * (double)squares[i] * w;
        int64_t row = first + i / columns, column = i % columns;
        *unit_of(s, 0, id, row, column) += fabs(second);
        *unit_of(s, 1, id, row, column) += fabs(w * (double)gradient[i] - 0.5 * second);
    }
    return PARE_OK;
}

static void compare_scores(const char *name, const double *actual, uint32_t count, json_t *expected) {
    assert_int_equal(count, json_array_size(expected));
    for (uint32_t i = 0; i < count; i++)
        assert_close(name, actual[i], json_number_value(json_array_get(expected, i)), 1e-4);
}

static void compare_kept(const uint32_t *actual, uint32_t count, json_t *expected) {
    assert_int_equal(count, json_array_size(expected));
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(actual[i], json_integer_value(json_array_get(expected, i)));
}

static void check_method(const scoring *s, int method, json_t *golden, double ratio, const char *kept) {
    const pare_config *config = &s->model->config;
    json_t *entry = json_object_get(json_object_get(golden, "methods"), names[method]);
    pare_target target = {.ratio = ratio, .attention = {BEGIN, END}, .ffn = {BEGIN, END}};
    pare_goal goal;
    pare_selection selection;
    assert_non_null(entry);
    assert_int_equal(pare_goal_new(s->model, &target, 1.0, &goal), PARE_OK);
    assert_int_equal(pare_select(s->model, &s->scores[method], &target, &goal, &selection), PARE_OK);
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        json_t *scores = json_array_get(json_object_get(entry, "scores"), layer);
        json_t *keep = json_array_get(json_object_get(entry, kept), layer);
        const pare_kept *chosen = &selection.layer[layer];
        compare_scores(names[method], s->scores[method].heads[layer], config->widths[layer].kv_heads,
                       json_object_get(scores, "heads"));
        compare_scores(names[method], s->scores[method].ffn[layer], config->widths[layer].ffn,
                       json_object_get(scores, "ffn"));
        compare_kept(chosen->kv_head, chosen->kv_heads, json_object_get(keep, "heads"));
        compare_kept(chosen->ffn_channel, chosen->ffn, json_object_get(keep, "ffn"));
    }
    pare_selection_free(&selection);
    pare_goal_free(&goal);
}

static void check(int64_t micro_batch) {
    json_t *golden = load_json(BUNDLED_GOLDEN);
    size_t sequences, length;
    uint32_t *ids = golden_ids(json_object_get(golden, "ids"), &sequences, &length);
    pare_model *model;
    pare_backend *backend;
    pare_pass *pass;
    double loss;
    assert_int_equal(pare_model_open(BUNDLED_MODEL, &model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 0, &backend), PARE_OK);
    scoring s = {.model = model};
    for (int method = 0; method < METHODS; method++)
        assert_int_equal(pare_unit_scores_new(model, &s.scores[method]), PARE_OK);
    pare_pass_shape shape = {.sequences = (int64_t)sequences,
                             .length = (int64_t)length,
                             .gradients = true,
                             .samples = true,
                             .micro_batch = micro_batch};
    pare_source source = {.model = model, .backend = backend};
    pare_gradient_sink sink = {
        .wants = wants_matrices, .rows = score_rows, .samples = PARE_SAMPLES_SQUARES, .context = &s};
    assert_int_equal(pare_pass_new(model, backend, &shape, &pass), PARE_OK);
    assert_int_equal(pare_pass_gradient(pass, &source, ids, &sink, &loss), PARE_OK);
    for (int method = 0; method < METHODS; method++) {
        check_method(&s, method, golden, 0.25, "keep_0.25");
        check_method(&s, method, golden, 0.5, "keep_0.5");
        pare_unit_scores_free(&s.scores[method]);
    }
    pare_pass_free(pass);
    pare_backend_close(backend);
    pare_model_close(model);
    free(ids);
    json_decref(golden);
}

static void one_batch_equals_the_oracle(void **state) {
    (void)state;
    check(0);
}

static void micro_batches_equal_the_oracle(void **state) {
    (void)state;
    check(3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_batch_equals_the_oracle),
        cmocka_unit_test(micro_batches_equal_the_oracle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
