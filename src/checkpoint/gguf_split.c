#include "checkpoint/gguf_split.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_LIMIT = 65535, SUFFIX_BYTES = 64 };

typedef struct part {
    int64_t number, count; /* number: from 0 */
} part;

static pare_status read_part(const pare_gguf *file, part *out) {
    PARE_TRY(pare_gguf_whole(file, "split.count", 1, PARTS_LIMIT, 1, &out->count));
    PARE_TRY(pare_gguf_whole(file, "split.no", 0, out->count - 1, 0, &out->number));
    return PARE_OK;
}

static void suffix_of(part of, char suffix[SUFFIX_BYTES]) {
    snprintf(suffix, SUFFIX_BYTES, "-%05lld-of-%05lld.gguf", (long long)of.number + 1, (long long)of.count);
}

/* The path of part `number` beside the one of `path`; freed with free(). */
static pare_status path_of(const char *path, part named, int64_t number, char **out) {
    char suffix[SUFFIX_BYTES];
    suffix_of(named, suffix);
    size_t length = strlen(path), end = strlen(suffix);
    *out = NULL;
    if (length <= end || strcmp(path + length - end, suffix) != 0)
        return pare_fail(
            PARE_FORMAT_ERROR,
            "%s is part %lld of %lld of a model, and its name does not end in %s: give the parts the names "
            "that they came with",
            path, (long long)named.number + 1, (long long)named.count, suffix);
    suffix_of((part){number, named.count}, suffix);
    *out = pare_format("%.*s%s", (int)(length - end), path, suffix);
    return pare_whole();
}

static pare_status open_part(const char *path, part expected, pare_gguf *out) {
    if (!pare_file_exists(path))
        return pare_fail(PARE_FILE_ERROR, "%s is not there: it is part %lld of %lld of the model; download it, too",
                         path, (long long)expected.number + 1, (long long)expected.count);
    part found;
    PARE_TRY(pare_gguf_open(path, out));
    PARE_TRY(read_part(out, &found));
    if (found.number == expected.number && found.count == expected.count) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s says that it is part %lld of %lld, where part %lld of %lld is expected; it belongs to another "
                     "model or was renamed",
                     path, (long long)found.number + 1, (long long)found.count, (long long)expected.number + 1,
                     (long long)expected.count);
}

static pare_status check_total(const pare_gguf_set *set) {
    int64_t promised;
    size_t total = 0;
    for (size_t i = 0; i < set->count; i++)
        total += set->files[i].tensor_count;
    PARE_TRY(pare_gguf_whole(&set->files[0], "split.tensors.count", 0, INT32_MAX, (int64_t)total, &promised));
    if ((uint64_t)promised == total) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s: the model's parts have %zu tensors, and split.tensors.count is %lld; a part belongs to "
                     "another model",
                     set->files[0].mapping.path, total, (long long)promised);
}

/* `named` is the part that `path` is. */
static pare_status open_parts(const char *path, part named, pare_gguf_set *out) {
    PARE_TRY(pare_alloc(&out->files, (size_t)named.count, sizeof *out->files, "parts of a model"));
    for (int64_t i = 0; i < named.count; i++) {
        char *one;
        PARE_TRY(path_of(path, named, i, &one));
        out->count++;
        pare_status status = open_part(one, (part){i, named.count}, &out->files[i]);
        free(one);
        PARE_TRY(status);
    }
    return check_total(out);
}

static pare_status open_all(const char *path, pare_gguf_set *out) {
    part named;
    PARE_TRY(pare_alloc(&out->files, 1, sizeof *out->files, "parts of a model"));
    PARE_TRY(pare_gguf_open(path, &out->files[0]));
    out->count = 1;
    PARE_TRY(read_part(&out->files[0], &named));
    if (named.count == 1) return check_total(out);
    pare_gguf_set_close(out);
    return open_parts(path, named, out);
}

pare_status pare_gguf_set_open(const char *path, pare_gguf_set *out) {
    *out = (pare_gguf_set){0};
    pare_status status = open_all(path, out);
    if (status != PARE_OK) pare_gguf_set_close(out);
    return status;
}

void pare_gguf_set_close(pare_gguf_set *set) {
    for (size_t i = 0; i < set->count; i++)
        pare_gguf_close(&set->files[i]);
    pare_free(set->files);
    *set = (pare_gguf_set){0};
}
