/* Runs for single weights that must agree: the same seed gives the same bytes, another number of threads the same mask.
 */
#include "prune/sparse_run.h"

static void same_seed_same_bytes(void **state) {
    (void)state;
    for (size_t i = 0; sparse_run_method(i); i++) {
        char first[PARE_DIGEST_TEXT], second[PARE_DIGEST_TEXT];
        prune_run r = sparse_run_open(sparse_tiny, sparse_run_method(i), 0.5);
        r.options.seed = 7;
        sparse_run_do(&r, first);
        sparse_run_do(&r, second);
        assert_string_equal(first, second);
        prune_run_close(&r);
    }
}

/* Of all matrices, a byte for each weight: 1 stays. */
static unsigned char *mask_of(const char *folder, int64_t *count) {
    pare_model *model = sparse_run_model(folder);
    sparse_run_zeros_of_model(model, count);
    unsigned char *mask = malloc((size_t)*count), *next = mask;
    for (size_t id = 0; id < model->tensor_count; id++) {
        if (!sparse_run_is_matrix(model, id)) continue;
        float *x = sparse_run_floats(model->tensors[id]);
        for (size_t j = 0; j < model->tensors[id]->count; j++)
            *next++ = x[j] != 0.0f;
        free(x);
    }
    pare_model_close(model);
    return mask;
}

static int64_t differences(const unsigned char *a, const unsigned char *b, int64_t count) {
    int64_t differing = 0;
    for (int64_t i = 0; i < count; i++)
        differing += a[i] != b[i];
    return differing;
}

static bool repairs(const prune_run *r) {
    pare_recipe recipe;
    assert_int_equal(pare_recipe_resolve(&r->options, &recipe), PARE_OK);
    return recipe.compensation != PARE_COMPENSATE_NONE;
}

/* What is repaired comes out of OpenBLAS's products, whose last bits depend on the threads; the next block's mask then
 * may differ where scores are close. */
static void threads_do_not_matter(void **state) {
    (void)state;
    tiny_model wide = sparse_tiny;
    wide.ffn = 300;
    for (size_t i = 0; sparse_run_method(i); i++) {
        int64_t count, again;
        prune_run r = sparse_run_open(wide, sparse_run_method(i), 0.5);
        prune_run_do(&r);
        unsigned char *one = mask_of(r.output, &count);
        r.runtime.threads = 2;
        prune_run_do(&r);
        unsigned char *two = mask_of(r.output, &again);
        assert_int_equal(count, again);
        int64_t differing = differences(one, two, count);
        if (differing > count / 50)
            fprintf(stderr, "%s: %lld of %lld\n", r.options.method, (long long)differing, (long long)count);
        assert_true(differing <= (repairs(&r) ? count / 50 : 0));
        free(one);
        free(two);
        prune_run_close(&r);
    }
}

static void half_hidden_states(void **state) {
    (void)state;
    static const pare_setting half[] = {{"hidden_states", "bf16"}};
    for (size_t i = 0; sparse_run_method(i); i++) {
        char first[PARE_DIGEST_TEXT], second[PARE_DIGEST_TEXT];
        int64_t all;
        prune_run r = sparse_run_open(sparse_tiny, sparse_run_method(i), 0.5);
        r.options.settings = half;
        r.options.setting_count = 1;
        sparse_run_do(&r, first);
        sparse_run_do(&r, second);
        assert_string_equal(first, second);
        pare_model *after = sparse_run_model(r.output);
        int64_t zeros = sparse_run_zeros_of_model(after, &all);
        assert_close("zeros", (double)zeros / (double)all, 0.5, 0.12);
        pare_model_close(after);
        prune_run_close(&r);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(half_hidden_states),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
