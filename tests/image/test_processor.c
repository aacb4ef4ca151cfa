/* preprocessor_config.json as transformers' image processors read it, and one sentence for what is not known. */
#include "image/processor.h"
#include "pictures.h"

#include <math.h>

static void write_json(const char *name, const json_t *value) {
    char *text_of = json_dumps(value, JSON_ENCODE_ANY);
    assert_non_null(text_of);
    free(put(name, text_of, strlen(text_of)));
    free(text_of);
}

static void write_text(const char *name, const char *what) {
    free(put(name, what, strlen(what)));
}

/* Levels within one of both processors; what is made of them to 1e-6 of the largest number where they are the same. */
static void check_row(const json_t *row) {
    uint32_t size = (uint32_t)number(row, "size"), channels = (uint32_t)number(row, "channels");
    char *path = picture_path(row);
    pare_image_processor processor;
    pare_image image;
    write_json("preprocessor_config.json", json_object_get(row, "config"));
    assert_ok(pare_image_processor_read(workplace, text(row, "model_type"), size, size, channels, &processor));
    assert_null(pare_image_processor_note(&processor, workplace));
    assert_ok(pare_image_read(path, channels, &image));
    assert_ok(pare_image_fit(&processor, path, &image));
    size_t count = (size_t)size * size, bytes = count * channels;
    static const char *const backends[] = {"torchvision", "pil"};
    bool odd = json_is_array(json_object_get(json_object_get(row, "config"), "size")); /* padded by an odd number */
    for (int b = 0; b < (odd ? 1 : 2) && json_object_get(row, backends[b]); b++) {
        uint8_t *expected = bytes_of(text(row, backends[b]), bytes);
        assert_in_range(largest_difference(image.pixels, expected, bytes), 0, 1);
        free(expected);
    }
    size_t i, same = 0;
    const json_t *spot;
    json_array_foreach(json_object_get(row, "spots"), i, spot) {
        size_t at = (size_t)json_integer_value(json_array_get(spot, 0));
        int level = (int)json_integer_value(json_array_get(spot, 1));
        double value = json_number_value(json_array_get(spot, 2));
        int own = image.pixels[at % count * channels + at / count];
        assert_in_range(abs(own - level), 0, 1);
        if (own != level) continue;
        double made = (double)processor.values[at / count][own];
        if (fabs(made - value) > 1e-6 * fmax(1.0, fabs(value))) fail_msg("%g in place of %g", made, value);
        same++;
    }
    assert_true(same > 0);
    pare_image_free(&image);
    free(path);
}

static void test_expected(void **state) {
    (void)state;
    json_t *json = load_expected();
    const json_t *rows = json_object_get(json, "processed"), *row;
    size_t i;
    assert_true(json_array_size(rows) > 8);
    json_array_foreach(rows, i, row) check_row(row);
    json_decref(json);
}

static void test_processor_config(void **state) {
    (void)state;
    pare_image_processor processor;
    write_text("preprocessor_config.json", "{\"size\": 9}");
    write_text("processor_config.json",
               "{\"image_processor\": {\"size\": 7, \"image_processor_type\": \"ViTImageProcessor\"}}");
    assert_ok(pare_image_processor_read(workplace, "vit", 7, 7, 3, &processor));
    assert_int_equal(processor.resize_width, 7);
    write_text("processor_config.json", "{\"processor_class\": \"Other\"}");
    assert_ok(pare_image_processor_read(workplace, "vit", 9, 9, 3, &processor));
    assert_int_equal(processor.resize_width, 9);
    char *path = pare_path_join(workplace, "processor_config.json");
    unlink(path);
    free(path);
}

static void test_without_file(void **state) {
    (void)state;
    char *path = pare_path_join(workplace, "preprocessor_config.json");
    unlink(path);
    free(path);
    pare_image_processor processor;
    assert_ok(pare_image_processor_read(workplace, "vit", 30, 20, 1, &processor));
    assert_true(processor.by_default && processor.do_resize && !processor.do_center_crop);
    assert_int_equal(processor.resize_width, 30);
    assert_int_equal(processor.resize_height, 20);
    assert_int_equal(processor.resample, PARE_RESAMPLE_BILINEAR);
    assert_true(processor.values[0][0] == -1.0f && processor.values[0][255] == 1.0f);
    char *note = pare_image_processor_note(&processor, workplace);
    assert_non_null(note);
    assert_non_null(strstr(note, "30 x 20"));
    free(note);
}

static void refused(const char *config, uint32_t channels, pare_status status, const char *words) {
    pare_image_processor processor;
    char *path = put("preprocessor_config.json", config, strlen(config));
    assert_refused(pare_image_processor_read(workplace, "vit", 8, 8, channels, &processor), status, path, words);
    free(path);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *config, *words;
    } cases[] = {
        {"{\"size\": 9}", "9 x 9, but the model reads 8 x 8"},
        {"{\"size\": [8, 9]}", "9 x 8"},
        {"{}", "224 x 224"},
        {"{\"size\": {\"shortest_edge\": 9}}", "shortest edge 9"},
        {"{\"size\": {\"longest_edge\": 8}}", "\"size\""},
        {"{\"size\": {\"height\": 8, \"width\": 8, \"longest_edge\": 8}}", "\"size\""},
        {"{\"size\": 0}", "\"size\" is 0"},
        {"{\"size\": -8}", "\"size\" is -8"},
        {"{\"size\": 8.5}", "\"size\" is 8.5"},
        {"{\"size\": \"8\"}", "\"size\""},
        {"{\"size\": 100000}", "\"size\""},
        {"{\"size\": 8, \"do_center_crop\": true}", "\"crop_size\""},
        {"{\"size\": 8, \"do_center_crop\": true, \"crop_size\": 7}", "\"crop_size\" makes pictures of 7 x 7"},
        {"{\"size\": 8, \"do_center_crop\": true, \"crop_size\": {\"shortest_edge\": 8}}", "\"crop_size\""},
        {"{\"size\": 8, \"do_resize\": 1}", "\"do_resize\" is 1"},
        {"{\"size\": 8, \"resample\": 6}", "\"resample\" is 6"},
        {"{\"size\": 8, \"resample\": \"bicubic\"}", "\"resample\""},
        {"{\"size\": 8, \"rescale_factor\": 0}", "\"rescale_factor\""},
        {"{\"size\": 8, \"rescale_factor\": \"1/255\"}", "\"rescale_factor\""},
        {"{\"size\": 8, \"image_std\": [0.5, 0, 0.5]}", "\"image_std\""},
        {"{\"size\": 8, \"image_std\": 1e-45}", "\"image_std\""},
        {"{\"size\": 8, \"image_mean\": [0.5, 0.5]}", "\"image_mean\""},
        {"{\"size\": 8, \"image_mean\": [0.5]}", "the model reads 3 channels"},
        {"{\"size\": 8, \"image_mean\": \"0.5\"}", "\"image_mean\""},
        {"{\"size\": 8, \"image_processor_type\": \"BeitImageProcessor\"}", "BeitImageProcessor"},
        {"[]", "no object"},
        {"{\"size\": 8", "preprocessor_config.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(cases[i].config, 3, PARE_FORMAT_ERROR, cases[i].words);
    refused("{\"size\": 8, \"do_pad\": true}", 3, PARE_UNSUPPORTED, "\"do_pad\"");
    refused("{\"size\": 8, \"do_reduce_labels\": true}", 3, PARE_UNSUPPORTED, "\"do_reduce_labels\"");
    refused("{\"size\": 8, \"do_convert_grayscale\": true}", 3, PARE_UNSUPPORTED, "\"do_convert_grayscale\"");
    refused("{\"size\": 8, \"crop_pct\": 0.9}", 3, PARE_UNSUPPORTED, "\"crop_pct\"");
    refused("{\"size\": 8, \"do_convert_rgb\": true}", 1, PARE_FORMAT_ERROR, "\"do_convert_rgb\"");
    refused("{\"size\": 8, \"image_mean\": [0.1, 0.2, 0.3]}", 1, PARE_FORMAT_ERROR, "the model reads 1 channel");
    pare_image_processor processor;
    assert_refused(pare_image_processor_read(workplace, "vit", 8, 8, 4, &processor), PARE_UNSUPPORTED, workplace,
                   "4 channels");
}

/* What says nothing about pixels is passed over, and so is a step that is switched off. */
static void test_passed_over(void **state) {
    (void)state;
    pare_image_processor processor;
    write_text("preprocessor_config.json",
               "{\"size\": 8, \"do_pad\": false, \"do_reduce_labels\": null, \"return_tensors\": \"pt\", "
               "\"data_format\": \"channels_first\", \"pad_size\": null, \"resample\": null}");
    assert_ok(pare_image_processor_read(workplace, "vit", 8, 8, 3, &processor));
    assert_int_equal(processor.resample, PARE_RESAMPLE_BILINEAR);
}

/* Without resizing, pictures of another size are not taken for the model's. */
static void test_wrong_size(void **state) {
    (void)state;
    pare_image_processor processor;
    pare_image image;
    write_text("preprocessor_config.json", "{\"do_resize\": false}");
    assert_ok(pare_image_processor_read(workplace, "vit", 8, 8, 1, &processor));
    assert_ok(pare_image_new("a.png", 8, 9, 1, &image));
    memset(image.pixels, 0, 72);
    assert_refused(pare_image_fit(&processor, "a.png", &image), PARE_FORMAT_ERROR, "a.png", "wrong size: 8 x 9");
    pare_image_free(&image);
    write_text("preprocessor_config.json", "{\"size\": {\"shortest_edge\": 8}}");
    assert_ok(pare_image_processor_read(workplace, "vit", 8, 8, 1, &processor));
    assert_ok(pare_image_new("a.png", 8, 12, 1, &image));
    memset(image.pixels, 0, 96);
    assert_refused(pare_image_fit(&processor, "a.png", &image), PARE_FORMAT_ERROR, "a.png", "8 x 12");
    pare_image_free(&image);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expected), cmocka_unit_test(test_processor_config), cmocka_unit_test(test_without_file),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_passed_over),      cmocka_unit_test(test_wrong_size),
    };
    return cmocka_run_group_tests(tests, make_workplace, remove_workplace);
}
