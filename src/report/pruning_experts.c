/* What is to be said of experts, where the calibration text says little of some. */
#include "report/pruning.h"

/* Experts that the calibration text says nothing of. */
static json_t *experts_warning(const pare_pruning_results *r) {
    const json_t *layers = json_object_get(r->experts, "layers");
    json_int_t layer = 0, expert = 0;
    size_t count = 0;
    for (size_t i = json_array_size(layers); i-- > 0;) {
        const json_t *one = json_array_get(layers, i), *list = json_object_get(one, "unreached");
        if (!json_array_size(list)) continue;
        count += json_array_size(list);
        layer = json_integer_value(json_object_get(one, "layer"));
        expert = json_integer_value(json_array_get(list, 0));
    }
    if (!count) return NULL;
    return pare_json_format(
        "no token of the calibration text reaches %zu of the experts (the first one is expert %d of "
        "layer %d): they have no score and go before all others; calibrate on more text, or on "
        "other text",
        count, (int)expert, (int)layer);
}

static json_int_t whole(const json_t *json, const char *name) {
    return json_integer_value(json_object_get(json, name));
}

/* Of all layers that were repaired, as a way of pruning says it of itself. */
static json_t *starved_in(const json_t *repairs) {
    json_int_t count = 0, unreached = 0, layer = 0, expert = 0;
    for (size_t i = json_array_size(repairs); i-- > 0;) {
        const json_t *one = json_object_get(json_object_get(json_array_get(repairs, i), "ffn"), "inputs_of_layer");
        if (!one) continue;
        count += whole(one, "experts");
        unreached += whole(one, "unreached");
        layer = (json_int_t)i;
        expert = whole(one, "expert");
    }
    if (!count) return NULL;
    return pare_json_of({"experts", json_integer(count)}, {"unreached", json_integer(unreached)},
                        {"layer", json_integer(layer)}, {"expert", json_integer(expert)});
}

/* Experts of which it says less than they have inputs. */
static json_t *borrowers_warning(const pare_pruning_results *r) {
    json_t *repaired = starved_in(r->repairs), *warning = NULL;
    const json_t *some = repaired ? repaired : json_object_get(r->part, "inputs_of_layer");
    if (some)
        warning = pare_json_format(
            "%lld experts see fewer tokens of the calibration text than they have inputs, and %lld of them none (the "
            "first one is expert %lld of layer %lld): they were pruned by what the whole layer sees; calibrate on more "
            "text",
            (long long)whole(some, "experts"), (long long)whole(some, "unreached"), (long long)whole(some, "expert"),
            (long long)whole(some, "layer"));
    json_decref(repaired);
    return warning;
}

/* Of single weights that a gradient alone scores. */
static json_t *unscored_warning(const pare_pruning_results *r) {
    const json_t *some = json_object_get(r->part, "without_score");
    if (!some) return NULL;
    return pare_json_format(
        "no token of the calibration text reaches %lld of the experts (the first one is expert %lld of layer %lld): "
        "their weights have no gradient and no score, and those with the lowest numbers went; calibrate on more text, "
        "or on other text",
        (long long)whole(some, "experts"), (long long)whole(some, "expert"), (long long)whole(some, "layer"));
}

static bool is_silent(const pare_unit_scores *scores, const pare_widths *w, uint32_t layer, uint32_t expert) {
    const double *of = pare_unit_scores_of_expert(scores, w, layer, expert);
    for (uint32_t i = 0; i < w->expert_ffn; i++)
        if (of[i] > 0.0 || of[i] < 0.0) return false;
    return true;
}

/* Experts whose channels are scored by what tokens show, and that no token reaches. */
static json_t *silent_warning(const pare_pruning_results *r) {
    const pare_target *t = r->target;
    bool asked = r->scores && r->record->calibration && t->mode == PARE_MODE_BLOCK && t->ffn.begin < t->ffn.end;
    uint32_t layer = 0, expert = 0;
    size_t count = 0;
    for (uint32_t i = 0; asked && i < r->scored->config.layers; i++) {
        const pare_widths *w = &r->scored->config.widths[i];
        for (uint32_t e = 0; e < w->experts; e++) {
            if (!is_silent(r->scores, w, i, e) || count++) continue;
            layer = i;
            expert = e;
        }
    }
    if (!count) return NULL;
    return pare_json_format(
        "no token of the calibration text reaches %zu of the experts (the first one is expert %u of "
        "layer %u): their channels have no score, and those with the lowest numbers went; calibrate "
        "on more text, or on other text",
        count, expert, layer);
}

void pare_report_expert_warnings(const pare_pruning_results *r, json_t *warnings) {
    json_t *all[] = {experts_warning(r), borrowers_warning(r), unscored_warning(r), silent_warning(r)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]) pare_json_append(warnings, all[i]);
}
