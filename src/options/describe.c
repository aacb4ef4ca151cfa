/* What options of a pruning come to, for help and for the plan that a person sees first. */
#include "method/effort.h"
#include "options/resolve.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

static json_t *ignored_json(const pare_prune_options *options, const pare_recipe *recipe) {
    json_t *list = json_array();
    const char *option;
    for (size_t i = 0; (option = pare_recipe_ignored(options, recipe, i)); i++)
        pare_json_append(list, pare_json_string(option));
    return list;
}

/* True if the options would do with this setting, too, and it would mean something. */
static bool could_be(const pare_prune_options *options, const char *key, const char *value) {
    pare_setting *settings = calloc(options->setting_count + 1, sizeof *settings);
    pare_prune_options other = *options;
    pare_recipe recipe;
    if (!settings) return true;
    for (size_t i = 0; i < options->setting_count; i++)
        settings[i] = options->settings[i];
    settings[options->setting_count] = (pare_setting){.key = key, .value = value};
    other.settings = settings;
    other.setting_count++;
    bool could = pare_recipe_resolve(&other, &recipe) == PARE_OK && pare_key_find(key)->applies(&recipe);
    free(settings);
    return could;
}

/* Of the settings that are choices, those that the others leave no other choice. */
static json_t *settled_json(const pare_prune_options *options, const json_t *settings) {
    json_t *list = json_array(), *value;
    const char *key, *choice;
    json_object_foreach((json_t *)settings, key, value) {
        bool another = !json_is_string(value);
        for (size_t i = 0; !another && (choice = pare_setting_choice(key, i)); i++)
            another = strcmp(choice, json_string_value(value)) != 0 && could_be(options, key, choice);
        if (!another) pare_json_append(list, pare_json_string(key));
    }
    return list;
}

/* Of what is not the same for all methods. */
static json_t *defaults_json(const pare_recipe *recipe) {
    if (pare_recipe_trains(recipe))
        return pare_json_of({"calib", json_null()}, {"samples", pare_json_string("all examples")},
                            {"layers", pare_json_string("all but the first tenth and the last")});
    return pare_json_of({"samples", json_integer(pare_recipe_usual_samples(recipe))});
}

pare_status pare_recipe_describe(const pare_prune_options *options, char **text) {
    pare_recipe recipe;
    const pare_key *key;
    *text = NULL;
    PARE_TRY(pare_recipe_resolve(options, &recipe));
    json_t *json = json_object(), *settings = pare_recipe_settings_json(&recipe, true);
    for (size_t i = 0; (key = pare_key_at(i)); i++)
        if (pare_key_is_settled(key, &options->sparsity, &recipe)) json_object_del(settings, key->name);
    pare_json_put(json, "method", pare_json_string(recipe.name));
    pare_json_put(json, "summary", pare_json_string(recipe.summary));
    pare_json_put(json, "source", pare_json_string(recipe.source ? recipe.source : ""));
    pare_json_put(json, "kind", pare_json_string(pare_recipe_kind_of(&recipe)));
    pare_json_put(json, "settings", settings);
    pare_json_put(json, "settled", settled_json(options, settings));
    pare_json_put(json, "uses", pare_recipe_uses(&recipe));
    pare_json_put(json, "defaults", defaults_json(&recipe));
    pare_json_put(json, "calib_share", pare_json_real(pare_calibration_share(options, &recipe)));
    pare_json_put(json, "ignored", ignored_json(options, &recipe));
    json_t *effort = pare_effort_json(&recipe);
    if (options->calibration.samples) json_object_del(json_object_get(effort, "changes"), "samples");
    if (effort) pare_json_put(json, "effort", effort);
    return pare_json_text(json, text);
}

/* "steps 10, draws 1, ..." of the keys that are numbers. */
pare_status pare_recipe_constants(const pare_prune_options *options, char **text) {
    pare_recipe recipe;
    const pare_key *key;
    *text = NULL;
    PARE_TRY(pare_recipe_resolve(options, &recipe));
    char *line = pare_format("%s", "");
    for (size_t i = 0; line && (key = pare_key_at(i)); i++) {
        bool number = key->kind == PARE_KEY_INTEGER || key->kind == PARE_KEY_REAL;
        if (!number || !key->applies(&recipe)) continue;
        json_t *json = pare_key_json(key, &recipe);
        double value = json_number_value(json);
        json_decref(json);
        if (value == 0.0 && key->off_at_zero) continue;
        char *longer = pare_format("%s%s%s %g", line, *line ? ", " : "", key->name, value);
        free(line);
        line = longer;
    }
    if (!line) return pare_whole();
    pare_status status = pare_alloc(text, strlen(line) + sizeof "none", 1, "constants");
    if (status == PARE_OK) strcpy(*text, *line ? line : "none");
    free(line);
    return status;
}
