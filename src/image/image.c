#include "image/image.h"
#include "image/formats.h"
#include "support/memory.h"

#include <string.h>

typedef struct format {
    size_t at; /* where the bytes stand */
    const char *magic;
    size_t bytes;
    const char *what;
    pare_status (*decode)(const pare_mapping *file, pare_image *out); /* NULL: not read */
} format;

#define MAGIC(text) 0, text, sizeof(text) - 1

static const format formats[] = {
    {MAGIC("\x89PNG\r\n\x1A\n"), "a PNG file", pare_png_decode},
    {MAGIC("\xFF\xD8\xFF"), "a JPEG file", pare_jpeg_decode},
    {MAGIC("GIF87a"), "a GIF file", NULL},
    {MAGIC("GIF89a"), "a GIF file", NULL},
    {8, "WEBP", 4, "a WebP file", NULL},
    {MAGIC("BM"), "a BMP file", NULL},
    {MAGIC("II*\0"), "a TIFF file", NULL},
    {MAGIC("MM\0*"), "a TIFF file", NULL},
    {MAGIC("II+\0"), "a BigTIFF file", NULL},
    {MAGIC("MM\0+"), "a BigTIFF file", NULL},
    {4, "ftypavif", 8, "an AVIF file", NULL},
    {4, "ftypavis", 8, "an animated AVIF file", NULL},
    {4, "ftyphei", 7, "a HEIF file", NULL},
    {4, "ftyphev", 7, "a HEIF file", NULL},
    {4, "ftypmif1", 8, "a HEIF file", NULL},
    {MAGIC("\0\0\0\x0CjP  \r\n\x87\n"), "a JPEG 2000 file", NULL},
    {MAGIC("\xFF\x4F\xFF\x51"), "a JPEG 2000 stream", NULL},
    {MAGIC("\0\0\0\x0CJXL \r\n\x87\n"), "a JPEG XL file", NULL},
    {MAGIC("\xFF\x0A"), "a JPEG XL stream", NULL},
    {MAGIC("8BPS"), "a Photoshop file", NULL},
    {MAGIC("\x8AMNG\r\n\x1A\n"), "an MNG animation", NULL},
    {MAGIC("P1\n"), "a PBM file", NULL},
    {MAGIC("P2\n"), "a PGM file", NULL},
    {MAGIC("P3\n"), "a PPM file", NULL},
    {MAGIC("P4\n"), "a PBM file", NULL},
    {MAGIC("P5\n"), "a PGM file", NULL},
    {MAGIC("P6\n"), "a PPM file", NULL},
    {MAGIC("qoif"), "a QOI file", NULL},
    {MAGIC("\0\0\1\0"), "an icon file", NULL},
};

static const format *format_of(const unsigned char *data, size_t bytes) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const format *f = formats + i;
        if (bytes >= f->at + f->bytes && memcmp(data + f->at, f->magic, f->bytes) == 0) return f;
    }
    return NULL;
}

bool pare_image_begins(const unsigned char *data, size_t bytes) {
    return format_of(data, bytes) != NULL;
}

pare_status pare_image_refuse(const char *path, const unsigned char *data, size_t bytes) {
    if (!bytes) return pare_fail(PARE_FORMAT_ERROR, "%s is empty; fetch it again", path);
    const format *f = format_of(data, bytes);
    if (f)
        return pare_fail(PARE_UNSUPPORTED, "%s is %s, which pare does not read: convert it to PNG or JPEG", path,
                         f->what);
    size_t shown = bytes < 512 ? bytes : 512, odd = 0;
    for (size_t i = 0; i < shown; i++)
        odd += data[i] < 9 || (data[i] > 13 && data[i] < 32);
    return pare_fail(PARE_FORMAT_ERROR, "%s is %s, not a picture: give a PNG or JPEG file", path,
                     odd ? "data of another kind" : "a text");
}

pare_status pare_image_new(const char *path, uint64_t width, uint64_t height, uint32_t channels, pare_image *out) {
    *out = (pare_image){0};
    if (!width || !height)
        return pare_fail(PARE_FORMAT_ERROR, "%s has no pixels: its size is %llu x %llu; fetch it again", path,
                         (unsigned long long)width, (unsigned long long)height);
    if (width > PARE_IMAGE_SIDE || height > PARE_IMAGE_SIDE || width * height > PARE_IMAGE_PIXELS)
        return pare_fail(
            PARE_UNSUPPORTED,
            "%s is too large: %llu x %llu pixels, where %d a side and %d in all are the most; make it smaller", path,
            (unsigned long long)width, (unsigned long long)height, PARE_IMAGE_SIDE, PARE_IMAGE_PIXELS);
    PARE_TRY(pare_alloc_uninitialized(&out->pixels, (size_t)(width * height), channels, "a picture"));
    out->width = (uint32_t)width;
    out->height = (uint32_t)height;
    out->channels = channels;
    return PARE_OK;
}

void pare_image_free(pare_image *image) {
    pare_free(image->pixels);
    *image = (pare_image){0};
}

/* ITU-R 601-2 luma in 16 binary places, rounded, as Pillow has it. */
static uint8_t luma(const uint8_t *rgb) {
    return (uint8_t)((rgb[0] * 19595U + rgb[1] * 38470U + rgb[2] * 7471U + 0x8000U) >> 16);
}

pare_status pare_image_convert(pare_image *image, uint32_t channels) {
    if (image->channels == channels) return PARE_OK;
    size_t count = (size_t)image->width * image->height;
    uint8_t *pixels;
    PARE_TRY(pare_alloc_uninitialized(&pixels, count, channels, "a picture"));
    for (size_t i = 0; i < count; i++)
        if (channels == 1)
            pixels[i] = luma(image->pixels + 3 * i);
        else
            memset(pixels + 3 * i, image->pixels[i], 3);
    pare_free(image->pixels);
    image->pixels = pixels;
    image->channels = channels;
    return PARE_OK;
}

static pare_status decode(const pare_mapping *file, uint32_t channels, pare_image *out) {
    const format *f = format_of(file->data, (size_t)file->bytes);
    if (!f || !f->decode) return pare_image_refuse(file->path, file->data, (size_t)file->bytes);
    PARE_TRY(f->decode(file, out));
    pare_status status = pare_image_convert(out, channels);
    if (status != PARE_OK) pare_image_free(out);
    return status;
}

pare_status pare_image_read(const char *path, uint32_t channels, pare_image *out) {
    pare_mapping file;
    *out = (pare_image){0};
    PARE_TRY(pare_mapping_open(path, &file));
    pare_status status = decode(&file, channels, out);
    pare_mapping_close(&file);
    return status;
}
