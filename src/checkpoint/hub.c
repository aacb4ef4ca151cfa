#include "checkpoint/hub.h"
#include "support/file.h"
#include "support/folder.h"
#include "support/memory.h"
#include "support/path.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool has_folder(const char *folder, const char *name) {
    char *path = pare_path_join(folder, name);
    bool found = pare_path_is_folder(path);
    free(path);
    return found;
}

bool pare_hub_is_repository(const char *folder) {
    char *config = pare_path_join(folder, "config.json");
    bool own = pare_file_exists(config);
    free(config);
    return !own && has_folder(folder, "snapshots");
}

/* A word that can be the name of one folder and nothing else. */
static bool is_plain_word(const char *text, size_t length) {
    if (length == 0 || length > 96 || !isalnum((unsigned char)text[0])) return false;
    for (size_t i = 0; i < length; i++) {
        if (!isalnum((unsigned char)text[i]) && !strchr("-_.", text[i])) return false;
        if (i && text[i] == '.' && text[i - 1] == '.') return false;
    }
    return true;
}

/* What refs/main says, freed with free(); NULL if it is missing or no name of a folder. */
static char *read_reference(const char *folder) {
    enum { LIMIT = 4096 };
    char *path = pare_path_join(folder, "refs/main"), *text = NULL, *commit = NULL;
    size_t bytes = 0;
    if (pare_file_exists(path) && pare_file_read(path, LIMIT, &text, &bytes) == PARE_OK) {
        while (bytes && isspace((unsigned char)text[bytes - 1]))
            bytes--;
        if (is_plain_word(text, bytes)) commit = pare_format("%.*s", (int)bytes, text);
        pare_free(text);
    }
    free(path);
    return commit;
}

/* *only: the one folder in `snapshots`, NULL unless there is exactly one; *count: how many there are. */
static void list_snapshots(const char *snapshots, char **only, size_t *count) {
    *only = NULL;
    *count = 0;
    DIR *folder = opendir(snapshots);
    if (!folder) return;
    int error = 0;
    for (struct dirent *entry; (entry = pare_folder_next(folder, &error));) {
        if (entry->d_name[0] == '.' || !has_folder(snapshots, entry->d_name)) continue;
        free(*only);
        *only = ++*count == 1 ? pare_format("%s", entry->d_name) : NULL;
    }
    closedir(folder);
    if (!error) return;
    free(*only);
    *only = NULL;
    *count = 0;
}

pare_status pare_hub_snapshot(const char *folder, char **snapshot) {
    char *snapshots = pare_path_join(folder, "snapshots"), *commit = read_reference(folder), *only;
    size_t count;
    list_snapshots(snapshots, &only, &count);
    *snapshot = NULL;
    pare_status status = PARE_OK;
    if (commit && has_folder(snapshots, commit))
        *snapshot = pare_path_join(snapshots, commit);
    else if (commit)
        status = pare_fail(PARE_FILE_ERROR,
                           "%s: refs/main names the snapshot %s, which is not there; download the model again, or "
                           "give a folder of %s",
                           folder, commit, snapshots);
    else if (only)
        *snapshot = pare_path_join(snapshots, only);
    else
        status = pare_fail(PARE_FILE_ERROR,
                           "%s is a folder of the Hugging Face cache with %zu snapshots and no "
                           "refs/main that names one; %s %s",
                           folder, count,
                           count ? "give one of the folders in" : "download the model again: there is nothing in",
                           snapshots);
    free(snapshots);
    free(commit);
    free(only);
    return status;
}

/* `value` of an environment variable with `tail` behind it; ~ is the home folder. NULL if it is unset or empty. */
static char *from_environment(const char *variable, const char *tail) {
    const char *value = getenv(variable), *home = getenv("HOME");
    if (!value || !*value) return NULL;
    if (value[0] == '~' && (value[1] == '/' || !value[1]) && home) return pare_format("%s%s%s", home, value + 1, tail);
    return pare_format("%s%s", value, tail);
}

/* The folder that huggingface_hub would use; NULL without any home. */
static char *cache_folder(void) {
    static const struct {
        const char *variable, *tail;
    } places[] = {{"HF_HUB_CACHE", ""},
                  {"HUGGINGFACE_HUB_CACHE", ""},
                  {"HF_HOME", "/hub"},
                  {"XDG_CACHE_HOME", "/huggingface/hub"},
                  {"HOME", "/.cache/huggingface/hub"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *folder = from_environment(places[i].variable, places[i].tail);
        if (folder) return folder;
    }
    return NULL;
}

/* "models--ORG--NAME" for ORG/NAME or NAME, freed with free(); NULL if it can be neither. */
static char *repository_name(const char *name) {
    const char *slash = strchr(name, '/');
    size_t first = slash ? (size_t)(slash - name) : strlen(name);
    if (!is_plain_word(name, first)) return NULL;
    if (!slash) return pare_format("models--%s", name);
    if (!is_plain_word(slash + 1, strlen(slash + 1))) return NULL;
    return pare_format("models--%.*s--%s", (int)first, name, slash + 1);
}

/* The name in a Hub address, or the text itself. */
static const char *without_address(const char *text) {
    static const char *const prefixes[] = {
        "https://huggingface.co/", "http://huggingface.co/", "https://hf.co/", "huggingface.co/", "hf.co/", "hf://"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0) return text + strlen(prefixes[i]);
    return text;
}

static pare_status refuse_missing(const char *given, const char *name, const char *cache) {
    if (!strchr(name, '/'))
        return pare_fail(PARE_FILE_ERROR, "there is no folder %s; give the folder of a model", given);
    return pare_fail(PARE_FILE_ERROR,
                     "there is no folder %s, and no such model in the Hugging Face cache %s; pare does not download: "
                     "fetch it with 'hf download %s', then give the name again or its folder",
                     given, cache ? cache : "(HOME is not set)", name);
}

pare_status pare_hub_find(const char *given, char **snapshot) {
    const char *name = without_address(given);
    char *repository = repository_name(name);
    *snapshot = NULL;
    if (!repository) return pare_fail(PARE_FILE_ERROR, "there is nothing at %s; give the folder of a model", given);
    char *caches[] = {cache_folder(), from_environment("TRANSFORMERS_CACHE", "")};
    char *found = NULL;
    for (size_t i = 0; i < 2 && !found; i++) {
        char *folder = caches[i] ? pare_path_join(caches[i], repository) : NULL;
        if (folder && pare_path_is_folder(folder))
            found = folder;
        else
            free(folder);
    }
    pare_status status = found ? pare_hub_snapshot(found, snapshot) : refuse_missing(given, name, caches[0]);
    free(found);
    free(repository);
    free(caches[0]);
    free(caches[1]);
    return status;
}

/* "models--ORG--NAME" up to `end` as ORG/NAME; NULL where it is none. */
static char *repository_id(const char *name, const char *end) {
    static const char prefix[] = "models--";
    enum { PREFIX = sizeof prefix - 1 };
    if (end - name <= PREFIX || strncmp(name, prefix, PREFIX) != 0) return NULL;
    name += PREFIX;
    size_t length = (size_t)(end - name);
    const char *divide = memmem(name, length, "--", 2);
    size_t first = divide ? (size_t)(divide - name) : length;
    if (!is_plain_word(name, first)) return NULL;
    if (!divide) return pare_format("%.*s", (int)length, name);
    if (!is_plain_word(divide + 2, length - first - 2)) return NULL;
    return pare_format("%.*s/%.*s", (int)first, name, (int)(length - first - 2), divide + 2);
}

/* A file of a snapshot is a link to one of blobs/. */
char *pare_hub_id(const char *model) {
    static const char *const inside[] = {"/snapshots/", "/blobs/"};
    char *place = realpath(model, NULL), *id = NULL;
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        for (char *at = place ? strstr(place, inside[i]) : NULL; at && !id; at = strstr(at + 1, inside[i])) {
            *at = 0;
            const char *slash = strrchr(place, '/');
            id = repository_id(slash ? slash + 1 : place, at);
            *at = '/';
        }
    free(place);
    return id;
}
