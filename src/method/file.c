/* A recipe file: one JSON object,
 *
 *   {"base": "taylor", "salience": "param_second", "select": "global", "compensate": "ls"}
 *
 * "base" is a preset; the other keys are those of keys.c. */
#include "support/file.h"
#include "method/recipe.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

typedef struct reading {
    const char *path;
    const char *text;
    size_t bytes;
} reading;

/* True if a colon follows, after spaces at most: then what stands before `at` is a key. */
static bool is_key(const reading *r, const char *at) {
    const char *end = r->text + r->bytes;
    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    return at < end && *at == ':';
}

/* Where the key first stands, or NULL. */
static const char *find_key(const reading *r, const char *key) {
    char *quoted = pare_format("\"%s\"", key);
    if (!quoted) return NULL;
    size_t length = strlen(quoted);
    const char *end = r->text + r->bytes, *at = memmem(r->text, r->bytes, quoted, length);
    while (at && !is_key(r, at + length))
        at = memmem(at + length, (size_t)(end - at) - length, quoted, length);
    free(quoted);
    return at;
}

/* The line that the key first stands in. */
static int line_of(const reading *r, const char *key) {
    const char *at = find_key(r, key);
    int line = 1;
    for (const char *c = r->text; at && c < at; c++)
        line += *c == '\n';
    return line;
}

static pare_status unknown_key(const reading *r, const char *key) {
    char *list = pare_format("base");
    for (size_t i = 0; pare_key_at(i); i++) {
        char *longer = pare_format("%s, %s", list, pare_key_at(i)->name);
        free(list);
        list = longer;
    }
    pare_status status = pare_fail(PARE_BAD_ARGUMENT, "%s, line %d: there is no key '%s'; the keys are %s", r->path,
                                   line_of(r, key), key, list);
    free(list);
    return status;
}

static pare_status set_base(const reading *r, const json_t *base, pare_recipe *recipe) {
    const pare_recipe *preset = json_is_string(base) ? pare_recipe_find(json_string_value(base)) : NULL;
    if (!preset)
        return pare_fail(PARE_BAD_ARGUMENT, "%s, line %d: base must name a method; `pare help methods` lists them",
                         r->path, line_of(r, "base"));
    pare_recipe_start(preset, recipe);
    return PARE_OK;
}

static pare_status set_key(const reading *r, const char *name, const json_t *value, pare_recipe *recipe) {
    const pare_key *key = pare_key_find(name);
    if (!key) return unknown_key(r, name);
    char *where = pare_format("%s, line %d: %s", r->path, line_of(r, name), name);
    pare_status status;
    if (json_is_string(value))
        status = pare_key_set_name(key, where, json_string_value(value), recipe);
    else if (json_is_boolean(value) && key->kind == PARE_KEY_SWITCH)
        status = pare_key_set_name(key, where, key->choices[json_is_true(value)], recipe);
    else if (json_is_number(value))
        status = pare_key_set_number(key, where, json_number_value(value), recipe);
    else
        status = pare_fail(PARE_BAD_ARGUMENT, "%s must be a text or a number", where);
    free(where);
    return status;
}

static pare_status set_keys(const reading *r, json_t *json, pare_recipe *recipe) {
    const char *name;
    json_t *value, *base = json_object_get(json, "base");
    if (!json_is_object(json))
        return pare_fail(PARE_BAD_ARGUMENT, "%s: a recipe is one JSON object, such as {\"base\": \"taylor\"}", r->path);
    pare_recipe_start(&(pare_recipe){.moreau = pare_recipe_find("moreau")->moreau}, recipe);
    if (base) PARE_TRY(set_base(r, base, recipe));
    const pare_key *mode_key = PARE_KEY_OF(mode);
    const char *mode = json_string_value(json_object_get(json, mode_key->name));
    if (mode && strcmp(mode, mode_key->choices[PARE_MODE_ELEMENT]) == 0) pare_recipe_refine_to_elements(recipe);
    json_object_foreach(json, name, value) {
        if (value != base) PARE_TRY(set_key(r, name, value, recipe));
    }
    json_object_foreach(json, name, value) {
        if (value != base && !pare_key_find(name)->applies(recipe))
            return pare_fail(PARE_BAD_ARGUMENT, "%s, line %d: %s has no meaning for this recipe; leave it out", r->path,
                             line_of(r, name), name);
    }
    recipe->name = "recipe";
    recipe->summary = "";
    return PARE_OK;
}

pare_status pare_recipe_read(const char *path, pare_recipe *recipe) {
    char *text;
    json_error_t error;
    reading r = {.path = path};
    PARE_TRY(pare_file_read(path, MOST, &text, &r.bytes));
    size_t mark = r.bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* byte order mark of some editors */
    r.text = text + mark;
    r.bytes -= mark;
    json_t *json = json_loadb(r.text, r.bytes, JSON_REJECT_DUPLICATES, &error);
    pare_status status = json ? set_keys(&r, json, recipe)
                              : pare_fail(PARE_FORMAT_ERROR, "%s, line %d: %s", path, error.line, error.text);
    json_decref(json);
    pare_free(text);
    return status;
}

int pare_recipe_line(const char *path, const char *const *keys) {
    char *text;
    reading r = {.path = path};
    int line = 0;
    if (pare_file_read(path, MOST, &text, &r.bytes) != PARE_OK) return 0;
    r.text = text;
    for (int i = 0; keys[i] && !line; i++)
        if (find_key(&r, keys[i])) line = line_of(&r, keys[i]);
    pare_free(text);
    return line;
}
