/* A permuted model that computes something else, loses bits of its weights, or accepts an order that is none. */
#include "model/families.h"
#include "surgery/cut_model.h"
#include "surgery/permuted_model.h"

/* fp32 sums run in another order: the bound on the logits, relative to the largest. */
static const double BOUND = 2e-6;

/* Shuffles each stretch of `unit`. */
static uint32_t *shuffled(uint32_t count, uint32_t unit, pare_random *random) {
    uint32_t *order;
    assert_int_equal(pare_alloc(&order, count, sizeof *order, "order"), PARE_OK);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = i / unit * unit + (uint32_t)pare_random_below(random, i % unit + 1);
        order[i] = order[j];
        order[j] = i;
    }
    return order;
}

enum { HIDDEN = 1, FFN = 2, VALUE = 4, KINDS = 8 };

static pare_orders random_orders(const pare_model *model, int kinds, uint64_t seed) {
    pare_random random = {.seed = seed};
    const pare_config *config = &model->config;
    pare_orders orders;
    assert_int_equal(pare_orders_new(model, &orders), PARE_OK);
    if (kinds & HIDDEN) orders.hidden = shuffled(config->hidden, config->hidden, &random);
    for (uint32_t i = 0; i < config->layers; i++) {
        const pare_widths *w = &config->widths[i];
        if (kinds & FFN) orders.ffn[i] = shuffled(w->ffn, w->ffn, &random);
        if (kinds & VALUE) orders.value[i] = shuffled(w->kv_heads * config->head_size, config->head_size, &random);
    }
    return orders;
}

static const pare_widths uneven[] = {{6, 3, 20}, {4, 2, 12}, {2, 2, 28}};

static const tiny_model layouts[] = {
    {.hidden = 24, .heads = 6, .kv_heads = 2, .head_size = 8, .ffn = 20, .shards = 2, .scale = 0.3, .seed = 1},
    {.hidden = 16, .heads = 4, .ffn = 40, .tied = true, .scale = 0.3, .seed = 2},
    {.hidden = 16, .heads = 4, .kv_heads = 1, .head_size = 6, .ffn = 12, .tied = true, .scale = 0.3, .seed = 3},
    {.layers = 3, .hidden = 20, .heads = 6, .head_size = 4, .widths = uneven, .scale = 0.3, .seed = 4}};
enum { LAYOUTS = sizeof layouts / sizeof *layouts };

static double apart(const pare_model *dense, const pare_model *permuted) {
    float *a = cut_model_logits(permuted, NULL), *b = cut_model_logits(dense, NULL);
    double apart = cut_model_apart(a, b, CUT_TOKENS * dense->config.vocabulary);
    free(a);
    free(b);
    return apart;
}

static void computes_the_same(void **state) {
    (void)state;
    for (size_t i = 0; i < LAYOUTS; i++)
        for (int kinds = 1; kinds < KINDS; kinds++) {
            char *folder = tiny_model_write(layouts[i]), *scratch = tiny_folder();
            pare_model *model;
            pare_temporary_model permuted;
            assert_int_equal(pare_model_open(folder, &model), PARE_OK);
            pare_orders orders = random_orders(model, kinds, 7);
            assert_false(pare_orders_empty(&orders));
            assert_int_equal(pare_permuted_model_new(model, &orders, scratch, NULL, &permuted), PARE_OK);
            size_t down = pare_tensor_id(0, PARE_ROLE_DOWN), o = pare_tensor_id(0, PARE_ROLE_O);
            size_t moved = kinds == VALUE ? o : down;
            assert_int_not_equal(
                memcmp(model->tensors[moved]->data, permuted.model->tensors[moved]->data, model->tensors[moved]->bytes),
                0);
            assert_true(apart(model, permuted.model) <= BOUND);
            pare_temporary_model_free(&permuted);
            pare_orders_free(&orders);
            pare_model_close(model);
            tiny_remove(folder);
            tiny_remove(scratch);
            free(folder);
            free(scratch);
        }
}

/* The inverse orders bring every bit back: of 16-bit weights, and of an LM head that is stored although it is tied. */
static void there_and_back(void **state) {
    (void)state;
    tiny_model tiny = layouts[0];
    tiny.dtype = PARE_DTYPE_BF16;
    tiny.config = "{\"tie_word_embeddings\": true}";
    char *folder = tiny_model_write(tiny), *scratch = tiny_folder();
    pare_model *model;
    pare_temporary_model once, twice;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    pare_orders orders = random_orders(model, KINDS - 1, 3), back = random_orders(model, KINDS - 1, 3);
    for (uint32_t i = 0; i < model->config.hidden; i++)
        back.hidden[orders.hidden[i]] = i;
    for (uint32_t layer = 0; layer < model->config.layers; layer++) {
        for (uint32_t i = 0; i < model->config.widths[layer].ffn; i++)
            back.ffn[layer][orders.ffn[layer][i]] = i;
        for (uint32_t i = 0; i < model->config.widths[layer].kv_heads * model->config.head_size; i++)
            back.value[layer][orders.value[layer][i]] = i;
    }
    assert_int_equal(pare_permuted_model_new(model, &orders, scratch, NULL, &once), PARE_OK);
    assert_int_equal(pare_permuted_model_new(once.model, &back, scratch, NULL, &twice), PARE_OK);
    assert_int_equal(pare_checkpoint_count(twice.model->checkpoint), pare_checkpoint_count(model->checkpoint));
    for (size_t i = 0; i < pare_checkpoint_count(model->checkpoint); i++) {
        const pare_tensor *a = pare_checkpoint_at(model->checkpoint, i);
        const pare_tensor *b = pare_checkpoint_find(twice.model->checkpoint, a->name);
        assert_non_null(b);
        assert_int_equal(b->dtype, PARE_DTYPE_BF16);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
    const pare_tensor *head = pare_checkpoint_find(once.model->checkpoint, "lm_head.weight");
    const pare_tensor *was = pare_checkpoint_find(model->checkpoint, "lm_head.weight");
    for (uint32_t i = 0; i < model->config.hidden; i++)
        assert_memory_equal((const char *)head->data + 2 * i, (const char *)was->data + 2 * orders.hidden[i], 2);
    pare_temporary_model_free(&twice);
    pare_temporary_model_free(&once);
    pare_orders_free(&orders);
    pare_orders_free(&back);
    pare_model_close(model);
    tiny_remove(folder);
    tiny_remove(scratch);
    free(folder);
    free(scratch);
}

static void refused(const pare_model *model, pare_orders *orders) {
    char *scratch = tiny_folder();
    pare_temporary_model permuted;
    assert_int_equal(pare_permuted_model_new(model, orders, scratch, NULL, &permuted), PARE_BAD_ARGUMENT);
    assert_null(permuted.model);
    assert_int_equal(rmdir(scratch), 0);
    pare_orders_free(orders);
    free(scratch);
}

static void refuses_what_is_no_order(void **state) {
    (void)state;
    char *folder = tiny_model_write(layouts[0]);
    pare_model *model;
    assert_int_equal(pare_model_open(folder, &model), PARE_OK);
    pare_orders orders = random_orders(model, KINDS - 1, 5);
    orders.hidden[3] = orders.hidden[4];
    refused(model, &orders);
    orders = random_orders(model, KINDS - 1, 5);
    orders.ffn[1][0] = 20;
    refused(model, &orders);
    orders = random_orders(model, KINDS - 1, 5);
    uint32_t other = orders.value[0][0];
    orders.value[0][0] = orders.value[0][8];
    orders.value[0][8] = other;
    refused(model, &orders);
    pare_model_close(model);
    tiny_remove(folder);
    free(folder);
}

/* Biases, fused and transposed tensors, learned positions and projections go with the channels that they belong to. */
static void families_compute_the_same(void **state) {
    (void)state;
    families all = families_load();
    pare_backend *backend;
    size_t i, wrong = 0;
    json_t *one;
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &backend), PARE_OK);
    json_array_foreach(all.cases, i, one) {
        family_model m = family_open(one, (family_form){0});
        pare_orders orders = random_orders(m.model, HIDDEN | FFN | VALUE, i);
        pare_temporary_model permuted;
        if (pare_permuted_model_new(m.model, &orders, m.folder, NULL, &permuted) != PARE_OK)
            fail_msg("%s: %s", family_name(one), pare_message());
        double wanted = family_number(one, "loss");
        double loss = family_forward(permuted.model, backend, all.ids, FAMILY_SEQUENCES, FAMILY_LENGTH, NULL);
        if (!(fabs(loss - wanted) <= 1e-6 * wanted)) { /* as that of the model itself */
            wrong++;
            fprintf(stderr, "%s: loss %.9g, not %.9g\n", family_name(one), loss, wanted);
        }
        pare_temporary_model_free(&permuted);
        pare_orders_free(&orders);
        family_close(&m);
    }
    pare_backend_close(backend);
    families_free(&all);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(computes_the_same), cmocka_unit_test(families_compute_the_same),
                                       cmocka_unit_test(there_and_back), cmocka_unit_test(refuses_what_is_no_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
