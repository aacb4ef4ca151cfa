/* Pillow's resampling (libImaging/Resample.c): along rows, then along columns; weights in whole numbers with 22 binary
 * places. Between the two steps, where Pillow and torchvision each round to 8 bits in a way of their own, a number here
 * has 8 places more: so the result is within one grey level of both, and Pillow's own where one side stays as long. */
#include "image/resize.h"
#include "support/memory.h"

#include <math.h>
#include <string.h>

enum { PRECISION = 32 - 8 - 2, BETWEEN = 8, MOST = 255 << BETWEEN };

static double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double triangle(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

/* The constants are floats in Pillow, too. */
static double hamming(double x) {
    x = fabs(x);
    if (x == 0.0) return 1.0;
    if (x >= 1.0) return 0.0;
    x *= M_PI;
    return sin(x) / x * ((double)0.54f + (double)0.46f * cos(x));
}

/* a = -0.5 */
static double cubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0) return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x) {
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct {
    double (*value)(double x);
    double support; /* it is 0 beyond that */
} filters[PARE_RESAMPLE_COUNT] = {
    [PARE_RESAMPLE_LANCZOS] = {lanczos, 3.0}, [PARE_RESAMPLE_BILINEAR] = {triangle, 1.0},
    [PARE_RESAMPLE_BICUBIC] = {cubic, 2.0},   [PARE_RESAMPLE_BOX] = {box, 0.5},
    [PARE_RESAMPLE_HAMMING] = {hamming, 1.0},
};

/* What each pixel along one side is made of: `count` pixels from `first` on. */
typedef struct span {
    uint32_t first, count;
} span;

typedef struct weights {
    span *spans;    /* [out] */
    int32_t *fixed; /* [out, most] */
    double *exact;  /* [most], of one pixel */
    size_t most;
} weights;

static void free_weights(weights *w) {
    pare_free(w->spans);
    pare_free(w->fixed);
    pare_free(w->exact);
}

static void weigh_pixel(weights *w, uint32_t in, uint32_t at, double scale, pare_resample resample) {
    double filter_scale = scale < 1.0 ? 1.0 : scale, support = filters[resample].support * filter_scale;
    double center = (at + 0.5) * scale, sum = 0.0, inverse = 1.0 / filter_scale;
    int64_t first = (int64_t)(center - support + 0.5), end = (int64_t)(center + support + 0.5);
    if (first < 0) first = 0;
    if (end > in) end = in;
    uint32_t count = (uint32_t)(end - first);
    for (uint32_t i = 0; i < count; i++) {
        w->exact[i] = filters[resample].value(((double)(i + first) - center + 0.5) * inverse);
        sum += w->exact[i];
    }
    for (uint32_t i = 0; i < count; i++) {
        double value = (sum != 0.0 ? w->exact[i] / sum : w->exact[i]) * (1 << PRECISION);
        w->fixed[at * w->most + i] = (int32_t)(value < 0 ? value - 0.5 : value + 0.5);
    }
    w->spans[at] = (span){(uint32_t)first, count};
}

/* A side that stays as long is not touched. */
static void keep_pixel(weights *w, uint32_t at) {
    w->fixed[at * w->most] = 1 << PRECISION;
    w->spans[at] = (span){at, 1};
}

static pare_status make_weights(uint32_t in, uint32_t out, pare_resample resample, weights *w) {
    double scale = (double)in / out;
    *w = (weights){.most = (size_t)ceil(filters[resample].support * (scale < 1.0 ? 1.0 : scale)) * 2 + 1};
    pare_status status = pare_alloc(&w->spans, out, sizeof *w->spans, "weights of a picture");
    if (status == PARE_OK) status = pare_alloc(&w->exact, w->most, sizeof *w->exact, "weights of a picture");
    if (status == PARE_OK) status = pare_alloc(&w->fixed, out, w->most * sizeof *w->fixed, "weights of a picture");
    if (status != PARE_OK) {
        free_weights(w);
        return status;
    }
    for (uint32_t at = 0; at < out; at++)
        if (in == out)
            keep_pixel(w, at);
        else
            weigh_pixel(w, in, at, scale, resample);
    return PARE_OK;
}

/* A sum of `count` numbers that lie `stride` apart, with `places` binary places fewer than it has, cut to 0 .. most. */
static uint32_t weighted(const uint16_t *from, size_t stride, const weights *w, uint32_t at, int64_t half, int places,
                         int64_t most) {
    const int32_t *fixed = w->fixed + at * w->most;
    int64_t sum = half;
    for (uint32_t i = 0; i < w->spans[at].count; i++)
        sum += (int64_t)from[i * stride] * fixed[i];
    sum >>= places;
    return (uint32_t)(sum < 0 ? 0 : sum > most ? most : sum);
}

/* row: [in width, channels] widened; out: [out width, channels]. */
static void resize_row(const uint16_t *row, size_t channels, uint32_t width, const weights *w, uint16_t *out) {
    for (uint32_t x = 0; x < width; x++)
        for (size_t c = 0; c < channels; c++)
            out[x * channels + c] =
                (uint16_t)weighted(row + w->spans[x].first * channels + c, channels, w, x, 0, PRECISION, MOST);
}

/* between: [in height, out width, channels]. */
static pare_status resize_rows(const pare_image *in, uint32_t width, pare_resample resample, uint16_t *between) {
    size_t in_row = (size_t)in->width * in->channels, out_row = (size_t)width * in->channels;
    uint16_t *row;
    weights w;
    PARE_TRY(make_weights(in->width, width, resample, &w));
    pare_status status = pare_alloc(&row, in_row, sizeof *row, "a row of a picture");
    for (uint32_t y = 0; status == PARE_OK && y < in->height; y++) {
        for (size_t i = 0; i < in_row; i++)
            row[i] = (uint16_t)(in->pixels[y * in_row + i] << BETWEEN);
        resize_row(row, in->channels, width, &w, between + y * out_row);
    }
    if (status == PARE_OK) pare_free(row);
    free_weights(&w);
    return status;
}

static pare_status resize_columns(const uint16_t *between, uint32_t in_height, pare_resample resample,
                                  pare_image *out) {
    size_t row = (size_t)out->width * out->channels;
    weights w;
    PARE_TRY(make_weights(in_height, out->height, resample, &w));
    for (uint32_t y = 0; y < out->height; y++)
        for (size_t x = 0; x < row; x++)
            out->pixels[y * row + x] =
                (uint8_t)weighted(between + w.spans[y].first * row + x, row, &w, y,
                                  (int64_t)1 << (PRECISION + BETWEEN - 1), PRECISION + BETWEEN, 255);
    free_weights(&w);
    return PARE_OK;
}

static void replace(pare_image *image, const pare_image *by) {
    pare_image_free(image);
    *image = *by;
}

static pare_status filter(pare_image *image, const char *path, uint32_t width, uint32_t height,
                          pare_resample resample) {
    pare_image out = {0};
    uint16_t *between;
    PARE_TRY(pare_alloc_uninitialized(&between, (size_t)width * image->height, image->channels * sizeof *between,
                                      "a picture"));
    pare_status status = resize_rows(image, width, resample, between);
    if (status == PARE_OK) status = pare_image_new(path, width, height, image->channels, &out);
    if (status == PARE_OK) status = resize_columns(between, image->height, resample, &out);
    pare_free(between);
    if (status == PARE_OK)
        replace(image, &out);
    else
        pare_image_free(&out);
    return status;
}

/* The pixel that each place along one side takes: summed up, as Pillow does (libImaging/Geometry.c). */
static pare_status nearest_places(uint32_t in, uint32_t out, uint32_t **places) {
    double step = (double)in / out, at = step * 0.5;
    PARE_TRY(pare_alloc(places, out, sizeof **places, "places of pixels"));
    for (uint32_t i = 0; i < out; i++, at += step)
        (*places)[i] = at < in ? (uint32_t)at : in - 1;
    return PARE_OK;
}

static pare_status take_nearest(pare_image *image, const char *path, uint32_t width, uint32_t height) {
    uint32_t *columns = NULL, *rows = NULL;
    pare_image out = {0};
    pare_status status = nearest_places(image->width, width, &columns);
    if (status == PARE_OK) status = nearest_places(image->height, height, &rows);
    if (status == PARE_OK) status = pare_image_new(path, width, height, image->channels, &out);
    size_t channels = image->channels;
    for (uint32_t y = 0; y < out.height; y++)
        for (uint32_t x = 0; x < out.width; x++)
            memcpy(out.pixels + ((size_t)y * width + x) * channels,
                   image->pixels + ((size_t)rows[y] * image->width + columns[x]) * channels, channels);
    pare_free(columns);
    pare_free(rows);
    if (status == PARE_OK) replace(image, &out);
    return status;
}

pare_status pare_image_resize(pare_image *image, const char *path, uint64_t width, uint64_t height,
                              pare_resample resample) {
    if (width == image->width && height == image->height) return PARE_OK;
    if (!width || !height || width > PARE_IMAGE_SIDE || height > PARE_IMAGE_SIDE || width * height > PARE_IMAGE_PIXELS)
        return pare_fail(PARE_UNSUPPORTED,
                         "%s has %u x %u pixels, which would become %llu x %llu: cut it to a squarer shape", path,
                         image->width, image->height, (unsigned long long)width, (unsigned long long)height);
    if (resample == PARE_RESAMPLE_NEAREST) return take_nearest(image, path, (uint32_t)width, (uint32_t)height);
    return filter(image, path, (uint32_t)width, (uint32_t)height, resample);
}

/* Where the middle begins along one side, in the picture and in what comes out. */
static void middle(uint32_t in, uint32_t out, uint32_t *from, uint32_t *to) {
    *from = in > out ? (in - out) / 2 : 0;
    *to = out > in ? (out - in) / 2 : 0;
}

pare_status pare_image_crop(pare_image *image, const char *path, uint32_t width, uint32_t height) {
    uint32_t from_x, from_y, to_x, to_y;
    pare_image out;
    PARE_TRY(pare_image_new(path, width, height, image->channels, &out));
    middle(image->width, width, &from_x, &to_x);
    middle(image->height, height, &from_y, &to_y);
    size_t channels = image->channels, columns = image->width < width ? image->width : width;
    uint32_t rows = image->height < height ? image->height : height;
    memset(out.pixels, 0, (size_t)width * height * channels);
    for (uint32_t y = 0; y < rows; y++)
        memcpy(out.pixels + ((size_t)(to_y + y) * width + to_x) * channels,
               image->pixels + ((size_t)(from_y + y) * image->width + from_x) * channels, columns * channels);
    replace(image, &out);
    return PARE_OK;
}
