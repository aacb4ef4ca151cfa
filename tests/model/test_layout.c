/* Passes over laid-out batches against passes over the same sequences one by one: packed examples, answers behind one
 * question, shorter sequences, tokens without a target. */
#include "support/memory.h"
#include "tiny_pass.h"

typedef struct run {
    double loss, sum;
    double *nll; /* of the forward behind the gradient */
    tiny_gradients gradients;
} run;

static void run_free(run *r) {
    free(r->nll);
    tiny_gradients_free(&r->gradients);
}

/* All gradients of a batch, then its losses. */
static run run_of(const tiny_pass *t, pare_pass_shape shape, const pare_layout *layout, const uint32_t *ids) {
    run r = {.nll = calloc((size_t)(shape.sequences * shape.length), sizeof *r.nll),
             .gradients = {.count = t->model->tensor_count}};
    for (size_t id = 0; id < r.gradients.count; id++)
        r.gradients.of[id] = calloc(t->model->tensors[id]->count, sizeof(float));
    pare_source source = {.model = t->model, .backend = t->backend};
    pare_gradient_sink sink = {.wants = tiny_wants, .rows = tiny_rows, .context = &r.gradients};
    pare_pass *pass;
    shape.gradients = true;
    assert_int_equal(pare_pass_new(t->model, t->backend, &shape, &pass), PARE_OK);
    pare_pass_arrange(pass, layout);
    assert_int_equal(pare_pass_gradient(pass, &source, ids, &sink, &r.loss), PARE_OK);
    assert_int_equal(pare_pass_loss(pass, &source, r.nll, &r.sum), PARE_OK);
    pare_pass_free(pass);
    return r;
}

/* to += factor * from */
static void add(const tiny_pass *t, tiny_gradients *to, const tiny_gradients *from, double factor) {
    for (size_t id = 0; id < to->count; id++)
        for (size_t i = 0; i < t->model->tensors[id]->count; i++)
            to->of[id][i] += (float)(factor * (double)from->of[id][i]);
}

static void same_gradients(const tiny_pass *t, const tiny_gradients *a, const tiny_gradients *b) {
    for (size_t id = 0; id < a->count; id++) {
        double largest = 0.0;
        for (size_t i = 0; i < t->model->tensors[id]->count; i++)
            largest = fmax(largest, fabs((double)b->of[id][i]));
        assert_true(largest > 0.0);
        for (size_t i = 0; i < t->model->tensors[id]->count; i++) {
            double apart = fabs((double)a->of[id][i] - (double)b->of[id][i]);
            if (!(apart <= 2e-5 * largest))
                fprintf(stderr, "%s[%zu]: %.2g of the largest\n", t->model->tensors[id]->name, i, apart / largest);
            assert_true(apart <= 2e-5 * largest);
        }
    }
}

static const tiny_model tied = {
    .layers = 3, .hidden = 24, .heads = 4, .kv_heads = 2, .head_size = 6, .ffn = 13, .tied = true, .scale = 0.4};

/* The arrays of a layout of `tokens` tokens, all of them "nothing". */
typedef struct arrays {
    int32_t *positions, *start, *shared, *targets;
} arrays;

static arrays arrays_new(int64_t tokens) {
    size_t n = (size_t)tokens, size = sizeof(int32_t);
    arrays a = {calloc(n, size), calloc(n, size), calloc(n, size), malloc(n * size)};
    memset(a.targets, 0xff, n * size);
    return a;
}

static pare_layout layout_of(const arrays *a) {
    return (pare_layout){.positions = a->positions, .start = a->start, .shared = a->shared, .targets = a->targets};
}

static void arrays_free(arrays *a) {
    free(a->positions);
    free(a->start);
    free(a->shared);
    free(a->targets);
}

/* Three sequences, each of examples one behind the other with padding at its end; at two lengths, one of them such that
 * attention has tiles to pass over. */
static void packed_examples(int64_t length, int64_t micro) {
    enum { SEQUENCES = 3 };
    const double shares[SEQUENCES][4] = {{0.2, 0.3, 0.4, 0}, {0.6, 0.38, 0, 0}, {0.97, 0, 0, 0}};
    tiny_pass t = tiny_pass_open(tied, SEQUENCES, length, 1);
    arrays a = arrays_new(SEQUENCES * length);
    tiny_gradients sums = {0};
    double total = 0.0;
    int64_t predictions = 0;
    for (int64_t s = 0; s < SEQUENCES; s++)
        for (int64_t e = 0, first = 0; e < 4 && shares[s][e] > 0; e++) {
            int64_t tokens = (int64_t)(shares[s][e] * (double)length), at = s * length + first;
            for (int64_t i = 0; i < tokens; i++) {
                a.positions[at + i] = (int32_t)i;
                a.start[at + i] = (int32_t)first;
                a.targets[at + i] = i + 1 < tokens ? (int32_t)t.ids[at + i + 1] : -1;
            }
            run one = run_of(&t, (pare_pass_shape){.sequences = 1, .length = tokens}, NULL, t.ids + at);
            total += one.sum;
            predictions += tokens - 1;
            if (!sums.count) {
                sums = one.gradients;
                add(&t, &sums, &one.gradients, (double)(tokens - 2));
                one.gradients = (tiny_gradients){0};
            } else {
                add(&t, &sums, &one.gradients, (double)(tokens - 1));
            }
            run_free(&one);
            first += tokens;
        }
    pare_layout layout = layout_of(&a);
    layout.predictions = 1.0;
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = length, .micro_batch = micro};
    run packed = run_of(&t, shape, &layout, t.ids);
    assert_close("sum of the losses", packed.sum, total, 1e-6);
    assert_close("loss by one", packed.loss, total, 1e-6);
    same_gradients(&t, &packed.gradients, &sums);
    run_free(&packed);
    layout.predictions = 0.0;
    packed = run_of(&t, shape, &layout, t.ids);
    assert_close("mean loss", packed.loss, total / (double)predictions, 1e-6);
    run_free(&packed);
    tiny_gradients_free(&sums);
    arrays_free(&a);
    tiny_pass_close(&t);
}

static void packed_examples_are_separate(void **state) {
    (void)state;
    packed_examples(30, 3);
    packed_examples(30, 2);
    packed_examples(300, 1);
}

/* A question of 150 tokens and three answers, twice; each answer's tokens have the losses that they have behind the
 * question alone. */
static void answers_share_a_question(void **state) {
    (void)state;
    enum { QUESTION = 150, LENGTH = 300, ANSWERS = 3, SEQUENCES = 2 };
    const int64_t ends[ANSWERS] = {210, 211, 290};
    tiny_pass t = tiny_pass_open(tied, SEQUENCES, LENGTH, 2);
    arrays a = arrays_new(SEQUENCES * LENGTH);
    for (int64_t i = 0; i < SEQUENCES * LENGTH; i++) {
        int64_t at = i % LENGTH, first = QUESTION;
        for (int answer = 0; answer < ANSWERS; answer++)
            if (at >= ends[answer]) first = ends[answer];
        bool asked = at < QUESTION;
        a.positions[i] = (int32_t)(asked ? at : QUESTION + at - first);
        a.start[i] = (int32_t)(asked ? 0 : first);
        a.shared[i] = asked ? 0 : QUESTION;
        a.targets[i] = (int32_t)t.ids[i / LENGTH * LENGTH + (at + 1) % LENGTH];
    }
    pare_layout layout = layout_of(&a);
    run all = run_of(&t, (pare_pass_shape){.sequences = SEQUENCES, .length = LENGTH}, &layout, t.ids);
    uint32_t *ids = calloc(LENGTH, sizeof *ids);
    for (int64_t s = 0; s < SEQUENCES; s++)
        for (int answer = 0; answer < ANSWERS; answer++) {
            int64_t first = answer ? ends[answer - 1] : QUESTION, tokens = ends[answer] - first;
            memcpy(ids, t.ids + s * LENGTH, QUESTION * sizeof *ids);
            memcpy(ids + QUESTION, t.ids + s * LENGTH + first, (size_t)tokens * sizeof *ids);
            run one = run_of(&t, (pare_pass_shape){.sequences = 1, .length = QUESTION + tokens}, NULL, ids);
            for (int64_t i = 0; i + 1 < tokens; i++)
                assert_close("an answer's token", all.nll[s * LENGTH + first + i], one.nll[QUESTION + i], 1e-5);
            run_free(&one);
        }
    free(ids);
    run_free(&all);
    arrays_free(&a);
    tiny_pass_close(&t);
}

/* Twelve sequences of ten tokens in a pass made for four of 32, with targets at some tokens only, and without any
 * arrays; in micro-batches of several sizes. */
static void shorter_sequences(void **state) {
    (void)state;
    enum { SEQUENCES = 12, LENGTH = 10 };
    tiny_pass t = tiny_pass_open(tied, SEQUENCES, LENGTH, 1);
    arrays a = arrays_new(SEQUENCES * LENGTH);
    for (int64_t i = 0; i < SEQUENCES * LENGTH; i++)
        if (i % 3 == 1 || i < 25) a.targets[i] = (int32_t)(i % 32);
    const pare_layout layouts[] = {{.length = LENGTH, .sequences = SEQUENCES},
                                   {.length = LENGTH, .sequences = SEQUENCES, .targets = a.targets}};
    for (int which = 0; which < 2; which++) {
        run expected = run_of(&t, (pare_pass_shape){.sequences = SEQUENCES, .length = LENGTH},
                              which ? &layouts[which] : NULL, t.ids);
        for (int64_t micro = 1; micro <= 4; micro++) {
            run shorter = run_of(&t, (pare_pass_shape){.sequences = 4, .length = 32, .micro_batch = micro},
                                 &layouts[which], t.ids);
            assert_close("loss", shorter.loss, expected.loss, 1e-6);
            same_gradients(&t, &shorter.gradients, &expected.gradients);
            for (int64_t i = 0; i < SEQUENCES * (which ? LENGTH : LENGTH - 1); i++) {
                bool none = which && a.targets[i] < 0;
                assert_true(none ? shorter.nll[i] == 0.0 : shorter.nll[i] > 0.0);
                if (!none) assert_close("nll", shorter.nll[i], expected.nll[i], 1e-5);
            }
            run_free(&shorter);
        }
        run_free(&expected);
    }
    arrays_free(&a);
    tiny_pass_close(&t);
}

static void nothing_to_predict(void **state) {
    (void)state;
    tiny_pass t = tiny_pass_open((tiny_model){.scale = 0.4}, 2, 9, 1);
    arrays a = arrays_new(18);
    pare_layout layout = {.targets = a.targets};
    run r = run_of(&t, (pare_pass_shape){.sequences = 2, .length = 9}, &layout, t.ids);
    assert_true(r.loss == 0.0 && r.sum == 0.0);
    for (size_t id = 0; id < r.gradients.count; id++)
        for (size_t i = 0; i < t.model->tensors[id]->count; i++)
            assert_true(r.gradients.of[id][i] == 0.0f);
    run_free(&r);
    arrays_free(&a);
    tiny_pass_close(&t);
}

static void what_is_out_of_range_is_refused(void **state) {
    (void)state;
    enum { SEQUENCES = 2, LENGTH = 9, AT = LENGTH + 4 };
    tiny_pass t = tiny_pass_open((tiny_model){.scale = 0.4}, SEQUENCES, LENGTH, 1);
    arrays a = arrays_new(SEQUENCES * LENGTH);
    pare_layout layout = layout_of(&a);
    pare_source source = {.model = t.model, .backend = t.backend};
    pare_pass_shape shape = {.sequences = SEQUENCES, .length = LENGTH};
    pare_pass *pass;
    assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
    pare_pass_arrange(pass, &layout);
    int32_t *lists[] = {a.positions, a.start, a.shared, a.targets};
    const int32_t bad[][2] = {{-1, LENGTH}, {-1, 5}, {-1, 1}, {-2, 32}};
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 2; j++) {
            int32_t before = lists[i][AT];
            lists[i][AT] = bad[i][j];
            assert_int_equal(pare_pass_forward(pass, &source, t.ids, SEQUENCES), PARE_BAD_ARGUMENT);
            assert_non_null(strstr(pare_message(), "token 4 of sequence 1"));
            lists[i][AT] = before;
        }
    assert_int_equal(pare_pass_forward(pass, &source, t.ids, SEQUENCES), PARE_OK);
    assert_int_equal(pare_pass_forward(pass, &source, t.ids, SEQUENCES + 1), PARE_BAD_ARGUMENT);
    layout = (pare_layout){.length = LENGTH + 1};
    pare_pass_arrange(pass, &layout);
    assert_int_equal(pare_pass_forward(pass, &source, t.ids, 1), PARE_BAD_ARGUMENT);
    pare_pass_arrange(pass, NULL);
    assert_int_equal(pare_pass_forward(pass, &source, t.ids, SEQUENCES), PARE_OK);
    pare_pass_free(pass);
    arrays_free(&a);
    tiny_pass_close(&t);
}

/* Many short sequences in a pass made for few long ones take no more than it said. */
static void memory_is_within_the_plan(void **state) {
    (void)state;
    const tiny_model tiny = {.layers = 2, .hidden = 128, .heads = 8, .ffn = 64, .vocabulary = 500};
    const pare_pass_shape shape = {.sequences = 2, .length = 512, .gradients = true, .micro_batch = 1};
    tiny_pass t = tiny_pass_open(tiny, shape.sequences, shape.length, 1);
    pare_source source = {.model = t.model, .backend = t.backend};
    tiny_gradients none = {.count = t.model->tensor_count};
    pare_gradient_sink sink = {.wants = tiny_wants, .rows = tiny_rows, .context = &none};
    for (int64_t length = 16; length <= 512; length *= 2) {
        const pare_layout layout = {.length = length, .sequences = 1024 / length};
        pare_pass_memory plan;
        pare_pass *pass;
        double loss;
        assert_int_equal(pare_pass_measure(t.model, t.backend, &shape, &plan), PARE_OK);
        uint64_t before = pare_memory_current();
        pare_memory_peak_reset();
        assert_int_equal(pare_pass_new(t.model, t.backend, &shape, &pass), PARE_OK);
        pare_pass_arrange(pass, &layout);
        assert_int_equal(pare_pass_gradient(pass, &source, t.ids, &sink, &loss), PARE_OK);
        double peak = (double)(pare_memory_peak() - before);
        pare_pass_free(pass);
        assert_true(peak <= 1.001 * (double)(plan.weights + plan.activations + plan.gradients));
    }
    tiny_pass_close(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_examples_are_separate),
        cmocka_unit_test(answers_share_a_question),
        cmocka_unit_test(shorter_sequences),
        cmocka_unit_test(nothing_to_predict),
        cmocka_unit_test(what_is_out_of_range_is_refused),
        cmocka_unit_test(memory_is_within_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
