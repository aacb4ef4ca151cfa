#include "report/manifest.h"
#include "support/path.h"

static json_t *kept_list(const uint32_t *units, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        pare_json_append(list, pare_json_count(units[i]));
    return list;
}

/* Of each expert that is kept. */
static json_t *expert_channels(const pare_kept *kept) {
    json_t *list = json_array();
    for (uint32_t place = 0; place < kept->experts; place++)
        pare_json_append(list, kept_list(pare_kept_expert_channels(kept, place), kept->expert_ffn));
    return list;
}

json_t *pare_report_layers(const pare_selection *selection) {
    json_t *layers = json_array();
    for (uint32_t i = 0; i < selection->layers; i++) {
        const pare_kept *kept = &selection->layer[i];
        json_t *layer = json_object();
        if (kept->dropped) {
            pare_json_put(layer, "dropped", json_true());
        } else {
            pare_json_put(layer, "kv_heads_kept", kept_list(kept->kv_head, kept->kv_heads));
            pare_json_put(layer, "query_heads_kept", kept_list(kept->head, kept->heads));
            pare_json_put(layer, "ffn_channels_kept", kept_list(kept->ffn_channel, kept->ffn));
            if (kept->experts) pare_json_put(layer, "experts_kept", kept_list(kept->expert, kept->experts));
            if (kept->expert_channel) pare_json_put(layer, "expert_channels_kept", expert_channels(kept));
        }
        pare_json_append(layers, layer);
    }
    return layers;
}

json_t *pare_report_dropped(const pare_selection *selection) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < selection->layers; i++)
        if (selection->layer[i].dropped) pare_json_append(list, json_integer(i));
    return list;
}

json_t *pare_report_hidden(const pare_selection *selection) {
    return selection->hidden_channel ? kept_list(selection->hidden_channel, selection->hidden) : json_null();
}

json_t *pare_report_calibration(const pare_record *record) {
    if (!record->calibration) return json_null();
    json_t *json = json_object();
    pare_json_put(json, "source", pare_json_name(record->calibration));
    pare_json_put(json, "sequences", json_integer(record->sequences));
    pare_json_put(json, "length", json_integer(record->length));
    pare_json_put(json, "sha256", pare_json_string(record->calibration_digest));
    if (record->imatrix) pare_json_put(json, "imatrix", json_true());
    return json;
}

json_t *pare_report_widths(const pare_model *model) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < model->config.layers; i++) {
        const pare_widths *w = &model->config.widths[i];
        pare_json_append(list, pare_json_of({"query_heads", json_integer(w->heads)},
                                            {"kv_heads", json_integer(w->kv_heads)}, {"ffn", json_integer(w->ffn)}));
        if (!w->experts) continue;
        pare_json_put(json_array_get(list, i), "experts", json_integer(w->experts));
        pare_json_put(json_array_get(list, i), "expert_ffn", json_integer(w->expert_ffn));
    }
    return list;
}

static json_t *source_files(const pare_record *record) {
    const pare_checkpoint *checkpoint = record->model->checkpoint;
    json_t *source = json_object(), *files = json_array();
    for (size_t i = 0; i < pare_checkpoint_file_count(checkpoint); i++) {
        pare_json_append(files, pare_json_name(pare_path_name(pare_checkpoint_file(checkpoint, i))));
    }
    pare_json_put(source, "files", files);
    pare_json_put(source, "sha256", pare_json_string(record->scan->digest));
    return source;
}

json_t *pare_report_added_biases(const pare_record *record) {
    json_t *names = json_array();
    for (pare_role role = 0; role < PARE_ALL_ROLES; role++)
        if (record->added_biases & pare_role_bit(role))
            pare_json_append(names, pare_json_string(pare_roles[pare_roles[role].of].name));
    return names;
}

json_t *pare_report_recipe_file(const pare_record *record) {
    if (!record->repeatable) return NULL;
    json_t *json = json_object();
    if (record->base) pare_json_put(json, "base", pare_json_string(record->base));
    pare_json_update(json, record->recipe);
    return json;
}

json_t *pare_report_manifest(const pare_record *record) {
    json_t *json = json_object(), *parameters = json_object();
    pare_json_put(json, "pare", pare_json_string(pare_version()));
    pare_json_put(json, "method", pare_json_string(record->method));
    pare_json_put(json, "recipe", pare_json_same(record->recipe));
    pare_json_put(json, "seed", pare_json_count(record->seed));
    pare_json_put(json, "source", source_files(record));
    pare_json_put(json, "calibration", pare_report_calibration(record));
    pare_json_put(parameters, "before", pare_json_count(pare_model_parameters(record->model)));
    pare_json_put(parameters, "after", pare_json_count(record->parameters_after));
    pare_json_put(json, "parameters", parameters);
    pare_json_put(json, "model",
                  pare_json_of({"hidden", json_integer(record->model->config.hidden)},
                               {"layers", pare_report_widths(record->model)}));
    pare_json_put(json, "iterations", json_integer(record->iterations));
    if (record->dropped) pare_json_put(json, "dropped_layers", pare_report_dropped(record->selection));
    pare_json_put(json, "layers", pare_report_layers(record->selection));
    pare_json_put(json, "hidden_channels_kept", pare_report_hidden(record->selection));
    if (record->added_biases) pare_json_put(json, "added_biases", pare_report_added_biases(record));
    if (record->latency) pare_json_put(json, "latency", pare_json_same(record->latency));
    if (record->training) pare_json_put(json, "training", pare_json_same(record->training));
    if (record->permutation) {
        json_t *permutation = json_copy(record->permutation);
        pare_json_put(permutation, "orders", pare_json_same(record->orders));
        pare_json_put(json, "permutation", permutation);
    }
    return json;
}

static json_t *score_list(const double *scores, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        pare_json_append(list, pare_json_real(scores[i]));
    return list;
}

static json_t *expert_scores(const pare_unit_scores *scores, const pare_widths *w, uint32_t layer) {
    json_t *list = json_array();
    for (uint32_t expert = 0; expert < w->experts; expert++)
        pare_json_append(list, score_list(pare_unit_scores_of_expert(scores, w, layer, expert), w->expert_ffn));
    return list;
}

static json_t *layer_scores(const pare_unit_scores *scores, const pare_widths *w, uint32_t layer, bool inside) {
    json_t *json = json_object();
    pare_json_put(json, "heads", score_list(scores->heads[layer], inside ? w->kv_heads : 0));
    pare_json_put(json, "query_heads", score_list(scores->query[layer], inside ? w->heads : 0));
    pare_json_put(json, "ffn", score_list(scores->ffn[layer], inside ? w->ffn : 0));
    if (w->experts) pare_json_put(json, "experts", score_list(scores->expert[layer], w->experts));
    if (w->experts && inside) pare_json_put(json, "expert_channels", expert_scores(scores, w, layer));
    pare_json_put(json, "layer", pare_json_real(scores->layer[layer]));
    return json;
}

json_t *pare_report_scores(const pare_unit_scores *scores, const pare_model *model, pare_layer_span scored) {
    json_t *layers = json_array();
    for (uint32_t i = 0; i < scores->layers; i++)
        pare_json_append(layers,
                         layer_scores(scores, &model->config.widths[i], i, i >= scored.begin && i < scored.end));
    return pare_json_of({"layers", layers}, {"hidden", score_list(scores->hidden, model->config.hidden)});
}
