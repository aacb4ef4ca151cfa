/* What a set is made of, for the files that make one. */
#ifndef PARE_IMAGE_SET_INTERNAL_H
#define PARE_IMAGE_SET_INTERNAL_H

#include "image/idx.h"
#include "image/set.h"
#include "tokenizer/buffer.h"

#include <dirent.h>

typedef struct pare_image_entry {
    size_t name; /* where it stands in `names` */
    int32_t label;
} pare_image_entry;

struct pare_image_set {
    char *root;        /* names are below it; NULL: they stand for themselves */
    pare_buffer names; /* each with a NUL behind it */
    pare_image_entry *entries;
    uint32_t count, room; /* idx: count alone */
    pare_idx idx;         /* count 0: pictures in files */
    char *note;           /* freed with free() */
    uint32_t others;      /* files that were left out */
    char *first_other;    /* freed with free() */
};

/* Adds the pictures below `folder` (a name below the set's root; "" for the root itself), sorted, folders in it
 * included. */
pare_status pare_image_set_walk(pare_image_set *set, const char *folder, int32_t label);

/* A file, as pare_image_set_walk does. */
pare_status pare_image_set_add(pare_image_set *set, const char *name, int32_t label);

/* What a folder (as of pare_image_set_walk) holds but for hidden names, sorted byte by byte; each entry and the list
 * are freed with free(). */
pare_status pare_image_set_scan(const pare_image_set *set, const char *folder, struct dirent ***names, int *count);

/* Where a name leads; freed with free(). */
char *pare_image_set_path(const pare_image_set *set, const char *name);

/* Fills in the set from the folder that is its root (set_folder.c). */
pare_status pare_image_set_read_folder(pare_image_set *set, const char *const *names, uint32_t count);

/* Opens the idx file and checks its labels. */
pare_status pare_image_set_read_idx(pare_image_set *set, const char *path, uint32_t count);

/* Adds a half sentence to the note. Takes `text`, which is freed with free(). */
pare_status pare_image_set_remark(pare_image_set *set, char *text);

#endif
