/* A picture in memory, as numbers of 8 bits. */
#ifndef PARE_IMAGE_PIXELS_H
#define PARE_IMAGE_PIXELS_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

/* Larger pictures are refused. A JPEG file's sides cannot be longer. */
enum { PARE_IMAGE_PIXELS = 1 << 28, PARE_IMAGE_SIDE = 65535 };

typedef struct pare_image {
    uint8_t *pixels; /* [height, width, channels]; freed with pare_image_free */
    uint32_t width, height, channels;
} pare_image;

/* [height, width, channels] without contents. Refuses what is empty or too large, naming `path`. */
pare_status pare_image_new(const char *path, uint64_t width, uint64_t height, uint32_t channels, pare_image *out);

/* Makes `channels` (1 or 3) of the 1 or 3 that there are. */
pare_status pare_image_convert(pare_image *image, uint32_t channels);
void pare_image_free(pare_image *image);

#endif
