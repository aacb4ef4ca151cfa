/* Layout of a ZIP file, little-endian:
 *
 *   per entry    local header: "PK\3\4", version 2, flags 2, method 2, time 4, CRC 4, sizes 4 + 4, bytes of name 2,
 *                of extra fields 2; name, extra fields, data. Sizes may be 0 here, and follow the data then
 *   directory    per entry: "PK\1\2", versions 2 + 2, flags 2, method 2 (0: stored), time 4, CRC 4, packed size 4,
 *                size 4, bytes of name 2, of extra fields 2, of comment 2, disk 2, attributes 2 + 4, place of the
 *                local header 4; name, extra fields (id 2, bytes 2, contents each), comment. What does not fit 32
 *                bits is 2^32 - 1, and 64 bits of extra field 1 hold it: size, packed size, place, of those that do
 *                not fit
 *   ZIP64        "PK\6\6", bytes of the rest 8, versions 2 + 2, disks 4 + 4, entries 8 + 8, bytes of the directory 8,
 *   (or none)    its place 8; then "PK\6\7", disk 4, place of the former 8, disks 4
 *   end          "PK\5\6", disks 2 + 2, entries 2 + 2, bytes of the directory 4, its place 4, bytes of comment 2;
 *                comment
 */
#include "checkpoint/zip.h"
#include "checkpoint/header_read.h"
#include "support/little_endian.h"
#include "support/memory.h"

#include <stdlib.h>
#include <string.h>

enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR = 20, COMMENT_LIMIT = 65535 };

/* Where the directory is, and how many entries it has. */
typedef struct directory {
    uint64_t begin, bytes, entries;
} directory;

static uint64_t number(const unsigned char *at, size_t bytes) {
    return pare_little_endian(at, bytes);
}

static bool begins(const unsigned char *at, char third, char fourth) {
    return at[0] == 'P' && at[1] == 'K' && at[2] == (unsigned char)third && at[3] == (unsigned char)fourth;
}

static pare_status damaged(const pare_mapping *file, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: %s; the file is truncated or damaged, download it again", file->path,
                     what);
}

static pare_status damaged_entry(const pare_mapping *file, const pare_zip_entry *entry, const char *what) {
    return pare_fail(PARE_FORMAT_ERROR, "%s: entry %.*s of the ZIP file %s; the file is truncated or damaged",
                     file->path, (int)entry->name_bytes, entry->name, what);
}

bool pare_zip_is(const pare_mapping *file) {
    return file->bytes >= 4 && begins(file->data, 3, 4);
}

/* The end is the last record whose comment reaches exactly to the end of the file. */
static pare_status find_end(const pare_mapping *file, uint64_t *end) {
    for (uint64_t comment = 0; comment <= COMMENT_LIMIT && comment + END <= file->bytes; comment++) {
        *end = file->bytes - END - comment;
        const unsigned char *at = file->data + *end;
        if (begins(at, 5, 6) && number(at + 20, 2) == comment) return PARE_OK;
    }
    return damaged(file, "the ZIP file has no end record");
}

/* The numbers of 64 bits hold, and those of the plain end are either the same or say that they do not fit. */
static pare_status read_end64(const pare_mapping *file, uint64_t locator, const directory *plain, uint64_t *limit,
                              directory *out) {
    const unsigned char *at = file->data + locator;
    uint64_t place = number(at + 8, 8);
    if (locator < END64 || place > locator - END64 || !begins(file->data + place, 6, 6) || number(at + 4, 4) != 0 ||
        number(at + 16, 4) > 1)
        return damaged(file, "the ZIP64 end record is not where its locator says");
    at = file->data + place;
    if (number(at + 4, 8) != locator - place - 12)
        return damaged(file, "the ZIP64 end record has another length than it says");
    if (number(at + 16, 4) != 0 || number(at + 20, 4) != 0 || number(at + 24, 8) != number(at + 32, 8))
        return damaged(file, "the ZIP file is one of several volumes");
    *out = (directory){.entries = number(at + 32, 8), .bytes = number(at + 40, 8), .begin = number(at + 48, 8)};
    if ((plain->entries != 0xffff && plain->entries != out->entries) ||
        (plain->bytes != UINT32_MAX && plain->bytes != out->bytes) ||
        (plain->begin != UINT32_MAX && plain->begin != out->begin))
        return damaged(file, "the two end records of the ZIP file contradict each other");
    *limit = place;
    return PARE_OK;
}

static pare_status find_directory(const pare_mapping *file, directory *out) {
    uint64_t end = 0, limit;
    PARE_TRY(find_end(file, &end));
    const unsigned char *at = file->data + end;
    if (number(at + 4, 2) != 0 || number(at + 6, 2) != 0 || number(at + 8, 2) != number(at + 10, 2))
        return damaged(file, "the ZIP file is one of several volumes");
    directory plain = {.entries = number(at + 10, 2), .bytes = number(at + 12, 4), .begin = number(at + 16, 4)};
    *out = plain;
    limit = end;
    if (end >= LOCATOR && begins(file->data + end - LOCATOR, 6, 7))
        PARE_TRY(read_end64(file, end - LOCATOR, &plain, &limit, out));
    if (out->begin > limit || out->bytes != limit - out->begin)
        return damaged(file, "the directory of the ZIP file is not where its end record says");
    if (out->entries > out->bytes / CENTRAL)
        return damaged(file, "the ZIP file has more entries than its directory has room for");
    return PARE_OK;
}

/* Takes from extra field 1 what did not fit into 32 bits. */
static bool read_wide(const unsigned char *extra, uint64_t bytes, uint64_t *values[3]) {
    bool wanted = false;
    for (int i = 0; i < 3; i++)
        wanted = wanted || *values[i] == UINT32_MAX;
    while (wanted && bytes >= 4) {
        uint64_t id = number(extra, 2), length = number(extra + 2, 2), used = 0;
        if (length > bytes - 4) return false;
        for (int i = 0; id == 1 && i < 3; i++) {
            if (*values[i] != UINT32_MAX) continue;
            if (used + 8 > length) return false;
            *values[i] = number(extra + 4 + used, 8);
            used += 8;
        }
        if (id == 1) return true;
        extra += 4 + length;
        bytes -= 4 + length;
    }
    return !wanted;
}

/* The local header has the last word on where the data begins. */
static pare_status locate(const pare_mapping *file, const directory *within, pare_zip_entry *entry) {
    if (within->begin < LOCAL || entry->header > within->begin - LOCAL || !begins(file->data + entry->header, 3, 4))
        return damaged_entry(file, entry, "has no local header where the directory says");
    const unsigned char *at = file->data + entry->header;
    uint64_t name = number(at + 26, 2), before = LOCAL + name + number(at + 28, 2);
    if (before > within->begin - entry->header || name != entry->name_bytes ||
        memcmp(at + LOCAL, entry->name, name) != 0 || number(at + 8, 2) != 0 || (number(at + 6, 2) & 1))
        return damaged_entry(file, entry, "is described otherwise by its local header");
    entry->begin = entry->header + before;
    if (entry->bytes > within->begin - entry->begin)
        return damaged_entry(file, entry, "reaches beyond the entries' part of the file");
    uint64_t local = number(at + 22, 4);
    if (local && local != UINT32_MAX && local != entry->bytes)
        return damaged_entry(file, entry, "has another size in its local header");
    return PARE_OK;
}

static bool is_printable(const char *name, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
    return bytes > 0 && bytes <= PARE_NAME_LIMIT;
}

/* *at: of the entry in the directory, moved behind it. */
static pare_status read_entry(const pare_mapping *file, const directory *within, uint64_t *at, pare_zip_entry *entry) {
    const unsigned char *from = file->data + *at;
    uint64_t left = within->begin + within->bytes - *at;
    if (left < CENTRAL || !begins(from, 1, 2)) return damaged(file, "the directory of the ZIP file breaks off");
    uint64_t name = number(from + 28, 2), extra = number(from + 30, 2), comment = number(from + 32, 2);
    if (name + extra + comment > left - CENTRAL) return damaged(file, "the directory of the ZIP file breaks off");
    *entry = (pare_zip_entry){.name = (const char *)from + CENTRAL, .name_bytes = (uint32_t)name};
    if (!is_printable(entry->name, entry->name_bytes))
        return damaged(file, "the ZIP file has an entry whose name is empty, too long or has control characters");
    if (number(from + 8, 2) & 1) return damaged_entry(file, entry, "is encrypted");
    if (number(from + 10, 2) != 0)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s: entry %.*s of the ZIP file is compressed, which PyTorch does not do: unpack it and pack "
                         "it again without compression (zip -0)",
                         file->path, (int)entry->name_bytes, entry->name);
    uint64_t packed = number(from + 20, 4);
    entry->bytes = number(from + 24, 4);
    entry->header = number(from + 42, 4);
    if (!read_wide(from + CENTRAL + name, extra, (uint64_t *[3]){&entry->bytes, &packed, &entry->header}))
        return damaged_entry(file, entry, "lacks its sizes of 64 bits");
    if (packed != entry->bytes) return damaged_entry(file, entry, "is stored with another size than its own");
    *at += CENTRAL + name + extra + comment;
    return locate(file, within, entry);
}

static int compare_text(const char *a, uint32_t a_bytes, const char *b, uint32_t b_bytes) {
    int order = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return order ? order : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int compare_names(const void *left, const void *right) {
    const pare_zip_entry *a = left, *b = right;
    return compare_text(a->name, a->name_bytes, b->name, b->name_bytes);
}

static int compare_places(const void *left, const void *right) {
    const pare_zip_entry *a = left, *b = right;
    return (a->header > b->header) - (a->header < b->header);
}

/* Leaves the entries sorted by name. */
static pare_status check_entries(const pare_mapping *file, pare_zip *zip) {
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare_places);
    for (size_t i = 1; i < zip->count; i++)
        if (zip->entries[i - 1].begin + zip->entries[i - 1].bytes > zip->entries[i].header)
            return damaged_entry(file, &zip->entries[i], "lies inside another one");
    qsort(zip->entries, zip->count, sizeof *zip->entries, compare_names);
    for (size_t i = 1; i < zip->count; i++)
        if (compare_names(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return damaged_entry(file, &zip->entries[i], "is there twice");
    return PARE_OK;
}

pare_status pare_zip_read(const pare_mapping *file, pare_zip *out) {
    directory found = {0};
    *out = (pare_zip){0};
    PARE_TRY(find_directory(file, &found));
    PARE_TRY(pare_alloc(&out->entries, found.entries, sizeof *out->entries, "the entries of a ZIP file"));
    uint64_t at = found.begin;
    pare_status status = PARE_OK;
    while (out->count < found.entries && status == PARE_OK) {
        status = read_entry(file, &found, &at, &out->entries[out->count]);
        out->count += status == PARE_OK;
    }
    if (status == PARE_OK && at != found.begin + found.bytes)
        status = damaged(file, "the directory of the ZIP file has bytes behind its last entry");
    if (status == PARE_OK) status = check_entries(file, out);
    if (status != PARE_OK) pare_zip_free(out);
    return status;
}

void pare_zip_free(pare_zip *zip) {
    pare_free(zip->entries);
    *zip = (pare_zip){0};
}

const pare_zip_entry *pare_zip_find(const pare_zip *zip, const char *name) {
    const pare_zip_entry key = {.name = name, .name_bytes = (uint32_t)strlen(name)};
    return bsearch(&key, zip->entries, zip->count, sizeof key, compare_names);
}
