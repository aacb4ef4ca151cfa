/* Layout of a file of torch.save before PyTorch 1.6, or with _use_new_zipfile_serialization=False:
 *
 *   pickle    the number 0x1950a86a20f9469cfc6c
 *   pickle    the number 1001
 *   pickle    {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
 *   pickle    the state dict, as in torch_storage.c; a storage has a sixth part, None unless it is a view of another
 *   pickle    the list of the storages' keys
 *   per key   elements 8, little-endian; the elements, of the class that the state dict has for the key
 */
#include "checkpoint/torch_storage.h"
#include "support/little_endian.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ELEMENTS_BYTES = 8, VERSION = 1001 };

/* PROTO 2, LONG1 of 10 bytes, STOP. */
static const unsigned char magic[] = {0x80, 2,    0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46,
                                      0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

bool pare_torch_is_legacy(const pare_mapping *file) {
    return file->bytes >= sizeof magic && file->data[0] == magic[0] &&
           memcmp(file->data + 2, magic + 2, sizeof magic - 2) == 0;
}

/* The next pickle, without names. */
static pare_status read_plain(const pare_mapping *file, uint64_t *at, pare_pickle *out) {
    return pare_pickle_read(file, at, file->bytes, NULL, 0, out);
}

static pare_status check_version(const pare_mapping *file, uint64_t *at) {
    pare_pickle pickle;
    PARE_TRY(read_plain(file, at, &pickle));
    const pare_value *version = pare_pickle_root(&pickle);
    bool known = version->kind == PARE_VALUE_INTEGER && version->integer == VERSION;
    pare_pickle_free(&pickle);
    if (known) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s is of another version of torch.save's old format than %d", file->path,
                     VERSION);
}

static pare_status check_machine(const pare_mapping *file, uint64_t *at) {
    pare_pickle pickle;
    PARE_TRY(read_plain(file, at, &pickle));
    const pare_value *little = pare_pickle_member(&pickle, pare_pickle_root(&pickle), "little_endian");
    bool fine = little && little->kind == PARE_VALUE_BOOL && little->integer;
    pare_pickle_free(&pickle);
    if (fine) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s does not say that its numbers are little-endian, which pare reads",
                     file->path);
}

/* Bytes of an element of each storage, by what the state dict refers to. `storages` have their keys, sorted. */
static pare_status find_sizes(pare_torch_source *out, uint64_t *elements, uint64_t *sizes) {
    for (uint32_t i = 0; i < out->pickle.count; i++) {
        pare_torch_reference reference;
        const pare_value *value = &out->pickle.values[i];
        const char *dtype;
        uint64_t size;
        if (value->kind != PARE_VALUE_PERSISTENT) continue;
        if (!pare_torch_reference_read(&out->pickle, value, &reference) ||
            !pare_torch_storage_type(reference.type, &dtype, &size))
            return pare_fail(PARE_UNSUPPORTED,
                             "%s: the pickle has a storage that is a view of another, or of no class that pare reads",
                             out->file->path);
        const pare_torch_storage *found = pare_torch_storage_find(out, reference.key);
        size_t place = found ? (size_t)(found - out->storages) : 0;
        if (!found || (sizes[place] && (sizes[place] != size || elements[place] != reference.elements)))
            return pare_fail(PARE_FORMAT_ERROR, "%s: the state dict and the list of storages contradict each other",
                             out->file->path);
        sizes[place] = size;
        elements[place] = reference.elements;
    }
    return PARE_OK;
}

/* keys: the list in the order of the data. */
static pare_status place_data(const pare_pickle *keys, uint64_t at, const uint64_t *elements, const uint64_t *sizes,
                              pare_torch_source *out) {
    const pare_value *list = pare_pickle_root(keys);
    for (uint32_t i = 0; i < list->count; i++) {
        const pare_torch_storage *found = pare_torch_storage_find(out, pare_pickle_item(keys, list, i));
        pare_torch_storage *storage = &out->storages[found - out->storages];
        size_t place = (size_t)(storage - out->storages);
        uint64_t left = out->file->bytes - at, said, bytes;
        if (left < ELEMENTS_BYTES)
            return pare_fail(PARE_FORMAT_ERROR, "%s: the data of storage %u is missing; the file is truncated",
                             out->file->path, i);
        said = pare_little_endian(out->file->data + at, ELEMENTS_BYTES);
        if (!sizes[place] || said != elements[place])
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s: storage %u has another number of elements than the state dict says", out->file->path,
                             i);
        at += ELEMENTS_BYTES;
        if (!pare_multiply_size(said, sizes[place], &bytes) || bytes > left - ELEMENTS_BYTES)
            return pare_fail(PARE_FORMAT_ERROR, "%s: storage %u reaches beyond the end of the file; it is truncated",
                             out->file->path, i);
        storage->begin = at;
        storage->bytes = bytes;
        at += bytes;
    }
    if (at == out->file->bytes) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: the last %llu bytes belong to no storage; the file is damaged",
                     out->file->path, (unsigned long long)(out->file->bytes - at));
}

static pare_status list_keys(const pare_pickle *keys, pare_torch_source *out) {
    const pare_value *list = pare_pickle_root(keys);
    if (list->kind != PARE_VALUE_LIST)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no list of storages; the file is damaged", out->file->path);
    PARE_TRY(pare_alloc(&out->storages, list->count, sizeof *out->storages, "storages"));
    for (uint32_t i = 0; i < list->count; i++) {
        const pare_value *key = pare_pickle_item(keys, list, i);
        if (key->kind != PARE_VALUE_TEXT)
            return pare_fail(PARE_FORMAT_ERROR, "%s: key %u in the list of storages is no text", out->file->path, i);
        out->storages[out->count++] = (pare_torch_storage){.key = key->text, .key_bytes = key->bytes};
    }
    qsort(out->storages, out->count, sizeof *out->storages, pare_torch_compare_keys);
    for (size_t i = 1; i < out->count; i++)
        if (pare_torch_compare_keys(&out->storages[i - 1], &out->storages[i]) == 0)
            return pare_fail(PARE_FORMAT_ERROR, "%s: the list of storages has a key twice", out->file->path);
    return PARE_OK;
}

static pare_status read_storages(const pare_pickle *keys, uint64_t at, pare_torch_source *out) {
    uint64_t *elements = NULL, *sizes = NULL;
    PARE_TRY(list_keys(keys, out));
    pare_status status = pare_alloc(&elements, out->count, sizeof *elements, "storages");
    if (status == PARE_OK) status = pare_alloc(&sizes, out->count, sizeof *sizes, "storages");
    if (status == PARE_OK) status = find_sizes(out, elements, sizes);
    if (status == PARE_OK) status = place_data(keys, at, elements, sizes, out);
    pare_free(elements);
    pare_free(sizes);
    return status;
}

pare_status pare_torch_legacy_read(const pare_mapping *file, pare_torch_source *out) {
    uint64_t at = sizeof magic;
    pare_pickle keys;
    PARE_TRY(check_version(file, &at));
    PARE_TRY(check_machine(file, &at));
    PARE_TRY(pare_pickle_read(file, &at, file->bytes, pare_torch_globals, pare_torch_global_count, &out->pickle));
    PARE_TRY(read_plain(file, &at, &keys));
    pare_status status = read_storages(&keys, at, out);
    pare_pickle_free(&keys);
    return status;
}
