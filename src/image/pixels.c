#include "image/pixels.h"
#include "support/memory.h"

#include <string.h>

pare_status pare_image_new(const char *path, uint64_t width, uint64_t height, uint32_t channels, pare_image *out) {
    *out = (pare_image){0};
    if (!width || !height)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no pixels: its size is %llu x %llu; fetch it again", path,
                         (unsigned long long)width, (unsigned long long)height);
    if (width > PARE_IMAGE_SIDE || height > PARE_IMAGE_SIDE || width * height > PARE_IMAGE_PIXELS)
        return pare_fail(
            PARE_UNSUPPORTED,
            "%s is too large: %llu x %llu pixels, where %d a side and %d in all are the most; make it smaller", path,
            (unsigned long long)width, (unsigned long long)height, PARE_IMAGE_SIDE, PARE_IMAGE_PIXELS);
    PARE_TRY(pare_alloc_uninitialized(&out->pixels, (size_t)(width * height), channels, "a picture"));
    out->width = (uint32_t)width;
    out->height = (uint32_t)height;
    out->channels = channels;
    return PARE_OK;
}

void pare_image_free(pare_image *image) {
    pare_free(image->pixels);
    *image = (pare_image){0};
}

/* ITU-R 601-2 luma in 16 binary places, rounded, as Pillow has it. */
static uint8_t luma(const uint8_t *rgb) {
    return (uint8_t)((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
}

pare_status pare_image_convert(pare_image *image, uint32_t channels) {
    if (image->channels == channels) return PARE_OK;
    size_t count = (size_t)image->width * image->height;
    uint8_t *pixels;
    PARE_TRY(pare_alloc_uninitialized(&pixels, count, channels, "a picture"));
    for (size_t i = 0; i < count; i++)
        if (channels == 1)
            pixels[i] = luma(image->pixels + 3 * i);
        else
            memset(pixels + 3 * i, image->pixels[i], 3);
    pare_free(image->pixels);
    image->pixels = pixels;
    image->channels = channels;
    return PARE_OK;
}
