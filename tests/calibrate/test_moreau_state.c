/* Where the displacement lives, what it depends on, and that nothing of it stays behind. */
#include "calibrate/moreau_run.h"

#include <dirent.h>

static const tiny_model tiny = {
    .layers = 2, .hidden = 10, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .scale = 0.3};
static const pare_moreau noisy = {
    .steps = 3, .draws = 2, .sigma = 0.2, .rho = 0.2, .gamma = 0.1, .eta = 0.01, .prox = PARE_PROX_GROUP};

static bool same_bits(const tiny_pass *t, const pare_moreau_state *a, const pare_moreau_state *b) {
    for (size_t id = 0; id < t->model->tensor_count; id++)
        if (memcmp(a->delta[id], b->delta[id], t->model->tensors[id]->count * sizeof(float)) != 0) return false;
    return true;
}

static size_t entries(const char *folder) {
    size_t count = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

static void a_scratch_file_changes_no_bit(void **state) {
    (void)state;
    for (int32_t draws = 1; draws <= 2; draws++) {
        tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
        char *folder = tiny_folder();
        moreau_job memory = {.moreau = noisy, .seed = 3}, file = memory;
        memory.moreau.draws = file.moreau.draws = draws;
        file.scratch = folder;
        uint64_t before = pare_memory_current();
        pare_moreau_state b = moreau_run(&t, &file);
        uint64_t small = pare_memory_current() - before;
        pare_moreau_state a = moreau_run(&t, &memory);
        uint64_t large = pare_memory_current() - before - small;
        bool all[128];
        memset(all, 1, sizeof all);
        assert_true(pare_moreau_state_bytes(t.model, all, &memory.moreau) ==
                    pare_model_parameters(t.model) * sizeof(float) * (uint64_t)draws);
        assert_true(large - small == pare_moreau_state_bytes(t.model, all, &memory.moreau));
        assert_true(same_bits(&t, &a, &b));
        assert_int_equal(entries(folder), 0);
        pare_moreau_state_free(&a);
        pare_moreau_state_free(&b);
        assert_true(pare_memory_current() == before);
        assert_int_equal(rmdir(folder), 0);
        free(folder);
        tiny_pass_close(&t);
    }
}

static void a_scratch_folder_that_is_none(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 1, 4, 1);
    pare_moreau_state out;
    bool all[128];
    memset(all, 1, sizeof all);
    uint64_t before = pare_memory_current();
    for (int32_t draws = 1; draws <= 2; draws++) {
        pare_moreau moreau = noisy;
        moreau.draws = draws;
        assert_int_equal(pare_moreau_state_new(t.model, all, &moreau, "/nowhere/at/all", &out), PARE_FILE_ERROR);
        assert_non_null(strstr(pare_message(), "/nowhere/at/all"));
        assert_true(pare_memory_current() == before);
    }
    tiny_pass_close(&t);
}

static void noise_is_a_matter_of_the_seed(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    moreau_job first = {.moreau = noisy, .seed = 3}, second = first;
    second.seed = 4;
    pare_moreau_state a = moreau_run(&t, &first), again = moreau_run(&t, &first), b = moreau_run(&t, &second);
    assert_true(same_bits(&t, &a, &again));
    assert_false(same_bits(&t, &a, &b));
    pare_moreau_state_free(&a);
    pare_moreau_state_free(&again);
    pare_moreau_state_free(&b);
    first.moreau.sigma = second.moreau.sigma = 0.0;
    a = moreau_run(&t, &first);
    b = moreau_run(&t, &second);
    assert_true(same_bits(&t, &a, &b));
    pare_moreau_state_free(&a);
    pare_moreau_state_free(&b);
    tiny_pass_close(&t);
}

/* Without noise all draws are one. */
static void quiet_draws_are_alike(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    moreau_job one = {.moreau = noisy}, five = one;
    one.moreau.sigma = five.moreau.sigma = 0.0;
    one.moreau.draws = 1;
    five.moreau.draws = 5;
    pare_moreau_state a = moreau_run(&t, &one), b = moreau_run(&t, &five);
    for (size_t id = 0; id < t.model->tensor_count; id++)
        assert_true(moreau_apart(t.model->tensors[id], a.delta[id], b.delta[id]) < 1e-5);
    pare_moreau_state_free(&a);
    pare_moreau_state_free(&b);
    tiny_pass_close(&t);
}

static void micro_batches_are_one_batch(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 5, 7, 1);
    moreau_job whole = {.moreau = noisy, .seed = 8}, parts = whole;
    pare_moreau_state a = moreau_run(&t, &whole);
    for (int64_t micro = 1; micro < 5; micro++) {
        parts.micro_batch = micro;
        pare_moreau_state b = moreau_run(&t, &parts);
        for (size_t id = 0; id < t.model->tensor_count; id++)
            assert_true(moreau_apart(t.model->tensors[id], a.delta[id], b.delta[id]) < 1e-4);
        assert_close("loss", a.trace[2].loss, b.trace[2].loss, 1e-6);
        pare_moreau_state_free(&b);
    }
    pare_moreau_state_free(&a);
    tiny_pass_close(&t);
}

/* Steps so large that the weights leave the range of numbers. */
static void divergence_is_said(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(tiny, 2, 7, 1);
    uint64_t before = pare_memory_current();
    static const double sizes[] = {1e20, 1e30, 1e38};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int32_t draws = 1; draws <= 3; draws++) {
            moreau_job job = {.moreau = {.steps = 6, .draws = draws, .rho = sizes[i], .gamma = sizes[i]}};
            pare_moreau_state out;
            assert_int_equal(moreau_try(&t, &job, &out), PARE_NUMERIC_ERROR);
            assert_true(strlen(pare_message()) > 20);
            pare_moreau_state_free(&out);
            assert_true(pare_memory_current() == before);
        }
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scratch_file_changes_no_bit), cmocka_unit_test(a_scratch_folder_that_is_none),
        cmocka_unit_test(noise_is_a_matter_of_the_seed), cmocka_unit_test(quiet_draws_are_alike),
        cmocka_unit_test(micro_batches_are_one_batch),   cmocka_unit_test(divergence_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
