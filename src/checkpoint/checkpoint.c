/* model.safetensors.index.json, beside the shards it names:
 *
 *   {"metadata": {"total_size": bytes}, "weight_map": {tensor name: "model-00001-of-00002.safetensors", ...}}
 */
#include "checkpoint/checkpoint.h"
#include "checkpoint/archive.h"
#include "checkpoint/safetensors.h"
#include "support/memory.h"

#include <dirent.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INDEX_LIMIT = 100000000 };

struct pare_checkpoint {
    char *directory;
    pare_safetensors *files;
    size_t file_count;
    pare_tensor *tensors; /* of all files; names belong to `files` */
    size_t count;
    uint32_t *slots; /* hash table of 1 + index into tensors, 0 = free; a power of two, at least twice as large */
    size_t slot_mask;
};

/* FNV-1a. */
static uint64_t hash_name(const char *name) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3u;
    return hash;
}

/* The slot that holds `name`, or the free one where it would go. */
static uint32_t *find_slot(const pare_checkpoint *checkpoint, const char *name) {
    size_t slot = hash_name(name) & checkpoint->slot_mask;
    while (checkpoint->slots[slot] && strcmp(checkpoint->tensors[checkpoint->slots[slot] - 1].name, name) != 0)
        slot = (slot + 1) & checkpoint->slot_mask;
    return &checkpoint->slots[slot];
}

static pare_status build_table(pare_checkpoint *checkpoint) {
    size_t total = 0, slots = 4;
    for (size_t f = 0; f < checkpoint->file_count; f++)
        total += checkpoint->files[f].count;
    while (slots < 2 * total)
        slots *= 2;
    PARE_TRY(pare_alloc(&checkpoint->tensors, total, sizeof *checkpoint->tensors, "tensor descriptions"));
    PARE_TRY(pare_alloc(&checkpoint->slots, slots, sizeof *checkpoint->slots, "the table of tensor names"));
    checkpoint->slot_mask = slots - 1;
    for (size_t f = 0; f < checkpoint->file_count; f++)
        for (size_t i = 0; i < checkpoint->files[f].count; i++) {
            pare_tensor *tensor = &checkpoint->tensors[checkpoint->count];
            *tensor = checkpoint->files[f].tensors[i];
            tensor->file = f;
            uint32_t *slot = find_slot(checkpoint, tensor->name);
            if (*slot)
                return pare_fail(PARE_FORMAT_ERROR, "tensor %s is in both %s and %s", tensor->name,
                                 pare_checkpoint_file(checkpoint, checkpoint->tensors[*slot - 1].file),
                                 pare_checkpoint_file(checkpoint, f));
            *slot = (uint32_t)++checkpoint->count;
        }
    return PARE_OK;
}

static pare_status parse_index(const char *path, json_t **index) {
    char *text;
    size_t bytes;
    json_error_t error;
    *index = NULL;
    PARE_TRY(pare_file_read(path, INDEX_LIMIT, &text, &bytes));
    *index = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    pare_free(text);
    if (!*index && json_error_code(&error) == json_error_duplicate_key)
        return pare_fail(PARE_FORMAT_ERROR, "%s has the same name twice, the second in line %d", path, error.line);
    if (!*index) return pare_fail(PARE_FORMAT_ERROR, "%s is not JSON (line %d)", path, error.line);
    if (json_is_object(json_object_get(*index, "weight_map"))) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s has no weight_map", path);
}

/* A shard is a file of the checkpoint's own folder, whatever an index says. */
static bool is_shard_name(const char *name) {
    if (!name || name[0] == '.' || fnmatch("*.safetensors", name, 0) != 0) return false;
    return pare_name_is_plain(name) && !strchr(name, '/');
}

static int compare_names(const void *left, const void *right) {
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* names: room for one per tensor; left sorted, each once. */
static pare_status list_shards(const char *path, json_t *weight_map, const char **names, size_t *count) {
    size_t all = 0, unique = 0;
    const char *tensor;
    json_t *shard;
    json_object_foreach(weight_map, tensor, shard) {
        if (!pare_name_is_plain(tensor) || !is_shard_name(json_string_value(shard)))
            return pare_fail(
                PARE_FORMAT_ERROR,
                "%s: entry %zu of weight_map is not a tensor's name and a .safetensors file of the same folder", path,
                all);
        names[all++] = json_string_value(shard);
    }
    qsort(names, all, sizeof *names, compare_names);
    for (size_t i = 0; i < all; i++)
        if (i == 0 || strcmp(names[i], names[unique - 1]) != 0) names[unique++] = names[i];
    *count = unique;
    return PARE_OK;
}

static pare_status open_files(pare_checkpoint *checkpoint, const char *const *names, size_t count) {
    PARE_TRY(pare_alloc(&checkpoint->files, count, sizeof *checkpoint->files, "the list of shards"));
    for (size_t i = 0; i < count; i++) {
        char *path = pare_path_join(checkpoint->directory, names[i]);
        pare_status status = pare_safetensors_open(path, &checkpoint->files[i]);
        free(path);
        PARE_TRY(status);
        checkpoint->file_count++;
    }
    return build_table(checkpoint);
}

/* Every tensor of the index must be in the very shard that the index says. */
static pare_status check_index(const pare_checkpoint *checkpoint, const char *path, json_t *weight_map,
                               const char *const *names) {
    const char *key;
    json_t *shard;
    json_object_foreach(weight_map, key, shard) {
        const pare_tensor *tensor = pare_checkpoint_find(checkpoint, key);
        if (!tensor || strcmp(names[tensor->file], json_string_value(shard)) != 0)
            return pare_fail(PARE_FORMAT_ERROR, "%s: weight_map puts a tensor into %s that is not there: %s", path,
                             json_string_value(shard), key);
    }
    return PARE_OK;
}

static pare_status open_archive(pare_checkpoint *checkpoint, const char *path) {
    PARE_TRY(pare_alloc(&checkpoint->files, 1, sizeof *checkpoint->files, "the list of files"));
    PARE_TRY(pare_archive_open(path, pare_archive_memory(), &checkpoint->files[0]));
    checkpoint->file_count = 1;
    return build_table(checkpoint);
}

static pare_status open_sharded(pare_checkpoint *checkpoint, const char *path) {
    json_t *index = NULL;
    const char **names = NULL;
    size_t count = 0;
    pare_status status;
    PARE_TRY_GOTO(status, parse_index(path, &index), done);
    json_t *weight_map = json_object_get(index, "weight_map");
    PARE_TRY_GOTO(status, pare_alloc(&names, json_object_size(weight_map), sizeof *names, "the list of shards"), done);
    PARE_TRY_GOTO(status, list_shards(path, weight_map, names, &count), done);
    PARE_TRY_GOTO(status, open_files(checkpoint, names, count), done);
    status = check_index(checkpoint, path, weight_map, names);
done:
    pare_free(names);
    json_decref(index);
    return status;
}

static pare_status explain_absence(const char *directory) {
    DIR *folder = opendir(directory);
    if (!folder) return pare_fail(PARE_FILE_ERROR, "cannot read %s: it is not a folder that can be opened", directory);
    bool pickles = false;
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder))
        pickles = pickles || fnmatch("pytorch_model*.bin", entry->d_name, 0) == 0;
    closedir(folder);
    if (pickles)
        return pare_fail(
            PARE_UNSUPPORTED,
            "%s holds only PyTorch pickles (pytorch_model*.bin), which pare does not read; convert it once "
            "with transformers: save_pretrained(folder, safe_serialization=True)",
            directory);
    return pare_fail(
        PARE_FILE_ERROR,
        "%s is no checkpoint: it has neither model.safetensors nor model.safetensors.index.json nor " PARE_ARCHIVE_NAME,
        directory);
}

pare_status pare_checkpoint_open(const char *directory, pare_checkpoint **out) {
    *out = NULL;
    pare_checkpoint *checkpoint;
    PARE_TRY(pare_alloc(&checkpoint, 1, sizeof *checkpoint, "a checkpoint"));
    checkpoint->directory = pare_format("%s", directory);
    static const char *const single_name = "model.safetensors";
    char *single = pare_path_join(directory, single_name);
    char *index = pare_path_join(directory, "model.safetensors.index.json");
    char *archive = pare_path_join(directory, PARE_ARCHIVE_NAME);
    pare_status status;
    if (pare_file_exists(single))
        status = open_files(checkpoint, &single_name, 1);
    else if (pare_file_exists(index))
        status = open_sharded(checkpoint, index);
    else if (pare_file_exists(archive))
        status = open_archive(checkpoint, archive);
    else
        status = explain_absence(directory);
    free(single);
    free(index);
    free(archive);
    if (status != PARE_OK) {
        pare_checkpoint_close(checkpoint);
        return status;
    }
    *out = checkpoint;
    return PARE_OK;
}

void pare_checkpoint_close(pare_checkpoint *checkpoint) {
    if (!checkpoint) return;
    for (size_t i = 0; i < checkpoint->file_count; i++)
        pare_safetensors_close(&checkpoint->files[i]);
    pare_free(checkpoint->files);
    pare_free(checkpoint->tensors);
    pare_free(checkpoint->slots);
    free(checkpoint->directory);
    pare_free(checkpoint);
}

const char *pare_checkpoint_directory(const pare_checkpoint *checkpoint) {
    return checkpoint->directory;
}

size_t pare_checkpoint_count(const pare_checkpoint *checkpoint) {
    return checkpoint->count;
}

const pare_tensor *pare_checkpoint_at(const pare_checkpoint *checkpoint, size_t index) {
    return &checkpoint->tensors[index];
}

const pare_tensor *pare_checkpoint_find(const pare_checkpoint *checkpoint, const char *name) {
    uint32_t found = *find_slot(checkpoint, name);
    return found ? &checkpoint->tensors[found - 1] : NULL;
}

size_t pare_checkpoint_file_count(const pare_checkpoint *checkpoint) {
    return checkpoint->file_count;
}

const char *pare_checkpoint_file(const pare_checkpoint *checkpoint, size_t index) {
    return checkpoint->files[index].mapping.path;
}

const pare_mapping *pare_checkpoint_mapping(const pare_checkpoint *checkpoint, size_t index) {
    return &checkpoint->files[index].mapping;
}

const unsigned char *pare_checkpoint_image(const pare_checkpoint *checkpoint, size_t index, uint64_t *bytes) {
    const pare_safetensors *file = &checkpoint->files[index];
    *bytes = file->image.data ? file->image.bytes : file->mapping.bytes;
    return file->image.data ? file->image.data : file->mapping.data;
}

bool pare_checkpoint_is_archive(const pare_checkpoint *checkpoint) {
    return checkpoint->file_count && checkpoint->files[0].image.data;
}

void pare_tensor_prefetch(const pare_tensor *tensor) {
    if (tensor->bytes == 0) return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)tensor->data / page * page;
    uintptr_t end = (uintptr_t)tensor->data + tensor->bytes;
    madvise((void *)begin, end - begin, MADV_WILLNEED);
}
