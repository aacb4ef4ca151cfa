/* Tiny vision transformers with what transformers makes of them (tests/data/vision.json), as checkpoints in fresh
 * folders, and made-up pictures, as PNG files in folders of their labels. Weights and pixels are numbers that
 * tests/oracle/vision.py makes, too. */
#ifndef PARE_TESTS_VISION_H
#define PARE_TESTS_VISION_H

#include "calibrate/pictures.h"
#include "evaluate/pictures.h"
#include "model/families.h"
#include "model/patches.h"

#include <png.h>

#define VISION_GOLDEN PARE_SOURCE_DIR "/tests/data/vision.json"

enum { VISION_PICTURES = 5 };

typedef struct vision_model {
    family_model opened;
    char *pictures; /* folder */
    pare_windows windows;
    size_t order[VISION_PICTURES]; /* of the case's pictures, as the windows have them */
} vision_model;

static inline const json_t *vision_case(const json_t *golden, const char *name) {
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(golden, "cases"), i, one) if (strcmp(family_name(one), name) == 0) return one;
    fail_msg("vision.json has no case %s", name);
    return NULL;
}

static inline int64_t vision_label(const json_t *one, size_t picture) {
    return json_integer_value(json_array_get(json_object_get(one, "labels"), picture));
}

static inline void vision_write_picture(const char *path, const pare_vision *v, size_t picture) {
    size_t count = (size_t)v->height * v->width * v->channels;
    png_image image = {.version = PNG_IMAGE_VERSION,
                       .width = v->width,
                       .height = v->height,
                       .format = v->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
    unsigned char *pixels = malloc(count);
    assert_non_null(pixels);
    for (size_t i = 0; i < count; i++)
        pixels[i] =
            (unsigned char)(128.0f + 64.0f * counted(family_stream("pictures"), (uint32_t)(picture * count + i)));
    assert_true(png_image_write_to_file(&image, path, 0, pixels, 0, NULL));
    free(pixels);
}

/* Sets are read by label, then by name. */
static inline void vision_put_in_order(const json_t *one, size_t *order) {
    size_t count = 0;
    for (int64_t label = 0; label < 10; label++)
        for (size_t i = 0; i < VISION_PICTURES; i++)
            if (vision_label(one, i) == label) order[count++] = i;
    assert_int_equal(count, VISION_PICTURES);
}

static inline char *vision_write_pictures(const json_t *one, const pare_config *config) {
    char *folder = tiny_folder();
    for (uint32_t label = 0; label < config->vocabulary; label++) {
        char *path = pare_format("%s/%u", folder, label);
        assert_int_equal(mkdir(path, 0777), 0);
        free(path);
    }
    for (size_t i = 0; i < VISION_PICTURES; i++) {
        char *path = pare_format("%s/%d/%zu.png", folder, (int)vision_label(one, i), i);
        vision_write_picture(path, &config->vision, i);
        free(path);
    }
    return folder;
}

static inline vision_model vision_open(const json_t *one) {
    vision_model m = {.opened = family_open(one, (family_form){0})};
    char *processor = json_dumps(json_object_get(one, "processor"), 0);
    tiny_write_text(m.opened.folder, "preprocessor_config.json", processor);
    free(processor);
    m.pictures = vision_write_pictures(one, &m.opened.model->config);
    vision_put_in_order(one, m.order);
    if (pare_pictures_stream(m.opened.model, m.pictures, 0, &m.windows) != PARE_OK)
        fail_msg("%s: %s", family_name(one), pare_message());
    assert_int_equal(m.windows.count, VISION_PICTURES);
    return m;
}

static inline void vision_close(vision_model *m) {
    pare_windows_free(&m->windows);
    tiny_remove(m->pictures);
    free(m->pictures);
    family_close(&m->opened);
}

/* A case opened, with a folder to write into. */
typedef struct vision_place {
    json_t *golden;
    vision_model m;
    char *folder, *output; /* the second one lies in the first and is not there */
    const char *texts[1];  /* the pictures */
} vision_place;

static inline void vision_place_open(vision_place *place, const char *name) {
    place->golden = load_json(VISION_GOLDEN);
    place->m = vision_open(vision_case(place->golden, name));
    place->folder = tiny_folder();
    place->output = pare_path_join(place->folder, "output");
    place->texts[0] = place->m.pictures;
}

static inline void vision_place_close(vision_place *place) {
    vision_close(&place->m);
    tiny_remove(place->folder);
    free(place->folder);
    free(place->output);
    json_decref(place->golden);
}

/* What an evaluation in fp32 on one thread says of the pictures: a new reference. against, adapter: or NULL. */
static inline json_t *vision_images(const pare_model *model, const char *pictures, const pare_model *against,
                                    const char *adapter) {
    const pare_runtime runtime = {.threads = 1, .compute = PARE_COMPUTE_FP32};
    pare_evaluate_options options = PARE_EVALUATE_OPTIONS_INIT;
    char *text;
    options.texts = &pictures;
    options.text_count = 1;
    options.against = against;
    options.adapter = adapter;
    if (pare_evaluate(model, &options, &runtime, &text) != PARE_OK) fail_msg("%s", pare_message());
    json_t *report = json_loads(text, 0, NULL), *images = json_incref(json_object_get(report, "images"));
    assert_non_null(images);
    json_decref(report);
    pare_text_free(text);
    return images;
}

/* The same of the model in a folder. */
static inline json_t *vision_images_of(const char *folder, const char *pictures, const pare_model *against,
                                       const char *adapter) {
    pare_model *model;
    if (pare_model_open(folder, &model) != PARE_OK) fail_msg("%s", pare_message());
    json_t *images = vision_images(model, pictures, against, adapter);
    pare_model_close(model);
    return images;
}

typedef struct vision_answers {
    float *logits; /* [pictures, classes] */
    size_t classes;
} vision_answers;

static inline void vision_see(void *context, size_t picture, const float *logits, const float *dense) {
    const vision_answers *answers = context;
    assert_null(dense);
    memcpy(answers->logits + picture * answers->classes, logits, answers->classes * sizeof *logits);
}

/* logits: [pictures, classes], in the order of the windows. */
static inline void vision_logits(const pare_evaluation *evaluation, float *logits) {
    vision_answers answers = {logits, evaluation->model->config.vocabulary};
    assert_int_equal(pare_pictures_answer(evaluation, NULL, vision_see, &answers), PARE_OK);
}

/* Of stored logits, relative to the largest one. logits: [VISION_PICTURES, classes] as the windows have them. */
static inline double vision_error(const json_t *stored, const size_t *order, const float *logits, uint32_t classes) {
    double worst = 0.0;
    for (size_t i = 0; i < VISION_PICTURES; i++) {
        const json_t *row = json_array_get(json_object_get(stored, "logits"), order[i]);
        assert_int_equal(json_array_size(row), classes);
        for (uint32_t j = 0; j < classes; j++)
            worst =
                family_worse(worst, fabs((double)logits[i * classes + j] - json_number_value(json_array_get(row, j))));
    }
    return worst / family_number(stored, "largest");
}

#endif
