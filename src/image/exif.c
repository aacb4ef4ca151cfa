/* EXIF is a small TIFF file: "II*\0" (little-endian) or "MM\0*" (big-endian), the offset of the first directory (4
 * bytes); that has the number of its entries (2 bytes) and for each 12 bytes: tag, type (2 bytes each), count (4),
 * value (4, from the left). The orientation is tag 0112, one number of 2 bytes (type 3). */
#include "image/exif.h"

#include <string.h>

enum { HEADER = 8, ENTRY = 12, ORIENTATION = 0x0112, TWO_BYTES = 3, HIGHEST = 8 };

typedef struct tiff {
    const unsigned char *data;
    size_t bytes;
    bool big_endian;
} tiff;

static uint32_t read_number(const tiff *t, size_t at, size_t bytes) {
    uint32_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | t->data[at + (t->big_endian ? i : bytes - 1 - i)];
    return number;
}

static uint32_t read_entry(const tiff *t, size_t at) {
    bool is = read_number(t, at, 2) == ORIENTATION && read_number(t, at + 2, 2) == TWO_BYTES &&
              read_number(t, at + 4, 4) == 1;
    return is ? read_number(t, at + 8, 2) : 0;
}

uint32_t pare_exif_orientation(const unsigned char *data, size_t bytes) {
    tiff t = {.data = data, .bytes = bytes};
    if (bytes < HEADER) return 1;
    t.big_endian = memcmp(data, "MM\0*", 4) == 0;
    if (!t.big_endian && memcmp(data, "II*\0", 4) != 0) return 1;
    size_t at = read_number(&t, 4, 4);
    if (at > bytes || bytes - at < 2) return 1;
    size_t count = read_number(&t, at, 2);
    at += 2;
    for (size_t i = 0; i < count && bytes - at >= ENTRY; i++, at += ENTRY) {
        uint32_t orientation = read_entry(&t, at);
        if (orientation) return orientation <= HIGHEST ? orientation : 1;
    }
    return 1;
}

/* By orientation: whether rows become columns, and whether the picture's rows and columns are then counted from their
 * end. */
static const struct {
    bool across, rows_back, columns_back;
} turns[HIGHEST + 1] = {{0}, {0, 0, 0}, {0, 0, 1}, {0, 1, 1}, {0, 1, 0}, {1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {1, 0, 1}};

pare_status pare_exif_turn(pare_image *image, uint32_t orientation) {
    bool across = turns[orientation].across;
    uint32_t width = across ? image->height : image->width, height = across ? image->width : image->height;
    pare_image out;
    if (orientation == 1) return PARE_OK;
    PARE_TRY(pare_image_new("a picture", width, height, image->channels, &out));
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint32_t row = across ? x : y, column = across ? y : x;
            if (turns[orientation].rows_back) row = image->height - 1 - row;
            if (turns[orientation].columns_back) column = image->width - 1 - column;
            memcpy(out.pixels + ((size_t)y * width + x) * out.channels,
                   image->pixels + ((size_t)row * image->width + column) * out.channels, out.channels);
        }
    pare_image_free(image);
    *image = out;
    return PARE_OK;
}
