/* pare_robust: how far selections and perplexities follow a small change of the model or of the run. */
#include "robust/robust.h"
#include "support/file.h"
#include "support/memory.h"
#include "support/runtime.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The other seed of a run: far from those that repetitions count up to. */
static const uint64_t other_seed = 1000003;

static const char *const usual_methods[] = {"taylor", "moreau", "moreau-gs", "best", NULL};
static const char *const usual_changes[] = {"bf16", "fp16", NULL};
static const double usual_ratio = 0.2;

typedef struct robust {
    const pare_model *model;
    const pare_robust_options *options;
    const pare_runtime *runtime;
    size_t methods, ratios, change_count;
    pare_robust_change *changes;
    pare_windows *texts;
    pare_robust_outcome *dense; /* [methods][ratios] of the seed under way */
    json_t *comparisons;        /* [changes][methods][ratios] */
    json_t *ranks;              /* [changes][methods] at the first seed and ratio, or NULL */
    uint64_t seed;              /* of the repetition under way */
} robust;

const char *pare_robust_method(const pare_robust_options *options, size_t index) {
    if (!options->methods) return usual_methods[index];
    return index < options->method_count ? options->methods[index] : NULL;
}

static double ratio_at(const robust *r, size_t index) {
    return r->options->ratios ? r->options->ratios[index] : usual_ratio;
}

static uint32_t seeds_of(const robust *r) {
    return r->options->seeds ? r->options->seeds : 1;
}

static pare_robust_request request_of(const robust *r, size_t method, size_t ratio) {
    return (pare_robust_request){.model = r->model,
                                 .base = r->options->prune,
                                 .runtime = r->runtime,
                                 .method = pare_robust_method(r->options, method),
                                 .ratio = ratio_at(r, ratio),
                                 .seed = r->seed,
                                 .texts = r->texts};
}

static bool removes_elements(const pare_prune_options *options) {
    const pare_recipe *preset = pare_recipe_find(options->method);
    bool chosen = preset && preset->mode == PARE_MODE_ELEMENT;
    for (size_t i = 0; i < options->setting_count; i++)
        if (strcmp(options->settings[i].key, "mode") == 0) chosen = strcmp(options->settings[i].value, "element") == 0;
    return chosen;
}

/* Every run is refused before the first one begins. */
static pare_status check_runs(robust *r) {
    for (size_t m = 0; m < r->methods; m++)
        for (size_t i = 0; i < r->ratios; i++) {
            pare_robust_request request = request_of(r, m, i);
            pare_prune_options options = pare_robust_run_options(&request);
            if (removes_elements(&options))
                return pare_fail(PARE_BAD_ARGUMENT,
                                 "%s removes single weights: runs are compared by the units they keep, so give methods "
                                 "and modes that remove units",
                                 request.method);
            pare_status status = pare_prune_check(r->model, &options);
            if (status == PARE_OK) continue;
            char *why = pare_format("%s", pare_message());
            status = pare_fail(status, "%s at ratio %g: %s", request.method, request.ratio, why);
            free(why);
            return status;
        }
    return PARE_OK;
}

static pare_status prepare(robust *r) {
    const pare_robust_options *o = r->options;
    while (pare_robust_method(o, r->methods))
        r->methods++;
    r->ratios = o->ratios ? o->ratio_count : 1;
    r->change_count = o->changes ? o->change_count : 2;
    r->seed = o->prune->seed;
    if (!r->methods || !r->ratios || !r->change_count)
        return pare_fail(PARE_BAD_ARGUMENT, "give at least one method, one ratio and one change");
    PARE_TRY(pare_alloc(&r->changes, r->change_count, sizeof *r->changes, "changes"));
    for (size_t c = 0; c < r->change_count; c++)
        PARE_TRY(pare_robust_change_parse(o->changes ? o->changes[c] : usual_changes[c], &r->changes[c]));
    PARE_TRY(check_runs(r));
    r->comparisons = json_array();
    r->ranks = o->ranks ? json_array() : NULL;
    return pare_alloc(&r->dense, r->methods * r->ratios, sizeof *r->dense, "results");
}

/* Read once: a changed model would write another text of its own, and be measured on that. */
static pare_status load_texts(robust *r) {
    size_t count = r->options->prune->text_count;
    pare_robust_request request = request_of(r, 0, 0);
    pare_prune_options options = pare_robust_run_options(&request);
    pare_prune_job job;
    PARE_TRY(pare_alloc(&r->texts, count, sizeof *r->texts, "texts"));
    pare_status status = pare_prune_begin(r->model, &options, r->runtime, &job);
    for (size_t i = 0; i < count && status == PARE_OK; i++)
        status = pare_prune_text_windows(&job, i, &r->texts[i]);
    pare_prune_end(&job);
    return status;
}

static pare_status run_dense(robust *r) {
    pare_cache *cache = pare_cache_new();
    pare_status status = PARE_OK;
    for (size_t m = 0; m < r->methods && status == PARE_OK; m++)
        for (size_t i = 0; i < r->ratios && status == PARE_OK; i++) {
            pare_robust_request request = request_of(r, m, i);
            request.cache = cache;
            status = pare_robust_run(&request, &r->dense[m * r->ratios + i]);
        }
    pare_cache_free(cache);
    return status;
}

static json_t *texts_json(const robust *r, const pare_robust_outcome *a, const pare_robust_outcome *b) {
    json_t *texts = json_array();
    for (size_t i = 0; i < r->options->prune->text_count; i++) {
        double before = exp(a->nll[i]), after = exp(b->nll[i]);
        json_t *text = pare_json_of({"file", pare_json_name(r->options->prune->texts[i])});
        pare_json_put_measured(text, "unpruned", exp(a->dense[i]));
        pare_json_put_measured(text, "changed_unpruned", exp(b->dense[i]));
        pare_json_put_measured(text, "perplexity", before);
        pare_json_put_measured(text, "changed", after);
        pare_json_put_measured(text, "difference", fabs(before - after));
        pare_json_append(texts, text);
    }
    return texts;
}

/* The place of one (change, method, ratio) in the report, made on the first seed. */
static json_t *entry_of(robust *r, size_t change, size_t method, size_t ratio) {
    size_t index = (change * r->methods + method) * r->ratios + ratio;
    if (index == json_array_size(r->comparisons))
        pare_json_append(r->comparisons,
                         pare_json_of({"change", pare_json_string(r->changes[change].name)},
                                      {"method", pare_json_string(pare_robust_method(r->options, method))},
                                      {"ratio", pare_json_real(ratio_at(r, ratio))}, {"seeds", json_array()}));
    return json_array_get(r->comparisons, index);
}

static pare_status record(robust *r, size_t change, size_t method, size_t ratio, const pare_robust_outcome *after) {
    const pare_robust_outcome *before = &r->dense[method * r->ratios + ratio];
    json_t *one;
    PARE_TRY(pare_robust_compare(r->model, before, after, &one));
    pare_json_put(one, "seed", json_integer((json_int_t)r->seed));
    pare_json_put(one, "texts", texts_json(r, before, after));
    pare_json_append(json_object_get(entry_of(r, change, method, ratio), "seeds"), one);
    if (r->ranks && ratio == 0 && r->seed == r->options->prune->seed)
        pare_json_append(r->ranks, pare_json_of({"change", pare_json_string(r->changes[change].name)},
                                                {"method", pare_json_string(pare_robust_method(r->options, method))},
                                                {"units", pare_robust_ranks(r->model, before, after)}));
    return PARE_OK;
}

static pare_status run_changed(robust *r, size_t change, pare_robust_request request, size_t method, size_t ratio) {
    const pare_robust_outcome *before = &r->dense[method * r->ratios + ratio];
    pare_robust_kind kind = r->changes[change].kind;
    pare_windows shuffled = {0};
    pare_robust_outcome after;
    if (before->calibration.count && kind != PARE_ROBUST_SEED) request.calibration = &before->calibration;
    if (kind == PARE_ROBUST_THREADS) request.threads = 1;
    if (kind == PARE_ROBUST_SEED) request.seed = r->seed + other_seed;
    if (kind == PARE_ROBUST_SHUFFLE && before->calibration.count) {
        PARE_TRY(pare_robust_shuffle(&before->calibration, before->batches, r->seed + 1, &shuffled));
        request.calibration = &shuffled;
    }
    pare_status status = pare_robust_run(&request, &after);
    pare_windows_free(&shuffled);
    if (status != PARE_OK) return status;
    status = record(r, change, method, ratio, &after);
    pare_robust_outcome_free(&after);
    return status;
}

/* One model and one cache for all runs of a change. */
static pare_status run_change(robust *r, size_t change) {
    pare_robust_change *c = &r->changes[change];
    pare_temporary_model changed = {0};
    pare_cache *cache = NULL;
    pare_status status = PARE_OK;
    if (c->kind == PARE_ROBUST_WEIGHTS) {
        c->perturbation.seed = r->seed;
        status = pare_perturbed_model_new(r->model, &c->perturbation, NULL, r->runtime, &changed);
    }
    if (status == PARE_OK) cache = pare_cache_new();
    for (size_t m = 0; m < r->methods && status == PARE_OK; m++)
        for (size_t i = 0; i < r->ratios && status == PARE_OK; i++) {
            pare_robust_request request = request_of(r, m, i);
            request.cache = cache;
            if (changed.model) request.model = changed.model;
            status = run_changed(r, change, request, m, i);
        }
    pare_cache_free(cache);
    pare_temporary_model_free(&changed);
    return status;
}

static void free_dense(robust *r) {
    for (size_t i = 0; r->dense && i < r->methods * r->ratios; i++)
        pare_robust_outcome_free(&r->dense[i]);
}

static pare_status run_seeds(robust *r) {
    for (uint32_t s = 0; s < seeds_of(r); s++) {
        r->seed = r->options->prune->seed + s;
        PARE_TRY(run_dense(r));
        for (size_t c = 0; c < r->change_count; c++)
            PARE_TRY(run_change(r, c));
        free_dense(r);
    }
    return PARE_OK;
}

/* {"mean", "sd"} of the numbers at a path of every seed; sd null for one. text >= 0: of that text. */
static json_t *spread(const json_t *seeds, int text, const char *name) {
    double sum = 0.0, squares = 0.0;
    size_t count = 0, all = json_array_size(seeds);
    for (int pass = 0; pass < 2; pass++) {
        double mean = count ? sum / (double)count : NAN;
        for (size_t i = 0; i < all; i++) {
            const json_t *seed = json_array_get(seeds, i);
            if (text >= 0) seed = json_array_get(json_object_get(seed, "texts"), (size_t)text);
            const json_t *value = json_object_get(seed, name);
            if (!json_is_number(value)) continue;
            double x = json_number_value(value);
            if (pass)
                squares += (x - mean) * (x - mean);
            else
                sum += x, count++;
        }
    }
    if (!count) return json_null();
    json_t *json = pare_json_of({"mean", pare_json_real(sum / (double)count)});
    pare_json_put(json, "sd", pare_json_measured(count > 1 ? sqrt(squares / (double)(count - 1)) : NAN));
    return json;
}

static void summarize(const robust *r, json_t *entry) {
    static const char *const shares[] = {"agreement", "kept", "removed_jaccard", "rank_correlation"};
    static const char *const perplexities[] = {"unpruned", "changed_unpruned", "perplexity", "changed", "difference"};
    const json_t *seeds = json_object_get(entry, "seeds");
    json_t *summary = json_object(), *texts = json_array();
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        pare_json_put(summary, shares[i], spread(seeds, -1, shares[i]));
    for (size_t t = 0; t < r->options->prune->text_count; t++) {
        json_t *text = pare_json_of({"file", pare_json_name(r->options->prune->texts[t])});
        for (size_t i = 0; i < sizeof perplexities / sizeof *perplexities; i++)
            pare_json_put(text, perplexities[i], spread(seeds, (int)t, perplexities[i]));
        pare_json_append(texts, text);
    }
    pare_json_put(summary, "texts", texts);
    pare_json_put(entry, "summary", summary);
}

static pare_status make_report(robust *r, json_t *lipschitz, char **report) {
    json_t *json = json_object(), *model = json_object();
    for (size_t i = 0; i < json_array_size(r->comparisons); i++)
        summarize(r, json_array_get(r->comparisons, i));
    pare_json_put(json, "pare", pare_json_string(pare_version()));
    pare_json_put(model, "name", pare_json_name(pare_checkpoint_directory(r->model->checkpoint)));
    pare_json_put(model, "parameters", json_integer((json_int_t)pare_model_parameters(r->model)));
    pare_json_put(json, "model", model);
    pare_json_put(json, "seed", json_integer((json_int_t)r->options->prune->seed));
    pare_json_put(json, "seeds", json_integer(seeds_of(r)));
    pare_json_put(json, "comparisons", pare_json_same(r->comparisons));
    if (r->ranks) pare_json_put(json, "ranks", pare_json_same(r->ranks));
    if (lipschitz) pare_json_put(json, "lipschitz", pare_json_same(lipschitz));
    return pare_json_text(json, report);
}

static void release(robust *r) {
    free_dense(r);
    for (size_t i = 0; r->texts && i < r->options->prune->text_count; i++)
        pare_windows_free(&r->texts[i]);
    pare_free(r->texts);
    pare_free(r->dense);
    pare_free(r->changes);
    json_decref(r->comparisons);
    json_decref(r->ranks);
}

pare_status pare_robust(const pare_model *model, const pare_robust_options *options, const pare_runtime *runtime,
                        char **report) {
    robust r = {.model = model, .options = options, .runtime = runtime};
    json_t *lipschitz = NULL;
    *report = NULL;
    PARE_TRY(PARE_OPTIONS_CHECK(pare_robust_options, options));
    PARE_TRY(PARE_OPTIONS_CHECK(pare_prune_options, options->prune));
    PARE_TRY(pare_runtime_check(runtime));
    if (options->prune->salience)
        return pare_fail(PARE_BAD_ARGUMENT, "pare_robust compares methods: leave out the salience %s",
                         options->prune->salience->name ? options->prune->salience->name : "of one's own");
    pare_status status = prepare(&r);
    if (status == PARE_OK) status = load_texts(&r);
    if (status == PARE_OK) status = run_seeds(&r);
    if (status == PARE_OK && options->lipschitz) status = pare_robust_lipschitz(model, options, runtime, &lipschitz);
    if (status == PARE_OK) status = make_report(&r, lipschitz, report);
    json_decref(lipschitz);
    release(&r);
    return status;
}
