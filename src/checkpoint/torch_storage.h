/* Where the storages of a file of torch.save lie: an entry of a ZIP file each, or one behind the other. */
#ifndef PARE_CHECKPOINT_TORCH_STORAGE_H
#define PARE_CHECKPOINT_TORCH_STORAGE_H

#include "checkpoint/pickle.h"
#include "checkpoint/zip.h"

typedef struct pare_torch_storage {
    const char *key; /* [key_bytes], in the mapping */
    uint64_t key_bytes;
    uint64_t begin, bytes; /* bytes: 0 for one whose type is not known, and which no tensor can use */
} pare_torch_storage;

typedef struct pare_torch_source {
    const pare_mapping *file;
    pare_pickle pickle;           /* of the state dict */
    pare_torch_storage *storages; /* [count], by key */
    size_t count;
} pare_torch_source;

/* The names that a file of torch.save may have. */
extern const pare_pickle_global pare_torch_globals[];
extern const size_t pare_torch_global_count;

/* Bytes of an element of a storage of that class, and its dtype as safetensors spells it; false if it is none. */
bool pare_torch_storage_type(const pare_value *type, const char **dtype, uint64_t *size);

/* The parts of ("storage", class, key, location, elements), or with a view behind, which must be None. False if
 * `persistent` is none. */
typedef struct pare_torch_reference {
    const pare_value *type, *key;
    uint64_t elements;
} pare_torch_reference;
bool pare_torch_reference_read(const pare_pickle *pickle, const pare_value *persistent, pare_torch_reference *out);

/* NULL if the file has none of that key. */
const pare_torch_storage *pare_torch_storage_find(const pare_torch_source *source, const pare_value *key);

/* Reads the state dict's pickle and lists the storages, of either form. On failure *out is empty. */
pare_status pare_torch_source_read(const pare_mapping *file, pare_torch_source *out);
void pare_torch_source_free(pare_torch_source *source);

/* The form before PyTorch 1.6 (torch_legacy.c). */
bool pare_torch_is_legacy(const pare_mapping *file);
pare_status pare_torch_legacy_read(const pare_mapping *file, pare_torch_source *out);

/* By key, for qsort. */
int pare_torch_compare_keys(const void *left, const void *right);

#endif
