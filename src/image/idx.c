/* idx: two zero bytes, the type of the numbers (08: one byte, unsigned), how many dimensions there are (3 for pictures,
 * 1 for labels), each dimension in 4 bytes, big-endian, then the numbers, the last dimension fastest. */
#include "image/idx.h"
#include "image/image.h"
#include "support/memory.h"
#include "text/gunzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { UNSIGNED_BYTE = 8, PICTURES = 3, LABELS = 1, MAGIC = 4, DIMENSION = 4 };

static const char idx3[] = "idx3", idx1[] = "idx1", images[] = "images", labels[] = "labels", gz[] = ".gz";

bool pare_idx_is_name(const char *name) {
    return strcasestr(name, "idx3-ubyte") != NULL;
}

bool pare_idx_begins(const char *path) {
    static const unsigned char magic[] = {0, 0, UNSIGNED_BYTE}; /* of labels, too: these are refused by name */
    unsigned char first[MAGIC] = {0};
    gzFile file = gzopen(path, "rb"); /* reads what is not packed as it is */
    if (!file) return false;
    int got = gzread(file, first, MAGIC);
    gzclose(file);
    return got == MAGIC && memcmp(first, magic, sizeof magic) == 0;
}

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static pare_status open_file(const char *path, pare_idx_file *out) {
    PARE_TRY(pare_mapping_open(path, &out->file));
    out->data = out->file.data;
    out->bytes = out->file.bytes;
    if (!pare_is_gzip(out->data, out->bytes)) return PARE_OK;
    const char *text;
    size_t bytes;
    PARE_TRY(pare_gunzip(&out->file, &out->unpacked));
    PARE_TRY(pare_spill_finish(&out->unpacked, &text, &bytes));
    out->data = (const unsigned char *)text;
    out->bytes = bytes;
    return PARE_OK;
}

static void close_file(pare_idx_file *file) {
    pare_mapping_close(&file->file);
    pare_spill_close(&file->unpacked);
}

/* sizes: [dimensions]; *numbers: what stands behind them. */
static pare_status read_header(const pare_idx_file *file, uint32_t dimensions, uint32_t *sizes,
                               const uint8_t **numbers) {
    const char *path = file->file.path;
    uint64_t header = MAGIC + (uint64_t)DIMENSION * dimensions, expected = 1;
    if (file->bytes < MAGIC || file->data[0] || file->data[1])
        return pare_fail(PARE_FORMAT_ERROR, "%s is no idx file: it does not begin with two zero bytes", path);
    if (file->data[2] != UNSIGNED_BYTE)
        return pare_fail(PARE_UNSUPPORTED, "%s is an idx file of type %02X; pare reads type 08, unsigned bytes", path,
                         file->data[2]);
    if (file->data[3] != dimensions)
        return pare_fail(PARE_FORMAT_ERROR, "%s is an idx file of %u dimensions; %s have %u", path, file->data[3],
                         dimensions == PICTURES ? "grey pictures" : "labels", dimensions);
    if (file->bytes < header)
        return pare_fail(PARE_FORMAT_ERROR, "%s is truncated: it ends at byte %llu, within its header; fetch it again",
                         path, (unsigned long long)file->bytes);
    for (uint32_t i = 0; i < dimensions; i++) {
        sizes[i] = big_endian(file->data + MAGIC + (size_t)DIMENSION * i);
        if (!pare_multiply_size(expected, sizes[i], &expected)) expected = UINT64_MAX;
    }
    if (file->bytes - header != expected)
        return pare_fail(PARE_FORMAT_ERROR, "%s has %llu bytes behind its header, which announces %llu; fetch it again",
                         path, (unsigned long long)(file->bytes - header), (unsigned long long)expected);
    *numbers = file->data + header;
    return PARE_OK;
}

static pare_status open_pictures(const char *path, pare_idx *out) {
    uint32_t sizes[PICTURES];
    PARE_TRY(open_file(path, &out->image_file));
    PARE_TRY(read_header(&out->image_file, PICTURES, sizes, &out->pixels));
    out->count = sizes[0];
    out->height = sizes[1];
    out->width = sizes[2];
    if (!out->count || !out->height || !out->width || out->height > PARE_IMAGE_PIXELS / out->width)
        return pare_fail(PARE_FORMAT_ERROR, "%s announces %u pictures of %u x %u pixels, which cannot be used", path,
                         out->count, out->width, out->height);
    return PARE_OK;
}

/* The last `from` at or behind `at` becomes `to`, which is as long. */
static void replace_last(char *text, size_t at, const char *from, const char *to) {
    char *found = NULL;
    for (char *next = text + at; (next = strcasestr(next, from)) != NULL; next++)
        found = next;
    if (found) memcpy(found, to, strlen(to));
}

/* The file of labels that belongs to `path`, in memory freed with free(); NULL: none. */
static pare_status find_labels(const char *path, char **out) {
    const char *slash = strrchr(path, '/');
    size_t name = slash ? (size_t)(slash + 1 - path) : 0;
    char *other = NULL, *same = pare_format("%s", path);
    *out = NULL;
    if (!same) return pare_whole();
    replace_last(same, name, images, labels);
    replace_last(same, name, idx3, idx1);
    size_t length = strlen(same);
    bool packed = length > strlen(gz) && strcmp(same + length - strlen(gz), gz) == 0;
    if (strcmp(same, path) != 0) /* else the name says nothing of labels */
        other = packed ? pare_format("%.*s", (int)(length - strlen(gz)), same) : pare_format("%s%s", same, gz);
    char **found = !other ? NULL : pare_file_exists(same) ? &same : pare_file_exists(other) ? &other : NULL;
    if (found) {
        *out = *found;
        *found = NULL;
    }
    free(same);
    free(other);
    return pare_whole();
}

static pare_status open_labels(const char *path, pare_idx *out) {
    uint32_t count = 0;
    PARE_TRY(open_file(path, &out->label_file));
    PARE_TRY(read_header(&out->label_file, LABELS, &count, &out->labels));
    if (count != out->count)
        return pare_fail(PARE_FORMAT_ERROR, "%s has %u labels, but %s has %u pictures; fetch both again", path, count,
                         out->image_file.file.path, out->count);
    return PARE_OK;
}

static pare_status open_both(const char *path, pare_idx *out) {
    char *label_path;
    PARE_TRY(open_pictures(path, out));
    PARE_TRY(find_labels(path, &label_path));
    pare_status status = label_path ? open_labels(label_path, out) : PARE_OK;
    free(label_path);
    return status;
}

pare_status pare_idx_open(const char *path, pare_idx *out) {
    *out = (pare_idx){0};
    pare_status status = open_both(path, out);
    if (status != PARE_OK) pare_idx_close(out);
    return status;
}

void pare_idx_close(pare_idx *idx) {
    close_file(&idx->image_file);
    close_file(&idx->label_file);
    *idx = (pare_idx){0};
}
