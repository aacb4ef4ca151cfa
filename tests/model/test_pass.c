/* What must not change the result of a pass: micro-batches, which gradients are wanted, threads, running it again. And
 * that it holds no more memory than it says. */
#include "support/memory.h"
#include "tiny_pass.h"

static const tiny_model shapes[] = {
    {.layers = 2, .scale = 0.4},
    {.layers = 3, .hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .tied = true, .scale = 0.4},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, SEQUENCES = 5, LENGTH = 9 };

/* The largest difference of any element, relative to its tensor's largest. */
static double difference(const tiny_pass *t, const tiny_gradients *a, const tiny_gradients *b) {
    double worst = 0.0;
    for (size_t id = 0; id < a->count; id++) {
        double largest = 0.0, apart = 0.0;
        for (size_t i = 0; i < t->model->tensors[id]->count; i++) {
            assert_true(isfinite(a->of[id][i]) && isfinite(b->of[id][i]));
            largest = fmax(largest, fabs((double)a->of[id][i]));
            apart = fmax(apart, fabs((double)a->of[id][i] - (double)b->of[id][i]));
        }
        assert_true(largest > 0.0);
        worst = fmax(worst, apart / largest);
    }
    return worst;
}

static void micro_batches_give_the_same_gradients(void **state) {
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        tiny_pass t = tiny_pass_open(shapes[shape], SEQUENCES, LENGTH, 1);
        pare_source source = {.model = t.model, .backend = t.backend};
        tiny_gradients all, some;
        double loss = tiny_pass_gradients(&t, &source, SEQUENCES, -1, &all);
        for (int64_t micro = 1; micro < SEQUENCES; micro++) {
            assert_close("loss", tiny_pass_gradients(&t, &source, micro, -1, &some), loss, 1e-6);
            double worst = difference(&t, &all, &some);
            print_message("micro-batches of %d: %.2g\n", (int)micro, worst);
            assert_true(worst < 1e-5);
            tiny_gradients_free(&some);
        }
        tiny_gradients_free(&all);
        tiny_pass_close(&t);
    }
}

/* Whichever gradient is asked for alone, it has the bits that it has among all. */
static void one_wanted_gradient_is_the_same(void **state) {
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        tiny_pass t = tiny_pass_open(shapes[shape], SEQUENCES, LENGTH, 1);
        pare_source source = {.model = t.model, .backend = t.backend};
        tiny_gradients all, one;
        for (int64_t micro = 2; micro <= SEQUENCES; micro += SEQUENCES - 2) {
            tiny_pass_gradients(&t, &source, micro, -1, &all);
            for (size_t id = 0; id < t.model->tensor_count; id++) {
                tiny_pass_gradients(&t, &source, micro, (int64_t)id, &one);
                size_t bytes = t.model->tensors[id]->count * sizeof(float);
                if (memcmp(all.of[id], one.of[id], bytes) != 0) fprintf(stderr, "%s\n", t.model->tensors[id]->name);
                assert_memory_equal(all.of[id], one.of[id], bytes);
                tiny_gradients_free(&one);
            }
            tiny_gradients_free(&all);
        }
        tiny_pass_close(&t);
    }
}

static void runs_repeat_to_the_bit(void **state) {
    (void)state;
    for (int shape = 0; shape < SHAPES; shape++) {
        tiny_gradients first, second;
        double losses[2];
        for (int threads = 1; threads <= 2; threads++) {
            tiny_pass t = tiny_pass_open(shapes[shape], 2, LENGTH, threads);
            pare_source source = {.model = t.model, .backend = t.backend, .sigma = 0.05f, .seed = 1};
            losses[threads - 1] = tiny_pass_gradients(&t, &source, 0, -1, &first);
            assert_true(tiny_pass_gradients(&t, &source, 0, -1, &second) == losses[threads - 1]);
            for (size_t id = 0; id < first.count; id++)
                assert_memory_equal(first.of[id], second.of[id], t.model->tensors[id]->count * sizeof(float));
            tiny_gradients_free(&first);
            tiny_gradients_free(&second);
            tiny_pass_close(&t);
        }
        assert_close("loss with two threads", losses[1], losses[0], 1e-6);
    }
}

/* Tensors in front of the perturbed ones, and other draws, show that noise is what was asked for and nothing else. */
static void noise_depends_on_the_draw(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open(shapes[0], 2, LENGTH, 1);
    bool *perturbed = calloc(t.model->tensor_count, sizeof *perturbed);
    pare_source source = {.model = t.model, .backend = t.backend};
    tiny_gradients g;
    double plain = tiny_pass_gradients(&t, &source, 0, -1, &g);
    tiny_gradients_free(&g);
    source.sigma = 0.05f;
    source.perturbed = perturbed;
    assert_true(tiny_pass_gradients(&t, &source, 0, -1, &g) == plain);
    tiny_gradients_free(&g);
    source.perturbed = NULL;
    double losses[4];
    for (int i = 0; i < 4; i++) {
        source.draw = i == 3 ? 1 : (uint64_t)i;
        source.seed = i == 2 ? 1 : 0;
        losses[i] = tiny_pass_gradients(&t, &source, 0, -1, &g);
        tiny_gradients_free(&g);
        assert_true(losses[i] != plain);
    }
    assert_true(losses[0] != losses[1] && losses[1] != losses[2] && losses[0] != losses[2]);
    assert_true(losses[1] == losses[3]);
    free(perturbed);
    tiny_pass_close(&t);
}

static bool wants_all(void *context, size_t id) {
    (void)context, (void)id;
    return true;
}

static pare_status drop(void *context, size_t id, int64_t first, int64_t rows, int64_t columns, const float *gradient,
                        const float *squares) {
    (void)context, (void)id, (void)first, (void)rows, (void)columns, (void)gradient, (void)squares;
    return PARE_OK;
}

/* Held by a pass itself, without the tiles that attention takes while it runs. */
static void memory_is_what_was_measured(void **state) {
    (void)state;
    tiny_model tiny = {
        .layers = 3, .hidden = 128, .heads = 4, .kv_heads = 2, .ffn = 344, .vocabulary = 5000, .positions = 128};
    tiny_pass t = tiny_pass_open(tiny, 6, 96, 1);
    pare_gradient_sink sink = {.wants = wants_all, .rows = drop};
    pare_source source = {.model = t.model, .backend = t.backend};
    for (int gradients = 0; gradients < 2; gradients++)
        for (int extra = 0; extra < 2; extra++)
            for (int64_t micro = 2; micro <= 6; micro += 4) {
                pare_pass_shape shape = {.sequences = 6,
                                         .length = 96,
                                         .gradients = gradients,
                                         .composed = extra,
                                         .samples = gradients && extra,
                                         .observed = extra,
                                         .inputs = extra && micro == 6,
                                         .micro_batch = micro};
                sink.samples = shape.samples ? PARE_SAMPLES_SQUARES : PARE_SAMPLES_NONE;
                pare_pass_memory plan;
                pare_pass *pass;
                double value;
                assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &plan), PARE_OK);
                double planned = (double)(plan.weights + plan.activations + plan.gradients);
                uint64_t before = pare_memory_current();
                assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
                double held = (double)(pare_memory_current() - before);
                pare_memory_peak_reset();
                if (gradients)
                    assert_int_equal(pare_pass_gradient(pass, &source, t.ids, &sink, &value), PARE_OK);
                else
                    assert_int_equal(pare_pass_forward(pass, &source, t.ids, 6), PARE_OK);
                double peak = (double)(pare_memory_peak() - before);
                pare_pass_free(pass);
                print_message("planned %.0f KiB, held %.3f, peak %.3f of it\n", planned / 1024, held / planned,
                              peak / planned);
                assert_true(held <= planned);
                assert_true(peak <= 1.001 * planned && peak >= 0.999 * planned);
                assert_int_equal(pare_memory_current(), before);
            }
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(micro_batches_give_the_same_gradients),
        cmocka_unit_test(one_wanted_gradient_is_the_same),
        cmocka_unit_test(runs_repeat_to_the_bit),
        cmocka_unit_test(noise_depends_on_the_draw),
        cmocka_unit_test(memory_is_what_was_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
