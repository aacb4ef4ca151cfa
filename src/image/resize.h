/* Pictures of another size, as Pillow's resize makes them. */
#ifndef PARE_IMAGE_RESIZE_H
#define PARE_IMAGE_RESIZE_H

#include "image/pixels.h"

/* Pillow's numbers. */
typedef enum pare_resample {
    PARE_RESAMPLE_NEAREST,
    PARE_RESAMPLE_LANCZOS,
    PARE_RESAMPLE_BILINEAR,
    PARE_RESAMPLE_BICUBIC,
    PARE_RESAMPLE_BOX,
    PARE_RESAMPLE_HAMMING,
    PARE_RESAMPLE_COUNT
} pare_resample;

/* The picture becomes [height, width, channels]. Its filter is as wide as a pixel of the smaller picture
 * (antialiasing). Nearest: bit for bit as Pillow's Image.resize. Others: within one grey level of that and of
 * torchvision's resize (Pillow from 13 on goes first along the columns where a picture loses more than twice as much of
 * its height as of its width, so that a filter's overshoot is cut off elsewhere there). `path` names the picture where
 * the result is too large. */
pare_status pare_image_resize(pare_image *image, const char *path, uint64_t width, uint64_t height,
                              pare_resample resample);

/* The middle [height, width] of the picture, zeros around it where that is larger, as torchvision's center_crop. */
pare_status pare_image_crop(pare_image *image, const char *path, uint32_t width, uint32_t height);

#endif
