#include "checkpoint/folder_kind.h"
#include "checkpoint/archive.h"
#include "support/file.h"
#include "support/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Names in a folder, sorted; "." and ".." are not among them. */
typedef struct listing {
    const char *folder;
    struct dirent **entries;
    int count;
} listing;

/* The first name that the pattern fits, or NULL. */
static const char *find(const listing *list, const char *pattern) {
    for (int i = 0; i < list->count; i++)
        if (fnmatch(pattern, list->entries[i]->d_name, FNM_CASEFOLD) == 0) return list->entries[i]->d_name;
    return NULL;
}

static char *adapter_base(const listing *list) {
    enum { LIMIT = 1 << 20 };
    char *path = pare_path_join(list->folder, "adapter_config.json"), *text, *base = NULL;
    if (pare_file_read(path, LIMIT, &text, NULL) == PARE_OK) {
        json_t *json = json_loads(text, 0, NULL);
        const char *name = json_string_value(json_object_get(json, "base_model_name_or_path"));
        if (name && *name) base = pare_format("%.200s", name);
        json_decref(json);
        pare_free(text);
    }
    free(path);
    return base;
}

static pare_status explain_adapter(const listing *list) {
    char *base = adapter_base(list);
    const char *name = base ? base : "its base model";
    pare_fail(PARE_UNSUPPORTED,
              "%s is a PEFT adapter of %s and no model by itself: give the base model's folder, as in "
              "'pare merge BASE --adapter %s -o OUT' or 'pare eval BASE --adapter %s'",
              list->folder, name, list->folder, list->folder);
    free(base);
    return PARE_UNSUPPORTED;
}

/* A folder inside that holds a model, or NULL; freed with free(). */
static char *inner_model(const listing *list) {
    for (int i = 0; i < list->count; i++) {
        char *inner = pare_path_join(list->folder, list->entries[i]->d_name);
        char *config = pare_path_join(inner, "config.json");
        bool found = pare_file_exists(config);
        free(config);
        if (found) return inner;
        free(inner);
    }
    return NULL;
}

/* Kinds by the names of files: all of `names` must be there. What comes first holds. The sentence is the folder,
 * `before`, the file that fits the first name, `after`. */
typedef struct kind {
    const char *names[2];
    const char *before, *after;
} kind;

#define ADVICE_TORCH ": give that file itself if it is the whole model, saved by torch.save"

static const kind kinds[] = {
    {{"model_index.json"}, " is a pipeline of diffusers (", "), not a language model"},
    {{"consolidated.*.pth"},
     " holds ",
     " of Meta's own format, but not both params.json, which says its sizes, and consolidated.00.pth: put the missing "
     "file beside it"},
    {{"consolidated*.safetensors"},
     " is a model in Mistral's own format (",
     ") but has not params.json and one consolidated.safetensors: put params.json beside it, or take the files of the "
     "same model that are named model*.safetensors, with their config.json"},
    {{"*.gguf"}, " holds ", ", " PARE_ADVICE_GGUF},
    {{"model-*-of-*.safetensors"},
     " holds shards (",
     ") but not model.safetensors.index.json, which lists what belongs to the model: download that file too; a single "
     "shard that is the whole model may be named model.safetensors"},
    {{"*.part"}, ": the download of ", " is not finished; let it go on"},
    {{"*.incomplete"}, ": the download of ", " is not finished; let it go on"},
    {{"*.aria2"}, ": the download of ", " is not finished; let it go on"},
    {{"*.safetensors"},
     " holds no model.safetensors, but ",
     ": give that file itself if it is the whole model, or name it model.safetensors"},
    {{"pytorch_model-*-of-*.bin"},
     " holds shards (",
     ") but not pytorch_model.bin.index.json, which lists what belongs to the model: download that file too"},
    {{"*.pth"}, " holds no weights under a usual name, but ", ADVICE_TORCH},
    {{"*.pt"}, " holds no weights under a usual name, but ", ADVICE_TORCH},
    {{"*.ckpt"}, " holds no weights under a usual name, but ", ADVICE_TORCH},
    {{"*.bin"}, " holds no weights under a usual name, but ", ADVICE_TORCH},
    {{"*.h5"}, " holds ", ", " PARE_ADVICE_FRAMEWORK},
    {{"*.msgpack"}, " holds ", ", " PARE_ADVICE_FRAMEWORK},
    {{"*.onnx"}, " holds ", ", " PARE_ADVICE_FRAMEWORK},
    {{"config.json"},
     " has a ",
     " but no weights: it has neither model.safetensors nor model.safetensors.index.json nor " PARE_ARCHIVE_NAME
     " nor pytorch_model.bin; download them, too"},
};

static pare_status explain_kind(const listing *list, const kind *row) {
    return pare_fail(PARE_UNSUPPORTED, "%s%s%s%s", list->folder, row->before, find(list, row->names[0]), row->after);
}

static pare_status explain(const listing *list) {
    if (find(list, "adapter_config.json")) return explain_adapter(list);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool all = find(list, kinds[i].names[0]) && (!kinds[i].names[1] || find(list, kinds[i].names[1]));
        if (all) return explain_kind(list, &kinds[i]);
    }
    char *inner = inner_model(list);
    if (inner) {
        pare_fail(PARE_FILE_ERROR, "%s is no checkpoint, but a folder in it may be: give %s", list->folder, inner);
        free(inner);
        return PARE_FILE_ERROR;
    }
    if (!list->count) return pare_fail(PARE_FILE_ERROR, "%s is no checkpoint: the folder is empty", list->folder);
    return pare_fail(
        PARE_FILE_ERROR,
        "%s is no checkpoint: it has neither model.safetensors nor model.safetensors.index.json nor " PARE_ARCHIVE_NAME,
        list->folder);
}

static int is_name(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

pare_status pare_folder_explain(const char *folder) {
    listing list = {.folder = folder};
    PARE_TRY(pare_whole());
    list.count = scandir(folder, &list.entries, is_name, alphasort);
    if (list.count < 0) return pare_fail(PARE_FILE_ERROR, "cannot read %s: %s", folder, strerror(errno));
    pare_status status = explain(&list);
    for (int i = 0; i < list.count; i++)
        free(list.entries[i]);
    free(list.entries);
    return status;
}
