/* What a recipe comes to, for reports and for help. */
#include "method/effort.h"
#include "support/json.h"

enum { SAMPLES = 10, REPAIR_SAMPLES = 128 };

uint32_t pare_recipe_usual_samples(const pare_recipe *r) {
    if (pare_effort_samples(r)) return pare_effort_samples(r);
    bool many = pare_recipe_repairs(r) || pare_recipe_gates(r) || r->reconstruct || r->mode == PARE_MODE_ELEMENT;
    return many ? REPAIR_SAMPLES : SAMPLES;
}

json_t *pare_recipe_settings_json(const pare_recipe *recipe, bool unset) {
    json_t *json = json_object();
    const pare_key *key;
    for (size_t i = 0; (key = pare_key_at(i)); i++) {
        if (!key->applies(recipe) || (key->unsaid && !unset && recipe->effort == PARE_EFFORT_NORMAL)) continue;
        json_t *value = pare_key_json(key, recipe);
        if (unset || value != json_null()) pare_json_put(json, key->name, value);
    }
    return json;
}

json_t *pare_recipe_json(const pare_recipe *recipe) {
    json_t *json = pare_recipe_settings_json(recipe, false);
    if (recipe->salience && recipe->salience->whole)
        pare_json_put(json, "salience_name", pare_json_name(recipe->salience->formula));
    return json;
}
