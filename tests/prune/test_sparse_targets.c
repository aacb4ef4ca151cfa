/* Which matrices lose weights, and how many each: names, lists of shares, OWL's shares, one threshold for the model. */
#include "prune/sparse_run.h"

/* Matrices whose name holds `part`, and in layer `layer` if that is not -1, are those that change. */
static void assert_changed(const prune_run *r, const char *part, int layer, bool changed) {
    pare_model *after = sparse_run_model(r->output);
    for (uint32_t l = 0; l < after->config.layers; l++)
        for (pare_role role = PARE_ROLE_Q; role < PARE_MATRIX_ROLES; role++) {
            size_t id = pare_tensor_id(l, role);
            const pare_tensor *tensor = after->tensors[id];
            bool named = strstr(tensor->name, part) && (layer < 0 || (int)l == layer);
            if (named == changed)
                assert_true(sparse_run_zeros_of(tensor) > 0);
            else
                sparse_run_assert_same(r->model->tensors[id], tensor);
        }
    pare_model_close(after);
}

static void names(void **state) {
    (void)state;
    static const char *const methods[] = {"wanda", "magnitude", "sparsegpt", "wanda++", "best-sparse", "gblm"};
    static const struct {
        const char *name, *part;
        int layer;
    } cases[] = {{"q_proj", "q_proj", -1},
                 {"mlp", "mlp", -1},
                 {"layers.1.mlp.down_proj", "mlp.down_proj", 1},
                 {"layers.0.*", "", 0},
                 {"self_attn.*", "self_attn", -1}};
    for (size_t i = 0; i < 6; i++)
        for (size_t j = 0; j < sizeof cases / sizeof *cases; j++) {
            prune_run r = sparse_run_open(sparse_tiny, methods[i], 0.5);
            r.options.sparsity.targets = &cases[j].name;
            r.options.sparsity.target_count = 1;
            prune_run_do(&r);
            assert_changed(&r, cases[j].part, cases[j].layer, true);
            r.options.sparsity.target_count = 0;
            r.options.sparsity.skipped = &cases[j].name;
            r.options.sparsity.skipped_count = 1;
            prune_run_do(&r);
            assert_changed(&r, cases[j].part, cases[j].layer, false);
            prune_run_close(&r);
        }
}

static void names_of_nothing(void **state) {
    (void)state;
    static const char *const wrong = "qproj", *const all = "*";
    prune_run r = sparse_run_open(sparse_tiny, "wanda", 0.5);
    r.options.sparsity.targets = &wrong;
    r.options.sparsity.target_count = 1;
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "qproj"));
    r.options.sparsity.target_count = 0;
    r.options.sparsity.skipped = &all;
    r.options.sparsity.skipped_count = 1;
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--skip"));
    prune_run_close(&r);
}

/* Zeros of each matrix of a layer as its row count asks. */
static void check_layer(const pare_model *model, uint32_t layer, double share) {
    for (pare_role role = PARE_ROLE_Q; role < PARE_MATRIX_ROLES; role++) {
        const pare_tensor *tensor = model->tensors[pare_tensor_id(layer, role)];
        int64_t rows, columns;
        pare_tensor_matrix(tensor, &rows, &columns);
        assert_int_equal(sparse_run_zeros_of(tensor), rows * (int64_t)floor((double)columns * share + 1e-9));
    }
}

static void shares_of_layers(void **state) {
    (void)state;
    static const double shares[] = {0.25, 0.75, 0.0};
    static const char *const methods[] = {"wanda", "dsnot", "wanda++"};
    tiny_model three = sparse_tiny;
    three.layers = 3;
    for (size_t i = 0; i < 3; i++) {
        prune_run r = sparse_run_open(three, methods[i], 0.0);
        r.options.sparsity.shares = shares;
        r.options.sparsity.share_count = 3;
        prune_run_do(&r);
        pare_model *after = sparse_run_model(r.output);
        for (uint32_t layer = 0; layer < 3; layer++)
            check_layer(after, layer, shares[layer]);
        pare_model_close(after);
        r.options.sparsity.share_count = 2;
        assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
        prune_run_close(&r);
    }
}

/* Layers differ, none by more than lambda from the mean, which is the share asked for. */
static void shares_by_outliers(void **state) {
    (void)state;
    tiny_model four = sparse_tiny;
    four.layers = 4;
    static const pare_setting settings[] = {{"owl_times", "2"}, {"owl_lambda", "0.1"}, {"compare", "matrix"}};
    prune_run r = sparse_run_open(four, "wanda-owl", 0.5);
    r.options.settings = settings;
    r.options.setting_count = 3;
    prune_run_do(&r);
    pare_model *after = sparse_run_model(r.output);
    double mean = 0.0, low = 1.0, high = 0.0;
    for (uint32_t layer = 0; layer < 4; layer++) {
        int64_t zeros = 0, all = 0;
        for (pare_role role = PARE_ROLE_Q; role < PARE_MATRIX_ROLES; role++) {
            const pare_tensor *tensor = after->tensors[pare_tensor_id(layer, role)];
            zeros += sparse_run_zeros_of(tensor);
            all += (int64_t)tensor->count;
        }
        double share = (double)zeros / (double)all;
        mean += share / 4.0;
        low = fmin(low, share);
        high = fmax(high, share);
    }
    assert_close("mean", mean, 0.5, 0.006); /* a matrix loses whole weights */
    assert_true(high - low > 0.01);
    assert_true(high < 0.605 && low > 0.395);
    pare_model_close(after);
    prune_run_close(&r);
}

static void one_threshold(void **state) {
    (void)state;
    static const pare_setting global = {"compare", "global"};
    static const char *const methods[] = {"magnitude", "wanda", "ria", "gblm"};
    static const double shares[] = {0.0, 0.123, 0.5, 0.9, 1.0};
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 5; j++) {
            prune_run r = sparse_run_open(sparse_tiny, methods[i], shares[j]);
            r.options.settings = &global;
            r.options.setting_count = 1;
            prune_run_do(&r);
            pare_model *after = sparse_run_model(r.output);
            int64_t all, zeros = sparse_run_zeros_of_model(after, &all);
            assert_int_equal(zeros, (int64_t)floor((double)all * shares[j] + 1e-9));
            pare_model_close(after);
            prune_run_close(&r);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(names_of_nothing),
        cmocka_unit_test(shares_of_layers),
        cmocka_unit_test(shares_by_outliers),
        cmocka_unit_test(one_threshold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
