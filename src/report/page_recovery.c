/* A recovery, and the merge of one that was kept apart. recovery.json is one, too. */
#include "report/page_parts.h"

#include <math.h>

static bool knows(const json_t *json) {
    return json_is_object(pare_page_at(json, "trained")) && json_is_object(pare_page_at(json, "settings"));
}

/* Which share of a batch the other files have, of several. */
static void say_mixture(pare_page *page, const json_t *json) {
    const json_t *mixture = pare_page_at(json, "data.mixture");
    for (size_t i = 1; i < json_array_size(mixture); i++) {
        const json_t *part = json_array_get(mixture, i);
        const char *file = pare_page_string(part, "file");
        double share = pare_page_number(part, "share");
        if (file && share > 0.0)
            pare_page_say(page, ", %.3g %% of every batch being of %s", 100.0 * share, pare_page_base(file));
    }
}

static void say_what(pare_page *page, const json_t *json) {
    const char *model = pare_page_model(json), *data = pare_page_string(json, "data.file"),
               *kind = pare_page_string(json, "trained.kind"), *preset = pare_page_string(json, "settings.preset");
    const json_t *first = json_array_get(pare_page_at(json, "data.mixture"), 0); /* all have data.examples together */
    double steps = pare_page_number(json, "steps"), share = pare_page_number(json, "trained.share"),
           examples = first ? pare_page_number(first, "examples") : pare_page_number(json, "data.examples");
    pare_page_strong(page, model ? model : "The model");
    pare_page_put(page, " was trained");
    if (steps > 0.0) pare_page_say(page, " for %.0f step%s", steps, steps == 1.0 ? "" : "s");
    if (data) pare_page_say(page, " on %s", pare_page_base(data));
    if (examples > 0.0)
        pare_page_say(page, " (%s example%s)", pare_page_count(page, examples), examples == 1.0 ? "" : "s");
    say_mixture(page, json);
    if (kind) pare_page_say(page, "; what learnt: %s", kind);
    if (share > 0.0) pare_page_say(page, ", %.3g %% of the parameters", 100.0 * share);
    if (preset) pare_page_say(page, ", with the settings of the preset %s", preset);
    pare_page_put(page, ". ");
}

static void say_effect(pare_page *page, const json_t *json) {
    double before = pare_page_number(json, "validation.before"), best = pare_page_number(json, "validation.best");
    const json_t *text = json_array_get(pare_page_at(json, "texts"), 0);
    double first = pare_page_number(text, "before.perplexity"), last = pare_page_number(text, "after.perplexity");
    if (isfinite(before) && isfinite(best))
        pare_page_say(page, "The loss on examples that were held out went from %.4g to %.4g. ", before, best);
    if (isfinite(first) && isfinite(last))
        pare_page_say(page, "Perplexity on %s went from %.4g to %.4g.", pare_page_base(pare_page_string(text, "file")),
                      first, last);
}

static void say(pare_page *page, const json_t *json) {
    say_what(page, json);
    say_effect(page, json);
    pare_page_say_images(page, json);
}

static void write(pare_page *page, const json_t *json) {
    pare_page_put(page, "<p>");
    say(page, json);
    pare_page_put(page, "</p>\n");
    pare_page_before_after(page, json);
    pare_page_use(page, json);
    pare_page_training(page, json);
    pare_page_time(page, json);
    pare_page_settings(page, json, "settings");
}

const pare_page_kind pare_page_recovery = {"Recovery", knows, write, say};

static bool knows_merge(const json_t *json) {
    return json_is_object(pare_page_at(json, "adapter")) && json_is_object(pare_page_at(json, "tensors"));
}

static void say_merge(pare_page *page, const json_t *json) {
    const char *model = pare_page_model(json), *adapter = pare_page_string(json, "adapter.path");
    double changed = pare_page_number(json, "tensors.changed"), all = pare_page_number(json, "tensors.all");
    pare_page_say(page, "The adapter %s was merged into %s", adapter ? pare_page_base(adapter) : "",
                  model ? model : "the model");
    if (isfinite(changed) && isfinite(all)) pare_page_say(page, ": %.0f of %.0f tensors changed", changed, all);
    pare_page_put(page, ".");
}

static void write_merge(pare_page *page, const json_t *json) {
    pare_page_put(page, "<p>");
    say_merge(page, json);
    pare_page_put(page, "</p>\n");
    pare_page_use(page, json);
    pare_page_time(page, json);
}

const pare_page_kind pare_page_merge = {"Merge", knows_merge, write_merge, say_merge};
