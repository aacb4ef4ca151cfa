/* --permute that changes what a model computes, breaks the pattern in memory order, loses scores, forgets to move what
 * was measured before, or keeps silent about what it left alone. */
#include "layerwise/permutation.h"
#include "prune/prune_run.h"

static const tiny_model grouped = {.layers = 3,
                                   .hidden = 24,
                                   .heads = 6,
                                   .kv_heads = 2,
                                   .head_size = 8,
                                   .ffn = 44,
                                   .tied = true,
                                   .scale = 0.3,
                                   .seed = 3};
static const tiny_model plain = {
    .layers = 2, .hidden = 32, .heads = 4, .head_size = 8, .ffn = 40, .dtype = PARE_DTYPE_BF16, .scale = 0.3};

static const pare_setting assign[] = {{"permute", "assign"}}, allocate[] = {{"permute", "allocate"}};

/* settings: one, or NULL. */
static prune_run open_run(tiny_model tiny, const char *method, const pare_setting *setting) {
    prune_run r = prune_run_open(tiny);
    r.options.method = method;
    r.options.ratio = 0.0;
    r.options.sparsity = (pare_sparsity){.given = true, .keep = 2, .of = 4};
    r.options.settings = setting;
    r.options.setting_count = setting != NULL;
    return r;
}

/* pruning.json's "permutation"; a new reference. */
static json_t *recorded(const prune_run *r) {
    char *path = pare_path_join(r->output, "pruning.json");
    json_t *manifest = json_load_file(path, 0, NULL), *permutation = json_object_get(manifest, "permutation");
    assert_non_null(permutation);
    json_incref(permutation);
    json_decref(manifest);
    free(path);
    return permutation;
}

static uint32_t *order_of(const json_t *list) {
    uint32_t *order = NULL;
    if (!json_is_array(list)) return NULL;
    assert_int_equal(pare_alloc(&order, json_array_size(list), sizeof *order, "order"), PARE_OK);
    for (size_t i = 0; i < json_array_size(list); i++)
        order[i] = (uint32_t)json_integer_value(json_array_get(list, i));
    return order;
}

static pare_orders orders_of(const prune_run *r) {
    pare_orders orders;
    json_t *permutation = recorded(r), *lists = json_object_get(permutation, "orders");
    assert_int_equal(pare_orders_new(r->model, &orders), PARE_OK);
    orders.hidden = order_of(json_object_get(lists, "hidden"));
    for (uint32_t i = 0; i < orders.layers; i++) {
        json_t *layer = json_array_get(json_object_get(lists, "layers"), i);
        orders.ffn[i] = order_of(json_object_get(layer, "ffn"));
        orders.value[i] = order_of(json_object_get(layer, "value"));
    }
    json_decref(permutation);
    return orders;
}

/* Neighbours in memory: two of four are 0, the others have the dense weight's bits. */
static void check_tensor(const pare_tensor *dense, const pare_tensor *written, const pare_axes *axes, bool pruned) {
    int64_t rows, columns;
    size_t size = pare_dtype_size(dense->dtype), zeros = 0;
    pare_tensor_matrix(dense, &rows, &columns);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            int64_t row = axes->rows.units ? axes->rows.units[i] : i;
            int64_t column = axes->columns.units ? axes->columns.units[j] : j;
            const char *is = (const char *)written->data + (size_t)(i * columns + j) * size;
            const char *was = (const char *)dense->data + (size_t)(row * columns + column) * size;
            bool zero = memcmp(is, "\0\0\0", size) == 0;
            zeros = (pruned && j % 4 ? zeros : 0) + zero;
            if (!pruned || !zero) assert_memory_equal(is, was, size);
            if (pruned && j % 4 == 3) assert_int_equal(zeros, 2);
        }
}

static void check_written(const prune_run *r) {
    pare_orders orders = orders_of(r);
    pare_permuted_axes axes;
    pare_model *written;
    uint32_t layer;
    pare_role role;
    assert_int_equal(pare_permuted_axes_new(r->model, &orders, &axes), PARE_OK);
    assert_int_equal(pare_model_open(r->output, &written), PARE_OK);
    for (size_t id = 0; id < axes.count; id++) {
        bool pruned = pare_tensor_id_split(r->model, id, &layer, &role) && role < PARE_MATRIX_ROLES;
        check_tensor(r->model->tensors[id], written->tensors[id], &axes.axes[id], pruned);
    }
    pare_model_close(written);
    pare_permuted_axes_free(&axes);
    pare_orders_free(&orders);
}

/* Every kind of channels has moved somewhere, and nothing was lost by it. */
static void check_gains(const json_t *permutation, bool all_move) {
    static const char *const kinds[] = {"hidden", "ffn", "value"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        json_t *gain = json_object_get(permutation, kinds[i]);
        double before = json_number_value(json_object_get(gain, "kept_before"));
        double after = json_number_value(json_object_get(gain, "kept_after"));
        double all = json_number_value(json_object_get(gain, "scores"));
        bool moved = json_integer_value(json_object_get(gain, "permuted")) > 0;
        assert_true(all > 0.0 && before > 0.5 * all && after <= all * (1.0 + 1e-12));
        assert_true(moved ? after > before : after == before);
        assert_true(moved || !all_move);
    }
}

static void same_weights_in_another_order(void **state) {
    (void)state;
    for (int i = 0; i < 4; i++) {
        prune_run r = open_run(i % 2 ? plain : grouped, "ria", i < 2 ? assign : allocate);
        prune_run_do(&r);
        check_written(&r);
        json_t *permutation = recorded(&r);
        check_gains(permutation, i < 2);
        assert_int_equal(json_array_size(json_object_get(permutation, "left_alone")), 0);
        json_decref(permutation);
        prune_run_close(&r);
    }
}

/* Pruning with --permute is pruning the permuted model: scores, gradients, Gram matrices and updates belong to it. */
static void as_if_the_model_had_been_so(void **state) {
    (void)state;
    static const char *const methods[] = {"ria",       "gblm-l2",     "pruner-zero", "wanda++",
                                          "sparsegpt", "best-sparse", "magnitude"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        prune_run r = open_run(grouped, methods[i], assign);
        prune_run_do(&r);
        pare_orders orders = orders_of(&r);
        pare_temporary_model permuted;
        pare_model *first, *second, *dense = r.model;
        assert_int_equal(pare_permuted_model_new(dense, &orders, r.folder, NULL, &permuted), PARE_OK);
        assert_int_equal(pare_model_open(r.output, &first), PARE_OK);
        char *again = pare_path_join(r.folder, "again");
        r.model = permuted.model;
        r.options.output = again;
        r.options.setting_count = 0;
        prune_run_do(&r);
        assert_int_equal(pare_model_open(again, &second), PARE_OK);
        for (size_t id = 0; id < first->tensor_count; id++)
            assert_memory_equal(first->tensors[id]->data, second->tensors[id]->data, first->tensors[id]->bytes);
        pare_model_close(first);
        pare_model_close(second);
        pare_temporary_model_free(&permuted);
        pare_orders_free(&orders);
        r.model = dense;
        prune_run_close(&r);
        free(again);
    }
}

static void stays_where_nothing_is_gained(void **state) {
    (void)state;
    prune_run r = open_run(plain, "ria", assign);
    r.options.sparsity.keep = 4;
    prune_run_do(&r);
    pare_orders orders = orders_of(&r);
    assert_true(pare_orders_empty(&orders));
    pare_orders_free(&orders);
    json_t *permutation = recorded(&r);
    check_gains(permutation, false);
    json_decref(permutation);
    prune_run_close(&r);
}

static void says_what_it_left_alone(void **state) {
    (void)state;
    tiny_model tiny = {.hidden = 18, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 22, .scale = 0.3};
    prune_run r = open_run(tiny, "ria", assign);
    json_t *report = prune_run_report(&r), *permutation = recorded(&r);
    assert_int_equal(json_array_size(json_object_get(permutation, "left_alone")), 3);
    assert_int_equal(json_array_size(json_object_get(report, "warnings")), 3);
    assert_null(json_object_get(permutation, "ffn"));
    pare_orders orders = orders_of(&r);
    assert_true(pare_orders_empty(&orders));
    pare_orders_free(&orders);
    json_decref(permutation);
    json_decref(report);
    const char *const mlp[] = {"mlp"}; /* what is not pruned need not be mentioned */
    r.options.sparsity.targets = mlp;
    r.options.sparsity.target_count = 1;
    r.options.force = true;
    prune_run_do(&r);
    permutation = recorded(&r);
    assert_int_equal(json_array_size(json_object_get(permutation, "left_alone")), 2);
    json_decref(permutation);
    prune_run_close(&r);
}

static void refuses_what_makes_no_sense(void **state) {
    (void)state;
    static const pare_setting unscored[] = {{"permute", "assign"}, {"dense", "0"}};
    prune_run r = open_run(plain, "random", unscored);
    r.options.setting_count = 2;
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--permute"));
    r.options.setting_count = 1;
    r.options.method = "ria";
    r.options.sparsity = (pare_sparsity){.given = true, .share = 0.5};
    assert_int_equal(prune_run_try(&r), PARE_BAD_ARGUMENT);
    assert_non_null(strstr(pare_message(), "--pattern"));
    prune_run_close(&r);
}

/* Two of every four neighbours' |w|, over all matrices that read the hidden state, each divided by its mean. */
static double kept_by_hand(const pare_model *model, const uint32_t *order) {
    double kept = 0.0;
    for (uint32_t layer = 0; layer < model->config.layers; layer++)
        for (int role = 0; role < PARE_MATRIX_ROLES; role++) {
            const pare_tensor *tensor = model->tensors[pare_tensor_id(layer, (pare_role)role)];
            float w[48 * 24]; /* the largest of the model; in the file it may lie anywhere */
            double largest = 0.0, sum = 0.0;
            int64_t rows, columns;
            pare_tensor_matrix(tensor, &rows, &columns);
            if (role == PARE_ROLE_O || role == PARE_ROLE_DOWN) continue;
            assert_true(tensor->bytes <= sizeof w);
            memcpy(w, tensor->data, tensor->bytes);
            for (int64_t i = 0; i < rows * columns; i += 4) {
                double v[4], most = 0.0;
                for (int64_t j = 0; j < 4; j++)
                    v[j] = fabs((double)w[i / columns * columns + order[i % columns + j]]);
                for (int a = 0; a < 4; a++)
                    for (int b = 0; b < a; b++)
                        most = fmax(most, v[a] + v[b]);
                largest += most;
                sum += v[0] + v[1] + v[2] + v[3];
            }
            kept += largest / sum * (double)(rows * columns);
        }
    return kept;
}

/* Where the rows do not fit, some of them are looked at, but what is gained is measured on all. */
static void gains_on_all_rows(void **state) {
    (void)state;
    tiny_model tiny = grouped;
    tiny.layers = 6;
    char *folder = tiny_model_write(tiny);
    pare_model *model;
    pare_backend *backend;
    pare_permutation found;
    bool pruned[64];
    uint32_t same[24];
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    assert_int_equal(pare_backend_open_reference(&backend), PARE_OK);
    for (size_t id = 0; id < 64; id++)
        pruned[id] = id % PARE_LAYER_ROLES != (1 + PARE_ROLE_INPUT_NORM) % PARE_LAYER_ROLES &&
                     id % PARE_LAYER_ROLES != (1 + PARE_ROLE_POST_NORM) % PARE_LAYER_ROLES &&
                     id < pare_tensor_id_final_norm(model);
    for (uint32_t i = 0; i < 24; i++)
        same[i] = i;
    pare_source source = {.model = model, .backend = backend};
    pare_recipe recipe = {.salience = &pare_salience_absolute, .mode = PARE_MODE_ELEMENT};
    pare_permutation_goal goal = {.model = model, .pruned = pruned, .kind = PARE_PERMUTE_ASSIGN, .keep = 2, .of = 4};
    pare_weights_job job = {
        .source = &source, .recipe = &recipe, .pruned = pruned, .scores_only = true, .keep = 2, .of = 4};
    assert_int_equal(pare_permutation_find(&goal, &job, &found), PARE_OK);
    assert_true(found.rows_seen <= 256 && found.rows == 6 * (48 + 2 * 16 + 2 * 44));
    const pare_permutation_gain *gain = &found.gain[PARE_CHANNEL_HIDDEN];
    assert_non_null(found.orders.hidden);
    assert_true(fabs(gain->before / kept_by_hand(model, same) - 1.0) < 1e-6);
    assert_true(fabs(gain->after / kept_by_hand(model, found.orders.hidden) - 1.0) < 1e-6);
    assert_true(gain->after > gain->before);
    pare_permutation_free(&found);
    pare_backend_close(backend);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_weights_in_another_order), cmocka_unit_test(as_if_the_model_had_been_so),
        cmocka_unit_test(stays_where_nothing_is_gained), cmocka_unit_test(says_what_it_left_alone),
        cmocka_unit_test(refuses_what_makes_no_sense),   cmocka_unit_test(gains_on_all_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
