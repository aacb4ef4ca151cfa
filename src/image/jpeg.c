/* JPEG: markers, each FF and a kind, from FF D8 to FF D9. Those with data have its length behind them (2 bytes,
 * big-endian, itself included). The frame's (C0 to CF but C4, C8, CC) says how pixels are coded: baseline, extended or
 * progressive is read here. libjpeg-turbo does it, with the settings that Pillow uses: accurate integer DCT, smooth
 * upsampling of colours. */
#include "image/exif.h"
#include "image/formats.h"
#include "support/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

/* No sound file has more; a small one that has may take hours. */
enum { MOST_SCANS = 500 };

static const unsigned char exif[6] = "Exif\0";

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const pare_mapping *file;
    pare_image image;
    pare_status status; /* of what has left its sentence already */
    int damage;         /* the first warning that spoils pixels; 0: none */
    int error;
    char why[JMSG_LENGTH_MAX];
} reader;

static void on_error(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    r->error = r->errors.msg_code;
    r->errors.format_message(jpeg, r->why);
    longjmp(r->back, 1);
}

static bool spoils(int warning) {
    return warning == JWRN_JPEG_EOF || warning == JWRN_HIT_MARKER || warning == JWRN_HUFF_BAD_CODE ||
           warning == JWRN_MUST_RESYNC || warning == JWRN_BOGUS_PROGRESSION;
}

static void on_message(j_common_ptr jpeg, int level) {
    reader *r = jpeg->client_data;
    if (level >= 0 || r->damage || !spoils(r->errors.msg_code)) return;
    r->damage = r->errors.msg_code;
    r->errors.format_message(jpeg, r->why);
}

static void print_nothing(j_common_ptr jpeg) {
    (void)jpeg;
}

static void count_scans(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    if (r->jpeg.input_scan_number <= MOST_SCANS) return;
    snprintf(r->why, sizeof r->why, "more than %d scans", MOST_SCANS);
    longjmp(r->back, 1);
}

static pare_status refuse(const reader *r, const char *what) {
    return pare_fail(PARE_UNSUPPORTED,
                     "%s is a JPEG file %s, which pare does not read: save it again as RGB with 8 bits", r->file->path,
                     what);
}

/* What one of the markers before the pixels has behind it. */
typedef struct segment {
    unsigned char kind;
    const unsigned char *data; /* behind the length */
    size_t bytes;
} segment;

static bool is_frame(const segment *s) {
    return s->kind >= 0xC0 && s->kind <= 0xCF && s->kind != 0xC4 && s->kind != 0xC8 && s->kind != 0xCC;
}

static bool is_exif(const segment *s) {
    return s->kind == 0xE1 && s->bytes >= sizeof exif && memcmp(s->data, exif, sizeof exif) == 0;
}

/* The first that `is` what is looked for; kind 0: none is. */
static segment find_segment(const pare_mapping *file, bool (*is)(const segment *)) {
    for (uint64_t at = 2; at + 4 <= file->bytes && file->data[at] == 0xFF;) {
        segment s = {.kind = file->data[at + 1], .data = file->data + at + 4};
        uint64_t length = (uint64_t)file->data[at + 2] << 8 | file->data[at + 3];
        if (s.kind == 0xFF) {
            at++; /* a byte that fills */
            continue;
        }
        if (s.kind == 0xDA || s.kind == 0xD9 || length < 2 || length > file->bytes - at - 2) break;
        s.bytes = (size_t)length - 2;
        if (is(&s)) return s;
        at += 2 + length;
    }
    return (segment){0};
}

static pare_status check_frame(const reader *r) {
    unsigned char kind = find_segment(r->file, is_frame).kind;
    if (kind == 0xC3) return refuse(r, "of the lossless kind");
    if (kind == 0xC9 || kind == 0xCA) return refuse(r, "with arithmetic coding");
    return kind <= 0xC2 ? PARE_OK : refuse(r, "of a hierarchical kind");
}

static pare_status make_room(reader *r) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    if (jpeg->data_precision != 8) return refuse(r, "with other than 8 bits a channel");
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) return refuse(r, "in CMYK");
    if (jpeg->num_components != 1 && jpeg->num_components != 3) return refuse(r, "with 2 or more than 4 channels");
    jpeg->out_color_space = jpeg->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg->dct_method = JDCT_ISLOW;
    jpeg->do_fancy_upsampling = TRUE;
    return pare_image_new(r->file->path, jpeg->image_width, jpeg->image_height, (uint32_t)jpeg->num_components,
                          &r->image);
}

static void read_rows(reader *r) {
    size_t row_bytes = (size_t)r->image.width * r->image.channels;
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        JSAMPROW row = r->image.pixels + r->jpeg.output_scanline * row_bytes;
        jpeg_read_scanlines(&r->jpeg, &row, 1);
    }
}

/* All that may jump; what it needs afterwards lies in *r. False: libjpeg gave up. */
static bool read_all(reader *r) {
    if (setjmp(r->back)) return false;
    jpeg_create_decompress(&r->jpeg);
    r->jpeg.progress = &r->progress;
    jpeg_mem_src(&r->jpeg, r->file->data, (unsigned long)r->file->bytes);
    jpeg_read_header(&r->jpeg, TRUE);
    r->status = make_room(r);
    if (r->status != PARE_OK) return true;
    jpeg_start_decompress(&r->jpeg);
    read_rows(r);
    jpeg_finish_decompress(&r->jpeg);
    return true;
}

static pare_status explain_error(const reader *r) {
    switch (r->error) {
    case JERR_SOF_UNSUPPORTED:
        return refuse(r, "of an unknown kind");
    case JERR_BAD_PRECISION:
        return refuse(r, "with other than 8 bits a channel");
    case JERR_CONVERSION_NOTIMPL:
    case JERR_COMPONENT_COUNT:
        return refuse(r, "with colours of an unknown kind");
    case JERR_OUT_OF_MEMORY:
        return pare_fail(PARE_OUT_OF_MEMORY, "not enough memory to read %s", r->file->path);
    case JERR_INPUT_EOF:
    case JERR_INPUT_EMPTY:
        break;
    default:
        if (r->damage == JWRN_JPEG_EOF) break;
        return pare_fail(PARE_FORMAT_ERROR, "%s is a damaged JPEG file (%s); fetch it again", r->file->path, r->why);
    }
    return pare_fail(PARE_FORMAT_ERROR, "%s is truncated: the JPEG file ends at byte %llu; fetch it again",
                     r->file->path, (unsigned long long)r->file->bytes);
}

static pare_status read_picture(reader *r) {
    PARE_TRY(check_frame(r));
    if (!read_all(r)) return explain_error(r);
    PARE_TRY(r->status);
    if (r->damage == JWRN_JPEG_EOF)
        return pare_fail(PARE_FORMAT_ERROR, "%s is truncated: the JPEG file ends at byte %llu; fetch it again",
                         r->file->path, (unsigned long long)r->file->bytes);
    if (r->damage)
        return pare_fail(PARE_FORMAT_ERROR, "%s is a damaged JPEG file (%s); fetch it again", r->file->path, r->why);
    segment s = find_segment(r->file, is_exif);
    return s.kind ? pare_exif_turn(&r->image, pare_exif_orientation(s.data + sizeof exif, s.bytes - sizeof exif))
                  : PARE_OK;
}

pare_status pare_jpeg_decode(const pare_mapping *file, pare_image *out) {
    reader *r; /* not a variable that a jump may leave undefined */
    PARE_TRY(pare_alloc(&r, 1, sizeof *r, "a JPEG decoder"));
    r->file = file;
    r->jpeg.err = jpeg_std_error(&r->errors);
    r->jpeg.client_data = r;
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = print_nothing;
    r->progress.progress_monitor = count_scans;
    pare_status status = read_picture(r);
    jpeg_destroy_decompress(&r->jpeg);
    if (status == PARE_OK)
        *out = r->image;
    else
        pare_image_free(&r->image);
    pare_free(r);
    return status;
}
