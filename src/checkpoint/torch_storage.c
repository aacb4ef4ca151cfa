/* Layout of a file of torch.save since PyTorch 1.6: a ZIP file (zip.c) of entries that are stored as they are, all in
 * one folder of any name:
 *
 *   NAME/data.pkl     a pickle (pickle_opcodes.c): the state dict. A tensor is a call of
 *                     torch._utils._rebuild_tensor_v2 with (storage, offset, size, stride, ...), in elements; a
 *                     storage is ("storage", class, key, location, elements) outside the pickle
 *   NAME/data/KEY     the elements of the storage of that key, of its class
 *   NAME/byteorder    "little", or absent
 *
 * and others that say nothing about tensors (version, .format_version, .data/serialization_id, ...).
 */
#include "checkpoint/torch_storage.h"
#include "checkpoint/header_read.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STORAGE(name)                                                                                                  \
    { "torch", name "Storage", PARE_PICKLE_NAME }
#define FUNCTION(name)                                                                                                 \
    { "torch._utils", name, PARE_PICKLE_FUNCTION }

const pare_pickle_global pare_torch_globals[] = {
    {"collections", "OrderedDict", PARE_PICKLE_DICT},
    {"torch", "Size", PARE_PICKLE_TUPLE},
    FUNCTION("_rebuild_tensor_v2"),
    FUNCTION("_rebuild_tensor"),
    FUNCTION("_rebuild_parameter"),
    FUNCTION("_rebuild_parameter_with_state"),
    STORAGE("Float"),
    STORAGE("Half"),
    STORAGE("BFloat16"),
    STORAGE("Double"),
    STORAGE("Bool"),
    STORAGE("Byte"),
    STORAGE("Char"),
    STORAGE("Short"),
    STORAGE("Int"),
    STORAGE("Long"),
};
const size_t pare_torch_global_count = sizeof pare_torch_globals / sizeof *pare_torch_globals;

bool pare_torch_storage_type(const pare_value *type, const char **dtype, uint64_t *size) {
    static const struct {
        const char *name, *dtype;
        uint64_t size;
    } rows[] = {{"FloatStorage", "F32", 4},  {"HalfStorage", "F16", 2},  {"BFloat16Storage", "BF16", 2},
                {"DoubleStorage", "F64", 8}, {"BoolStorage", "BOOL", 1}, {"ByteStorage", "U8", 1},
                {"CharStorage", "I8", 1},    {"ShortStorage", "I16", 2}, {"IntStorage", "I32", 4},
                {"LongStorage", "I64", 8}};
    if (!type || type->kind != PARE_VALUE_GLOBAL) return false;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(type->global->name, rows[i].name) == 0) {
            *dtype = rows[i].dtype;
            *size = rows[i].size;
            return true;
        }
    return false;
}

bool pare_torch_reference_read(const pare_pickle *pickle, const pare_value *persistent, pare_torch_reference *out) {
    if (!persistent || persistent->kind != PARE_VALUE_PERSISTENT) return false;
    const pare_value *tuple = pare_pickle_item(pickle, persistent, 0), *view = pare_pickle_item(pickle, tuple, 5);
    const pare_value *elements = pare_pickle_item(pickle, tuple, 4);
    out->type = pare_pickle_item(pickle, tuple, 1);
    out->key = pare_pickle_item(pickle, tuple, 2);
    if (tuple->kind != PARE_VALUE_TUPLE || tuple->count < 5 || tuple->count > 6 ||
        !pare_value_is_text(pare_pickle_item(pickle, tuple, 0), "storage") || out->key->kind != PARE_VALUE_TEXT ||
        elements->kind != PARE_VALUE_INTEGER || elements->integer < 0 || (view && view->kind != PARE_VALUE_NONE))
        return false;
    out->elements = (uint64_t)elements->integer;
    return true;
}

int pare_torch_compare_keys(const void *left, const void *right) {
    const pare_torch_storage *a = left, *b = right;
    if (a->key_bytes != b->key_bytes) return a->key_bytes < b->key_bytes ? -1 : 1;
    return a->key_bytes ? memcmp(a->key, b->key, a->key_bytes) : 0;
}

const pare_torch_storage *pare_torch_storage_find(const pare_torch_source *source, const pare_value *key) {
    const pare_torch_storage wanted = {.key = key->text, .key_bytes = key->bytes};
    return bsearch(&wanted, source->storages, source->count, sizeof wanted, pare_torch_compare_keys);
}

static bool ends_with(const pare_zip_entry *entry, const char *ending) {
    size_t length = strlen(ending);
    return entry->name_bytes > length && memcmp(entry->name + entry->name_bytes - length, ending, length) == 0;
}

/* *folder: bytes of the name of the folder of the one data.pkl. */
static pare_status find_pickle(const pare_mapping *file, const pare_zip *zip, const pare_zip_entry **pickle,
                               uint32_t *folder) {
    static const char ending[] = "/data.pkl";
    *pickle = NULL;
    for (size_t i = 0; i < zip->count; i++) {
        const pare_zip_entry *entry = &zip->entries[i];
        if (ends_with(entry, "/constants.pkl"))
            return pare_fail(PARE_UNSUPPORTED,
                             "%s is a program of TorchScript, not the weights alone: save them with "
                             "torch.save(model.state_dict(), FILE)",
                             file->path);
        uint32_t before = entry->name_bytes - (uint32_t)(sizeof ending - 1);
        if (!ends_with(entry, ending) || memchr(entry->name, '/', before)) continue;
        if (*pickle) return pare_fail(PARE_FORMAT_ERROR, "%s has two pickles named data.pkl", file->path);
        *pickle = entry;
        *folder = before;
    }
    if (*pickle) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s is a ZIP file without data.pkl: it does not come from torch.save",
                     file->path);
}

static pare_status check_order(const pare_mapping *file, const pare_zip *zip, const char *folder, uint32_t bytes) {
    char name[PARE_NAME_LIMIT + 16];
    snprintf(name, sizeof name, "%.*s/byteorder", (int)bytes, folder);
    const pare_zip_entry *order = pare_zip_find(zip, name);
    if (!order || (order->bytes == 6 && memcmp(file->data + order->begin, "little", 6) == 0)) return PARE_OK;
    return pare_fail(PARE_UNSUPPORTED, "%s was saved on a big-endian machine, whose numbers pare does not read",
                     file->path);
}

static pare_status list_entries(const pare_zip *zip, const char *folder, uint32_t bytes, pare_torch_source *out) {
    static const char inner[] = "/data/";
    uint32_t before = bytes + (uint32_t)(sizeof inner - 1);
    PARE_TRY(pare_alloc(&out->storages, zip->count, sizeof *out->storages, "storages"));
    for (size_t i = 0; i < zip->count; i++) {
        const pare_zip_entry *entry = &zip->entries[i];
        if (entry->name_bytes <= before || memcmp(entry->name, folder, bytes) != 0 ||
            memcmp(entry->name + bytes, inner, sizeof inner - 1) != 0)
            continue;
        out->storages[out->count++] = (pare_torch_storage){.key = entry->name + before,
                                                           .key_bytes = entry->name_bytes - before,
                                                           .begin = entry->begin,
                                                           .bytes = entry->bytes};
    }
    qsort(out->storages, out->count, sizeof *out->storages, pare_torch_compare_keys);
    return PARE_OK;
}

static pare_status read_zip(const pare_mapping *file, pare_torch_source *out) {
    pare_zip zip;
    const pare_zip_entry *pickle = NULL;
    uint32_t folder = 0;
    PARE_TRY(pare_zip_read(file, &zip));
    pare_status status = find_pickle(file, &zip, &pickle, &folder);
    if (status == PARE_OK) status = check_order(file, &zip, pickle->name, folder);
    if (status == PARE_OK) status = list_entries(&zip, pickle->name, folder, out);
    if (status == PARE_OK) {
        uint64_t at = pickle->begin, end = at + pickle->bytes;
        status = pare_pickle_read(file, &at, end, pare_torch_globals, pare_torch_global_count, &out->pickle);
        if (status == PARE_OK && at != end)
            status = pare_fail(PARE_FORMAT_ERROR, "%s: the pickle ends %llu bytes before its entry does", file->path,
                               (unsigned long long)(end - at));
    }
    pare_zip_free(&zip);
    return status;
}

/* The names of the first files in a TAR file of PyTorch before 0.1.10, or any TAR file. */
static bool is_tar(const pare_mapping *file) {
    enum { MAGIC_AT = 257 };
    return file->bytes >= MAGIC_AT + 5 && memcmp(file->data + MAGIC_AT, "ustar", 5) == 0;
}

pare_status pare_torch_source_read(const pare_mapping *file, pare_torch_source *out) {
    *out = (pare_torch_source){.file = file};
    pare_status status;
    if (pare_zip_is(file))
        status = read_zip(file, out);
    else if (pare_torch_is_legacy(file))
        status = pare_torch_legacy_read(file, out);
    else if (is_tar(file))
        status = pare_fail(PARE_UNSUPPORTED,
                           "%s is a TAR file, as PyTorch before 0.1.10 wrote them: load it once and save it again with "
                           "torch.save",
                           file->path);
    else
        status = pare_fail(PARE_FORMAT_ERROR,
                           "%s begins neither as a ZIP file nor as a pickle of torch.save; it is truncated, damaged or "
                           "of another kind",
                           file->path);
    if (status != PARE_OK) pare_torch_source_free(out);
    return status;
}

void pare_torch_source_free(pare_torch_source *source) {
    pare_pickle_free(&source->pickle);
    pare_free(source->storages);
    *source = (pare_torch_source){0};
}
