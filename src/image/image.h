/* Pictures as they lie in files: PNG (libpng) and JPEG (libjpeg-turbo), as numbers of 8 bits. */
#ifndef PARE_IMAGE_IMAGE_H
#define PARE_IMAGE_IMAGE_H

#include "support/status.h"

#include <stddef.h>
#include <stdint.h>

/* Larger pictures are refused. A JPEG file's sides cannot be longer. */
enum { PARE_IMAGE_PIXELS = 1 << 28, PARE_IMAGE_SIDE = 65535 };

typedef struct pare_image {
    uint8_t *pixels; /* [height, width, channels]; freed with pare_image_free */
    uint32_t width, height, channels;
} pare_image;

/* channels: 1 (grey) or 3 (RGB), as the model reads; a picture that has the other number is converted as Pillow's
 * convert("L") and convert("RGB") do. The first bytes say what a file is, not its name. PNG with 1 to 8 bits, grey, RGB
 * or with a palette, interlaced or not; an alpha channel and a transparent colour are dropped. JPEG with 8 bits, grey
 * or in colours, baseline or progressive. As Pillow and transformers do, profiles and gammas are not applied, and a
 * camera's EXIF orientation is not followed. One sentence that names the file: PARE_UNSUPPORTED for what is sound and
 * not read (16 bits, animated, CMYK, arithmetic coding, other formats, too large), PARE_FORMAT_ERROR for what is
 * truncated or damaged, PARE_FILE_ERROR where the file cannot be read. */
pare_status pare_image_read(const char *path, uint32_t channels, pare_image *out);
void pare_image_free(pare_image *image);

/* [height, width, channels] without contents. Refuses what is empty or too large, naming `path`. */
pare_status pare_image_new(const char *path, uint64_t width, uint64_t height, uint32_t channels, pare_image *out);

/* Makes `channels` (1 or 3) of the 1 or 3 that there are. */
pare_status pare_image_convert(pare_image *image, uint32_t channels);

/* Whether bytes at the beginning of a file are those of a picture, be it of a kind that is read or not. */
bool pare_image_begins(const unsigned char *data, size_t bytes);

/* Fails, saying what a file is that is no picture. */
pare_status pare_image_refuse(const char *path, const unsigned char *data, size_t bytes);

#endif
