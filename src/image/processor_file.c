/* preprocessor_config.json: one object. Sizes are {"height", "width"}, {"shortest_edge"}, a list [height, width], or,
 * in old files, one number. */
#include "image/processor.h"
#include "support/file.h"
#include "support/json.h"
#include "tokenizer/json_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct preset {
    const char *name;       /* of the class, before ImageProcessor or FeatureExtractor */
    const char *model_type; /* whose class it is where the file names none */
    pare_resample resample;
    uint32_t size, crop; /* a square; crop 0: none */
    bool shortest_edge;  /* one number as a size is that of the shortest edge */
    double mean[PARE_IMAGE_CHANNELS], std[PARE_IMAGE_CHANNELS];
} preset;

#define HALF                                                                                                           \
    { 0.5, 0.5, 0.5 }

static const preset presets[] = {
    {"ViT", "vit", PARE_RESAMPLE_BILINEAR, 224, 0, false, HALF, HALF},
    {"DeiT", "deit", PARE_RESAMPLE_BICUBIC, 256, 224, false, HALF, HALF},
    {"CLIP",
     "clip",
     PARE_RESAMPLE_BICUBIC,
     224,
     224,
     true,
     {0.48145466, 0.4578275, 0.40821073},
     {0.26862954, 0.26130258, 0.27577711}},
};

/* Keys that say nothing about pixels, or are read elsewhere in this file. */
static const char *const known[] = {"do_resize",
                                    "do_center_crop",
                                    "do_rescale",
                                    "do_normalize",
                                    "do_convert_rgb",
                                    "size",
                                    "crop_size",
                                    "resample",
                                    "rescale_factor",
                                    "image_mean",
                                    "image_std",
                                    "default_to_square",
                                    "image_processor_type",
                                    "feature_extractor_type"};
/* These change nothing unless a do_ of their own is set. */
static const char *const changing[] = {"crop_pct", "rescale_offset", "reduce_labels",
                                       "offset",   "fill_color",     "use_square_size"};

typedef struct source {
    const char *path;
    const json_t *object;
    const preset *preset;
} source;

static const json_t *value_of(const source *s, const char *key) {
    const json_t *value = json_object_get(s->object, key);
    return json_is_null(value) ? NULL : value;
}

static pare_status refuse(const source *s, const char *key, const char *expected) {
    char *shown = pare_json_shown(json_object_get(s->object, key), 60);
    pare_status status =
        pare_fail(PARE_FORMAT_ERROR, "%s: \"%s\" is %s; %s", s->path, key, shown ? shown : "?", expected);
    free(shown);
    return status;
}

static pare_status read_flag(const source *s, const char *key, bool missing, bool *out) {
    const json_t *value = value_of(s, key);
    if (value && !json_is_boolean(value)) return refuse(s, key, "it must be true or false");
    *out = value ? json_is_true(value) : missing;
    return PARE_OK;
}

static pare_status read_side(const source *s, const char *key, const json_t *value, uint32_t *out) {
    json_int_t side = json_integer_value(value);
    if (!json_is_integer(value) || side < 1 || side > PARE_IMAGE_SIDE)
        return refuse(s, key, "its numbers must be whole, 1 to 65535");
    *out = (uint32_t)side;
    return PARE_OK;
}

/* Null members count as absent. */
static size_t count_members(const json_t *object) {
    const char *key;
    json_t *value;
    size_t count = 0;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) count += !json_is_null(value);
    return count;
}

static bool has(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value);
}

/* edge NULL: not by the shortest edge. */
static pare_status read_size_object(const source *s, const char *key, const json_t *value, uint32_t *width,
                                    uint32_t *height, uint32_t *edge) {
    if (count_members(value) == 2 && has(value, "height") && has(value, "width")) {
        PARE_TRY(read_side(s, key, json_object_get(value, "height"), height));
        return read_side(s, key, json_object_get(value, "width"), width);
    }
    if (edge && count_members(value) == 1 && has(value, "shortest_edge"))
        return read_side(s, key, json_object_get(value, "shortest_edge"), edge);
    return refuse(s, key,
                  edge ? "pare reads \"height\" and \"width\", or \"shortest_edge\" alone"
                       : "pare reads \"height\" and \"width\"");
}

static pare_status read_size(const source *s, const char *key, bool square, uint32_t *width, uint32_t *height,
                             uint32_t *edge) {
    const json_t *value = value_of(s, key);
    *width = *height = 0;
    if (edge) *edge = 0;
    if (json_is_object(value)) return read_size_object(s, key, value, width, height, edge);
    if (json_is_array(value) && json_array_size(value) == 2) {
        PARE_TRY(read_side(s, key, json_array_get(value, 0), height));
        return read_side(s, key, json_array_get(value, 1), width);
    }
    if (!square && edge) return read_side(s, key, value, edge);
    PARE_TRY(read_side(s, key, value, height));
    *width = *height;
    return PARE_OK;
}

static pare_status read_sizes(const source *s, pare_image_processor *out) {
    bool square;
    PARE_TRY(read_flag(s, "default_to_square", !s->preset->shortest_edge, &square));
    if (value_of(s, "size")) {
        PARE_TRY(read_size(s, "size", square, &out->resize_width, &out->resize_height, &out->shortest_edge));
    } else if (s->preset->shortest_edge) {
        out->shortest_edge = s->preset->size;
    } else {
        out->resize_width = out->resize_height = s->preset->size;
    }
    if (value_of(s, "crop_size")) return read_size(s, "crop_size", true, &out->crop_width, &out->crop_height, NULL);
    out->crop_width = out->crop_height = s->preset->crop;
    if (!out->do_center_crop || s->preset->crop) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: \"do_center_crop\" is true, but there is no \"crop_size\"", s->path);
}

static pare_status read_resample(const source *s, pare_resample *out) {
    const json_t *value = value_of(s, "resample");
    json_int_t number = json_integer_value(value);
    *out = s->preset->resample;
    if (!value) return PARE_OK;
    if (!json_is_integer(value) || number < 0 || number >= PARE_RESAMPLE_COUNT)
        return refuse(s, "resample",
                      "it must be 0 (nearest), 1 (Lanczos), 2 (bilinear), 3 (bicubic), 4 (box) or 5 (Hamming)");
    *out = (pare_resample)number;
    return PARE_OK;
}

/* A number for all channels, or a list with one for each; a model of one channel also reads three that are the same. */
static pare_status read_channels(const source *s, const char *key, const double *missing, uint32_t channels,
                                 bool positive, float *out) {
    const json_t *value = value_of(s, key);
    size_t count = json_is_array(value) ? json_array_size(value) : PARE_IMAGE_CHANNELS;
    for (size_t c = 0; c < PARE_IMAGE_CHANNELS && c < count; c++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, c) : value;
        if (value && !json_is_number(one)) return refuse(s, key, "it must be a number or a list of numbers");
        double number = value ? json_number_value(one) : missing[c];
        if (!isfinite(number) || (positive && number <= 0)) return refuse(s, key, "its numbers must be above 0");
        out[c] = (float)number;
    }
    bool same = count == PARE_IMAGE_CHANNELS && out[0] == out[1] && out[0] == out[2];
    if (count == channels || (channels == 1 && same)) return PARE_OK;
    return refuse(s, key, channels == 1 ? "the model reads 1 channel" : "the model reads 3 channels");
}

static pare_status read_numbers(const source *s, pare_image_processor *out) {
    const json_t *factor = value_of(s, "rescale_factor");
    out->rescale_factor = factor ? json_number_value(factor) : 1.0 / 255.0;
    if (factor && (!json_is_number(factor) || !(out->rescale_factor > 0) || !isfinite(out->rescale_factor)))
        return refuse(s, "rescale_factor", "it must be a number above 0");
    PARE_TRY(read_resample(s, &out->resample));
    PARE_TRY(read_channels(s, "image_mean", s->preset->mean, out->channels, false, out->mean));
    return read_channels(s, "image_std", s->preset->std, out->channels, true, out->std);
}

static bool is_in(const char *key, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(key, list[i]) == 0) return true;
    return false;
}

/* Keys that are not read here and would change pixels, or say that they do. */
static pare_status refuse_others(const source *s) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)s->object, key, value) {
        bool off = json_is_null(value) || json_is_false(value);
        bool changes = strncmp(key, "do_", 3) == 0 || is_in(key, changing, sizeof changing / sizeof *changing);
        if (!off && changes && !is_in(key, known, sizeof known / sizeof *known))
            return pare_fail(
                PARE_UNSUPPORTED,
                "%s: \"%s\" is a step that pare does not know; take it out if the model was trained without it",
                s->path, key);
    }
    return PARE_OK;
}

static pare_status read_object(const source *s, pare_image_processor *out) {
    bool rgb;
    PARE_TRY(refuse_others(s));
    PARE_TRY(read_flag(s, "do_resize", true, &out->do_resize));
    PARE_TRY(read_flag(s, "do_center_crop", s->preset->crop != 0, &out->do_center_crop));
    PARE_TRY(read_flag(s, "do_rescale", true, &out->do_rescale));
    PARE_TRY(read_flag(s, "do_normalize", true, &out->do_normalize));
    PARE_TRY(read_flag(s, "do_convert_rgb", false, &rgb));
    if (rgb && out->channels == 1) return refuse(s, "do_convert_rgb", "the model reads 1 channel");
    PARE_TRY(read_sizes(s, out));
    PARE_TRY(read_numbers(s, out));
    return pare_image_processor_complete(out, s->path);
}

/* The class by its name: ViTImageProcessor, ViTImageProcessorFast, ViTImageProcessorPil, ViTFeatureExtractor. */
static pare_status find_class(source *s, const char *model_type) {
    static const char *const kinds[] = {"ImageProcessor", "ImageProcessorFast", "ImageProcessorPil",
                                        "FeatureExtractor"};
    const char *key = value_of(s, "image_processor_type") ? "image_processor_type" : "feature_extractor_type";
    const json_t *value = value_of(s, key);
    const char *name = json_string_value(value);
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        const preset *p = presets + i;
        size_t length = strlen(p->name);
        if (!value && strcmp(model_type, p->model_type) == 0) s->preset = p;
        if (name && strncmp(name, p->name, length) == 0 && is_in(name + length, kinds, sizeof kinds / sizeof *kinds))
            s->preset = p;
    }
    if (s->preset) return PARE_OK;
    if (value) return refuse(s, key, "pare knows ViTImageProcessor, DeiTImageProcessor and CLIPImageProcessor");
    s->preset = presets;
    return PARE_OK;
}

static pare_status read_source(source *s, const char *model_type, pare_image_processor *out) {
    if (!json_is_object(s->object)) return pare_fail(PARE_FORMAT_ERROR, "%s: its JSON is no object", s->path);
    PARE_TRY(find_class(s, model_type));
    return read_object(s, out);
}

/* *found: whether the file is there and, with `member`, has it. */
static pare_status read_file(const char *folder, const char *name, const char *member, const char *model_type,
                             pare_image_processor *out, bool *found) {
    char *path = pare_path_join(folder, name);
    json_t *json = NULL;
    *found = false;
    pare_status status = pare_file_exists(path) ? pare_json_load(path, JSON_REJECT_DUPLICATES, &json) : pare_whole();
    const json_t *object = member ? json_object_get(json, member) : json;
    if (status == PARE_OK && object) {
        source s = {.path = path, .object = object};
        *found = true;
        status = read_source(&s, model_type, out);
    }
    json_decref(json);
    free(path);
    return status;
}

static pare_status by_default(const char *folder, pare_image_processor *out) {
    out->by_default = out->do_resize = out->do_rescale = out->do_normalize = true;
    out->resize_width = out->width;
    out->resize_height = out->height;
    out->resample = presets[0].resample;
    out->rescale_factor = 1.0 / 255.0;
    for (int c = 0; c < PARE_IMAGE_CHANNELS; c++) {
        out->mean[c] = (float)presets[0].mean[c];
        out->std[c] = (float)presets[0].std[c];
    }
    return pare_image_processor_complete(out, folder);
}

pare_status pare_image_processor_read(const char *folder, const char *model_type, uint32_t width, uint32_t height,
                                      uint32_t channels, pare_image_processor *out) {
    bool found;
    *out = (pare_image_processor){.width = width, .height = height, .channels = channels};
    if (channels != 1 && channels != PARE_IMAGE_CHANNELS)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s is a model of pictures with %u channels; pare reads grey (1) and RGB (3)", folder,
                         channels);
    PARE_TRY(read_file(folder, "processor_config.json", "image_processor", model_type, out, &found));
    if (!found) PARE_TRY(read_file(folder, "preprocessor_config.json", NULL, model_type, out, &found));
    return found ? PARE_OK : by_default(folder, out);
}
