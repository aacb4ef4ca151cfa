/* ZIP files of stored entries, as torch.save writes them, with nothing of pare's own. */
#ifndef PARE_TESTS_STORED_ZIP_H
#define PARE_TESTS_STORED_ZIP_H

#include "tiny_model.h"

typedef struct stored_entry {
    const char *name;
    const void *data;
    size_t bytes;
} stored_entry;

typedef struct stored_zip {
    unsigned char data[8192];
    size_t bytes;
    size_t local[16], central[16], directory, end; /* where the records begin */
} stored_zip;

static inline void stored_put(stored_zip *zip, uint64_t value, int bytes) {
    tiny_check(zip->bytes + 8 <= sizeof zip->data, "room in a ZIP file");
    for (int i = 0; i < bytes; i++)
        zip->data[zip->bytes++] = (unsigned char)(value >> (8 * i));
}

static inline void stored_copy(stored_zip *zip, const void *data, size_t bytes) {
    tiny_check(zip->bytes + bytes <= sizeof zip->data, "room in a ZIP file");
    if (bytes) memcpy(zip->data + zip->bytes, data, bytes);
    zip->bytes += bytes;
}

/* At most 16 entries. Checksums are 0, which nobody compares. */
static inline stored_zip stored_zip_make(const stored_entry *entries, size_t count) {
    stored_zip zip = {0};
    for (size_t i = 0; i < count; i++) {
        zip.local[i] = zip.bytes;
        stored_put(&zip, 0x04034b50, 4);
        stored_put(&zip, 0, 8);
        stored_put(&zip, 0, 6);
        stored_put(&zip, entries[i].bytes, 4);
        stored_put(&zip, entries[i].bytes, 4);
        stored_put(&zip, strlen(entries[i].name), 4);
        stored_copy(&zip, entries[i].name, strlen(entries[i].name));
        stored_copy(&zip, entries[i].data, entries[i].bytes);
    }
    zip.directory = zip.bytes;
    for (size_t i = 0; i < count; i++) {
        zip.central[i] = zip.bytes;
        stored_put(&zip, 0x02014b50, 4);
        stored_put(&zip, 0, 8);
        stored_put(&zip, 0, 8);
        stored_put(&zip, entries[i].bytes, 4);
        stored_put(&zip, entries[i].bytes, 4);
        stored_put(&zip, strlen(entries[i].name), 2);
        stored_put(&zip, 0, 8);
        stored_put(&zip, 0, 4);
        stored_put(&zip, zip.local[i], 4);
        stored_copy(&zip, entries[i].name, strlen(entries[i].name));
    }
    zip.end = zip.bytes;
    stored_put(&zip, 0x06054b50, 4);
    stored_put(&zip, 0, 4);
    stored_put(&zip, count, 2);
    stored_put(&zip, count, 2);
    stored_put(&zip, zip.end - zip.directory, 4);
    stored_put(&zip, zip.directory, 4);
    stored_put(&zip, 0, 2);
    return zip;
}

#endif
