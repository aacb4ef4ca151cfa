#include "select/element_mask.h"

#include <string.h>

/* PLANES bits count the rows. */
enum { WORD = 64, PLANES = 40 };

static int64_t row_kept(const uint64_t *row, int64_t words) {
    int64_t kept = 0;
    for (int64_t i = 0; i < words; i++)
        kept += __builtin_popcountll(row[i]);
    return kept;
}

/* kept[64]: of the columns of one word, over all rows. The counters of 64 columns lie across the words of `plane`, bit
 * p of each in plane[p], so that one row is added by a few ands and exclusive ors. */
static void columns_kept(const pare_element_mask *mask, int64_t word, int64_t *kept) {
    uint64_t plane[PLANES] = {0};
    memset(kept, 0, WORD * sizeof *kept);
    for (int64_t row = 0; row < mask->rows; row++) {
        uint64_t carry = mask->word[row * mask->stride + word];
        for (int p = 0; carry; p++) {
            uint64_t both = plane[p] & carry;
            plane[p] ^= carry;
            carry = both;
        }
    }
    for (int p = 0; p < PLANES; p++)
        for (int i = 0; i < WORD; i++)
            kept[i] += (int64_t)(plane[p] >> i & 1) << p;
}

/* Spread of the densities of lines of the same length around their mean. */
typedef struct spread {
    int64_t lines, empty;
    double squares; /* of density - mean */
} spread;

static void add_line(spread *s, int64_t kept, int64_t length, double mean) {
    double off = (double)kept / (double)length - mean;
    s->lines++;
    s->empty += kept == 0;
    s->squares += off * off;
}

static double stripes(const spread *s, int64_t length, double density) {
    double expected = density * (1.0 - density) / (double)length;
    return expected > 0.0 ? s->squares / (double)s->lines / expected : 0.0;
}

/* Kept in columns [first, end) of a row. */
static int64_t stretch_kept(const uint64_t *row, int64_t first, int64_t end) {
    int64_t kept = 0;
    while (first < end) {
        int64_t bit = first % WORD, n = end - first < WORD - bit ? end - first : WORD - bit;
        uint64_t bits = row[first / WORD] >> bit;
        kept += __builtin_popcountll(n < WORD ? bits & (((uint64_t)1 << n) - 1) : bits);
        first += n;
    }
    return kept;
}

static float tile_density(const pare_element_mask *mask, int64_t top, int64_t bottom, int64_t left, int64_t right) {
    int64_t kept = 0;
    for (int64_t row = top; row < bottom; row++)
        kept += stretch_kept(mask->word + row * mask->stride, left, right);
    return (float)((double)kept / (double)((bottom - top) * (right - left)));
}

static void fill_bins(const pare_element_mask *mask, pare_mask_statistics *out) {
    int64_t down = mask->rows < PARE_DENSITY_BINS ? mask->rows : PARE_DENSITY_BINS;
    int64_t across = mask->columns < PARE_DENSITY_BINS ? mask->columns : PARE_DENSITY_BINS;
    out->bin_rows = down;
    out->bin_columns = across;
    for (int64_t i = 0; i < down; i++)
        for (int64_t j = 0; j < across; j++)
            out->bins[i * across + j] = tile_density(mask, i * mask->rows / down, (i + 1) * mask->rows / down,
                                                     j * mask->columns / across, (j + 1) * mask->columns / across);
}

void pare_element_mask_statistics(const pare_element_mask *mask, pare_mask_statistics *out) {
    *out = (pare_mask_statistics){0};
    if (mask->rows == 0 || mask->columns == 0) return;
    double density = (double)pare_element_mask_kept(mask) / ((double)mask->rows * (double)mask->columns);
    spread by_row = {0}, by_column = {0};
    for (int64_t row = 0; row < mask->rows; row++)
        add_line(&by_row, row_kept(mask->word + row * mask->stride, mask->stride), mask->columns, density);
    for (int64_t word = 0; word < mask->stride; word++) {
        int64_t kept[WORD];
        columns_kept(mask, word, kept);
        for (int64_t i = 0; i < WORD && word * WORD + i < mask->columns; i++)
            add_line(&by_column, kept[i], mask->rows, density);
    }
    out->density = density;
    out->empty_rows = by_row.empty;
    out->empty_columns = by_column.empty;
    out->row_stripes = stripes(&by_row, mask->columns, density);
    out->column_stripes = stripes(&by_column, mask->rows, density);
    fill_bins(mask, out);
}
