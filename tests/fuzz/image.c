/* Pictures, and what is said of them. */
#include "image/image.h"
#include "fuzz/target.h"
#include "image/idx.h"
#include "image/processor.h"
#include "tiny_model.h"

static pare_status read_picture(const char *folder, const char *path) {
    (void)folder;
    pare_status status = PARE_OK;
    for (uint32_t channels = 1; channels <= 3; channels += 2) {
        pare_image image;
        status = pare_image_read(path, channels, &image);
        if (status != PARE_OK) continue;
        const volatile uint8_t *pixels = image.pixels;
        fuzz_check(image.width && image.height && image.channels == channels, "a picture has pixels");
        (void)pixels[(uint64_t)image.width * image.height * channels - 1];
        pare_image_free(&image);
    }
    return status;
}

static void seed_pictures(const char *folder) {
    static const char *const names[] = {"rgb.png",  "palette_4.png", "rgb_interlaced.png", "grey_1.png",
                                        "grey.jpg", "rgb_420.jpg",   "grey_turned_6.jpg",  "rgb_progressive.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        fuzz_copy(PARE_SOURCE_DIR "/tests/data/images", names[i], folder, names[i]);
}

static pare_status read_idx(const char *folder, const char *path) {
    (void)folder;
    pare_idx idx;
    PARE_TRY(pare_idx_open(path, &idx));
    const volatile uint8_t *pixels = idx.pixels;
    uint64_t bytes = (uint64_t)idx.count * idx.height * idx.width;
    if (bytes) (void)pixels[bytes - 1];
    pare_idx_close(&idx);
    return PARE_OK;
}

static void seed_idx(const char *folder) {
    static const unsigned char data[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    tiny_write_file(folder, "idx", data, sizeof data);
}

static pare_status read_processor(const char *folder, const char *path) {
    (void)path;
    pare_image_processor processor;
    return pare_image_processor_read(folder, "vit", 8, 8, 3, &processor);
}

static void seed_processor(const char *folder) {
    tiny_write_text(folder, "vit",
                    "{\"image_processor_type\": \"ViTImageProcessor\", \"do_resize\": true, \"size\": {\"height\": 8, "
                    "\"width\": 8}, \"resample\": 2, \"do_rescale\": true, \"rescale_factor\": 0.00392156862745098, "
                    "\"do_normalize\": true, \"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5]}");
    tiny_write_text(folder, "deit",
                    "{\"image_processor_type\": \"DeiTImageProcessor\", \"size\": {\"shortest_edge\": 9}, "
                    "\"do_center_crop\": true, \"crop_size\": {\"height\": 8, \"width\": 8}}");
}

const fuzz_target *const fuzz_image_targets[] = {
    &(const fuzz_target){.name = "picture", .file = "picture", .seed = seed_pictures, .read = read_picture},
    &(const fuzz_target){.name = "idx", .file = "train-images-idx3-ubyte", .seed = seed_idx, .read = read_idx},
    &(const fuzz_target){
        .name = "image-processor", .file = "preprocessor_config.json", .seed = seed_processor, .read = read_processor},
    NULL};
