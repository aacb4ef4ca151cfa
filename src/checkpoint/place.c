#include "checkpoint/place.h"
#include "checkpoint/archive.h"
#include "checkpoint/folder_kind.h"
#include "checkpoint/gguf.h"
#include "checkpoint/hub.h"
#include "checkpoint/meta.h"
#include "checkpoint/torch_file.h"
#include "support/file.h"
#include "support/path.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file that was named in the place of its folder. */
typedef struct named {
    const char *path, *name; /* name: without folder */
    char *folder;
} named;

static bool lies_beside(const named *file, const char *name) {
    return pare_folder_has(file->folder, name);
}

static pare_status refuse_file(const named *file, const char *what) {
    return pare_fail(PARE_UNSUPPORTED, "%s is %s", file->path, what);
}

/* Kinds of files by their names; what comes first holds. */
static const struct {
    const char *pattern, *what;
} kinds[] = {
    {"adapter_model.*", "the adapter of a fine-tuned model, not a model: give the folder of the model it was made for, "
                        "and the adapter's folder with --adapter (pare merge MODEL --adapter FOLDER -o OUT)"},
    {"*.h5", PARE_ADVICE_FRAMEWORK},
    {"*.msgpack", PARE_ADVICE_FRAMEWORK},
    {"*.onnx", PARE_ADVICE_FRAMEWORK},
    {"*.zip", "an archive: unpack it and give the folder"},
    {"*.tar*", "an archive: unpack it and give the folder"},
    {"*.tgz", "an archive: unpack it and give the folder"},
};

static pare_status explain_file(const named *file) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (fnmatch(kinds[i].pattern, file->name, FNM_CASEFOLD) == 0) return refuse_file(file, kinds[i].what);
    return refuse_file(file, "a file: give the folder of a model, with config.json and safetensors files in it");
}

/* True if the folder's own weights are, or begin with, this file. */
static bool is_usual(const named *file) {
    static const char index[] = "model.safetensors.index.json";
    if (strcmp(file->name, "model.safetensors") == 0) return true;
    if (fnmatch("model-*-of-*.safetensors", file->name, 0) == 0) return lies_beside(file, index);
    return fnmatch("pytorch_model-*-of-*.bin", file->name, 0) == 0 &&
           lies_beside(file, "pytorch_model.bin.index.json") && !lies_beside(file, index) &&
           !lies_beside(file, "model.safetensors");
}

/* True if the file is of a model that params.json describes. */
static bool is_meta(const named *file) {
    bool one = pare_meta_is_name(file->name) || strcmp(file->name, "params.json") == 0;
    return one && pare_meta_is_folder(file->folder);
}

static bool holds_weights(const named *file) {
    if (fnmatch("adapter_model.*", file->name, 0) == 0 || lies_beside(file, "adapter_config.json")) return false;
    return fnmatch("*.safetensors", file->name, 0) == 0 || pare_torch_is_name(file->name);
}

/* By its name, too: what is wrong with it is said when it is read. */
static bool is_gguf(const named *file) {
    return pare_gguf_is(file->path) || fnmatch("*.gguf", file->name, FNM_CASEFOLD) == 0;
}

static pare_status find_beside(const char *path, pare_place *out) {
    static const char *const of_folders[] = {"config.json", "model.safetensors.index.json",
                                             "pytorch_model.bin.index.json", PARE_ARCHIVE_NAME};
    const char *slash = strrchr(path, '/');
    named file = {.path = path, .name = slash ? slash + 1 : path};
    file.folder = pare_path_parent(path);
    pare_status status = pare_whole();
    if (status != PARE_OK) return status;
    bool whole = false;
    for (size_t i = 0; i < sizeof of_folders / sizeof *of_folders; i++)
        whole = whole || strcmp(file.name, of_folders[i]) == 0;
    whole = whole || (strcmp(file.name, "params.json") == 0 && is_meta(&file));
    bool weights = holds_weights(&file);
    if (!whole && !weights)
        status = explain_file(&file);
    else if (!lies_beside(&file, "config.json") && !is_meta(&file))
        status = pare_fail(PARE_FILE_ERROR,
                           "%s has no config.json beside it: put the model's there, so that pare knows what the "
                           "tensors mean",
                           path);
    else
        out->weights = !whole && !is_usual(&file) ? pare_format("%s", file.name) : NULL;
    if (status == PARE_OK) status = pare_whole();
    if (status == PARE_OK)
        out->folder = file.folder;
    else
        free(file.folder);
    return status;
}

static pare_status find_file(const char *path, pare_place *out) {
    named file = {.path = path, .name = pare_path_name(path)};
    if (!is_gguf(&file)) return find_beside(path, out);
    *out = (pare_place){.folder = pare_format("%s", path), .gguf = true};
    return pare_whole();
}

static pare_status find_folder(const char *path, pare_place *out) {
    if (pare_hub_is_repository(path)) return pare_hub_snapshot(path, &out->folder);
    out->folder = pare_format("%s", path);
    return pare_whole();
}

pare_status pare_place_find(const char *path, pare_place *out) {
    struct stat status;
    *out = (pare_place){0};
    if (stat(path, &status) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) return pare_hub_find(path, &out->folder);
        return pare_fail(PARE_FILE_ERROR, "cannot open %s: %s", path, strerror(errno));
    }
    return S_ISDIR(status.st_mode) ? find_folder(path, out) : find_file(path, out);
}

void pare_place_free(pare_place *place) {
    free(place->folder);
    free(place->weights);
    *place = (pare_place){0};
}
