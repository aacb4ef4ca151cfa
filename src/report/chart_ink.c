#include "report/chart_ink.h"
#include "support/text_stream.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

/* The next character of a text, U+FFFD for a byte that is part of none and for what XML has not; 0 at the end. */
static utf8proc_int32_t next_character(const char **text) {
    utf8proc_int32_t point;
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)*text;
    if (!*bytes) return 0;
    utf8proc_ssize_t used = utf8proc_iterate(bytes, -1, &point);
    *text += used > 0 ? used : 1;
    if (used <= 0 || point == 0xfffe || point == 0xffff || (point < 0x20 && point != '\t' && point != '\n') ||
        (point >= 0x7f && point < 0xa0))
        return 0xfffd;
    return point == '\t' || point == '\n' ? ' ' : point;
}

static void put_character(FILE *out, utf8proc_int32_t point) {
    utf8proc_uint8_t bytes[4];
    if (point == '&' || point == '<' || point == '>' || point == '"' || point == '\'')
        fprintf(out, "&#%d;", (int)point);
    else
        fwrite(bytes, 1, (size_t)utf8proc_encode_char(point, bytes), out);
}

void pare_ink_text(FILE *out, const char *text) {
    if (!text) return;
    for (utf8proc_int32_t point; (point = next_character(&text));)
        put_character(out, point);
}

size_t pare_ink_length(const char *text) {
    size_t length = 0;
    while (text && next_character(&text))
        length++;
    return length;
}

void pare_ink_text_cut(FILE *out, const char *text, size_t most) {
    bool whole = pare_ink_length(text) <= most;
    for (size_t i = 0; text && *text && (whole || i + 1 < most); i++)
        put_character(out, next_character(&text));
    if (!whole) put_character(out, 0x2026);
}

/* Without what C writes and nobody reads: 1e-06, 1e+12. */
static void shorten(char *text) {
    char *e = strchr(text, 'e');
    if (!e) return;
    char *digits = e[1] == '-' ? e + 2 : e + 1, *first = e + 1;
    first += strspn(first, "+-");
    first += strspn(first, "0");
    memmove(digits, first, strlen(first) + 1);
}

void pare_ink_number(char text[PARE_INK_NUMBER], double value) {
    if (!isfinite(value))
        snprintf(text, PARE_INK_NUMBER, "not finite");
    else if (fabs(value) < 1e15 && (fabs(value) >= 1e5 || !(fabs(value - round(value)) > 0.0)))
        snprintf(text, PARE_INK_NUMBER, "%.0f", fabs(value) > 0.0 ? value : 0.0);
    else
        snprintf(text, PARE_INK_NUMBER, "%.5g", value);
    if (isfinite(value)) shorten(text);
}

/* With `digits` digits, and a suffix for thousands. */
static void write_scaled(char text[PARE_INK_NUMBER], double value, int digits) {
    static const struct {
        double from;
        const char *suffix;
    } scales[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}};
    double size = fabs(value);
    for (size_t i = 0; size < 1e15 && i < sizeof scales / sizeof *scales; i++)
        if (size >= scales[i].from * (1.0 - 1e-9)) {
            double unit = scales[i].from > 1e5 ? scales[i].from : 1e3;
            snprintf(text, PARE_INK_NUMBER, "%.*g%s", digits, value / unit, scales[i].suffix);
            return;
        }
    snprintf(text, PARE_INK_NUMBER, "%.*g", size < 1e4 && size >= pow(10.0, digits) ? 4 : digits,
             size > 0.0 ? value : 0.0);
    shorten(text);
}

void pare_ink_tick(char text[PARE_INK_NUMBER], double value) {
    write_scaled(text, value, 5);
}

void pare_ink_short(char text[PARE_INK_NUMBER], double value) {
    write_scaled(text, value, 3);
}

/* Where a line that begins at text ends: at the last space that fits, or where it must. */
static const char *line_end(const char *text, size_t most) {
    const char *at = text, *space = NULL;
    for (size_t i = 0; *at && i < most; i++) {
        if (*at == ' ' || *at == '\n') space = at;
        next_character(&at);
    }
    return *at && space && space > text ? space : at;
}

size_t pare_ink_lines(FILE *out, const char *text, size_t most, double x, double leading) {
    size_t lines = 0;
    for (const char *end; text && *text; text = *end == ' ' || *end == '\n' ? end + 1 : end, lines++) {
        end = line_end(text, most);
        if (!out) continue;
        fprintf(out, "<tspan x=\"%.1f\" dy=\"%.1f\">", x, lines ? leading : 0.0);
        for (const char *at = text; at < end;)
            put_character(out, next_character(&at));
        fputs("</tspan>", out);
    }
    return lines;
}

void pare_ink_heat(char text[8], double share) {
    /* Cividis (Nunez, Anderton and Renslow 2018) at eighths. */
    static const unsigned char stops[9][3] = {{0, 34, 78},     {24, 56, 110},   {58, 78, 108},
                                              {87, 100, 111},  {113, 122, 118}, {139, 146, 120},
                                              {169, 171, 111}, {203, 198, 92},  {254, 232, 56}};
    double at = 8.0 * fmin(fmax(share, 0.0), 1.0);
    int low = at >= 8.0 ? 7 : (int)at;
    double part = at - low;
    unsigned rgb[3];
    for (int i = 0; i < 3; i++)
        rgb[i] = (unsigned)lround((1.0 - part) * stops[low][i] + part * stops[low + 1][i]);
    snprintf(text, 8, "#%02x%02x%02x", rgb[0] & 255u, rgb[1] & 255u, rgb[2] & 255u);
}

bool pare_ink_begin(pare_ink_sheet *sheet) {
    *sheet = (pare_ink_sheet){0};
    sheet->out = pare_text_stream(&sheet->text, &sheet->bytes);
    if (!sheet->out) return false;
    locale_t plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    sheet->locale = plain;
    if (plain) sheet->before = uselocale(plain);
    return true;
}

char *pare_ink_end(pare_ink_sheet *sheet) {
    bool failed = ferror(sheet->out) != 0 || !sheet->locale;
    failed |= fclose(sheet->out) != 0;
    if (sheet->locale) {
        uselocale((locale_t)sheet->before);
        freelocale((locale_t)sheet->locale);
    }
    if (!failed) return sheet->text;
    free(sheet->text);
    return NULL;
}
