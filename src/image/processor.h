/* What is done to a picture before a model reads it: preprocessor_config.json, as transformers' image processors read
 * it. */
#ifndef PARE_IMAGE_PROCESSOR_H
#define PARE_IMAGE_PROCESSOR_H

#include "image/resize.h"

enum { PARE_IMAGE_CHANNELS = 3 };

typedef struct pare_image_processor {
    uint32_t width, height, channels; /* what the model reads; channels: 1 or 3 */
    bool do_resize, do_center_crop, do_rescale, do_normalize;
    bool by_default;                      /* there is no file */
    uint32_t resize_width, resize_height; /* 0: by the shortest edge */
    uint32_t shortest_edge;               /* 0: by width and height */
    uint32_t crop_width, crop_height;
    pare_resample resample;
    double rescale_factor;
    float mean[PARE_IMAGE_CHANNELS], std[PARE_IMAGE_CHANNELS];
    float values[PARE_IMAGE_CHANNELS][256]; /* what each pixel becomes, per channel */
} pare_image_processor;

/* Reads "image_processor" of the folder's processor_config.json, or else its preprocessor_config.json, for a model of
 * pictures of [height, width, channels]. Keys that are absent or null have the defaults of the file's class (ViT, DeiT,
 * CLIP; the model_type's where the file names none). Without a file: ViT's defaults, resized to the model's size, and
 * by_default. One sentence, which names the file and the key, where the result has another size or other channels than
 * the model reads, and where a key would change it in a way that is not known here. */
pare_status pare_image_processor_read(const char *folder, const char *model_type, uint32_t width, uint32_t height,
                                      uint32_t channels, pare_image_processor *out);

/* A sentence that says what is done where there is no file, freed with free(); NULL where there is one. */
char *pare_image_processor_note(const pare_image_processor *processor, const char *folder);

/* Makes the picture [height, width, channels], as the model reads it: resized and cropped. `path` names it where it
 * cannot be. */
pare_status pare_image_fit(const pare_image_processor *processor, const char *path, pare_image *image);

/* processor_file.c fills in what the file says, processor.c the rest. */
pare_status pare_image_processor_complete(pare_image_processor *processor, const char *path);

#endif
