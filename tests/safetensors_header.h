/* The header of a file of safetensors, to be looked into or written anew. */
#ifndef PARE_TESTS_SAFETENSORS_HEADER_H
#define PARE_TESTS_SAFETENSORS_HEADER_H

#include "golden.h"
#include "support/file.h"

/* A new reference; *start: where the tensors' bytes begin. */
static inline json_t *safetensors_header(const char *path, size_t *start) {
    pare_mapping file;
    uint64_t length = 0;
    assert_int_equal(pare_mapping_open(path, &file), PARE_OK);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | ((const unsigned char *)file.data)[i];
    json_t *header = json_loadb((const char *)file.data + 8, (size_t)length, 0, NULL);
    assert_non_null(header);
    *start = 8 + (size_t)length;
    pare_mapping_close(&file);
    return header;
}

/* The tensors alone: a new reference to the header without __metadata__. */
static inline json_t *safetensors_header_in(const char *folder, const char *file) {
    char *path = pare_path_join(folder, file);
    size_t start;
    json_t *header = safetensors_header(path, &start);
    json_object_del(header, "__metadata__");
    free(path);
    return header;
}

#endif
