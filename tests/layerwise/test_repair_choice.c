/* What must not change the choice of units and the repaired bits, and what must: threads, micro-batches, a second run,
 * memory limits; the worth of outputs and units. */
#include "stories.h"

typedef struct result {
    pare_selection selection;
    pare_repaired repaired;
    pare_stage_fit fits[8][PARE_STAGES];
} result;

static void run(const stories *s, const pare_repair_job *job, result *out) {
    assert_int_equal(pare_selection_all(s->model, &out->selection), PARE_OK);
    assert_int_equal(pare_repair_run(job, &out->selection, &out->repaired, out->fits), PARE_OK);
}

static void result_free(result *r) {
    pare_selection_free(&r->selection);
    pare_repaired_free(&r->repaired);
}

static pare_repair_job choosing_job(const stories *s, const pare_source *source) {
    pare_repair_job job = stories_job(s, source);
    job.sequences = 12;
    job.options.choose[0] = job.options.choose[1] = true;
    job.options.widths = stories_quarter(s);
    job.options.fraction = 0.0625;
    job.options.alpha = 0.5;
    job.options.beta = 1.0;
    job.options.final_norm = true;
    return job;
}

static bool same_units(const result *a, const result *b) {
    bool same = true;
    for (uint32_t i = 0; i < a->selection.layers; i++) {
        const pare_kept *x = &a->selection.layer[i], *y = &b->selection.layer[i];
        assert_int_equal(x->heads, y->heads);
        assert_int_equal(x->ffn, y->ffn);
        same = same && memcmp(x->head, y->head, x->heads * sizeof *x->head) == 0 &&
               memcmp(x->ffn_channel, y->ffn_channel, x->ffn * sizeof *x->ffn_channel) == 0;
    }
    return same;
}

static void runs_repeat(void **state) {
    (void)state;
    result first = {0}, other;
    for (int threads = 1; threads <= 2; threads++) {
        stories s = stories_open(threads);
        pare_source source = {.model = s.model, .backend = s.backend};
        pare_repair_job job = choosing_job(&s, &source);
        result a, b;
        run(&s, &job, &a);
        run(&s, &job, &b);
        assert_true(same_units(&a, &b));
        assert_int_equal(a.repaired.used, b.repaired.used);
        assert_true(a.repaired.used > 0 && a.repaired.used <= a.repaired.memory.bytes);
        assert_memory_equal(a.repaired.memory.data, b.repaired.memory.data, a.repaired.used);
        assert_memory_equal(a.fits, b.fits, sizeof a.fits[0] * a.selection.layers);
        result_free(&b);
        if (threads == 1) {
            first = a;
            for (int64_t micro = 1; micro <= 5; micro += 4) { /* the last micro-batch is shorter */
                job.micro_batch = micro;
                run(&s, &job, &other);
                assert_true(same_units(&first, &other));
                result_free(&other);
            }
        } else {
            assert_true(same_units(&first, &a));
            result_free(&a);
        }
        stories_close(&s);
    }
    result_free(&first);
}

/* Within a limit it is as good, in a scratch file too, and it holds no more than it says. */
static void memory_is_as_planned(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_repair_job job = choosing_job(&s, &source);
    pare_layerwise_memory plan, tight;
    pare_selection all;
    result whole, limited;
    run(&s, &job, &whole);
    assert_int_equal(pare_selection_all(s.model, &all), PARE_OK);
    assert_int_equal(pare_repair_measure(&job, &all, false, &plan), PARE_OK);
    job.micro_batch = 1;
    assert_int_equal(pare_repair_measure(&job, &all, false, &tight), PARE_OK);
    job.micro_batch = 0;
    for (int file = 0; file < 2; file++) {
        uint64_t least = tight.statistics + tight.weights + tight.activations;
        job.limit = least + (file ? 0 : tight.hidden + tight.repaired);
        job.scratch = file ? "/tmp" : NULL;
        assert_int_equal(pare_repair_measure(&job, &all, false, &plan), PARE_OK);
        assert_int_equal(plan.micro_batch, 1);
        assert_int_equal(plan.scratch, file ? plan.hidden + plan.repaired : 0);
        uint64_t before = pare_memory_current();
        pare_memory_peak_reset();
        run(&s, &job, &limited);
        assert_true(pare_memory_peak() - before <= job.limit + (1 << 17)); /* lists of units and tensors */
        assert_true(same_units(&whole, &limited));
        result_free(&limited);
        job.limit -= 1;
        assert_int_equal(pare_repair_run(&job, &all, &limited.repaired, NULL), PARE_OUT_OF_MEMORY);
        assert_non_null(strstr(pare_message(), "--memory"));
    }
    pare_selection_free(&all);
    result_free(&whole);
    stories_close(&s);
}

/* Widths rule: a layer that is to keep everything keeps it, whatever the selection said before. */
static void widths_rule(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_repair_job job = choosing_job(&s, &source);
    pare_widths widths[8];
    uint32_t first = 0, layers = s.model->config.layers;
    result out = {0};
    memcpy(widths, job.options.widths, layers * sizeof *widths);
    widths[1] = s.model->config.widths[1];
    widths[2].ffn = s.model->config.widths[2].ffn;
    job.options.widths = widths;
    assert_int_equal(pare_selection_all(s.model, &out.selection), PARE_OK);
    for (uint32_t i = 0; i < layers; i++) {
        assert_int_equal(pare_kept_set_groups(s.model, i, &first, 1, &out.selection.layer[i]), PARE_OK);
        assert_int_equal(pare_kept_set_channels(&first, 1, &out.selection.layer[i]), PARE_OK);
    }
    assert_int_equal(pare_repair_run(&job, &out.selection, &out.repaired, out.fits), PARE_OK);
    for (uint32_t i = 0; i < layers; i++) {
        assert_int_equal(out.selection.layer[i].kv_heads, widths[i].kv_heads);
        assert_int_equal(out.selection.layer[i].heads, widths[i].heads);
        assert_int_equal(out.selection.layer[i].ffn, widths[i].ffn);
    }
    result_free(&out);
    stories_close(&s);
}

/* All rows alike by a metric: the units that nothing else chooses. */
static void worths_agree(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_repair_job job = choosing_job(&s, &source);
    pare_stage_signal signals[8][PARE_STAGES] = {{{0}}};
    uint32_t d = s.model->config.hidden;
    float *metric = calloc(d * d, sizeof *metric);
    result plain, other;
    run(&s, &job, &plain);
    for (uint32_t i = 0; i < d; i++)
        metric[i * (d + 1)] = 0.25f;
    for (int i = 0; i < 8 * PARE_STAGES; i++)
        signals[i / 2][i % 2] = (pare_stage_signal){.metric = metric};
    job.options.signals = (const pare_stage_signal(*)[PARE_STAGES])signals;
    run(&s, &job, &other);
    assert_true(same_units(&plain, &other));
    result_free(&other);
    result_free(&plain);
    free(metric);
    stories_close(&s);
}

static void query_heads_go_evenly(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_repair_job job = choosing_job(&s, &source);
    pare_widths widths[8];
    result r;
    memcpy(widths, stories_quarter(&s), sizeof widths);
    widths[1] = (pare_widths){.heads = 4, .kv_heads = 4, .ffn = 172};
    widths[2] = (pare_widths){.heads = 3, .kv_heads = 3, .ffn = 172};
    job.options.widths = widths;
    run(&s, &job, &r);
    for (int layer = 1; layer < 3; layer++) {
        const pare_kept *kept = &r.selection.layer[layer];
        assert_int_equal(kept->heads, kept->kv_heads);
        assert_int_equal(kept->heads, widths[layer].heads);
        for (uint32_t i = 0; i < kept->heads; i++)
            assert_int_equal(kept->head[i] / 2, kept->kv_head[i]);
    }
    assert_true(r.fits[1][0].fitted && r.fits[1][0].output.after < r.fits[1][0].output.before);
    result_free(&r);
    stories_close(&s);
}

/* A probe changes nothing, and its curves rise to what removing costs. */
static void a_probe_only_measures(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_repair_job job = choosing_job(&s, &source);
    double heads[8][4], channels[8][172], *curves[8][PARE_STAGES];
    result r;
    for (int i = 0; i < 8; i++) {
        curves[i][0] = heads[i];
        curves[i][1] = channels[i];
    }
    job.options.curves = curves;
    job.options.probe = true;
    run(&s, &job, &r);
    for (size_t id = 0; id < r.repaired.count; id++)
        assert_null(r.repaired.matrix[id]);
    for (uint32_t layer = 1; layer < 4; layer++) {
        assert_int_equal(r.selection.layer[layer].ffn, 172);
        assert_true(heads[layer][0] > 0.0 && channels[layer][0] > 0.0);
        for (int i = 1; i < 43; i++)
            assert_true(channels[layer][i] >= channels[layer][i - 1]);
    }
    result_free(&r);
    /* The first stage that loses units sees the dense model in both: with no damping its curve ends in the error. */
    job.options.probe = false;
    job.options.alpha = job.options.beta = job.options.damping = 0.0;
    run(&s, &job, &r);
    if (!r.fits[1][0].output.damping.raised) assert_close("curve", heads[1][0], r.fits[1][0].output.after, 1e-4);
    result_free(&r);
    stories_close(&s);
}

static void nonsense_is_refused(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_selection all;
    pare_repaired repaired;
    assert_int_equal(pare_selection_all(s.model, &all), PARE_OK);
    for (int i = 0; i < 4; i++) {
        pare_repair_job job = choosing_job(&s, &source);
        if (i == 0) job.options.alpha = 1.5;
        if (i == 1) job.options.beta = NAN;
        if (i == 2) job.options.damping = -1.0;
        if (i == 3) job.sequences = 0;
        assert_int_equal(pare_repair_run(&job, &all, &repaired, NULL), PARE_BAD_ARGUMENT);
    }
    pare_selection_free(&all);
    stories_close(&s);
}

static void an_interrupt_ends_it(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_repair_job job = choosing_job(&s, &source);
    pare_selection all;
    pare_repaired repaired;
    assert_int_equal(pare_selection_all(s.model, &all), PARE_OK);
    pare_interrupt();
    assert_int_equal(pare_repair_run(&job, &all, &repaired, NULL), PARE_INTERRUPTED);
    pare_interrupt_clear();
    assert_null(repaired.matrix);
    pare_selection_free(&all);
    stories_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_repeat),           cmocka_unit_test(memory_is_as_planned),
        cmocka_unit_test(widths_rule),           cmocka_unit_test(worths_agree),
        cmocka_unit_test(query_heads_go_evenly), cmocka_unit_test(a_probe_only_measures),
        cmocka_unit_test(nonsense_is_refused),   cmocka_unit_test(an_interrupt_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
