#include "report/manifest.h"

#include <string.h>

static json_t *kept_list(const uint32_t *units, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((json_int_t)units[i]));
    return list;
}

json_t *pare_report_layers(const pare_selection *selection) {
    json_t *layers = json_array();
    for (uint32_t i = 0; i < selection->layers; i++) {
        const pare_kept *kept = &selection->layer[i];
        json_t *layer = json_object();
        if (kept->dropped) {
            json_object_set_new(layer, "dropped", json_true());
        } else {
            json_object_set_new(layer, "kv_heads_kept", kept_list(kept->kv_head, kept->kv_heads));
            json_object_set_new(layer, "query_heads_kept", kept_list(kept->head, kept->heads));
            json_object_set_new(layer, "ffn_channels_kept", kept_list(kept->ffn_channel, kept->ffn));
        }
        json_array_append_new(layers, layer);
    }
    return layers;
}

json_t *pare_report_dropped(const pare_selection *selection) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < selection->layers; i++)
        if (selection->layer[i].dropped) json_array_append_new(list, json_integer(i));
    return list;
}

json_t *pare_report_hidden(const pare_selection *selection) {
    return selection->hidden_channel ? kept_list(selection->hidden_channel, selection->hidden) : json_null();
}

json_t *pare_report_calibration(const pare_record *record) {
    if (!record->calibration) return json_null();
    json_t *json = json_object();
    json_object_set_new(json, "source", pare_json_name(record->calibration));
    json_object_set_new(json, "sequences", json_integer(record->sequences));
    json_object_set_new(json, "length", json_integer(record->length));
    json_object_set_new(json, "sha256", json_string(record->calibration_digest));
    return json;
}

static json_t *source_files(const pare_record *record) {
    const pare_checkpoint *checkpoint = record->model->checkpoint;
    json_t *source = json_object(), *files = json_array();
    for (size_t i = 0; i < pare_checkpoint_file_count(checkpoint); i++) {
        const char *path = pare_checkpoint_file(checkpoint, i), *slash = strrchr(path, '/');
        json_array_append_new(files, pare_json_name(slash ? slash + 1 : path));
    }
    json_object_set_new(source, "files", files);
    json_object_set_new(source, "sha256", json_string(record->scan->digest));
    return source;
}

json_t *pare_report_manifest(const pare_record *record) {
    json_t *json = json_object(), *parameters = json_object();
    json_object_set_new(json, "pare", json_string(pare_version()));
    json_object_set_new(json, "method", json_string(record->method));
    json_object_set(json, "recipe", record->recipe);
    json_object_set_new(json, "seed", json_integer((json_int_t)record->seed));
    json_object_set_new(json, "source", source_files(record));
    json_object_set_new(json, "calibration", pare_report_calibration(record));
    json_object_set_new(parameters, "before", json_integer((json_int_t)pare_model_parameters(record->model)));
    json_object_set_new(parameters, "after", json_integer((json_int_t)record->parameters_after));
    json_object_set_new(json, "parameters", parameters);
    json_object_set_new(json, "iterations", json_integer(record->iterations));
    if (record->dropped) json_object_set_new(json, "dropped_layers", pare_report_dropped(record->selection));
    json_object_set_new(json, "layers", pare_report_layers(record->selection));
    json_object_set_new(json, "hidden_channels_kept", pare_report_hidden(record->selection));
    if (record->training) json_object_set(json, "training", record->training);
    if (record->permutation) {
        json_t *permutation = json_copy(record->permutation);
        json_object_set(permutation, "orders", record->orders);
        json_object_set_new(json, "permutation", permutation);
    }
    return json;
}

static json_t *score_list(const double *scores, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_real(scores[i]));
    return list;
}

static json_t *layer_scores(const pare_unit_scores *scores, const pare_widths *w, uint32_t layer, bool inside) {
    json_t *json = json_object();
    json_object_set_new(json, "heads", score_list(scores->heads[layer], inside ? w->kv_heads : 0));
    json_object_set_new(json, "query_heads", score_list(scores->query[layer], inside ? w->heads : 0));
    json_object_set_new(json, "ffn", score_list(scores->ffn[layer], inside ? w->ffn : 0));
    json_object_set_new(json, "layer", json_real(scores->layer[layer]));
    return json;
}

json_t *pare_report_scores(const pare_unit_scores *scores, const pare_model *model, pare_layer_span scored) {
    json_t *layers = json_array();
    for (uint32_t i = 0; i < scores->layers; i++)
        json_array_append_new(layers,
                              layer_scores(scores, &model->config.widths[i], i, i >= scored.begin && i < scored.end));
    return json_pack("{s:o,s:o}", "layers", layers, "hidden", score_list(scores->hidden, model->config.hidden));
}
