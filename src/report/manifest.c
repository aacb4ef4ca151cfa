#include "report/manifest.h"

#include <string.h>

static json_t *kept_list(const uint32_t *units, uint32_t count, uint32_t width) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < width; j++)
            json_array_append_new(list, json_integer((json_int_t)units[i] * width + j));
    return list;
}

json_t *pare_report_layers(const pare_model *model, const pare_selection *selection) {
    json_t *layers = json_array();
    for (uint32_t i = 0; i < selection->layers; i++) {
        const pare_kept *kept = &selection->layer[i];
        json_t *layer = json_object();
        uint32_t shared = pare_widths_shared(&model->config.widths[i]);
        json_object_set_new(layer, "kv_heads_kept", kept_list(kept->kv_head, kept->kv_heads, 1));
        json_object_set_new(layer, "query_heads_kept", kept_list(kept->kv_head, kept->kv_heads, shared));
        json_object_set_new(layer, "ffn_channels_kept", kept_list(kept->ffn_channel, kept->ffn, 1));
        json_array_append_new(layers, layer);
    }
    return layers;
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
    json_object_set_new(json, "layers", pare_report_layers(record->model, record->selection));
    return json;
}

static json_t *score_list(const double *scores, uint32_t count) {
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, json_real(scores[i]));
    return list;
}

json_t *pare_report_scores(const pare_unit_scores *scores, const pare_model *model, pare_layer_span scored) {
    json_t *layers = json_array();
    for (uint32_t i = 0; i < scores->layers; i++) {
        bool inside = i >= scored.begin && i < scored.end;
        json_t *layer = json_object();
        json_object_set_new(layer, "heads",
                            score_list(scores->heads[i], inside ? model->config.widths[i].kv_heads : 0));
        json_object_set_new(layer, "ffn", score_list(scores->ffn[i], inside ? model->config.widths[i].ffn : 0));
        json_array_append_new(layers, layer);
    }
    return json_pack("{s:o}", "layers", layers);
}
