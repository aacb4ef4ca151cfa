/* Layout of model.safetensors.index.json, and of pytorch_model.bin.index.json with .bin files:
 *
 *   {"metadata": {"total_size": bytes}, "weight_map": {tensor name: "model-00001-of-00002.safetensors", ...}}
 */
#include "checkpoint/shard_index.h"
#include "checkpoint/safetensors.h"
#include "support/memory.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { INDEX_LIMIT = 100000000 };

static pare_status parse(const char *path, json_t **index) {
    char *text;
    size_t bytes;
    json_error_t error;
    *index = NULL;
    PARE_TRY(pare_file_read(path, INDEX_LIMIT, &text, &bytes));
    *index = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    pare_free(text);
    if (!*index && json_error_code(&error) == json_error_duplicate_key)
        return pare_fail(PARE_FORMAT_ERROR, "%s has the same name twice, the second in line %d", path, error.line);
    if (!*index)
        return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d); fetch or write it again", path, error.line);
    if (json_is_object(json_object_get(*index, "weight_map"))) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s has no weight_map", path);
}

/* A shard is a file of the checkpoint's own folder, whatever an index says. */
static bool is_shard_name(const char *name, bool torch) {
    if (!name || name[0] == '.' || !pare_name_is_plain(name) || strchr(name, '/')) return false;
    return fnmatch("*.safetensors", name, 0) == 0 || (torch && fnmatch("*.bin", name, 0) == 0);
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static pare_status list_shards(const char *path, pare_shard_index *index) {
    json_t *weight_map = json_object_get(index->json, "weight_map"), *shard;
    size_t all = 0;
    const char *tensor;
    bool torch = fnmatch("*.bin.index.json", path, 0) == 0;
    PARE_TRY(pare_alloc(&index->names, json_object_size(weight_map), sizeof *index->names, "the list of shards"));
    json_object_foreach(weight_map, tensor, shard) {
        if (!pare_name_is_plain(tensor) || !is_shard_name(json_string_value(shard), torch))
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s: entry %zu of weight_map is not a tensor's name and a %s file of the same folder",
                             path, all, torch ? ".bin" : ".safetensors");
        index->names[all++] = json_string_value(shard);
    }
    qsort(index->names, all, sizeof *index->names, compare_names);
    for (size_t i = 0; i < all; i++)
        if (i == 0 || strcmp(index->names[i], index->names[index->count - 1]) != 0)
            index->names[index->count++] = index->names[i];
    return PARE_OK;
}

pare_status pare_shard_index_read(const char *path, pare_shard_index *out) {
    *out = (pare_shard_index){0};
    pare_status status = parse(path, &out->json);
    if (status == PARE_OK) status = list_shards(path, out);
    if (status != PARE_OK) pare_shard_index_free(out);
    return status;
}

void pare_shard_index_free(pare_shard_index *index) {
    pare_free(index->names);
    json_decref(index->json);
    *index = (pare_shard_index){0};
}

const char *pare_shard_of(const pare_shard_index *index, const char *tensor) {
    return json_string_value(json_object_get(json_object_get(index->json, "weight_map"), tensor));
}
