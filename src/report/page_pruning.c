/* A pruning: what was done, in words, and all that came of it. pruning.json is one, too. */
#include "report/page_parts.h"

#include <math.h>
#include <string.h>

static bool knows(const json_t *json) {
    return pare_page_string(json, "method") &&
           (pare_page_size(json, "layers") || json_is_object(pare_page_at(json, "recipe")));
}

static bool has_zeros(const json_t *json) {
    return json_is_object(pare_page_at(json, "sparsity"));
}

static const char *units_of(const json_t *json) {
    const char *mode = pare_page_string(json, "recipe.mode");
    if (has_zeros(json)) return "single weights, which are zero now";
    if (mode && strcmp(mode, "channel") == 0) return "channels of the residual stream, in all layers alike";
    if (mode && strcmp(mode, "layer") == 0) return "whole layers";
    if (mode && strcmp(mode, "block") == 0) return "attention heads and FFN channels of each layer";
    return NULL;
}

static void say_what(pare_page *page, const json_t *json) {
    const char *model = pare_page_model(json), *units = units_of(json);
    double before = pare_page_number(json, "parameters.before"), after = pare_page_number(json, "parameters.after");
    pare_page_put(page, "From ");
    if (model)
        pare_page_strong(page, model);
    else
        pare_page_text(page, "the model");
    if (before > 0.0) pare_page_say(page, " (%s parameters)", pare_page_count(page, before));
    pare_page_put(page, " pare removed ");
    if (has_zeros(json))
        pare_page_say(page, "%.3g %% of the weights that were looked at",
                      100.0 * pare_page_number(json, "sparsity.share"));
    else if (before > 0.0 && isfinite(after))
        pare_page_say(page, "%.3g %% of the parameters", 100.0 * (1.0 - after / before));
    else
        pare_page_put(page, "what matters least");
    if (units) pare_page_say(page, ": %s", units);
    pare_page_put(page, ". The method was ");
    pare_page_strong(page, pare_page_string(json, "method"));
    double seed = pare_page_number(json, "seed");
    if (isfinite(seed)) pare_page_say(page, " with seed %.0f", seed);
    pare_page_put(page, ". ");
}

static void say_how(pare_page *page, const json_t *json) {
    const char *source = pare_page_string(json, "calibration.source"),
               *choice = pare_page_string(json, "recipe.choose"), *repair = pare_page_string(json, "recipe.compensate");
    double sequences = pare_page_number(json, "calibration.sequences"),
           length = pare_page_number(json, "calibration.length");
    if (source) {
        pare_page_put(page, "What matters was judged on ");
        bool images = json_is_object(pare_page_at(json, "images")) && !pare_page_at(json, "texts");
        if (images && sequences > 0.0)
            pare_page_say(page, "%.0f images of ", sequences);
        else if (sequences > 0.0 && length > 0.0)
            pare_page_say(page, "%.0f sequences of %.0f tokens of ", sequences, length);
        bool self = strcmp(source, "self") == 0, imatrix = json_is_true(pare_page_at(json, "calibration.imatrix"));
        pare_page_say(page, "%s%s. ", imatrix ? "the importance matrix " : "",
                      self ? "text that the model wrote itself" : pare_page_base(source));
    } else if (json_object_get(json, "calibration")) {
        pare_page_put(page, "No data were needed to choose. ");
    }
    if (choice && strcmp(choice, "obs") == 0)
        pare_page_put(page,
                      "Units went one after the other, always the one whose loss the others could make up for best. ");
    if (repair && strcmp(repair, "none") != 0)
        pare_page_put(page, "What is left was fitted anew, so that it makes up for what went, before any training. ");
    if (json_array_size(pare_page_at(json, "reconstruction")))
        pare_page_put(page, "Then one half of each block after the other learnt what the dense model does there. ");
    if (json_is_object(pare_page_at(json, "recovery"))) pare_page_put(page, "Then it was trained. ");
}

static void say_effect(pare_page *page, const json_t *json) {
    const json_t *text = json_array_get(pare_page_at(json, "texts"), 0);
    double before = pare_page_number(text, "before.perplexity"), after = pare_page_number(text, "after.perplexity"),
           last = pare_page_number(text, "recovered.perplexity");
    if (!isfinite(before) || !isfinite(after)) return;
    pare_page_say(page, "Perplexity on %s went from %.4g to %.4g", pare_page_base(pare_page_string(text, "file")),
                  before, after);
    if (isfinite(last)) pare_page_say(page, ", and to %.4g by training", last);
    pare_page_put(page, ".");
}

static void say(pare_page *page, const json_t *json) {
    say_what(page, json);
    say_how(page, json);
    say_effect(page, json);
    pare_page_say_images(page, json);
}

static void write(pare_page *page, const json_t *json) {
    pare_page_put(page, "<p>");
    say(page, json);
    pare_page_put(page, "</p>\n");
    pare_page_before_after(page, json);
    pare_page_use(page, json);
    pare_page_widths(page, json);
    pare_page_experts(page, json);
    pare_page_sparsity(page, json);
    pare_page_scores(page, json);
    pare_page_repair(page, json);
    pare_page_traces(page, json);
    pare_page_training(page, pare_page_at(json, "recovery"));
    pare_page_time(page, json);
    pare_page_settings(page, json, "recipe");
}

const pare_page_kind pare_page_pruning = {"Pruning", knows, write, say};
