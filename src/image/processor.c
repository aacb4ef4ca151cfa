#include "image/processor.h"
#include "support/file.h"

#include <math.h>

static pare_status check_size(const pare_image_processor *p, const char *path) {
    bool crop = p->do_center_crop, resize = p->do_resize;
    uint32_t width = crop ? p->crop_width : p->resize_width, height = crop ? p->crop_height : p->resize_height;
    if (!crop && !resize) return PARE_OK; /* each picture says */
    if (!crop && p->shortest_edge) {
        uint32_t shorter = p->width < p->height ? p->width : p->height;
        if (p->shortest_edge == shorter) return PARE_OK;
        return pare_fail(PARE_FORMAT_ERROR,
                         "%s: \"size\" makes the shortest edge %u, but the model reads pictures of %u x %u", path,
                         p->shortest_edge, p->width, p->height);
    }
    if (width == p->width && height == p->height) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: \"%s\" makes pictures of %u x %u, but the model reads %u x %u", path,
                     crop ? "crop_size" : "size", width, height, p->width, p->height);
}

/* In the same steps of fp32 as transformers, which folds the factor into mean and deviation. */
static float value_of(const pare_image_processor *p, uint32_t channel, int pixel) {
    float mean = p->mean[channel], std = p->std[channel], inverse = (float)(1.0 / p->rescale_factor);
    if (!p->do_normalize) return p->do_rescale ? (float)pixel * (float)p->rescale_factor : (float)pixel;
    if (!p->do_rescale) return ((float)pixel - mean) / std;
    mean *= inverse;
    std *= inverse;
    return ((float)pixel - mean) / std;
}

pare_status pare_image_processor_complete(pare_image_processor *p, const char *path) {
    PARE_TRY(check_size(p, path));
    for (uint32_t c = 0; c < p->channels; c++)
        for (int pixel = 0; pixel < 256; pixel++) {
            p->values[c][pixel] = value_of(p, c, pixel);
            if (isfinite(p->values[c][pixel])) continue;
            return pare_fail(PARE_FORMAT_ERROR,
                             "%s: \"rescale_factor\" %g, \"image_mean\" %g and \"image_std\" %g make a pixel of %d %g",
                             path, p->rescale_factor, (double)p->mean[c], (double)p->std[c], pixel,
                             (double)p->values[c][pixel]);
        }
    return PARE_OK;
}

char *pare_image_processor_note(const pare_image_processor *p, const char *folder) {
    if (!p->by_default) return NULL;
    return pare_format(
        "%s has no preprocessor_config.json: pictures are resized to %u x %u (bilinear) and scaled to -1 .. 1, "
        "as ViTImageProcessor does by default",
        folder, p->width, p->height);
}

/* The shortest edge becomes what is asked for, the other one is in proportion, rounded down. */
static pare_status resize(const pare_image_processor *p, const char *path, pare_image *image) {
    uint64_t width = p->resize_width, height = p->resize_height, edge = p->shortest_edge;
    if (edge && image->width <= image->height) {
        width = edge;
        height = (uint64_t)((double)(edge * image->height) / image->width);
    } else if (edge) {
        height = edge;
        width = (uint64_t)((double)(edge * image->width) / image->height);
    }
    return pare_image_resize(image, path, width, height, p->resample);
}

pare_status pare_image_fit(const pare_image_processor *p, const char *path, pare_image *image) {
    PARE_TRY(pare_image_convert(image, p->channels));
    if (p->do_resize) PARE_TRY(resize(p, path, image));
    if (p->do_center_crop) PARE_TRY(pare_image_crop(image, path, p->crop_width, p->crop_height));
    if (image->width == p->width && image->height == p->height) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s has the wrong size: %u x %u pixels%s, and the model reads %u x %u", path,
                     image->width, image->height,
                     p->do_resize ? " after it is resized" : ", which are not to be resized", p->width, p->height);
}
