/* pare inspect --map: numbers that the weights have, a PNG that decodes again, an SVG that is whole, pairs by
 * pruning.json, and what is refused. */
#include "cli/workplace.h"
#include "golden.h"
#include "report/canvas.h"
#include "report/markup.h"

#include <png.h>

#define MATRIX "layers.3.mlp.down_proj"

typedef struct pixels {
    png_image image;
    png_bytep rgb;
} pixels;

static pixels decode(const char *path) {
    pixels p = {.image = {.version = PNG_IMAGE_VERSION}};
    assert_true(png_image_begin_read_from_file(&p.image, path));
    p.image.format = PNG_FORMAT_RGB;
    p.rgb = malloc(PNG_IMAGE_SIZE(p.image));
    assert_non_null(p.rgb);
    assert_true(png_image_finish_read(&p.image, NULL, p.rgb, 0, NULL));
    return p;
}

static size_t count_colour(const pixels *p, const uint8_t rgb[3]) {
    size_t count = 0, all = (size_t)p->image.width * p->image.height;
    for (size_t i = 0; i < all; i++)
        count += memcmp(p->rgb + 3 * i, rgb, 3) == 0;
    return count;
}

static void prune(const workplace *place, const char *const *how) {
    const char *words[24] = {"prune", place->model, "-o", place->output, "--force", "--quiet"};
    size_t count = 6;
    while (*how)
        words[count++] = *how++;
    program_result result = program_expect_success(words);
    program_result_free(&result);
}

#define PRUNE(place, ...) prune(place, (const char *const[]){__VA_ARGS__, NULL})

static json_t *json_of(const char *const *words) {
    program_result result = program_expect_success(words);
    json_t *json = json_loads(result.out, 0, NULL);
    assert_non_null(json);
    program_result_free(&result);
    return json;
}

#define JSON(...) json_of((const char *const[]){__VA_ARGS__, NULL})

static double number_at(const json_t *json, const char *map, const char *lines, const char *name) {
    const json_t *at = json_object_get(json, map);
    if (lines) at = json_object_get(at, lines);
    assert_true(json_is_number(json_object_get(at, name)));
    return json_number_value(json_object_get(at, name));
}

/* Two of four in every row: shares that are known, and pictures of two colours and of tiles. */
static void a_pattern_is_drawn(void **state) {
    const workplace *place = *state;
    char *png = pare_path_join(place->folder, "map.png");
    PRUNE(place, "--pattern", "2:4", "--method", "magnitude");
    json_t *json = JSON("inspect", place->output, "--map", MATRIX, "-o", png, "--json");
    assert_close("kept", number_at(json, "kept", NULL, "mean"), 0.5, 1e-12);
    assert_close("sd", number_at(json, "kept", NULL, "sd"), 0.5, 1e-12);
    assert_true(number_at(json, "kept", "rows", "sd") < 1e-12);
    assert_close("by chance", number_at(json, "kept", "rows", "expected_sd"), sqrt(0.25 / 384), 1e-9);
    assert_close("z", number_at(json, "kept", "rows", "z"), sqrt(2.0 / 9 / 127) - sqrt(9 * 127 / 2.0), 1e-9);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json_object_get(json, "kept"), "rows"), "means")),
                     128);
    assert_int_equal(json_array_size(json_object_get(json_object_get(json, "kept"), "bins")), 64);
    assert_null(json_object_get(json, "change"));
    json_decref(json);
    pixels p = decode(png);
    assert_int_equal(p.image.width, 1560);
    assert_int_equal(p.image.height, 62 + 2 * 728 + 40);
    uint8_t dark[3], bright[3];
    pare_canvas_colour(0.0, dark);
    pare_canvas_colour(1.0, bright);
    /* Every weight is a pixel; ends of scales have these colours, too. */
    assert_true(count_colour(&p, dark) >= 128 * 384 / 2 && count_colour(&p, bright) >= 128 * 384 / 2);
    free(p.rgb);
    free(png);
}

/* Rows of removed hidden channels are empty in the dense matrix's place, and no others. */
static void units_are_drawn_in_the_dense_matrix(void **state) {
    const workplace *place = *state;
    char *svg = pare_path_join(place->folder, "map.svg");
    PRUNE(place, "--ratio", "0.25", "--method", "magnitude-l2");
    json_t *json = JSON("inspect", place->output, "--map", MATRIX, "--against", place->model, "-o", svg, "--json");
    json_t *columns = json_object_get(json_object_get(json_object_get(json, "kept"), "columns"), "means");
    char *path = pare_path_join(place->output, "pruning.json");
    json_t *manifest = load_json(path), *layer = json_array_get(json_object_get(manifest, "layers"), 3);
    json_t *kept = json_object_get(layer, "ffn_channels_kept");
    assert_int_equal(json_array_size(kept), 288);
    assert_int_equal(json_array_size(columns), 384);
    assert_close("kept", number_at(json, "kept", NULL, "mean"), 0.75, 1e-12);
    assert_close("empty", number_at(json, "kept", "columns", "empty"), 96, 1e-12);
    assert_true(number_at(json, "change", NULL, "largest") < 1e-12);
    for (size_t i = 0, next = 0; i < 384; i++) {
        bool stays = next < 288 && json_integer_value(json_array_get(kept, next)) == (json_int_t)i;
        next += stays;
        assert_true(json_number_value(json_array_get(columns, i)) == (stays ? 1.0 : 0.0));
    }
    json_decref(json);
    json_decref(manifest);
    free(path);
    size_t bytes;
    char *text = (char *)workplace_read(svg, &bytes);
    assert_true(markup_check(text) > 0);
    assert_int_equal(markup_count(text, "data:image/png;base64,"), 11); /* three kinds twice, and five bars */
    free(text);
    free(svg);
}

/* Layer 3 of a model without its layer 1 was layer 4. */
static void layers_that_went_are_counted(void **state) {
    const workplace *place = *state;
    PRUNE(place, "--drop-layers", "1");
    json_t *json = JSON("inspect", place->output, "--map", MATRIX, "--against", place->model, "--json");
    assert_string_equal(json_string_value(json_object_get(json_object_get(json, "dense_matrix"), "name")),
                        "model.layers.4.mlp.down_proj.weight");
    assert_true(number_at(json, "change", NULL, "largest") < 1e-12);
    json_decref(json);
}

static void what_is_refused(void **state) {
    const workplace *place = *state;
    char *png = pare_path_join(place->folder, "map.png"), *jpeg = pare_path_join(place->folder, "map.jpg");
    char *inside = pare_path_join(place->model, "map.png");
    const char *model = place->model;
    EXPECT_NOTHING_LEFT(place, 2, "did you mean 'layers.3.mlp.down_proj'?", "inspect", model, "--map",
                        "layers.3.mlp.down_pro", "-o", png);
    EXPECT_NOTHING_LEFT(place, 2, "name it with -o", "inspect", model, "--map", MATRIX);
    EXPECT_NOTHING_LEFT(place, 2, "must end in .png or .svg", "inspect", model, "--map", MATRIX, "-o", jpeg);
    EXPECT_NOTHING_LEFT(place, 2, "is a vector of 128 numbers", "inspect", model, "--map", "layers.0.input_layernorm",
                        "-o", png);
    EXPECT_NOTHING_LEFT(place, 2, "--map MATRIX, which is missing", "inspect", model, "-o", png);
    EXPECT_NOTHING_LEFT(place, 2, "--map MATRIX, which is missing", "inspect", model, "--against", model);
    EXPECT_NOTHING_LEFT(place, 2, "lies in the model", "inspect", model, "--map", MATRIX, "-o", inside);
    EXPECT_NOTHING_LEFT(place, 1, "there is no folder", "inspect", model, "--map", MATRIX, "-o", "no-such/map.png");
    free(png);
    free(jpeg);
    free(inside);
}

/* One weight that is infinite. */
static void damaged_weights(void **state) {
    const workplace *place = *state;
    static const char header[] = "{\"a.weight\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}";
    const float values[4] = {1, 2, 3, INFINITY};
    char *png = pare_path_join(place->folder, "map.png");
    tiny_write_text(place->model, "config.json", "{\"model_type\": \"other\"}");
    tiny_write_safetensors(place->model, "model.safetensors", header, values, sizeof values);
    EXPECT_NOTHING_LEFT(place, 1, "is no number in row 1, column 1", "inspect", place->model, "--map", "a", "-o", png);
    free(png);
}

static void pairs_that_do_not_fit(void **state) {
    const workplace *place = *state;
    char *png = pare_path_join(place->folder, "map.png"), *path = pare_path_join(place->output, "pruning.json");
    PRUNE(place, "--ratio", "0.25", "--method", "magnitude-l2");
    json_t *manifest = load_json(path);
    json_object_set_new(manifest, "permutation", json_object());
    char *permuted = json_dumps(manifest, 0);
    tiny_write_text(place->output, "pruning.json", permuted);
    EXPECT_NOTHING_LEFT(place, 2, "channels in another order", "inspect", place->output, "--map", MATRIX, "--against",
                        place->model, "-o", png);
    json_decref(manifest);
    free(permuted);
    tiny_write_text(place->output, "pruning.json", "{\"layers\": []}");
    EXPECT_NOTHING_LEFT(place, 1, "another number of layers", "inspect", place->output, "--map", MATRIX, "--against",
                        place->model, "-o", png);
    tiny_write_text(place->output, "pruning.json", "{");
    EXPECT_NOTHING_LEFT(place, 1, "is no JSON", "inspect", place->output, "--map", MATRIX, "--against", place->model,
                        "-o", png);
    unlink(path);
    EXPECT_NOTHING_LEFT(place, 2, "no pruning.json in its folder says", "inspect", place->output, "--map", MATRIX,
                        "--against", place->model, "-o", png);
    free(png);
    free(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_WORKPLACE(a_pattern_is_drawn),
        IN_A_WORKPLACE(units_are_drawn_in_the_dense_matrix),
        IN_A_WORKPLACE(layers_that_went_are_counted),
        IN_A_WORKPLACE(what_is_refused),
        IN_A_WORKPLACE(damaged_weights),
        IN_A_WORKPLACE(pairs_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
