/* pare_checkpoint_describe: what headers of safetensors and GGUF files and the state dicts of torch.save tell, whatever
 * model they belong to. */
#include "checkpoint/gguf_split.h"
#include "checkpoint/header_read.h"
#include "checkpoint/place.h"
#include "checkpoint/shard_index.h"
#include "checkpoint/torch_file.h"
#include "support/file.h"
#include "support/json.h"
#include "support/memory.h"
#include "support/path.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CONFIG_LIMIT = 16 << 20 };

/* What has been read so far. */
typedef struct survey {
    const char *folder;
    json_t *tensors, *dtypes, *files;
    uint64_t parameters, bytes;
} survey;

static void add_entry(survey *s, const pare_header_entry *entry, const char *file) {
    json_t *shape = json_array();
    for (int i = 0; i < entry->rank; i++)
        pare_json_append(shape, pare_json_count(entry->shape[i]));
    pare_json_append(s->tensors,
                     pare_json_of({"name", pare_json_string(entry->name)}, {"shape", shape},
                                  {"dtype", pare_json_string(entry->dtype)},
                                  {"parameters", pare_json_count(entry->count)},
                                  {"bytes", pare_json_count(entry->bytes)}, {"file", pare_json_name(file)}));
    json_int_t before = json_integer_value(json_object_get(s->dtypes, entry->dtype));
    pare_json_put(s->dtypes, entry->dtype, json_integer(before + 1));
    s->parameters += entry->count;
    s->bytes += entry->bytes;
}

static void add_gguf_tensor(survey *s, const pare_gguf_tensor *tensor, const char *file) {
    pare_header_entry entry = {
        .name = tensor->name, .rank = tensor->rank, .count = tensor->count, .bytes = tensor->bytes};
    snprintf(entry.dtype, sizeof entry.dtype, "%s", tensor->type->name);
    memcpy(entry.shape, tensor->shape, sizeof tensor->shape);
    add_entry(s, &entry, file);
}

/* A GGUF file, or all parts of one. */
static pare_status add_gguf(survey *s, json_t *json) {
    pare_gguf_set set;
    char *architecture = NULL;
    PARE_TRY(pare_gguf_set_open(s->folder, &set));
    for (size_t f = 0; f < set.count; f++) {
        const char *name = pare_path_name(set.files[f].mapping.path);
        for (size_t i = 0; i < set.files[f].tensor_count; i++)
            add_gguf_tensor(s, &set.files[f].tensors[i], name);
        pare_json_append(s->files, pare_json_of({"name", pare_json_name(name)},
                                                {"bytes", pare_json_count(set.files[f].mapping.bytes)}));
    }
    pare_status status = pare_gguf_string(&set.files[0], "general.architecture", &architecture);
    static const char *const keys[] = {"architecture", "model_type"};
    for (size_t i = 0; architecture && i < sizeof keys / sizeof *keys; i++)
        pare_json_put(json, keys[i], pare_json_string(architecture));
    free(architecture);
    pare_gguf_set_close(&set);
    return status;
}

/* The header's entries; mapping: open for them. */
static pare_status add_headers(survey *s, const pare_mapping *mapping, const char *name) {
    pare_header_list list = {0};
    pare_status status = pare_header_read(mapping, &list);
    for (size_t i = 0; i < list.count; i++)
        add_entry(s, &list.entries[i], name);
    pare_header_list_free(&list);
    return status;
}

static void add_tensors(survey *s, const pare_safetensors *file, const char *name) {
    for (size_t i = 0; i < file->count; i++) {
        const pare_tensor *tensor = &file->tensors[i];
        pare_header_entry entry = {.rank = tensor->rank, .count = tensor->count, .bytes = tensor->bytes};
        entry.name = (char *)(uintptr_t)tensor->name;
        memcpy(entry.shape, tensor->shape, sizeof tensor->shape);
        snprintf(entry.dtype, sizeof entry.dtype, "%s", pare_dtype_name(tensor->dtype));
        add_entry(s, &entry, name);
    }
}

static pare_status add_file(survey *s, const char *name) {
    char *path = pare_path_join(s->folder, name);
    pare_safetensors file = {0};
    bool torch = pare_torch_is_name(name);
    pare_status status = torch ? pare_torch_file_open(path, &file) : pare_mapping_open(path, &file.mapping);
    free(path);
    PARE_TRY(status);
    if (torch)
        add_tensors(s, &file, name);
    else
        status = add_headers(s, &file.mapping, name);
    if (status == PARE_OK)
        pare_json_append(s->files,
                         pare_json_of({"name", pare_json_name(name)}, {"bytes", pare_json_count(file.mapping.bytes)}));
    pare_safetensors_close(&file);
    return status;
}

static int is_weights(const struct dirent *entry) {
    return fnmatch("[!.]*.safetensors", entry->d_name, 0) == 0;
}

/* All safetensors files of the folder, where it has neither a whole model nor an index. */
static pare_status add_loose_files(survey *s) {
    struct dirent **entries;
    int count = scandir(s->folder, &entries, is_weights, alphasort);
    pare_status status = count > 0 ? PARE_OK : PARE_FILE_ERROR;
    for (int i = 0; i < count; i++) {
        if (status == PARE_OK) status = add_file(s, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    return status;
}

static pare_status add_shards(survey *s, const char *index_path) {
    pare_shard_index index;
    PARE_TRY(pare_shard_index_read(index_path, &index));
    pare_status status = PARE_OK;
    for (size_t i = 0; i < index.count && status == PARE_OK; i++)
        status = add_file(s, index.names[i]);
    pare_shard_index_free(&index);
    return status;
}

/* The folder's usual files, whole or in shards. */
static const struct {
    const char *name;
    bool index;
} usual[] = {{"model.safetensors", false},
             {"model.safetensors.index.json", true},
             {"pytorch_model.bin", false},
             {"pytorch_model.bin.index.json", true}};

static pare_status add_files(survey *s, const char *named) {
    if (named) return add_file(s, named);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        char *path = pare_path_join(s->folder, usual[i].name);
        bool found = pare_file_exists(path);
        pare_status status = pare_whole();
        if (found && status == PARE_OK) status = usual[i].index ? add_shards(s, path) : add_file(s, usual[i].name);
        free(path);
        if (found || status != PARE_OK) return status;
    }
    return add_loose_files(s);
}

/* config.json as an object, or NULL: nothing here depends on it. */
static json_t *read_config(const char *folder) {
    char *path = pare_path_join(folder, "config.json"), *text;
    json_t *json = NULL;
    if (pare_file_exists(path) && pare_file_read(path, CONFIG_LIMIT, &text, NULL) == PARE_OK) {
        json = json_loads(text, 0, NULL);
        pare_free(text);
    }
    free(path);
    return json;
}

/* The kind of a RoPE object: the one it names, or those of its parts, where it has one for each kind of layer. */
static json_t *rope_kind(const json_t *rope) {
    const char *name = json_string_value(json_object_get(rope, "rope_type")), *key;
    if (!name) name = json_string_value(json_object_get(rope, "type"));
    json_t *inner, *parts = NULL;
    json_object_foreach((json_t *)(uintptr_t)rope, key, inner) {
        if (!json_is_object(inner)) continue;
        json_t *kind = rope_kind(inner), *before = parts;
        parts = before ? pare_json_format("%s, %s %s", json_string_value(before), key, json_string_value(kind))
                       : pare_json_format("%s %s", key, json_string_value(kind));
        json_decref(before);
        json_decref(kind);
    }
    return parts ? parts : pare_json_string(name ? name : "default");
}

static json_t *rope_json(const json_t *config) {
    static const char *const keys[] = {"rope_scaling", "rope_parameters"};
    const json_t *rope = NULL, *theta = json_object_get(config, "rope_theta");
    for (size_t i = 0; i < 2 && !json_object_size(rope); i++)
        rope = json_object_get(config, keys[i]);
    if (!json_object_size(rope) && !json_is_number(theta)) return NULL;
    json_t *json = json_object(), *inner = json_object_get(rope, "rope_theta");
    pare_json_put(json, "kind", rope_kind(rope));
    if (json_is_number(inner)) theta = inner;
    if (json_is_number(theta)) pare_json_put(json, "theta", pare_json_real(json_number_value(theta)));
    json_t *factor = json_object_get(rope, "factor");
    if (json_is_number(factor)) pare_json_put(json, "factor", pare_json_same(factor));
    return json;
}

/* What the configuration says of itself; of a model of several parts, its language model's rotary positions. */
static void add_config(const survey *s, json_t *json) {
    json_t *config = read_config(s->folder), *text = json_object_get(config, "text_config");
    json_t *architecture = json_array_get(json_object_get(config, "architectures"), 0);
    json_t *type = json_object_get(config, "model_type");
    if (!json_is_string(architecture)) architecture = type;
    if (architecture) pare_json_put(json, "architecture", pare_json_same(architecture));
    if (type) pare_json_put(json, "model_type", pare_json_same(type));
    json_t *rope = rope_json(text ? text : config);
    if (rope) pare_json_put(json, "rope", rope);
    json_decref(config);
}

static pare_status survey_place(const char *path, survey *s, json_t *json) {
    struct stat found;
    pare_place place;
    const char *slash = strrchr(path, '/');
    bool weights = fnmatch("*.safetensors", path, 0) == 0 || pare_torch_is_name(path);
    bool alone = weights && stat(path, &found) == 0 && S_ISREG(found.st_mode);
    if (alone)
        place = (pare_place){.folder = slash ? pare_format("%.*s", (int)(slash - path) + 1, path) : pare_format("."),
                             .weights = pare_format("%s", slash ? slash + 1 : path)};
    else
        PARE_TRY(pare_place_find(path, &place));
    s->folder = place.folder;
    pare_status status = place.gguf ? add_gguf(s, json) : add_files(s, place.weights);
    if (status == PARE_OK) {
        pare_json_put(json, "path", pare_json_name(alone ? path : place.folder));
        if (!place.gguf) add_config(s, json);
    }
    pare_place_free(&place);
    return status;
}

pare_status pare_checkpoint_describe(const char *path, const char *refused, char **text) {
    survey s = {.tensors = json_array(), .dtypes = json_object(), .files = json_array()};
    json_t *json = json_object();
    *text = NULL;
    pare_status status = survey_place(path, &s, json);
    pare_json_put(json, "refused", pare_json_name(refused));
    pare_json_put(json, "parameters", pare_json_count(s.parameters));
    pare_json_put(json, "bytes", pare_json_count(s.bytes));
    pare_json_put(json, "dtypes", s.dtypes);
    pare_json_put(json, "files", s.files);
    pare_json_put(json, "tensors", s.tensors);
    if (status == PARE_OK) return pare_json_text(json, text);
    json_decref(json);
    return status;
}
