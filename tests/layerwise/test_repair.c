/* The walk through a real small model: with nothing to repair nothing changes, a repaired model is much better than a
 * cut one, and neither threads, micro-batches nor running it again change which units stay. */
#include "stories.h"

static void nothing_removed_changes_nothing(void **state) {
    (void)state;
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_selection all;
    pare_stage_fit fits[8][PARE_STAGES];
    for (int mode = 0; mode < 3; mode++) {
        pare_repair_job job = stories_job(&s, &source);
        pare_repaired repaired;
        job.options.alpha = mode == 1 ? 0.5 : 0.0;
        job.options.beta = mode == 2 ? 1.0 : 0.0;
        job.options.final_norm = mode == 2;
        assert_int_equal(pare_selection_all(s.model, &all), PARE_OK);
        assert_int_equal(pare_repair_run(&job, &all, &repaired, fits), PARE_OK);
        for (size_t id = 0; id < repaired.count; id++)
            assert_null(repaired.matrix[id]);
        for (uint32_t layer = 0; layer < all.layers; layer++)
            assert_false(fits[layer][0].fitted || fits[layer][1].fitted || fits[layer][1].readers_fitted);
        pare_repaired_free(&repaired);
        pare_selection_free(&all);
    }
    stories_close(&s);
}

/* Runs a repair, requires that every error falls, and returns the log perplexity. */
static double repaired_nll(const stories *s, const pare_repair_job *job, pare_selection *selection) {
    pare_stage_fit fits[8][PARE_STAGES];
    pare_repaired repaired;
    assert_int_equal(pare_repair_run(job, selection, &repaired, fits), PARE_OK);
    for (uint32_t layer = 0; layer < selection->layers; layer++)
        for (int stage = 0; stage < PARE_STAGES; stage++) {
            const pare_stage_fit *fit = &fits[layer][stage];
            const pare_widths *before = &s->model->config.widths[layer];
            const pare_kept *kept = &selection->layer[layer];
            bool goes = stage ? !pare_kept_all_channels(kept, before) : !pare_kept_all_heads(kept, before);
            if (goes && !kept->dropped && !job->options.keep_outputs) assert_true(fit->fitted);
            if (fit->fitted) assert_true(fit->output.after < fit->output.before);
            if (fit->readers_fitted) assert_true(fit->readers.after < fit->readers.before);
            assert_int_equal(fit->output.damping.raised, 0);
        }
    double nll = stories_nll(s, selection, &repaired);
    pare_repaired_free(&repaired);
    return nll;
}

static void compare_list(json_t *expected, const uint32_t *list, uint32_t count) {
    assert_int_equal(count, json_array_size(expected));
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(list[i], json_integer_value(json_array_get(expected, i)));
}

/* kept: by layer, what is kept where something goes. */
static void compare_kept(const pare_selection *selection, const json_t *kept) {
    assert_int_equal(json_array_size(kept), selection->layers);
    for (uint32_t layer = 0; layer < selection->layers; layer++) {
        const pare_kept *of_layer = &selection->layer[layer];
        json_t *expected = json_array_get(kept, layer), *heads = json_object_get(expected, "heads");
        if (heads) compare_list(heads, of_layer->kv_head, of_layer->kv_heads);
        if (heads) compare_list(json_object_get(expected, "ffn"), of_layer->ffn_channel, of_layer->ffn);
    }
}

/* Perplexities with the same texts by tests/oracle/repair.py, or of stories260K by an older prototype in PyTorch. */
static void perplexities_are_those_of_the_oracle(void **state) {
    (void)state;
    static const struct {
        bool choose, norm;
        double alpha, beta, perplexity;
    } cases[] = {{false, false, 0.0, 0.0, 15.4268},
                 {false, false, 0.5, 0.0, 15.5345},
                 {false, true, 0.5, 1.0, 14.8061},
                 {true, false, 0.0, 0.0, 13.8164},
                 {true, true, 0.5, 1.0, 13.0544}};
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    pare_selection kept = stories_kept(&s, "taylor_param_first", "keep_0.25");
    json_t *golden = golden_is_ours() ? load_json(golden_join(golden_path(GOLDEN_MODEL), "repair.json")) : NULL;
    double cut = golden ? json_number_value(json_object_get(golden, "cut")) : 18.8152;
    assert_close("cut", exp(stories_nll(&s, &kept, NULL)), cut, 1e-4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pare_selection selection;
        pare_repair_job job = stories_job(&s, &source);
        pare_repair_options *o = &job.options;
        o->alpha = cases[i].alpha;
        o->beta = cases[i].beta;
        o->final_norm = cases[i].norm;
        o->choose[0] = o->choose[1] = cases[i].choose;
        o->widths = stories_quarter(&s);
        o->fraction = 0.0625;
        if (cases[i].choose)
            assert_int_equal(pare_selection_all(s.model, &selection), PARE_OK);
        else
            selection = stories_kept(&s, "taylor_param_first", "keep_0.25");
        double perplexity = exp(repaired_nll(&s, &job, &selection)), expected = cases[i].perplexity;
        json_t *of_case = json_array_get(json_object_get(golden, "cases"), i);
        if (golden) expected = json_number_value(json_object_get(of_case, "perplexity"));
        if (golden) compare_kept(&selection, json_object_get(of_case, "kept"));
        print_message("case %zu: %.4f, expected %.4f\n", i, perplexity, expected);
        assert_close("perplexity", perplexity, expected, 2e-3);
        pare_selection_free(&selection);
    }
    json_decref(golden);
    pare_selection_free(&kept);
    stories_close(&s);
}

/* Narrower FFNs, removed hidden channels and a dropped layer: much of the loss is made up for. */
static void other_axes_are_repaired_too(void **state) {
    (void)state;
    enum { NARROW, CHANNELS, DROPPED, AXES };
    stories s = stories_open(1);
    pare_source source = {.model = s.model, .backend = s.backend};
    for (int axis = 0; axis < AXES; axis++) {
        pare_selection all, selection;
        pare_repair_job job = stories_job(&s, &source);
        job.options.alpha = 0.5;
        job.options.beta = 1.0;
        job.options.final_norm = true;
        assert_int_equal(pare_selection_all(s.model, &all), PARE_OK);
        assert_int_equal(pare_selection_all(s.model, &selection), PARE_OK);
        for (uint32_t i = 1; i < 4 && axis == NARROW; i++)
            assert_int_equal(pare_kept_set_channels(all.layer[i].ffn_channel, 100, &selection.layer[i]), PARE_OK);
        if (axis == DROPPED) pare_kept_drop(&selection.layer[2]);
        if (axis == CHANNELS) {
            selection.hidden = 56;
            assert_int_equal(pare_alloc(&selection.hidden_channel, 56, sizeof(uint32_t), "channels"), PARE_OK);
            for (uint32_t i = 0; i < 56; i++)
                selection.hidden_channel[i] = i + i / 7;
        }
        double dense = stories_nll(&s, &all, NULL), cut = stories_nll(&s, &selection, NULL);
        double nll = repaired_nll(&s, &job, &selection);
        print_message("dense %.3f, cut %.3f, repaired %.3f\n", exp(dense), exp(cut), exp(nll));
        assert_true(nll - dense < 0.6 * (cut - dense));
        pare_selection_free(&selection);
        pare_selection_free(&all);
    }
    stories_close(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_removed_changes_nothing),
        cmocka_unit_test(perplexities_are_those_of_the_oracle),
        cmocka_unit_test(other_axes_are_repaired_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
