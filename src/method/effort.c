#include "method/effort.h"
#include "support/file.h"
#include "support/json.h"

#include <stdlib.h>
#include <string.h>

const char *const pare_effort_names[] = {"normal", "quick", "high", NULL};

/* A key of keys.c and its value as a recipe file has it; or "samples". */
typedef struct row {
    const char *method;
    pare_effort effort;
    const char *key, *value;
    bool (*fits)(const pare_effort_target *target, const pare_recipe *recipe); /* NULL: always */
} row;

/* As check.c and job_check.c have it: elsewhere the method goes without. */
static bool may_search(const pare_effort_target *target, const pare_recipe *r) {
    bool ranked = r->ranking <= PARE_RANK_GLOBAL && !r->query_heads;
    return r->mode == PARE_MODE_BLOCK && r->choice == PARE_CHOOSE_OBS && ranked && !target->rounds && !target->shares;
}

/* docs/results.md: what each of them is worth. */
static const row rows[] = {
    {"best", PARE_EFFORT_QUICK, "metric", "plain", NULL},
    {"best", PARE_EFFORT_QUICK, "dense", "0", NULL},
    {"best", PARE_EFFORT_QUICK, "readers", "0", NULL},
    {"best", PARE_EFFORT_QUICK, "held_out", "no", NULL},
    {"best", PARE_EFFORT_QUICK, "final_norm", "no", NULL},
    {"best", PARE_EFFORT_QUICK, "samples", "64", NULL},
    {"best", PARE_EFFORT_HIGH, "allocate", "search", may_search},
    {"best", PARE_EFFORT_HIGH, "reconstruct", "20", NULL},
    {"best", PARE_EFFORT_HIGH, "samples", "512", NULL},
    {"best-sparse", PARE_EFFORT_QUICK, "compensate", "obs", NULL},
    {"best-sparse", PARE_EFFORT_QUICK, "cg_iterations", "5", NULL},
    {"best-sparse", PARE_EFFORT_HIGH, "reconstruct", "20", NULL},
    {"best-sparse", PARE_EFFORT_HIGH, "samples", "512", NULL},
};

enum { ROWS = sizeof rows / sizeof *rows };

static bool is_of(const row *r, const pare_recipe *recipe) {
    return recipe->preset && strcmp(r->method, recipe->preset) == 0;
}

static bool is_samples(const row *r) {
    return strcmp(r->key, "samples") == 0;
}

bool pare_effort_offers(const pare_recipe *recipe) {
    for (size_t i = 0; i < ROWS; i++)
        if (is_of(&rows[i], recipe)) return true;
    return false;
}

/* "best and best-sparse", freed with free(); rows of a method stand together. */
static char *methods(void) {
    char *list = pare_format("%s", rows[0].method);
    for (size_t i = 1; i < ROWS && list; i++) {
        if (strcmp(rows[i].method, rows[i - 1].method) == 0) continue;
        char *longer = pare_format("%s and %s", list, rows[i].method);
        free(list);
        list = longer;
    }
    return list;
}

static pare_status refuse(const pare_recipe *recipe) {
    char *list = methods();
    pare_status status = pare_fail(
        PARE_BAD_ARGUMENT, "--effort %s: %s is one thing, done once; %s can be had with less or more work",
        pare_effort_names[recipe->effort], recipe->preset ? recipe->preset : recipe->name, list ? list : "others");
    free(list);
    return status;
}

static pare_status apply(const row *r, pare_recipe *recipe) {
    const pare_key *key = pare_key_find(r->key);
    return pare_key_set_text(key, r->key, r->value, recipe);
}

pare_status pare_effort_apply(const pare_effort_target *target, pare_recipe *recipe) {
    pare_given given = recipe->given;
    if (recipe->effort == PARE_EFFORT_NORMAL) return PARE_OK;
    if (!pare_effort_offers(recipe)) return refuse(recipe);
    for (size_t i = 0; i < ROWS; i++) {
        const row *r = &rows[i];
        if (!is_of(r, recipe) || r->effort != recipe->effort || is_samples(r)) continue;
        if (pare_key_is_given(pare_key_find(r->key), recipe) || (r->fits && !r->fits(target, recipe))) continue;
        PARE_TRY(apply(r, recipe));
    }
    recipe->given = given;
    return PARE_OK;
}

uint32_t pare_effort_samples(const pare_recipe *recipe) {
    for (size_t i = 0; i < ROWS; i++)
        if (is_samples(&rows[i]) && is_of(&rows[i], recipe) && rows[i].effort == recipe->effort)
            return (uint32_t)strtoul(rows[i].value, NULL, 10);
    return 0;
}

/* What is as a row says because of it. */
static void put_change(json_t *changes, const row *r, const pare_recipe *recipe) {
    pare_recipe with = *recipe;
    if (is_samples(r)) {
        pare_json_put(changes, r->key, json_integer(pare_effort_samples(recipe)));
        return;
    }
    const pare_key *key = pare_key_find(r->key);
    json_t *is = pare_key_json(key, recipe), *would_be = NULL;
    if (apply(r, &with) == PARE_OK) would_be = pare_key_json(key, &with);
    if (!pare_key_is_given(key, recipe) && json_equal(is, would_be)) pare_json_put(changes, r->key, pare_json_same(is));
    json_decref(is);
    json_decref(would_be);
}

json_t *pare_effort_json(const pare_recipe *recipe) {
    json_t *changes;
    if (recipe->effort == PARE_EFFORT_NORMAL) return NULL;
    changes = json_object();
    for (size_t i = 0; i < ROWS; i++)
        if (is_of(&rows[i], recipe) && rows[i].effort == recipe->effort) put_change(changes, &rows[i], recipe);
    return pare_json_of({"level", pare_json_string(pare_effort_names[recipe->effort])}, {"changes", changes});
}

bool pare_effort_at(size_t index, pare_effort_change *out) {
    if (index >= ROWS) return false;
    const row *r = &rows[index];
    const pare_key *key = pare_key_find(r->key);
    *out = (pare_effort_change){.method = r->method,
                                .effort = pare_effort_names[r->effort],
                                .key = r->key,
                                .option = key ? key->option : "--samples",
                                .value = r->value,
                                .where_it_fits = r->fits != NULL};
    return true;
}
