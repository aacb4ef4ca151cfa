/* pare_robust against runs of pare_prune on the same models, and its figures against each other. */
#include "importance/rank.h"
#include "prune/prune_run.h"
#include "surgery/perturb.h"

static const tiny_model tiny = {
    .layers = 2, .hidden = 16, .heads = 8, .kv_heads = 8, .head_size = 2, .ffn = 40, .scale = 0.3};

static const char *const two_methods[] = {"taylor", "moreau-gs"};

static pare_robust_options options_of(prune_run *r) {
    r->options.method = NULL;
    r->options.ratio = 0;
    r->options.output = NULL;
    return (pare_robust_options){.prune = &r->options, .methods = two_methods, .method_count = 2};
}

static json_t *robust_report(const prune_run *r, const pare_robust_options *options) {
    char *text = NULL;
    pare_status status = pare_robust(r->model, options, &r->runtime, &text);
    if (status) fprintf(stderr, "%s\n", pare_message());
    assert_int_equal(status, PARE_OK);
    json_t *report = json_loads(text, 0, NULL);
    pare_text_free(text);
    assert_non_null(report);
    return report;
}

static double number_at(const json_t *json, const char *name) {
    const json_t *value = json_object_get(json, name);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static const json_t *first_seed(const json_t *report, size_t index) {
    return json_array_get(json_object_get(json_array_get(json_object_get(report, "comparisons"), index), "seeds"), 0);
}

/* Weights that bf16 holds do not change by being rounded to it; nor do runs on one thread by running on one. */
static void nothing_changes(void **state) {
    (void)state;
    tiny_model rounded = tiny;
    rounded.dtype = PARE_DTYPE_BF16;
    prune_run r = prune_run_open(rounded);
    static const char *const changes[] = {"bf16", "threads"};
    const char *texts[] = {r.ids};
    pare_robust_options o = options_of(&r);
    o.changes = changes;
    o.change_count = 2;
    r.options.texts = texts;
    r.options.text_count = 1;
    r.options.window = 9;
    json_t *report = robust_report(&r, &o);
    assert_int_equal(json_array_size(json_object_get(report, "comparisons")), 4);
    for (size_t i = 0; i < 4; i++) {
        const json_t *one = first_seed(report, i), *text = json_array_get(json_object_get(one, "texts"), 0);
        assert_true(number_at(one, "agreement") == 1.0 && number_at(one, "removed_jaccard") == 1.0);
        assert_true(fabs(number_at(one, "rank_correlation") - 1.0) < 1e-12);
        assert_true(number_at(text, "difference") == 0.0);
        assert_true(number_at(text, "perplexity") != number_at(text, "unpruned"));
    }
    json_decref(report);
    prune_run_close(&r);
}

static bool holds(const json_t *list, uint32_t unit) {
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == (json_int_t)unit) return true;
    return false;
}

typedef struct tally {
    uint32_t units, same, removed_both, removed_any;
} tally;

static void count(tally *t, const json_t *a, const json_t *b, const char *name, uint32_t units) {
    for (uint32_t i = 0; i < units; i++) {
        bool x = holds(json_object_get(a, name), i), y = holds(json_object_get(b, name), i);
        t->units++;
        t->same += x == y;
        t->removed_both += !x && !y;
        t->removed_any += !x || !y;
    }
}

/* The same two prunings, each by itself. */
static void overlaps_are_those_of_two_runs(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    static const char *const changes[] = {"noise=0.3"};
    static const double ratios[] = {0.5};
    pare_robust_options o = options_of(&r);
    o.changes = changes;
    o.change_count = 1;
    o.ratios = ratios;
    o.ratio_count = 1;
    r.options.seed = 5;
    json_t *report = robust_report(&r, &o);
    pare_perturbation noise = {.kind = PARE_PERTURB_NOISE, .epsilon = 0.3, .seed = 5};
    pare_temporary_model changed;
    assert_int_equal(pare_perturbed_model_new(r.model, &noise, NULL, &r.runtime, &changed), PARE_OK);
    pare_model *dense = r.model;
    r.options.dry_run = true;
    r.options.ratio = 0.5;
    for (size_t m = 0; m < 2; m++) {
        tally whole = {0};
        r.options.method = two_methods[m];
        json_t *before = prune_run_report(&r);
        r.model = changed.model;
        json_t *after = prune_run_report(&r);
        r.model = dense;
        for (uint32_t i = 0; i < 2; i++) {
            const json_t *a = json_array_get(json_object_get(before, "layers"), i);
            const json_t *b = json_array_get(json_object_get(after, "layers"), i);
            count(&whole, a, b, "kv_heads_kept", 8);
            count(&whole, a, b, "ffn_channels_kept", 40);
        }
        const json_t *one = first_seed(report, m);
        assert_true(whole.same < whole.units);
        assert_true(number_at(one, "units") == whole.units);
        assert_true(fabs(number_at(one, "agreement") - (double)whole.same / whole.units) < 1e-9);
        assert_true(fabs(number_at(one, "removed_jaccard") - (double)whole.removed_both / whole.removed_any) < 1e-9);
        json_decref(before);
        json_decref(after);
    }
    pare_temporary_model_free(&changed);
    json_decref(report);
    prune_run_close(&r);
}

/* Mean and standard deviation by hand, over three seeds. */
static void seeds_are_summed_up(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    static const char *const changes[] = {"noise=0.2", "calib-shuffle", "seed"};
    pare_robust_options o = options_of(&r);
    o.changes = changes;
    o.change_count = 3;
    o.seeds = 3;
    r.options.calibration.samples = 2;
    json_t *report = robust_report(&r, &o), *comparisons = json_object_get(report, "comparisons");
    for (size_t i = 0; i < 6; i++) {
        const json_t *one = json_array_get(comparisons, i), *seeds = json_object_get(one, "seeds");
        const json_t *spread = json_object_get(json_object_get(one, "summary"), "rank_correlation");
        double x[3], mean = 0, squares = 0;
        assert_int_equal(json_array_size(seeds), 3);
        for (size_t s = 0; s < 3; s++)
            mean += (x[s] = number_at(json_array_get(seeds, s), "rank_correlation")) / 3;
        for (size_t s = 0; s < 3; s++)
            squares += (x[s] - mean) * (x[s] - mean);
        assert_true(fabs(number_at(spread, "mean") - mean) < 1e-9);
        assert_true(fabs(number_at(spread, "sd") - sqrt(squares / 2)) < 1e-9);
        if (i >= 4) assert_true(mean < 0.999); /* other calibration text */
        if (i == 2) assert_true(mean > 0.999); /* a sum does not know the order, but for its last bits */
    }
    json_decref(report);
    prune_run_close(&r);
}

static void read_ranks(const json_t *list, double *ranks, size_t units) {
    uint64_t seen = 0;
    assert_int_equal(json_array_size(list), units);
    for (size_t i = 0; i < units; i++) {
        ranks[i] = json_number_value(json_array_get(list, i));
        seen |= (uint64_t)1 << (unsigned)ranks[i];
    }
    assert_true(seen == ((uint64_t)1 << units) - 1);
}

/* Ranks are permutations, and their correlation is the one that is reported. */
static void ranks_agree_with_their_correlation(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    static const char *const changes[] = {"noise=0.2"};
    static const char *const methods[] = {"moreau", "best"};
    pare_robust_options o = options_of(&r);
    o.changes = changes;
    o.change_count = 1;
    o.ranks = true;
    o.methods = methods;
    json_t *report = robust_report(&r, &o), *ranks = json_object_get(report, "ranks");
    const json_t *blocks = json_object_get(json_object_get(json_array_get(ranks, 0), "units"), "blocks");
    double sum = 0;
    for (size_t layer = 0; layer < 2; layer++)
        for (int part = 0; part < 2; part++) {
            const json_t *pair = json_object_get(json_array_get(blocks, layer), part ? "ffn" : "heads");
            size_t units = part ? 40 : 8;
            double before[40], after[40], one;
            read_ranks(json_object_get(pair, "before"), before, units);
            read_ranks(json_object_get(pair, "after"), after, units);
            assert_int_equal(pare_rank_correlation(before, after, units, &one), PARE_OK);
            sum += one;
        }
    assert_true(fabs(sum / 4 - number_at(first_seed(report, 0), "rank_correlation")) < 1e-9);
    assert_true(json_is_null(json_object_get(json_array_get(ranks, 1), "units"))); /* no scores: nothing to rank */
    assert_true(json_is_null(json_object_get(first_seed(report, 1), "rank_correlation")));
    json_decref(report);
    prune_run_close(&r);
}

static void hidden_channels(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    static const pare_setting channel = {"mode", "channel"};
    static const char *const changes[] = {"noise=0.3"};
    pare_robust_options o = options_of(&r);
    o.changes = changes;
    o.change_count = 1;
    r.options.settings = &channel;
    r.options.setting_count = 1;
    json_t *report = robust_report(&r, &o);
    assert_true(number_at(first_seed(report, 0), "units") == 16);
    assert_true(number_at(first_seed(report, 0), "rank_correlation") < 1);
    json_decref(report);
    prune_run_close(&r);
}

/* A Moreau gradient of one exact step (gamma = rho, no noise, no threshold) is the plain gradient. */
static void lipschitz_ratios(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    static const char *const methods[] = {"moreau"}, *const changes[] = {"threads"};
    pare_robust_options o = options_of(&r);
    r.options.steps = 1;
    r.options.sigma = 0;
    r.options.rho = r.options.gamma = 1e-3;
    o.methods = methods;
    o.method_count = 1;
    o.changes = changes;
    o.change_count = 1;
    o.lipschitz = true;
    o.lipschitz_draws = 2;
    json_t *report = robust_report(&r, &o), *lipschitz = json_object_get(report, "lipschitz");
    const json_t *list = json_object_get(lipschitz, "methods");
    const json_t *plain = json_array_get(list, 0), *moreau = json_array_get(list, 2);
    assert_string_equal(json_string_value(json_object_get(plain, "method")), "taylor");
    assert_string_equal(json_string_value(json_object_get(moreau, "method")), "moreau");
    double change = number_at(lipschitz, "weight_norm") * 1e-3;
    for (size_t k = 0; k < 2; k++) {
        double a = json_number_value(json_array_get(json_object_get(plain, "ratios"), k));
        double b = json_number_value(json_array_get(json_object_get(moreau, "ratios"), k));
        double e = json_number_value(json_array_get(json_object_get(lipschitz, "change_norms"), k));
        assert_true(a > 0 && fabs(a - b) < 1e-3 * a); /* differences of float gradients */
        assert_true(e > 0.5 * change && e < 2 * change);
    }
    assert_true(fabs(number_at(plain, "gradient_norm") - number_at(moreau, "gradient_norm")) <
                1e-5 * number_at(plain, "gradient_norm"));
    /* Without noise the theorems promise nothing. */
    const json_t *bound = json_array_get(json_object_get(moreau, "bounds"), 0);
    assert_true(json_is_false(json_object_get(bound, "applies")));
    json_decref(report);
    prune_run_close(&r);
}

static void expect_refusal(const prune_run *r, const pare_robust_options *o, pare_status expected, const char *part) {
    char *text = NULL;
    assert_int_equal(pare_robust(r->model, o, &r->runtime, &text), expected);
    assert_null(text);
    if (!strstr(pare_message(), part)) fprintf(stderr, "%s\n", pare_message());
    assert_non_null(strstr(pare_message(), part));
}

static void what_makes_no_sense(void **state) {
    (void)state;
    prune_run r = prune_run_open(tiny);
    static const char *const wrong[] = {"fp8", "noise=", "noise=0", "noise=2", "noise=x"};
    static const double too_much[] = {0.2, 0.99};
    static const char *const unknown[] = {"nonsense"};
    for (size_t i = 0; i < 5; i++) {
        pare_robust_options o = options_of(&r);
        o.changes = &wrong[i];
        o.change_count = 1;
        expect_refusal(&r, &o, PARE_BAD_ARGUMENT, wrong[i]);
    }
    pare_robust_options o = options_of(&r);
    o.ratios = too_much;
    o.ratio_count = 2;
    expect_refusal(&r, &o, PARE_BAD_ARGUMENT, "0.99");
    o = options_of(&r);
    o.methods = unknown;
    o.method_count = 1;
    expect_refusal(&r, &o, PARE_BAD_ARGUMENT, "nonsense");
    prune_run_close(&r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_changes),     cmocka_unit_test(overlaps_are_those_of_two_runs),
        cmocka_unit_test(seeds_are_summed_up), cmocka_unit_test(ranks_agree_with_their_correlation),
        cmocka_unit_test(hidden_channels),     cmocka_unit_test(lipschitz_ratios),
        cmocka_unit_test(what_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
