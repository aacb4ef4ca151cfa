#include "model/config_vision.h"
#include "model/family.h"
#include "support/memory.h"

#include <stdio.h>
#include <stdlib.h>

enum { SIDE_LIMIT = 1 << 14, CHANNEL_LIMIT = 3, CLASS_LIMIT = 1 << 24, TOKEN_LIMIT = 1 << 20 };

/* A number for both sides, or a list of height and width. */
static pare_status read_sides(pare_fields fields, const char *key, int64_t fallback, uint32_t *height,
                              uint32_t *width) {
    const json_t *value = pare_field(fields, key);
    if (!json_is_array(value)) {
        PARE_TRY(pare_field_whole(fields, key, 1, SIDE_LIMIT, fallback, height));
        *width = *height;
        return PARE_OK;
    }
    uint32_t *sides[] = {height, width};
    bool sound = json_array_size(value) == 2;
    for (size_t i = 0; i < 2 && sound; i++) {
        json_int_t side = json_integer_value(json_array_get(value, i));
        sound = side >= 1 && side <= SIDE_LIMIT;
        if (sound) *sides[i] = (uint32_t)side;
    }
    if (sound) return PARE_OK;
    return pare_field_refuse(PARE_FORMAT_ERROR, fields, key,
                             "it must be a whole number from 1 to 16384, or a list of two: height and width");
}

/* "0", "1", and so on, none left out. */
static bool counts_up(const json_t *names) {
    char key[32];
    for (size_t i = 0; i < json_object_size(names); i++) {
        snprintf(key, sizeof key, "%zu", i);
        if (!json_object_get(names, key)) return false;
    }
    return json_object_size(names) > 0;
}

/* As transformers counts them: num_labels, else the names, else 2. */
static pare_status read_classes(pare_fields fields, uint32_t *classes) {
    const json_t *names = pare_field(fields, "id2label");
    if (names && !counts_up(names))
        return pare_field_refuse(PARE_FORMAT_ERROR, fields, "id2label",
                                 "it must name the classes by their numbers, from 0 on");
    return pare_field_whole(fields, "num_labels", 1, CLASS_LIMIT, names ? (int64_t)json_object_size(names) : 2,
                            classes);
}

static pare_status check_patches(pare_fields fields, const pare_vision *v) {
    uint64_t patches = (uint64_t)(v->height / v->patch_height) * (v->width / v->patch_width);
    if (patches > 0 && patches < TOKEN_LIMIT) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR, "%s: pictures of %u x %u are %llu patches of %u x %u; there must be 1 to %d",
                     fields.path, v->height, v->width, (unsigned long long)patches, v->patch_height, v->patch_width,
                     TOKEN_LIMIT - 1);
}

pare_status pare_config_read_vision(pare_fields fields, pare_config *config) {
    pare_vision *v = &config->vision;
    PARE_TRY(read_sides(fields, "image_size", 224, &v->height, &v->width));
    PARE_TRY(read_sides(fields, "patch_size", 16, &v->patch_height, &v->patch_width));
    PARE_TRY(pare_field_whole(fields, "num_channels", 1, CHANNEL_LIMIT, 3, &v->channels));
    if (v->channels == 2)
        return pare_field_refuse(PARE_UNSUPPORTED, fields, "num_channels", "pare reads pictures of 1 or 3 channels");
    PARE_TRY(check_patches(fields, v));
    PARE_TRY(read_classes(fields, &config->vocabulary));
    v->prefix = 1 + pare_has_end(&config->architecture, PARE_END_DISTILLATION_TOKEN);
    config->embedding_width = v->channels * v->patch_height * v->patch_width;
    config->stated_positions = (v->height / v->patch_height) * (v->width / v->patch_width) + v->prefix;
    config->max_positions = config->stated_positions;
    return PARE_OK;
}

pare_status pare_class_names(const pare_config *config, char ***names) {
    const json_t *list = json_object_get(config->json, "id2label");
    char key[16];
    PARE_TRY(pare_alloc(names, config->vocabulary, sizeof **names, "names of the classes"));
    for (uint32_t i = 0; i < config->vocabulary; i++) {
        snprintf(key, sizeof key, "%u", i);
        const char *name = json_string_value(json_object_get(list, key));
        (*names)[i] = name ? pare_format("%s", name) : pare_format("LABEL_%u", i);
    }
    pare_status status = pare_whole();
    if (status == PARE_OK) return status;
    pare_class_names_free(config, *names);
    *names = NULL;
    return status;
}

void pare_class_names_free(const pare_config *config, char **names) {
    for (uint32_t i = 0; names && i < config->vocabulary; i++)
        free(names[i]);
    pare_free(names);
}
