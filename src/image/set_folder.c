/* What a folder holds: one folder per class, an idx file, or nothing but pictures. */
#include "image/labels.h"
#include "image/set_internal.h"
#include "support/memory.h"
#include "support/path.h"

#include <stdlib.h>

typedef struct listing {
    struct dirent **entries;
    int count;
    char **folders; /* names of `entries`' own */
    int32_t *labels;
    uint32_t folder_count, idx_count;
    const char *idx; /* the first */
} listing;

static pare_status look_at(const pare_image_set *set, struct dirent *entry, listing *list) {
    char *path = pare_image_set_path(set, entry->d_name);
    if (!path) return pare_whole();
    if (pare_path_is_folder(path)) {
        list->folders[list->folder_count++] = entry->d_name;
    } else if (pare_idx_is_name(entry->d_name)) {
        if (!list->idx_count++) list->idx = entry->d_name;
    }
    free(path);
    return PARE_OK;
}

static pare_status look(const pare_image_set *set, listing *list) {
    PARE_TRY(pare_image_set_scan(set, "", &list->entries, &list->count));
    PARE_TRY(pare_alloc(&list->folders, (size_t)list->count, sizeof *list->folders, "a list of folders"));
    PARE_TRY(pare_alloc(&list->labels, (size_t)list->count, sizeof *list->labels, "labels of folders"));
    for (int i = 0; i < list->count; i++)
        PARE_TRY(look_at(set, list->entries[i], list));
    return PARE_OK;
}

static void forget(listing *list) {
    for (int i = 0; i < list->count; i++)
        free(list->entries[i]);
    free(list->entries);
    pare_free(list->folders);
    pare_free(list->labels);
}

static pare_status no_pictures(const pare_image_set *set) {
    const char *root = pare_image_set_root(set);
    if (set->first_other)
        return pare_fail(
            PARE_FILE_ERROR,
            "%s holds no pictures (%s is none): give a folder with one folder per class, with PNG or JPEG files, or "
            "idx files",
            root, set->first_other);
    return pare_fail(
        PARE_FILE_ERROR,
        "%s holds no pictures: give a folder with one folder per class, with PNG or JPEG files, or idx files", root);
}

/* Pictures of folder i are entries first[i] to first[i + 1]. */
static pare_status add_classes(pare_image_set *set, const listing *list, uint32_t *empty, const char **first_empty) {
    *empty = 0;
    for (uint32_t i = 0; i < list->folder_count; i++) {
        uint32_t before = set->count;
        PARE_TRY(pare_image_set_walk(set, list->folders[i], list->labels[i]));
        if (set->count > before) continue;
        if (!(*empty)++) *first_empty = list->folders[i];
    }
    return set->count ? PARE_OK : no_pictures(set);
}

static pare_status remark_empty(pare_image_set *set, uint32_t empty, const char *first) {
    if (!empty) return PARE_OK;
    if (empty == 1) return pare_image_set_remark(set, pare_format("%s%s holds no pictures", set->root, first));
    return pare_image_set_remark(
        set, pare_format("%s%s and %u other folders hold no pictures", set->root, first, empty - 1));
}

static pare_status remark_others(pare_image_set *set) {
    if (!set->others) return PARE_OK;
    if (set->others == 1)
        return pare_image_set_remark(set, pare_format("%s%s is no picture and left out", set->root, set->first_other));
    return pare_image_set_remark(set, pare_format("%s%s and %u more are no pictures and left out", set->root,
                                                  set->first_other, set->others - 1));
}

/* Files beside the class folders have no class. */
static pare_status remark_beside(pare_image_set *set, const listing *list) {
    uint32_t beside = (uint32_t)list->count - list->folder_count;
    if (!beside) return PARE_OK;
    return pare_image_set_remark(set,
                                 pare_format("%u %s beside the class folders of %s %s left out", beside,
                                             beside == 1 ? "file" : "files", set->root, beside == 1 ? "is" : "are"));
}

static pare_status read_classes(pare_image_set *set, listing *list, const char *const *names, uint32_t count) {
    uint32_t empty;
    const char *first_empty = NULL;
    char *note;
    PARE_TRY(pare_image_labels(set->root, list->folders, list->folder_count, names, count, list->labels, &note));
    if (note) PARE_TRY(pare_image_set_remark(set, note));
    PARE_TRY(add_classes(set, list, &empty, &first_empty));
    PARE_TRY(remark_empty(set, empty, first_empty));
    PARE_TRY(remark_beside(set, list));
    return remark_others(set);
}

static pare_status read_idx(pare_image_set *set, const listing *list, uint32_t count) {
    if (list->idx_count > 1)
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s holds %u idx files of pictures, %s among them: give the file that is meant", set->root,
                         list->idx_count, list->idx);
    if (list->folder_count)
        return pare_fail(PARE_FORMAT_ERROR, "%s holds folders and an idx file of pictures: give %s%s, or take it away",
                         set->root, set->root, list->idx);
    char *path = pare_image_set_path(set, list->idx);
    pare_status status = path ? pare_image_set_read_idx(set, path, count) : pare_whole();
    free(path);
    return status;
}

static pare_status read_listing(pare_image_set *set, listing *list, const char *const *names, uint32_t count) {
    PARE_TRY(look(set, list));
    if (list->idx_count) return read_idx(set, list, count);
    if (list->folder_count) return read_classes(set, list, names, count);
    PARE_TRY(pare_image_set_walk(set, "", -1));
    return set->count ? remark_others(set) : no_pictures(set);
}

pare_status pare_image_set_read_folder(pare_image_set *set, const char *const *names, uint32_t count) {
    listing list = {0};
    pare_status status = read_listing(set, &list, names, count);
    forget(&list);
    return status;
}
