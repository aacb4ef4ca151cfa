#include "report/manifest_read.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { MANIFEST_LIMIT = 64 << 20 };

typedef struct reader {
    const char *path;
    const pare_model *model;
} reader;

static pare_status fail_other(const reader *r, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s was not written when %s was pruned: %s; give the model that it was pruned from", r->path,
                     pare_checkpoint_directory(r->model->checkpoint), what);
}

/* Ascending indices below `all`, freed with pare_free. */
static pare_status read_list(const reader *r, const json_t *json, uint32_t all, uint32_t **list, uint32_t *count) {
    size_t size = json_array_size(json);
    if (!json_is_array(json) || size > all) return fail_other(r, "its lists of what is kept are not of that size");
    PARE_TRY(pare_alloc(list, size, sizeof **list, "what is kept"));
    for (size_t i = 0; i < size; i++) {
        json_int_t at = json_integer_value(json_array_get(json, i));
        if (!json_is_integer(json_array_get(json, i)) || at < 0 || at >= (json_int_t)all ||
            (i && at <= (json_int_t)(*list)[i - 1]))
            return fail_other(r, "it keeps what is not there");
        (*list)[i] = (uint32_t)at;
    }
    *count = (uint32_t)size;
    return PARE_OK;
}

static pare_status read_experts(const reader *r, const json_t *json, uint32_t all, pare_kept *kept) {
    uint32_t *experts = NULL, count = 0;
    pare_status status = read_list(r, json_object_get(json, "experts_kept"), all, &experts, &count);
    if (status == PARE_OK) status = pare_kept_set_experts(experts, count, kept);
    pare_free(experts);
    return status;
}

/* A list for each expert that is kept, all of one length; absent: all channels are. */
static pare_status read_expert_channels(const reader *r, const json_t *json, uint32_t all, pare_kept *kept) {
    const json_t *lists = json_object_get(json, "expert_channels_kept");
    uint32_t each = (uint32_t)json_array_size(json_array_get(lists, 0)), *list, *one = NULL, count;
    if (!lists) return PARE_OK;
    if (json_array_size(lists) != kept->experts || !each || each > all)
        return fail_other(r, "its lists of what is kept are not of that size");
    PARE_TRY(pare_alloc(&list, (size_t)kept->experts * each, sizeof *list, "what is kept"));
    pare_status status = PARE_OK;
    for (uint32_t i = 0; i < kept->experts && status == PARE_OK; i++) {
        status = read_list(r, json_array_get(lists, i), all, &one, &count);
        if (status == PARE_OK && count != each)
            status = fail_other(r, "its experts keep different numbers of channels");
        if (status == PARE_OK) memcpy(list + (size_t)i * each, one, each * sizeof *list);
        pare_free(one);
        one = NULL;
    }
    if (status == PARE_OK) status = pare_kept_set_expert_channels(list, each, kept);
    pare_free(list);
    return status;
}

static pare_status read_layer(const reader *r, const json_t *json, uint32_t layer, pare_kept *kept) {
    const pare_widths *w = &r->model->config.widths[layer];
    uint32_t *groups = NULL, *heads = NULL, *channels = NULL, group_count = 0, head_count = 0, channel_count = 0;
    pare_status status = read_list(r, json_object_get(json, "kv_heads_kept"), w->kv_heads, &groups, &group_count);
    if (status == PARE_OK)
        status = read_list(r, json_object_get(json, "query_heads_kept"), w->heads, &heads, &head_count);
    if (status == PARE_OK)
        status = read_list(r, json_object_get(json, "ffn_channels_kept"), w->ffn, &channels, &channel_count);
    if (status == PARE_OK) status = pare_kept_set_groups(r->model, layer, groups, group_count, kept);
    if (status == PARE_OK) status = pare_kept_set_heads(heads, head_count, kept);
    if (status == PARE_OK) status = pare_kept_set_channels(channels, channel_count, kept);
    if (status == PARE_OK && w->experts) status = read_experts(r, json, w->experts, kept);
    if (status == PARE_OK && w->experts) status = read_expert_channels(r, json, w->expert_ffn, kept);
    pare_free(groups);
    pare_free(heads);
    pare_free(channels);
    return status;
}

pare_status pare_manifest_kept(const json_t *json, const char *path, const pare_model *model, pare_selection *kept) {
    const reader r = {.path = path, .model = model};
    const json_t *layers = json_object_get(json, "layers"), *hidden = json_object_get(json, "hidden_channels_kept");
    if (json_array_size(layers) != kept->layers) return fail_other(&r, "it has another number of layers");
    for (uint32_t i = 0; i < kept->layers; i++) {
        const json_t *layer = json_array_get(layers, i);
        if (json_is_true(json_object_get(layer, "dropped")))
            pare_kept_drop(&kept->layer[i]);
        else
            PARE_TRY(read_layer(&r, layer, i, &kept->layer[i]));
    }
    if (!json_is_array(hidden)) return PARE_OK;
    return read_list(&r, hidden, model->config.hidden, &kept->hidden_channel, &kept->hidden);
}

pare_status pare_manifest_read(const char *folder, const pare_model *model, pare_manifest *out) {
    char *path = pare_path_join(folder, "pruning.json"), *text = NULL;
    json_t *json = NULL;
    *out = (pare_manifest){.there = path && pare_file_exists(path)};
    pare_status status = path ? pare_selection_all(model, &out->kept) : pare_whole();
    if (status == PARE_OK && out->there) status = pare_file_read(path, MANIFEST_LIMIT, &text, NULL);
    if (status == PARE_OK && out->there) {
        json_error_t error;
        json = json_loads(text, 0, &error);
        status = json ? pare_manifest_kept(json, path, model, &out->kept)
                      : pare_fail(PARE_FORMAT_ERROR, "%s is no JSON: line %d: %s", path, error.line, error.text);
        out->reordered = json_is_object(json_object_get(json, "permutation"));
    }
    json_decref(json);
    pare_free(text);
    free(path);
    return status;
}
