/* Changes to checkpoints that tiny_model.h has written: what other programs leave in theirs. */
#ifndef PARE_TESTS_TINY_VARIANTS_H
#define PARE_TESTS_TINY_VARIANTS_H

#include "tiny_model.h"

/* The bytes of a file of the folder; freed with free(). */
static inline char *tiny_read(const char *folder, const char *name, size_t *bytes) {
    char *path = pare_path_join(folder, name);
    pare_mapping file;
    tiny_check(pare_mapping_open(path, &file) == PARE_OK, path);
    char *data = malloc(file.bytes + 1);
    tiny_check(data != NULL, "malloc");
    memcpy(data, file.data, file.bytes);
    data[file.bytes] = 0;
    *bytes = file.bytes;
    pare_mapping_close(&file);
    free(path);
    return data;
}

/* Gives a tensor of model.safetensors another name that is no longer than its own. */
static inline void tiny_rename(const char *folder, const char *from, const char *to) {
    size_t bytes, length = strlen(from);
    char *data = tiny_read(folder, "model.safetensors", &bytes), *key = pare_format("\"%s\"", from);
    char *found = memmem(data, bytes, key, length + 2);
    tiny_check(found && strlen(to) <= length, from);
    memset(found, ' ', length + 2);
    found[0] = '"';
    memcpy(found + 1, to, strlen(to));
    found[1 + strlen(to)] = '"';
    tiny_write_file(folder, "model.safetensors", data, bytes);
    free(key);
    free(data);
}

/* Stores the head of a tied model of 32-bit weights beside its embedding, which is the first tensor of its file, with
 * `more` added to every element. */
static inline void tiny_store_head(const char *folder, uint32_t vocabulary, uint32_t hidden, float more) {
    size_t bytes;
    char *data = tiny_read(folder, "model.safetensors", &bytes);
    uint64_t header;
    memcpy(&header, data, sizeof header);
    float *head = malloc((size_t)vocabulary * hidden * sizeof *head);
    tiny_check(head != NULL, "malloc");
    memcpy(head, data + 8 + header, (size_t)vocabulary * hidden * sizeof *head);
    for (size_t i = 0; i < (size_t)vocabulary * hidden; i++)
        head[i] += more;
    tiny_append(folder, "lm_head.weight", vocabulary, hidden, head);
    free(head);
    free(data);
}

#endif
