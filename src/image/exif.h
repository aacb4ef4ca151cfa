/* How a camera was held: the orientation that a picture's EXIF data have. */
#ifndef PARE_IMAGE_EXIF_H
#define PARE_IMAGE_EXIF_H

#include "image/pixels.h"

/* 1 to 8, as EXIF numbers them; 1 (upright) where the data have none or are damaged. */
uint32_t pare_exif_orientation(const unsigned char *data, size_t bytes);

/* Makes the picture upright. */
pare_status pare_exif_turn(pare_image *image, uint32_t orientation);

#endif
