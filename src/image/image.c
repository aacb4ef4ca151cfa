#include "image/image.h"
#include "image/formats.h"

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
