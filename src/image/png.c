/* PNG: 8 bytes of signature, then chunks: length (4 bytes, big-endian), kind (4 letters), data, CRC-32. IHDR comes
 * first, IDAT holds the pixels, IEND ends the file; an acTL before IDAT makes an animation of it (APNG). libpng reads
 * it. */
#include "image/exif.h"
#include "image/formats.h"
#include "support/memory.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

enum { SIGNATURE = 8, CHUNK_FRAME = 12, WHY = 128 };

typedef struct reader {
    const pare_mapping *file;
    uint64_t at;
    png_structp png;
    png_infop info;
    pare_image image;
    png_bytepp rows;
    bool cut_off;       /* libpng asked for more than there is */
    pare_status status; /* of what has left its sentence already */
    char why[WHY];      /* libpng's own words */
} reader;

static void take(png_structp png, png_bytep out, size_t bytes) {
    reader *r = png_get_io_ptr(png);
    r->cut_off = bytes > r->file->bytes - r->at;
    if (r->cut_off) png_error(png, "end of file");
    memcpy(out, r->file->data + r->at, bytes);
    r->at += bytes;
}

static void on_error(png_structp png, png_const_charp words) {
    reader *r = png_get_error_ptr(png);
    snprintf(r->why, sizeof r->why, "%s", words);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp words) {
    (void)png;
    (void)words;
}

static uint32_t big_endian(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_animated(const pare_mapping *file) {
    for (uint64_t at = SIGNATURE; at + CHUNK_FRAME <= file->bytes;) {
        const unsigned char *chunk = file->data + at;
        if (memcmp(chunk + 4, "acTL", 4) == 0) return true;
        if (memcmp(chunk + 4, "IDAT", 4) == 0) return false;
        at += CHUNK_FRAME + (uint64_t)big_endian(chunk);
    }
    return false;
}

/* Grey or RGB of 8 bits, or colours' numbers in the palette, a byte each. */
static void set_transformations(reader *r) {
    int color = png_get_color_type(r->png, r->info);
    if (color == PNG_COLOR_TYPE_PALETTE) png_set_packing(r->png);
    if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(r->png);
    if (color & PNG_COLOR_MASK_ALPHA) png_set_strip_alpha(r->png);
    png_set_interlace_handling(r->png);
}

static pare_status make_room(reader *r) {
    uint32_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
    bool rgb = (png_get_color_type(r->png, r->info) & ~PNG_COLOR_MASK_ALPHA) == PNG_COLOR_TYPE_RGB;
    if (png_get_bit_depth(r->png, r->info) == 16)
        return pare_fail(PARE_UNSUPPORTED, "%s is a PNG file with 16 bits a channel: convert it to 8 bits",
                         r->file->path);
    PARE_TRY(pare_image_new(r->file->path, width, height, rgb ? 3 : 1, &r->image));
    PARE_TRY(pare_alloc(&r->rows, height, sizeof *r->rows, "rows of a picture"));
    for (uint32_t y = 0; y < height; y++)
        r->rows[y] = r->image.pixels + (size_t)y * width * r->image.channels;
    return PARE_OK;
}

/* All that may jump; what it needs afterwards lies in *r. False: libpng gave up. */
static bool read_all(reader *r) {
    if (setjmp(png_jmpbuf(r->png))) return false;
    png_set_read_fn(r->png, r, take);
    png_set_user_limits(r->png, PARE_IMAGE_PIXELS, PARE_IMAGE_PIXELS);
    png_read_info(r->png, r->info);
    r->status = make_room(r);
    if (r->status != PARE_OK) return true;
    set_transformations(r);
    png_read_update_info(r->png, r->info);
    if (png_get_rowbytes(r->png, r->info) != (size_t)r->image.width * r->image.channels)
        png_error(r->png, "rows of an unexpected length");
    png_read_image(r->png, r->rows);
    png_read_end(r->png, r->info);
    return true;
}

static pare_status explain(const reader *r) {
    if (r->cut_off)
        return pare_fail(PARE_FORMAT_ERROR, "%s is truncated: the PNG file ends at byte %llu; fetch it again",
                         r->file->path, (unsigned long long)r->file->bytes);
    if (strstr(r->why, "memory")) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to read %s", r->file->path);
    return pare_fail(PARE_FORMAT_ERROR, "%s is a damaged PNG file (%s near byte %llu of %llu); fetch it again",
                     r->file->path, r->why, (unsigned long long)r->at, (unsigned long long)r->file->bytes);
}

/* Libpng's own expansion takes numbers beyond the palette for black. */
static pare_status apply_palette(reader *r) {
    png_colorp colors = NULL;
    int count = 0;
    pare_image rgb;
    png_get_PLTE(r->png, r->info, &colors, &count);
    PARE_TRY(pare_image_new(r->file->path, r->image.width, r->image.height, 3, &rgb));
    size_t pixels = (size_t)rgb.width * rgb.height;
    int highest = 0;
    for (size_t i = 0; i < pixels; i++) {
        int color = r->image.pixels[i];
        if (color > highest) highest = color;
        if (color < count) memcpy(rgb.pixels + 3 * i, &colors[color], 3);
    }
    pare_image_free(&r->image);
    r->image = rgb;
    if (highest < count) return PARE_OK;
    return pare_fail(PARE_FORMAT_ERROR,
                     "%s is a damaged PNG file: a pixel has colour %d of a palette of %d; fetch it again",
                     r->file->path, highest, count);
}

static pare_status make_upright(reader *r) {
    png_bytep data = NULL;
    png_uint_32 bytes = 0;
    if (!png_get_eXIf_1(r->png, r->info, &bytes, &data)) return PARE_OK;
    return pare_exif_turn(&r->image, pare_exif_orientation(data, bytes));
}

static pare_status read_picture(reader *r) {
    if (r->png) r->info = png_create_info_struct(r->png);
    if (!r->info) return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to read %s", r->file->path);
    if (!read_all(r)) return explain(r);
    PARE_TRY(r->status);
    if (png_get_color_type(r->png, r->info) == PNG_COLOR_TYPE_PALETTE) PARE_TRY(apply_palette(r));
    return make_upright(r);
}

pare_status pare_png_decode(const pare_mapping *file, pare_image *out) {
    if (is_animated(file))
        return pare_fail(PARE_UNSUPPORTED,
                         "%s is an animated PNG file: save the picture that is meant as one of its own", file->path);
    reader r = {.file = file};
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    pare_status status = read_picture(&r);
    png_destroy_read_struct(&r.png, &r.info, NULL);
    pare_free(r.rows);
    if (status == PARE_OK)
        *out = r.image;
    else
        pare_image_free(&r.image);
    return status;
}
