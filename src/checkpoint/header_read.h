/* The header of a .safetensors file as it is read: every tensor of it, whatever its dtype and rank (layout at the top
 * of safetensors.c). */
#ifndef PARE_CHECKPOINT_HEADER_READ_H
#define PARE_CHECKPOINT_HEADER_READ_H

#include "support/file.h"
#include "support/status.h"

#include <jansson.h>

enum { PARE_NAME_LIMIT = 512, PARE_HEADER_MAX_RANK = 16, PARE_DTYPE_TEXT = 16 };

typedef struct pare_header_entry {
    char *name;
    char dtype[PARE_DTYPE_TEXT]; /* as the file spells it */
    int rank;
    uint64_t shape[PARE_HEADER_MAX_RANK];
    uint64_t count;        /* elements */
    uint64_t begin, bytes; /* in the data section */
} pare_header_entry;

typedef struct pare_header_list {
    pare_header_entry *entries; /* [count], by their place in the file */
    size_t count;
    uint64_t data_begin; /* of the data section, from the beginning of the file */
    json_t *metadata;    /* __metadata__, or NULL */
} pare_header_list;

/* Checks that names are plain and unique, that every size is its shape's (of dtypes that safetensors defines), and that
 * the tensors cover the data section without gap or overlap. On failure *out is empty. */
pare_status pare_header_read(const pare_mapping *file, pare_header_list *out);
void pare_header_list_free(pare_header_list *list);

/* False if empty, longer than PARE_NAME_LIMIT bytes or with control characters: such a name would garble messages and
 * listings. */
bool pare_name_is_plain(const char *name);

/* False if the value is no integer or negative. */
bool pare_json_natural(const json_t *value, uint64_t *out);

/* Reads the array `json` into shape [at most `most`], its length into *rank and the product into *count; messages name
 * `path` and the tensor `name`. */
pare_status pare_shape_read(const char *path, const char *name, const json_t *json, int most, uint64_t *shape,
                            int *rank, uint64_t *count);

#endif
