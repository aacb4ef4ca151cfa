#include "recipe/cache.h"
#include "support/file.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

typedef struct entry {
    struct entry *next;
    char *key;
    pare_windows windows;
    char digest[65];
    pare_score_result scores;
    double nll;
} entry;

struct pare_cache {
    entry *first;
};

pare_cache *pare_cache_new(void) {
    return calloc(1, sizeof(pare_cache));
}

void pare_cache_free(pare_cache *cache) {
    for (entry *e = cache ? cache->first : NULL, *next; e; e = next) {
        next = e->next;
        pare_windows_free(&e->windows);
        pare_score_free(&e->scores);
        free(e->key);
        free(e);
    }
    free(cache);
}

static const entry *find(const pare_cache *cache, char *key) {
    const entry *found = cache ? cache->first : NULL;
    while (found && strcmp(found->key, key) != 0)
        found = found->next;
    free(key);
    return found;
}

/* A new entry under `key`, which it takes; NULL without memory. */
static entry *add(pare_cache *cache, char *key) {
    entry *e = calloc(1, sizeof *e);
    if (!e) {
        free(key);
        pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to keep a result for the next run");
        return NULL;
    }
    e->key = key;
    e->next = cache->first;
    cache->first = e;
    return e;
}

static char *windows_key(const pare_model *model, const pare_calibration_request *request) {
    const pare_calibration_options *o = request->options;
    return pare_format("windows %p %s|%s|%u %u %d|%u %u %d %llu", (const void *)model, o->source ? o->source : "self",
                       o->field ? o->field : "", o->samples, o->length, o->stream, request->usual, request->batches,
                       request->mid_text, (unsigned long long)request->seed);
}

static pare_status copy_windows(const pare_windows *from, pare_windows *to) {
    *to = (pare_windows){.count = from->count, .length = from->length};
    size_t ids = (size_t)from->count * from->length;
    PARE_TRY(pare_alloc_uninitialized(&to->ids, ids, sizeof *to->ids, "token ids"));
    memcpy(to->ids, from->ids, ids * sizeof *to->ids);
    return PARE_OK;
}

bool pare_cache_windows_take(pare_cache *cache, const pare_model *model, const pare_calibration_request *request,
                             pare_windows *out, char digest[65]) {
    const entry *e = find(cache, windows_key(model, request));
    if (!e || copy_windows(&e->windows, out) != PARE_OK) return false;
    memcpy(digest, e->digest, sizeof e->digest);
    return true;
}

pare_status pare_cache_windows_give(pare_cache *cache, const pare_model *model, const pare_calibration_request *request,
                                    const pare_windows *windows, const char *digest) {
    if (!cache) return PARE_OK;
    entry *e = add(cache, windows_key(model, request));
    if (!e) return PARE_OUT_OF_MEMORY;
    memcpy(e->digest, digest, sizeof e->digest);
    return copy_windows(windows, &e->windows);
}

/* Everything that scores depend on: the recipe's signal and salience, the ids, the tensors, seed and number format. */
static char *scores_key(const pare_score_request *r) {
    static const char *const after[] = {"select",     "gqa",     "keep_min", "rise", "choose",
                                        "compensate", "damping", "dense",    NULL};
    json_t *recipe = pare_recipe_json(r->recipe);
    for (int i = 0; after[i]; i++)
        json_object_del(recipe, after[i]);
    char *constants = json_dumps(recipe, JSON_COMPACT), *tensors = malloc(r->model->tensor_count * 2 + 1);
    size_t count = r->model->tensor_count;
    for (size_t id = 0; tensors && id < count; id++) {
        tensors[2 * id] = r->plan->scored[id] ? 's' : '-';
        tensors[2 * id + 1] = r->plan->displaced[id] ? 'd' : '-';
    }
    if (tensors) tensors[2 * count] = 0;
    char *key = pare_format("scores %p %s|%s|%s|%d %llu", (const void *)r->model, constants ? constants : "",
                            r->digest ? r->digest : "", tensors ? tensors : "", (int)r->backend->operand,
                            (unsigned long long)r->seed);
    json_decref(recipe);
    free(constants);
    free(tensors);
    return key;
}

bool pare_cache_scores_take(pare_cache *cache, const pare_score_request *request, pare_score_result *out) {
    const entry *e = find(cache, scores_key(request));
    return e && pare_score_copy(request->model, &e->scores, out) == PARE_OK;
}

pare_status pare_cache_scores_give(pare_cache *cache, const pare_score_request *request,
                                   const pare_score_result *result) {
    if (!cache) return PARE_OK;
    entry *e = add(cache, scores_key(request));
    if (!e) return PARE_OUT_OF_MEMORY;
    return pare_score_copy(request->model, result, &e->scores);
}

static char *nll_key(const pare_model *model, const char *name) {
    return pare_format("nll %p %s", (const void *)model, name);
}

bool pare_cache_nll_take(pare_cache *cache, const pare_model *model, const char *name, double *nll) {
    const entry *e = find(cache, nll_key(model, name));
    if (e) *nll = e->nll;
    return e != NULL;
}

pare_status pare_cache_nll_give(pare_cache *cache, const pare_model *model, const char *name, double nll) {
    if (!cache) return PARE_OK;
    entry *e = add(cache, nll_key(model, name));
    if (!e) return PARE_OUT_OF_MEMORY;
    e->nll = nll;
    return PARE_OK;
}
