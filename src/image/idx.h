/* MNIST's idx files: grey pictures of one size, and their labels in a file of their own. */
#ifndef PARE_IMAGE_IDX_H
#define PARE_IMAGE_IDX_H

#include "support/file.h"
#include "text/spill.h"

/* One idx file, unpacked where it is gzip. */
typedef struct pare_idx_file {
    pare_mapping file;
    pare_spill unpacked;
    const unsigned char *data;
    uint64_t bytes;
} pare_idx_file;

typedef struct pare_idx {
    uint32_t count, height, width;
    const uint8_t *pixels; /* [count, height, width] */
    const uint8_t *labels; /* [count]; NULL: there is no file of labels */
    pare_idx_file image_file, label_file;
} pare_idx;

/* Whether a file's name is that of idx pictures: "idx3-ubyte" stands in it. */
bool pare_idx_is_name(const char *name);
/* Whether a file, unpacked, begins as an idx file of bytes does. False also where it cannot be read. */
bool pare_idx_begins(const char *path);

/* Opens the pictures in `path`, packed with gzip or not, and the labels beside them, whose name has "labels" and "idx1"
 * in place of "images" and "idx3", with or without ".gz". Refuses, with one sentence, numbers of another type, and
 * sizes and counts that are not those of the file, or of each other. Free with pare_idx_close. */
pare_status pare_idx_open(const char *path, pare_idx *out);
void pare_idx_close(pare_idx *idx);

#endif
