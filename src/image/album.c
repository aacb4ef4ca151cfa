#include "image/album.h"
#include "support/memory.h"
#include "support/random.h"
#include "support/runtime.h"
#include "support/scratch.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Pictures for 64 MiB stay in memory. */
enum { FIRST_ROOM = 16, SMALL = 64 << 20 };

static const uint64_t NOISE_STREAM = 0x616c62756d6e6f69u;

struct pare_album {
    atomic_uint holders;
    pare_image_processor processor;
    uint64_t picture_bytes;
    pare_scratch pixels; /* [room] pictures */
    int32_t *labels;     /* [room] */
    uint32_t count, room;
};

pare_status pare_album_new(const pare_image_processor *processor, pare_album **out) {
    *out = NULL;
    PARE_TRY(pare_alloc(out, 1, sizeof **out, "pictures"));
    atomic_init(&(*out)->holders, 1);
    (*out)->processor = *processor;
    (*out)->picture_bytes = (uint64_t)processor->width * processor->height * processor->channels;
    return PARE_OK;
}

pare_album *pare_album_retain(pare_album *album) {
    atomic_fetch_add(&album->holders, 1);
    return album;
}

void pare_album_release(pare_album *album) {
    if (!album || atomic_fetch_sub(&album->holders, 1) > 1) return;
    pare_scratch_close(&album->pixels);
    pare_free(album->labels);
    pare_free(album);
}

static pare_status grow_to(pare_album *album, uint32_t room, uint64_t bytes) {
    pare_scratch pixels;
    int32_t *labels;
    PARE_TRY(pare_alloc(&labels, room, sizeof *labels, "labels of pictures"));
    pare_status status =
        pare_scratch_open(&pixels, bytes, bytes > SMALL ? pare_runtime_scratch(NULL) : NULL, "pictures");
    if (status != PARE_OK) {
        pare_free(labels);
        return status;
    }
    if (album->count) {
        memcpy(pixels.data, album->pixels.data, album->count * album->picture_bytes);
        memcpy(labels, album->labels, album->count * sizeof *labels);
    }
    pare_scratch_close(&album->pixels);
    pare_free(album->labels);
    album->pixels = pixels;
    album->labels = labels;
    album->room = room;
    return PARE_OK;
}

/* Room for one more. */
static pare_status make_room(pare_album *album) {
    uint32_t room = album->room ? album->room > INT32_MAX / 2 ? INT32_MAX : 2 * album->room : FIRST_ROOM;
    uint64_t bytes;
    if (album->count < album->room) return PARE_OK;
    if (album->count == INT32_MAX || !pare_multiply_size(room, album->picture_bytes, &bytes))
        return pare_fail(PARE_OUT_OF_MEMORY, "more than %u pictures are too many to hold; take fewer", album->count);
    return grow_to(album, room, bytes);
}

static uint8_t *next_pixels(pare_album *album) {
    return (uint8_t *)album->pixels.data + album->count * album->picture_bytes;
}

static pare_status take(pare_album *album, const char *name, pare_image *image, int32_t label) {
    PARE_TRY(pare_image_fit(&album->processor, name, image));
    PARE_TRY(make_room(album));
    memcpy(next_pixels(album), image->pixels, album->picture_bytes);
    album->labels[album->count++] = label;
    return PARE_OK;
}

static pare_status read_and_take(pare_album *album, const pare_image_set *set, uint32_t index, const char *name) {
    pare_image image;
    PARE_TRY(pare_image_set_read(set, index, album->processor.channels, &image));
    pare_status status = take(album, name, &image, pare_image_set_label(set, index));
    pare_image_free(&image);
    return status;
}

pare_status pare_album_add(pare_album *album, const pare_image_set *set, uint32_t index, pare_skipped *skipped,
                           bool *added) {
    *added = false;
    PARE_TRY(pare_interrupted());
    char *name = pare_image_set_name(set, index);
    if (!name) return pare_whole();
    pare_status status = read_and_take(album, set, index, name);
    skipped->seen++;
    *added = status == PARE_OK;
    if (status == PARE_UNSUPPORTED || status == PARE_FORMAT_ERROR)
        status = pare_skipped_add(skipped, name, pare_image_set_root(set));
    free(name);
    return status;
}

pare_status pare_album_add_noise(pare_album *album, uint64_t seed, uint32_t count, uint32_t labels) {
    pare_random random = {.seed = seed, .stream = NOISE_STREAM};
    for (uint32_t i = 0; i < count; i++) {
        PARE_TRY(make_room(album));
        uint8_t *pixels = next_pixels(album);
        for (uint64_t b = 0, bits = 0; b < album->picture_bytes; b++, bits >>= 8) {
            if (b % 8 == 0) bits = pare_random_next(&random);
            pixels[b] = (uint8_t)bits;
        }
        album->labels[album->count++] = (int32_t)pare_random_below(&random, labels);
    }
    return PARE_OK;
}

uint32_t pare_album_count(const pare_album *album) {
    return album->count;
}

int32_t pare_album_label(const pare_album *album, uint32_t picture) {
    return album->labels[picture];
}

const uint8_t *pare_album_pixels(const pare_album *album, uint32_t picture) {
    return (const uint8_t *)album->pixels.data + picture * album->picture_bytes;
}

const pare_image_processor *pare_album_processor(const pare_album *album) {
    return &album->processor;
}

static void fill_patch(const pare_image_processor *p, const uint8_t *first, uint32_t height, uint32_t width,
                       float *out) {
    size_t row_bytes = (size_t)p->width * p->channels;
    for (uint32_t c = 0; c < p->channels; c++)
        for (uint32_t y = 0; y < height; y++)
            for (uint32_t x = 0; x < width; x++)
                *out++ = p->values[c][first[y * row_bytes + (size_t)x * p->channels + c]];
}

void pare_album_patches(const pare_album *album, uint32_t picture, uint32_t patch_height, uint32_t patch_width,
                        float *out) {
    const pare_image_processor *p = &album->processor;
    const uint8_t *pixels = pare_album_pixels(album, picture);
    size_t patch_size = (size_t)p->channels * patch_height * patch_width;
    uint32_t across = p->width / patch_width, count = p->height / patch_height * across;
    for (uint32_t i = 0; i < count; i++) {
        size_t row = (size_t)(i / across) * patch_height, column = (size_t)(i % across) * patch_width;
        fill_patch(p, pixels + (row * p->width + column) * p->channels, patch_height, patch_width,
                   out + i * patch_size);
    }
}

/* Four bytes, the lowest first. */
static void add_number(pare_digest *digest, uint32_t number) {
    uint8_t bytes[] = {(uint8_t)number, (uint8_t)(number >> 8), (uint8_t)(number >> 16), (uint8_t)(number >> 24)};
    pare_digest_add(digest, bytes, sizeof bytes);
}

pare_status pare_album_digest(const pare_album *album, const uint32_t *pictures, size_t stride, uint32_t count,
                              char text[PARE_DIGEST_TEXT]) {
    pare_digest *digest;
    PARE_TRY(pare_digest_new(&digest));
    add_number(digest, album->processor.height);
    add_number(digest, album->processor.width);
    add_number(digest, album->processor.channels);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t picture = pictures[i * stride];
        add_number(digest, (uint32_t)album->labels[picture]);
        pare_digest_add(digest, pare_album_pixels(album, picture), album->picture_bytes);
    }
    pare_digest_finish(digest, text);
    return PARE_OK;
}
