#include "image/labels.h"
#include "support/file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LEVELS = 3, SHOWN = 60 };

static int folded(char c) {
    return c == '_' ? ' ' : tolower((unsigned char)c);
}

static bool same_folded(const char *folder, const char *name, size_t length) {
    if (strlen(folder) != length) return false;
    for (size_t i = 0; i < length; i++)
        if (folded(folder[i]) != folded(name[i])) return false;
    return true;
}

/* level: 0 exactly, 1 folded, 2 the first of several names, folded. */
static bool means(const char *folder, const char *name, int level) {
    if (level == 0) return strcmp(folder, name) == 0;
    return same_folded(folder, name, level == 1 ? strlen(name) : strcspn(name, ","));
}

/* *label: -1 where no class has that name. */
static pare_status find_class(const char *root, const char *folder, const char *const *names, uint32_t count,
                              int32_t *label) {
    *label = -1;
    for (int level = 0; level < LEVELS && *label < 0; level++)
        for (uint32_t i = 0; names && i < count; i++) {
            if (!means(folder, names[i], level)) continue;
            if (*label >= 0)
                return pare_fail(PARE_FORMAT_ERROR,
                                 "%s%s may be class %d or class %u of the model, which have the same name; "
                                 "name the folders by their labels",
                                 root, folder, *label, i);
            *label = (int32_t)i;
        }
    return PARE_OK;
}

/* -1: it is no label below count. */
static int32_t number_of(const char *folder, uint32_t count) {
    uint64_t number = 0;
    if (!*folder) return -1;
    for (const char *c = folder; *c; c++) {
        if (*c < '0' || *c > '9') return -1;
        number = number * 10 + (uint64_t)(*c - '0');
        if (number >= count) return -1;
    }
    return (int32_t)number;
}

/* The first that is no label, or folder_count. */
static uint32_t read_numbers(char *const *folders, uint32_t folder_count, uint32_t count, int32_t *labels) {
    for (uint32_t i = 0; i < folder_count; i++) {
        labels[i] = number_of(folders[i], count);
        if (labels[i] < 0) return i;
    }
    return folder_count;
}

/* Folders of a data set's parts hold the classes' folders, and are no classes. */
static bool is_part(const char *folder) {
    static const char *const parts[] = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strcasecmp(folder, parts[i]) == 0) return true;
    return false;
}

static void in_order(uint32_t folder_count, int32_t *labels) {
    for (uint32_t i = 0; i < folder_count; i++)
        labels[i] = (int32_t)i;
}

static bool is_number(const char *folder) {
    return *folder && strspn(folder, "0123456789") == strlen(folder);
}

static pare_status refuse(const char *root, const char *folder, const char *const *names, uint32_t count) {
    if (!count)
        return pare_fail(PARE_FORMAT_ERROR, "%s%s is no class: give the folder that holds the classes' folders", root,
                         folder);
    if (is_number(folder))
        return pare_fail(PARE_FORMAT_ERROR, "%s%s: the model has no label %s; its labels are 0 to %u", root, folder,
                         folder, count - 1);
    return pare_fail(
        PARE_FORMAT_ERROR,
        "%s%s is no class of the model: name the folder by a class (as \"%.*s\") or by its label, 0 to %u; "
        "where it holds the classes' folders, give it instead",
        root, folder, SHOWN, names ? names[0] : "0", count - 1);
}

static char *order_note(const char *root, char *const *folders, uint32_t count) {
    if (count == 1)
        return pare_format("the folder of %s is taken as label 0 (%.*s), as its name is not the model's", root, SHOWN,
                           folders[0]);
    return pare_format("the folders of %s are taken as labels in their order, from 0 (%.*s) to %u (%.*s), as none has "
                       "the name of a class of the model",
                       root, SHOWN, folders[0], count - 1, SHOWN, folders[count - 1]);
}

pare_status pare_image_labels(const char *root, char *const *folders, uint32_t folder_count, const char *const *names,
                              uint32_t count, int32_t *labels, char **note) {
    uint32_t found = 0, unknown = folder_count;
    *note = NULL;
    for (uint32_t i = 0; i < folder_count; i++) {
        PARE_TRY(find_class(root, folders[i], names, count, labels + i));
        if (labels[i] >= 0)
            found++;
        else if (unknown == folder_count)
            unknown = i;
    }
    if (found == folder_count) return PARE_OK;
    for (uint32_t i = 0; i < folder_count; i++)
        if (labels[i] < 0 && is_part(folders[i])) return refuse(root, folders[i], names, count);
    if (!found) unknown = read_numbers(folders, folder_count, count, labels);
    if (unknown == folder_count) return PARE_OK;
    bool clear = !found && folder_count == count && !is_number(folders[unknown]);
    if (count && !clear) return refuse(root, folders[unknown], names, count);
    in_order(folder_count, labels);
    if (count) *note = order_note(root, folders, count);
    return pare_whole();
}
