#include "score/cache.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct entry {
    struct entry *next;
    char *key;
    pare_windows windows;
    char digest[65];
    pare_score_result scores; /* of indices: without units */
    pare_index_scores indices;
    double nll; /* of the dense model */
    pare_picture_scores pictures;
    pare_output_fisher fisher;
} entry;

struct pare_cache {
    entry *first;
};

pare_cache *pare_cache_new(void) {
    return calloc(1, sizeof(pare_cache));
}

static void entry_free(entry *e) {
    pare_windows_free(&e->windows);
    pare_score_free(&e->scores);
    pare_index_scores_free(&e->indices);
    pare_output_fisher_free(&e->fisher);
    free(e->key);
    free(e);
}

void pare_cache_free(pare_cache *cache) {
    for (entry *e = cache ? cache->first : NULL, *next; e; e = next) {
        next = e->next;
        entry_free(e);
    }
    free(cache);
}

/* Frees the key, which is NULL where there was no memory for it: then nothing is found. */
static const entry *find(const pare_cache *cache, char *key) {
    const entry *found = cache && key ? cache->first : NULL;
    while (found && strcmp(found->key, key) != 0)
        found = found->next;
    free(key);
    return found;
}

/* An empty entry that no cache holds yet. Takes the key, which is NULL where there was no memory for it. */
static pare_status entry_new(char *key, entry **out) {
    entry *e = *out = key ? calloc(1, sizeof *e) : NULL;
    if (!e) {
        free(key);
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to keep a result for the next run");
    }
    e->key = key;
    return PARE_OK;
}

/* The cache holds the entry if it was filled, as `status` says; returns the status. */
static pare_status enter(pare_cache *cache, entry *e, pare_status status) {
    if (status != PARE_OK) {
        entry_free(e);
        return status;
    }
    e->next = cache->first;
    cache->first = e;
    return PARE_OK;
}

static char *windows_key(const pare_model *model, const pare_calibration_request *request) {
    const pare_calibration_options *o = request->options;
    return pare_format("windows %llu %s|%s|%u %u %d|%u %u %d %zu %llu", (unsigned long long)model->serial,
                       o->source ? o->source : "self", o->field ? o->field : "", o->samples, o->length, o->stream,
                       request->usual, request->batches, request->mid_text, request->wording,
                       (unsigned long long)request->seed);
}

bool pare_cache_windows_take(pare_cache *cache, const pare_model *model, const pare_calibration_request *request,
                             pare_windows *out, char digest[65]) {
    const entry *e = find(cache, windows_key(model, request));
    if (!e || pare_windows_copy(&e->windows, out) != PARE_OK) return false;
    memcpy(digest, e->digest, sizeof e->digest);
    return true;
}

pare_status pare_cache_windows_give(pare_cache *cache, const pare_model *model, const pare_calibration_request *request,
                                    const pare_windows *windows, const char *digest) {
    if (!cache) return PARE_OK;
    entry *e;
    PARE_TRY(entry_new(windows_key(model, request), &e));
    memcpy(e->digest, digest, sizeof e->digest);
    return enter(cache, e, pare_windows_copy(windows, &e->windows));
}

/* Everything that a signal depends on: the recipe's own part of it, the ids, the tensors, seed and number format.
 * units: and how it becomes units. NULL without memory. */
static char *signal_key(const pare_score_request *r, const char *what, bool units) {
    static const char *const after[] = {"select",
                                        "keep_min",
                                        "rise",
                                        "choose",
                                        "compensate",
                                        "damping",
                                        "dense",
                                        "metric",
                                        "readers",
                                        "reader_damping",
                                        "held_out",
                                        "fraction",
                                        "final_norm",
                                        "wording",
                                        "reconstruct",
                                        "reconstruct_rate",
                                        "reconstruct_rank",
                                        "reconstruct_metric",
                                        "reconstruct_dense",
                                        "effort",
                                        NULL};
    static const char *const of_units[] = {"salience", "reduction", "alignment", "gqa", NULL};
    json_t *recipe = pare_recipe_json(r->recipe);
    for (int i = 0; after[i]; i++)
        json_object_del(recipe, after[i]);
    for (int i = 0; of_units[i] && !units; i++)
        json_object_del(recipe, of_units[i]);
    char *constants, *tensors = malloc(r->model->tensor_count * 2 + 1);
    bool told = pare_json_dump(recipe, "the key of a signal", JSON_COMPACT, &constants) == PARE_OK;
    size_t count = r->model->tensor_count;
    for (size_t id = 0; tensors && id < count; id++) {
        tensors[2 * id] = r->plan->scored[id] ? 's' : '-';
        tensors[2 * id + 1] = r->plan->displaced[id] ? 'd' : '-';
    }
    if (tensors) tensors[2 * count] = 0;
    char *key = !told || !tensors ? NULL
                                  : pare_format("%s %llu %s|%s|%s|%d %llu", what, (unsigned long long)r->model->serial,
                                                constants, r->digest ? r->digest : "", tensors,
                                                (int)r->backend->operand, (unsigned long long)r->seed);
    json_decref(recipe);
    pare_free(constants);
    free(tensors);
    return key;
}

static char *scores_key(const pare_score_request *r) {
    return signal_key(r, "scores", true);
}

bool pare_cache_scores_take(pare_cache *cache, const pare_score_request *request, pare_score_result *out) {
    const entry *e = find(cache, scores_key(request));
    return e && pare_score_copy(request->model, &e->scores, out) == PARE_OK;
}

pare_status pare_cache_scores_give(pare_cache *cache, const pare_score_request *request,
                                   const pare_score_result *result) {
    if (!cache) return PARE_OK;
    entry *e;
    PARE_TRY(entry_new(scores_key(request), &e));
    return enter(cache, e, pare_score_copy(request->model, result, &e->scores));
}

/* Rank correlations in a trace are those of one way to make units. */
static pare_status copy_made(const pare_score_result *from, pare_score_result *to) {
    *to = (pare_score_result){.loss = from->loss, .steps = from->steps};
    if (!from->trace) return PARE_OK;
    PARE_TRY(pare_alloc(&to->trace, (size_t)from->steps, sizeof *to->trace, "trace"));
    memcpy(to->trace, from->trace, (size_t)from->steps * sizeof *to->trace);
    for (int32_t i = 0; i < to->steps; i++)
        to->trace[i].rank_correlation = NAN;
    return PARE_OK;
}

static char *indices_key(const pare_score_request *request, const pare_salience *salience) {
    char *signal = signal_key(request, "indices", false);
    char *key = signal ? pare_format("%s|%s", signal, salience->name) : NULL;
    free(signal);
    return key;
}

const pare_index_scores *pare_cache_indices_find(pare_cache *cache, const pare_score_request *request,
                                                 pare_score_result *made) {
    const entry *e = find(cache, indices_key(request, request->recipe->salience));
    return e && copy_made(&e->scores, made) == PARE_OK ? &e->indices : NULL;
}

pare_status pare_cache_indices_give(pare_cache *cache, const pare_score_request *request, pare_index_scores *indices,
                                    const pare_score_result *made) {
    if (!cache) return PARE_OK;
    entry *e;
    PARE_TRY(entry_new(indices_key(request, indices->salience), &e));
    PARE_TRY(enter(cache, e, copy_made(made, &e->scores)));
    e->indices = *indices;
    *indices = (pare_index_scores){0};
    return PARE_OK;
}

static char *before_key(const pare_model *model, const char *name) {
    return !name ? NULL : pare_format("before %llu %s", (unsigned long long)model->serial, name);
}

bool pare_cache_before_take(pare_cache *cache, const pare_model *model, const char *name, pare_text_pair *pair) {
    const entry *e = find(cache, before_key(model, name));
    if (e) pair->before.nll = e->nll;
    if (e) pair->before.answers = e->pictures;
    return e != NULL;
}

pare_status pare_cache_before_give(pare_cache *cache, const pare_model *model, const char *name,
                                   const pare_text_pair *pair) {
    if (!cache) return PARE_OK;
    entry *e;
    PARE_TRY(entry_new(before_key(model, name), &e));
    e->nll = pair->before.nll;
    e->pictures = pair->before.answers;
    return enter(cache, e, PARE_OK);
}

static char *text_key(const pare_model *model, const char *name) {
    return !name ? NULL : pare_format("text %llu %s", (unsigned long long)model->serial, name);
}

bool pare_cache_text_take(pare_cache *cache, const pare_model *model, const char *name, pare_windows *out) {
    const entry *e = find(cache, text_key(model, name));
    return e && pare_windows_copy(&e->windows, out) == PARE_OK;
}

pare_status pare_cache_text_give(pare_cache *cache, const pare_model *model, const char *name,
                                 const pare_windows *windows) {
    if (!cache) return PARE_OK;
    entry *e;
    PARE_TRY(entry_new(text_key(model, name), &e));
    return enter(cache, e, pare_windows_copy(windows, &e->windows));
}

static char *fisher_key(const pare_model *model, const char *name) {
    return !name ? NULL : pare_format("fisher %llu %s", (unsigned long long)model->serial, name);
}

const pare_output_fisher *pare_cache_fisher_find(pare_cache *cache, const pare_model *model, const char *name) {
    const entry *e = find(cache, fisher_key(model, name));
    return e && e->fisher.metric ? &e->fisher : NULL;
}

pare_status pare_cache_fisher_give(pare_cache *cache, const pare_model *model, const char *name,
                                   pare_output_fisher *fisher) {
    for (entry *e = cache->first; e; e = e->next)
        pare_output_fisher_free(&e->fisher);
    entry *e;
    PARE_TRY(entry_new(fisher_key(model, name), &e));
    e->fisher = *fisher;
    *fisher = (pare_output_fisher){0};
    return enter(cache, e, PARE_OK);
}

static char *scan_key(const pare_model *model) {
    return pare_format("scan %llu", (unsigned long long)model->serial);
}

bool pare_cache_scanned(pare_cache *cache, const pare_model *model) {
    return find(cache, scan_key(model)) != NULL;
}

pare_status pare_cache_scan_note(pare_cache *cache, const pare_model *model) {
    if (!cache || pare_cache_scanned(cache, model)) return PARE_OK;
    entry *e;
    PARE_TRY(entry_new(scan_key(model), &e));
    return enter(cache, e, PARE_OK);
}
