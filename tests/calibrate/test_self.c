/* Text that a model writes itself. */
#include "calibrate/self.h"
#include "distributions.h"
#include "generate/generate.h"
#include "golden.h"
#include "support/memory.h"
#include "tiny_model.h"

#include <omp.h>

typedef struct fixture {
    char *folder;
    pare_model *model;
    pare_backend *backend;
} fixture;

static void open_fixture(fixture *f, tiny_model tiny) {
    f->folder = tiny_model_write(tiny);
    assert_int_equal(pare_model_open(f->folder, &f->model), PARE_OK);
    assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, 1, &f->backend), PARE_OK);
}

static void close_fixture(fixture *f) {
    pare_backend_close(f->backend);
    pare_model_close(f->model);
    tiny_remove(f->folder);
    free(f->folder);
}

static pare_windows sample(const fixture *f, pare_self_request request) {
    pare_windows windows;
    assert_int_equal(pare_self_sample(f->model, f->backend, NULL, &request, &windows), PARE_OK);
    assert_int_equal(windows.count, request.sequences);
    assert_int_equal(windows.length, request.length);
    for (uint32_t i = 0; i < windows.count * windows.length; i++)
        assert_true(windows.ids[i] < f->model->config.vocabulary);
    return windows;
}

static void bos_begins_and_follows_every_end(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){.vocabulary = 8, .scale = 0.2, .config = "{\"eos_token_id\": [2, 5]}"});
    pare_windows w = sample(&f, (pare_self_request){.sequences = 20, .length = 64, .seed = 1});
    int ends = 0;
    for (uint32_t s = 0; s < w.count; s++) {
        const uint32_t *ids = w.ids + s * w.length;
        assert_int_equal(ids[0], 1);
        for (uint32_t t = 0; t + 1 < w.length; t++)
            if (ids[t] == 2 || ids[t] == 5) {
                assert_int_equal(ids[t + 1], 1);
                ends++;
            }
    }
    assert_true(ends > 50);
    pare_windows_free(&w);
    close_fixture(&f);
}

static void sequences_depend_on_seed_and_index_alone(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){.vocabulary = 200, .scale = 0.2});
    pare_windows many = sample(&f, (pare_self_request){.sequences = 37, .length = 20, .seed = 7});
    pare_windows few = sample(&f, (pare_self_request){.sequences = 3, .length = 20, .seed = 7});
    pare_windows short_ones = sample(&f, (pare_self_request){.sequences = 3, .length = 11, .seed = 7});
    pare_windows other = sample(&f, (pare_self_request){.sequences = 3, .length = 20, .seed = 8});
    assert_memory_equal(many.ids, few.ids, 3 * 20 * sizeof *few.ids);
    for (int s = 0; s < 3; s++) {
        assert_memory_equal(many.ids + s * 20, short_ones.ids + s * 11, 11 * sizeof *few.ids);
        assert_memory_not_equal(many.ids + s * 20, other.ids + s * 20, 20 * sizeof *few.ids);
        assert_memory_not_equal(many.ids + s * 20, many.ids + (s + 16) * 20, 20 * sizeof *few.ids);
    }
    pare_windows_free(&many);
    pare_windows_free(&few);
    pare_windows_free(&short_ones);
    pare_windows_free(&other);
    close_fixture(&f);
}

/* Nor on the threads, which write groups of other sizes: 64 sequences are one group of one thread, two of two. */
static void threads_do_not_matter(void **state) {
    (void)state;
    enum { SEQUENCES = 64, LENGTH = 12 };
    fixture f;
    open_fixture(&f,
                 (tiny_model){.vocabulary = 300, .scale = 0.2, .hidden = 128, .heads = 8, .kv_heads = 4, .ffn = 384});
    pare_windows one = sample(&f, (pare_self_request){.sequences = SEQUENCES, .length = LENGTH, .seed = 7});
    for (int threads = 2; threads <= 5; threads++) {
        pare_backend_close(f.backend);
        assert_int_equal(pare_backend_open_cpu(PARE_COMPUTE_FP32, threads, &f.backend), PARE_OK);
        uint32_t sequences = (uint32_t)(SEQUENCES - 7 * (threads - 2));
        pare_windows w = sample(&f, (pare_self_request){.sequences = sequences, .length = LENGTH, .seed = 7});
        assert_memory_equal(w.ids, one.ids, sequences * LENGTH * sizeof *w.ids);
        assert_int_equal(omp_get_max_threads(), threads);
        pare_windows_free(&w);
    }
    pare_windows_free(&one);
    close_fixture(&f);
}

/* Without BOS a sequence begins with any token. */
static void a_model_without_bos_begins_anywhere(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){.vocabulary = 200, .config = "{\"bos_token_id\": null}"});
    pare_windows w = sample(&f, (pare_self_request){.sequences = 20, .length = 2, .seed = 3});
    int differing = 0;
    for (uint32_t s = 1; s < w.count; s++)
        differing += w.ids[s * 2] != w.ids[0];
    assert_true(differing > 10);
    pare_windows_free(&w);
    close_fixture(&f);
}

/* The shares of first tokens are those of the softmax after BOS: a chi-squared test with 31 degrees of freedom. */
static void tokens_follow_the_distribution(void **state) {
    (void)state;
    enum { SEQUENCES = 4000, VOCABULARY = 32 };
    fixture f;
    open_fixture(&f, (tiny_model){.vocabulary = VOCABULARY, .scale = 0.2, .hidden = 64, .heads = 4});
    pare_windows w = sample(&f, (pare_self_request){.sequences = SEQUENCES, .length = 2, .seed = 11});
    uint32_t counts[VOCABULARY] = {0}, bos = 1;
    for (uint32_t s = 0; s < w.count; s++)
        counts[w.ids[s * 2 + 1]]++;
    pare_source source = {.model = f.model, .backend = f.backend};
    pare_generator_shape shape = {.batch = 1, .capacity = 1};
    pare_generator *g;
    float logits[VOCABULARY];
    assert_int_equal(pare_generator_new(&source, &shape, &g), PARE_OK);
    assert_int_equal(pare_generator_step(g, &bos, 1, logits), PARE_OK);
    double log_sum = logits_log_sum(logits, VOCABULARY), statistic = 0.0, widest = 0.0;
    for (int v = 0; v < VOCABULARY; v++) {
        double expected = (double)SEQUENCES * exp((double)logits[v] - log_sum);
        statistic += ((double)counts[v] - expected) * ((double)counts[v] - expected) / expected;
        widest = fmax(widest, expected);
    }
    print_message("chi-squared %.1f\n", statistic);
    assert_true(widest > 2.0 * (double)SEQUENCES / (double)VOCABULARY);
    assert_true(statistic < 61.1); /* exceeded by chance once in 1000 */
    pare_generator_free(g);
    pare_windows_free(&w);
    close_fixture(&f);
}

static void memory_comes_back_after_an_interrupt(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, (tiny_model){0});
    uint64_t before = pare_memory_current();
    pare_self_request request = {.sequences = 5, .length = 20};
    pare_windows w;
    pare_interrupt();
    assert_int_equal(pare_self_sample(f.model, f.backend, NULL, &request, &w), PARE_INTERRUPTED);
    pare_interrupt_clear();
    assert_null(w.ids);
    assert_int_equal(pare_memory_current(), before);
    request.length = 65;
    assert_int_equal(pare_self_sample(f.model, f.backend, NULL, &request, &w), PARE_BAD_ARGUMENT);
    pare_runtime little = {.memory_limit = 5000};
    request.length = 64;
    assert_int_equal(pare_self_sample(f.model, f.backend, &little, &request, &w), PARE_OUT_OF_MEMORY);
    assert_int_equal(pare_memory_current(), before);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bos_begins_and_follows_every_end),
        cmocka_unit_test(sequences_depend_on_seed_and_index_alone),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(a_model_without_bos_begins_anywhere),
        cmocka_unit_test(tokens_follow_the_distribution),
        cmocka_unit_test(memory_comes_back_after_an_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
