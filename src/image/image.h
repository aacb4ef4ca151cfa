/* Pictures as they lie in files: PNG (libpng) and JPEG (libjpeg-turbo), as numbers of 8 bits. */
#ifndef PARE_IMAGE_IMAGE_H
#define PARE_IMAGE_IMAGE_H

#include "image/pixels.h"

/* channels: 1 (grey) or 3 (RGB), as the model reads; a picture that has the other number is converted as Pillow's
 * convert("L") and convert("RGB") do. The first bytes say what a file is, not its name. PNG with 1 to 8 bits, grey, RGB
 * or with a palette, interlaced or not; an alpha channel and a transparent colour are dropped. JPEG with 8 bits, grey
 * or in colours, baseline or progressive. Profiles and gammas are not applied, as in Pillow;
 * the orientation in EXIF data is, as in transformers' load_image. One sentence that names the file: PARE_UNSUPPORTED
 * for what is sound and not read (16 bits, animated, CMYK, arithmetic coding, other formats, too large),
 * PARE_FORMAT_ERROR for what is truncated or damaged, PARE_FILE_ERROR where the file cannot be read. */
pare_status pare_image_read(const char *path, uint32_t channels, pare_image *out);

/* Whether bytes at the beginning of a file are those of a picture, be it of a kind that is read or not. */
bool pare_image_begins(const unsigned char *data, size_t bytes);

/* Fails, saying what a file is that is no picture. */
pare_status pare_image_refuse(const char *path, const unsigned char *data, size_t bytes);

#endif
